//! `artifact`: look at one artifact, or write its files.

use std::io::{Read as _, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{Context, Exit, Failure, Output};
use crate::control::client::{Client, ClientError};
use crate::control::protocol::artifact::{Artifact, Create};
use crate::domain::authoring::Fields;

/// Show, edit, create or remove an artifact
///
/// Writes the artifact's entry file and its entry in collection.toml, both or neither, and the database in the same
/// moment. Every byte that is not about the edited field stays as it is.
#[derive(Debug, Args)]
pub(super) struct ArtifactArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is known about an artifact
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Set fields of an artifact
    Edit {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        fields: FieldArgs,
        /// Only if nothing has changed since this ETag was shown
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
    },
    /// Make a skill, command, agent or soul from a text
    Create {
        /// Its type and name, for example skill:pdf
        #[arg(value_name = "TYPE:NAME")]
        id: String,
        /// The text of its entry file; standard input without it
        #[arg(long, value_name = "PATH")]
        file: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        fields: FieldArgs,
    },
    /// Remove an artifact and its files
    Remove {
        #[command(flatten)]
        which: Which,
        /// Only if nothing has changed since this ETag was shown
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Its type and name, for example skill:pdf
    #[arg(value_name = "TYPE:NAME")]
    id: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// In this collection, by the name of its directory
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An empty value takes the field away.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fields (an empty value takes the field away)")]
struct FieldArgs {
    /// A heading for people
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who wrote it
    #[arg(long, value_name = "TEXT")]
    author: Option<String>,
    /// Under which licence
    #[arg(long, value_name = "TEXT")]
    license: Option<String>,
    /// The author's version
    #[arg(long, value_name = "TEXT")]
    set_version: Option<String>,
    /// Tags, separated by commas
    #[arg(long, value_name = "LIST")]
    tags: Option<String>,
    /// Tools, separated by commas
    #[arg(long, value_name = "LIST")]
    tools: Option<String>,
}

impl From<FieldArgs> for Fields {
    fn from(args: FieldArgs) -> Self {
        let text = |text: Option<String>| text.map(|text| Some(text).filter(|text| !text.is_empty()));
        let list = |text: Option<String>| {
            let items = |text: String| {
                text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
            };
            text.map(|text| Some(items(text)))
        };
        Self {
            title: text(args.title),
            description: text(args.description),
            author: text(args.author),
            license: text(args.license),
            version: text(args.set_version),
            tags: list(args.tags),
            tools: list(args.tools),
        }
    }
}

pub(super) fn run(args: ArtifactArgs, context: &Context) -> anyhow::Result<Exit> {
    match args.command {
        Command::Show { which: Which { id, common } } => {
            ask(context, &common, async |client| client.artifact(&id, common.collection.as_deref()).await, "")
        }
        Command::Edit { which: Which { id, common }, fields, if_match } => {
            let fields = Fields::from(fields);
            if fields == Fields::default() {
                return Err(Failure::new(Exit::Usage, "there is nothing to set")
                    .hint("name at least one field, for example --description TEXT")
                    .into());
            }
            let if_match = if_match.map(quoted);
            let edit = async |client: Client| {
                client.edit(&id, common.collection.as_deref(), &fields, if_match.as_deref()).await
            };
            ask(context, &common, edit, "edited")
        }
        Command::Create { id, file, common, fields } => {
            let content = match &file {
                Some(path) => std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?,
                None => {
                    let mut text = String::new();
                    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
                    text
                }
            };
            let (kind, name) = id.split_once(':').ok_or_else(|| {
                Failure::new(Exit::Usage, format!("`{id}` is not TYPE:NAME")).hint("write it as skill:pdf")
            })?;
            let create = Create {
                kind: kind.to_owned(),
                name: name.to_owned(),
                content,
                collection: common.collection.clone(),
                metadata: fields.into(),
            };
            ask(context, &common, async |client| client.create(&create).await, "made")
        }
        Command::Remove { which: Which { id, common }, if_match } => {
            let if_match = if_match.map(quoted);
            let remove = async |client: Client| {
                client.remove(&id, common.collection.as_deref(), if_match.as_deref()).await
            };
            ask(context, &common, remove, "removed")
        }
    }
}

/// An `ETag` as HTTP spells it. The shell takes the quotes off, and JSON has none.
fn quoted(etag: String) -> String {
    if etag == "*" || etag.contains('"') { etag } else { format!("\"{etag}\"") }
}

fn ask(
    context: &Context,
    common: &Common,
    question: impl AsyncFnOnce(Client) -> Result<Artifact, ClientError>,
    done: &str,
) -> anyhow::Result<Exit> {
    let artifact = context.ask(|client| question(client))?;
    let mut out = Output::stdout();
    if common.json {
        out.json(&artifact)?;
    } else {
        render(&mut out, &artifact, done)?;
    }
    out.finish()?;
    Ok(Exit::Done)
}

fn render(out: &mut impl Write, artifact: &Artifact, done: &str) -> std::io::Result<()> {
    let about = if done.is_empty() { String::new() } else { format!("  ({done})") };
    writeln!(out, "{}{about}", artifact.id)?;
    let place = artifact.entry_file.as_ref().unwrap_or(&artifact.path);
    writeln!(out, "in           collections/{}/{place}", artifact.collection)?;
    let metadata = &artifact.metadata;
    let texts = [
        ("title", &metadata.title),
        ("description", &metadata.description),
        ("author", &metadata.author),
        ("license", &metadata.license),
        ("version", &metadata.version),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            writeln!(out, "{name:<12} {}", value.replace('\n', "\n             "))?;
        }
    }
    for (name, list) in [("tags", &metadata.tags), ("tools", &metadata.tools)] {
        if !list.is_empty() {
            writeln!(out, "{name:<12} {}", list.join(", "))?;
        }
    }
    writeln!(out, "etag         \"{}\"", artifact.etag)?;
    if !artifact.mirrored {
        writeln!(out, "The database does not say so yet; `skillmeatd status` says why.")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::Metadata;

    #[test]
    fn an_artifact_on_one_screen() {
        let artifact = Artifact {
            id: "skill:pdf".into(),
            collection: "default".into(),
            path: "skills/pdf".into(),
            entry_file: Some("skills/pdf/SKILL.md".into()),
            metadata: Metadata {
                description: Some("One\ntwo".into()),
                tags: vec!["a".into(), "b".into()],
                ..Metadata::default()
            },
            etag: "0a".into(),
            mirrored: true,
            ..Artifact::default()
        };
        let mut text = Vec::new();
        render(&mut text, &artifact, "edited").unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "skill:pdf  (edited)\nin           collections/default/skills/pdf/SKILL.md\ndescription  One\n             two\n\
             tags         a, b\netag         \"0a\"\n"
        );
    }

    #[test]
    fn an_etag_may_come_without_its_quotes() {
        for (given, sent) in [("0a", "\"0a\""), ("\"0a\"", "\"0a\""), ("*", "*")] {
            assert_eq!(quoted(given.to_owned()), sent);
        }
    }

    #[test]
    fn an_empty_value_takes_a_field_away_and_no_value_leaves_it() {
        let none = FieldArgs {
            title: None,
            description: Some(String::new()),
            author: Some("A".into()),
            license: None,
            set_version: None,
            tags: Some(" a, ,b ".into()),
            tools: Some(String::new()),
        };
        let fields = Fields::from(none);
        assert_eq!((fields.title, fields.description), (None, Some(None)));
        assert_eq!(fields.tags, Some(Some(vec!["a".into(), "b".into()])));
        assert_eq!(fields.tools, Some(Some(vec![])));
    }
}
