//! `resume`: confirms removals that were halted.

use std::io::Write;

use clap::Args;

use super::{Context, Exit, Output};

/// Let a halted collection go on
///
/// A collection is halted when a single change would remove most of it, or its manifest is suddenly empty or
/// missing. `skillmeatd status` shows which one and why. This confirms that the removals are meant.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The collection, by the name of its directory
    #[arg(value_name = "COLLECTION")]
    collection: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: ResumeArgs, context: &Context) -> anyhow::Result<Exit> {
    let ResumeArgs { collection, json } = args;
    let resumed = context.ask(|client| async move { client.resume(&collection).await })?;
    let mut out = Output::stdout();
    if json {
        out.json(&resumed)?;
    } else {
        writeln!(
            out,
            "collection {}: the rows of {} artifacts are removed",
            resumed.collection,
            resumed.removed.len()
        )?;
        for artifact in &resumed.removed {
            writeln!(out, "  {artifact}")?;
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}
