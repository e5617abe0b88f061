//! `conflicts`: what was changed on both sides at once, and which side it is decided for.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Context, Exit, Failure, Output};
use crate::control::protocol::review::{Conflict, Conflicts, Resolve, Side};

/// Look through what was changed on the web and by hand at once, and decide
///
/// When a group or a tag was changed in the database and in collection.toml before either change was carried over, the
/// database's value is taken and the file's is kept here, until you say which one you want.
#[derive(Debug, Args)]
pub(super) struct ConflictsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what waits for a decision; exit code 4 if anything does
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one conflict with both values
    Show {
        /// The conflict's id, or its beginning
        #[arg(value_name = "ID")]
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Decide conflicts for one side
    Resolve {
        /// The conflicts' ids, or their beginnings
        #[arg(value_name = "ID", required_unless_present = "all")]
        ids: Vec<String>,
        /// Every conflict there is
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// Keep what the database has, and forget the file's value
        #[arg(long, required_unless_present = "theirs")]
        ours: bool,
        /// Take what the file had, in database and file
        #[arg(long, conflicts_with = "ours")]
        theirs: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: ConflictsArgs, context: &Context) -> anyhow::Result<Exit> {
    let conflicts = context.ask(|client| async move { client.conflicts().await })?;
    let mut out = Output::stdout();
    let exit = match args.command {
        Command::List { json } => {
            if json {
                out.json(&conflicts)?;
            } else {
                list(&mut out, &conflicts)?;
            }
            if conflicts.conflicts.is_empty() { Exit::Done } else { Exit::Attention }
        }
        Command::Show { id, json } => {
            let conflict = find(&conflicts, &id)?;
            if json {
                out.json(conflict)?;
            } else {
                show(&mut out, conflict)?;
            }
            Exit::Done
        }
        Command::Resolve { ids, all, ours, theirs: _, json } => {
            let side = if ours { Side::Ours } else { Side::Theirs };
            let ids = if all {
                None
            } else {
                let ids = ids.iter().map(|id| Ok(find(&conflicts, id)?.id.clone()));
                Some(ids.collect::<anyhow::Result<Vec<_>>>()?)
            };
            let resolve = Resolve { ids, side };
            let resolved = context.ask(|client| async move { client.resolve(&resolve).await })?;
            if json {
                out.json(&resolved)?;
            } else {
                writeln!(out, "{} decided", resolved.resolved.len())?;
            }
            Exit::Done
        }
    };
    out.finish()?;
    Ok(exit)
}

fn find<'a>(conflicts: &'a Conflicts, id: &str) -> anyhow::Result<&'a Conflict> {
    let mut found = conflicts.conflicts.iter().filter(|conflict| conflict.id.starts_with(id));
    match (found.next(), found.next()) {
        (Some(conflict), None) => Ok(conflict),
        (Some(exact), Some(_)) if exact.id == id => Ok(exact),
        (Some(_), Some(_)) => Err(Failure::new(Exit::Usage, format!("several conflicts begin with {id}"))
            .hint("write more of the id; `skillmeatd conflicts list` shows them")
            .into()),
        (None, _) => Err(Failure::new(Exit::Failed, format!("there is no conflict {id}"))
            .hint("`skillmeatd conflicts list` shows what there is")
            .into()),
    }
}

fn list(out: &mut impl Write, conflicts: &Conflicts) -> io::Result<()> {
    if conflicts.conflicts.is_empty() {
        return writeln!(out, "no conflicts");
    }
    for conflict in &conflicts.conflicts {
        writeln!(out, "{}  {}: {}", conflict.id, conflict.collection, conflict.about)?;
    }
    writeln!(out, "decide with: skillmeatd conflicts resolve --ours|--theirs ID…")
}

fn show(out: &mut impl Write, conflict: &Conflict) -> io::Result<()> {
    writeln!(out, "conflict    {}", conflict.id)?;
    writeln!(out, "collection  {}", conflict.collection)?;
    writeln!(out, "about       {}", conflict.about)?;
    writeln!(out, "noticed     {}", conflict.noticed_at)?;
    writeln!(out, "ours        {}", value(&conflict.ours))?;
    writeln!(out, "theirs      {}", value(&conflict.theirs))
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "(nothing)".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conflict(id: &str) -> Conflict {
        Conflict {
            id: id.into(),
            collection: "default".into(),
            noticed_at: "2026-01-01T00:00:00.000Z".into(),
            about: "color of group Auth".into(),
            ours: json!("green"),
            theirs: Value::Null,
        }
    }

    #[test]
    fn a_conflict_is_found_by_the_beginning_of_its_id() {
        let conflicts =
            Conflicts { schema: 1, conflicts: vec![conflict("ab12"), conflict("ab"), conflict("c")] };
        assert_eq!(find(&conflicts, "c").unwrap().id, "c");
        assert_eq!(find(&conflicts, "ab1").unwrap().id, "ab12");
        assert!(find(&conflicts, "a").is_err());
        assert!(find(&conflicts, "x").is_err());
    }

    #[test]
    fn one_conflict_is_shown_with_both_values() {
        let mut text = Vec::new();
        show(&mut text, &conflict("ab12")).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "conflict    ab12\n\
             collection  default\n\
             about       color of group Auth\n\
             noticed     2026-01-01T00:00:00.000Z\n\
             ours        \"green\"\n\
             theirs      (nothing)\n"
        );
    }
}
