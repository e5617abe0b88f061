//! `stale`: rows that nobody has verified for a while.

use std::io::Write;

use clap::Args;

use super::{Context, Exit, Output};
use crate::control::protocol::Stale;

/// List rows that were not verified against their files for too long
///
/// A running daemon verifies rows before they go stale, so what is listed usually stands for artifacts whose files are
/// missing or whose collection is halted. `staleness.ttl` says how long is too long.
#[derive(Debug, Args)]
pub(super) struct StaleArgs {
    /// Only this collection, by its id in the database
    #[arg(long, value_name = "ID")]
    collection: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: StaleArgs, context: &Context) -> anyhow::Result<Exit> {
    let StaleArgs { collection, json } = args;
    let stale = context.ask(|client| async move { client.stale(collection.as_deref()).await })?;
    let mut out = Output::stdout();
    if json {
        out.json(&stale)?;
    } else {
        render(&mut out, &stale)?;
    }
    out.finish()?;
    Ok(Exit::Done)
}

fn render(out: &mut impl Write, stale: &Stale) -> std::io::Result<()> {
    for collection in &stale.collections {
        writeln!(
            out,
            "collection {}: {} of {} rows stale ({} %), {} of them never verified; the oldest was verified {} s ago, of \
             {} s at most",
            collection.name,
            collection.stale,
            collection.total,
            collection.percentage_stale,
            collection.never,
            collection.oldest_age_seconds.round(),
            collection.ttl_seconds,
        )?;
    }
    for row in &stale.artifacts {
        let when = row.synced_at.as_deref().unwrap_or("never verified");
        writeln!(out, "  {}  {}  {when}", row.collection, row.artifact)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{StaleCollection, StaleItem};

    #[test]
    fn a_line_a_collection_and_a_line_a_row() {
        let stale = Stale {
            schema: 1,
            collections: vec![StaleCollection {
                name: "default".into(),
                total: 40,
                stale: 1,
                fresh: 39,
                never: 0,
                oldest_age_seconds: 1999.6,
                percentage_stale: 2.5,
                ttl_seconds: 1800,
            }],
            artifacts: vec![StaleItem {
                collection: "default".into(),
                artifact: "skill:pdf".into(),
                synced_at: Some("2026-01-01T00:00:00".into()),
            }],
        };
        let mut text = Vec::new();
        render(&mut text, &stale).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "collection default: 1 of 40 rows stale (2.5 %), 0 of them never verified; the oldest was verified 2000 s \
             ago, of 1800 s at most\n  default  skill:pdf  2026-01-01T00:00:00\n"
        );
    }
}
