//! `problems`: what could not be taken at face value.

use std::io::Write;

use clap::Args;

use super::{Context, Exit, Output};

/// List what could not be read, with file, line and column
///
/// A problem never removes anything: the database keeps the last good state until the file is right again.
#[derive(Debug, Args)]
pub(super) struct ProblemsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: ProblemsArgs, context: &Context) -> anyhow::Result<Exit> {
    let ProblemsArgs { json } = args;
    let problems = context.ask(|client| async move { client.problems().await })?;
    let mut out = Output::stdout();
    if json {
        out.json(&problems)?;
    } else if problems.problems.is_empty() {
        writeln!(out, "no problems")?;
    } else {
        for problem in &problems.problems {
            writeln!(out, "{problem}")?;
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}
