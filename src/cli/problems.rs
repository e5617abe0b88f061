//! `problems`: what could not be read.

use clap::Args;

use super::{Context, Exit, Failure};

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
    let _ = (context.config()?, json);
    Err(Failure::new(Exit::NotRunning, "the daemon cannot be asked on this branch")
        .hint("this command is joined to the control socket on merge")
        .because(std::io::Error::from(std::io::ErrorKind::Unsupported))
        .into())
}
