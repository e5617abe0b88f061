//! `inspect`: what is read from one artifact or manifest.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{Context, Exit, Failure, Output};
use crate::domain::model::{Kind, Metadata, Problem};
use crate::fs::inspect::{InspectError, Inspection, inspect};

/// Show what is read from an artifact or a collection.toml
///
/// Prints the metadata, the problems and the fingerprints exactly as they would go to the database. Changes
/// nothing.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// An artifact file, an artifact directory, or a collection.toml
    path: PathBuf,
    /// Read it as this type of artifact instead of guessing
    #[arg(long = "type", value_name = "TYPE", value_parser = kind())]
    kind: Option<Kind>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn kind() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(|text| text.parse::<Kind>())
}

pub(super) fn run(args: InspectArgs, _: &Context) -> anyhow::Result<Exit> {
    let InspectArgs { path, kind, json } = args;
    let inspection = inspect(&path, kind).map_err(|error| match error {
        InspectError::UnknownKind(_) => Failure::new(Exit::Usage, error.to_string()).into(),
        error => anyhow::Error::from(error),
    })?;
    let mut out = Output::stdout();
    if json {
        out.json(&inspection)?;
    } else {
        render(&mut out, &inspection)?;
    }
    out.finish()?;
    Ok(Exit::Done)
}

fn render(out: &mut impl Write, inspection: &Inspection) -> std::io::Result<()> {
    match inspection {
        Inspection::Artifact { kind, metadata, hashes, problems } => {
            writeln!(out, "type           {kind}")?;
            fields(out, metadata)?;
            if let Some(hashes) = hashes {
                writeln!(out, "files          {}, {} bytes", hashes.file_count, hashes.total_size)?;
                writeln!(out, "content (lock) {}", hashes.lock_content_hash)?;
                writeln!(out, "content        {}", hashes.artifact_fingerprint)?;
                writeln!(out, "structure      {}", hashes.structure_hash)?;
            }
            tell(out, problems)
        }
        Inspection::Manifest {
            name,
            entries,
            unreadable,
            unnamed,
            groups,
            tag_definitions,
            problems,
            ..
        } => {
            writeln!(out, "collection     {}", name.as_deref().unwrap_or("(no name)"))?;
            for entry in entries {
                writeln!(
                    out,
                    "  {}  {}",
                    entry.id,
                    entry.metadata.description.as_deref().unwrap_or_default()
                )?;
            }
            writeln!(
                out,
                "{} entries, {} groups, {} tag definitions",
                entries.len(),
                groups.len(),
                tag_definitions.len()
            )?;
            if !unreadable.is_empty() || *unnamed > 0 {
                writeln!(out, "{} entries cannot be read", unreadable.len() + unnamed)?;
            }
            tell(out, problems)
        }
    }
}

fn fields(out: &mut impl Write, metadata: &Metadata) -> std::io::Result<()> {
    let texts = [
        ("title", &metadata.title),
        ("description", &metadata.description),
        ("author", &metadata.author),
        ("license", &metadata.license),
        ("version", &metadata.version),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            writeln!(out, "{name:<14} {text}")?;
        }
    }
    for (name, list) in [("tags", &metadata.tags), ("tools", &metadata.tools)] {
        if !list.is_empty() {
            writeln!(out, "{name:<14} {}", list.join(", "))?;
        }
    }
    Ok(())
}

fn tell(out: &mut impl Write, problems: &[Problem]) -> std::io::Result<()> {
    problems.iter().try_for_each(|problem| writeln!(out, "problem        {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_fields_hashes_and_problems() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("SKILL.md");
        std::fs::write(&path, "---\nname: x\ndescription: Does x\ntags: [a, b]\n---\nbody\n").unwrap();
        let mut text = Vec::new();
        render(&mut text, &inspect(&path, None).unwrap()).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.starts_with("type           skill\ndescription    Does x\ntags           a, b\n"),
            "{text}"
        );
        assert!(text.contains("files          1, 54 bytes\n"), "{text}");
        assert!(!text.contains("problem"), "{text}");
    }
}
