//! `status`: how the running daemon is.

use clap::Args;

use super::{Context, Exit, Failure};

/// Ask the running daemon how it is
///
/// Shows what is watched and how, how far behind the database is, and what needs a person. Exit code 3 if no
/// daemon runs, 4 if a collection is halted or there are conflicts.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: StatusArgs, context: &Context) -> anyhow::Result<Exit> {
    let StatusArgs { json } = args;
    let _ = (context.config()?, json);
    Err(Failure::new(Exit::NotRunning, "the daemon cannot be asked on this branch")
        .hint("this command is joined to the control socket on merge")
        .because(std::io::Error::from(std::io::ErrorKind::Unsupported))
        .into())
}
