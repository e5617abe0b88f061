//! `trace`: the daemon's flight recorder.

use std::io::Write;

use clap::Args;

use super::{Context, Exit, Output};

/// Show what the running daemon noticed lately, and what it decided
///
/// The recorder is in memory and holds the last 2,000 entries: events as they came in, and what was done about them. It
/// names paths and holds no content, so it can go into a bug report.
#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    /// Show the last N entries
    #[arg(long, value_name = "N", default_value_t = 200)]
    last: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: TraceArgs, context: &Context) -> anyhow::Result<Exit> {
    let TraceArgs { last, json } = args;
    let trace = context.ask(|client| async move { client.trace(last).await })?;
    let mut out = Output::stdout();
    if json {
        out.json(&trace)?;
    } else {
        for entry in &trace.entries {
            let arrow = if entry.kind == "effect" { "  ->" } else { "" };
            write!(out, "{}{arrow} {}", entry.at, entry.what)?;
            match entry.times {
                1 => writeln!(out)?,
                times => writeln!(out, "  ({times} times)")?,
            }
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}
