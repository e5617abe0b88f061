//! `run`: the daemon in the foreground.

use clap::Args;

use super::{Context, Exit};

/// Keep files and database in step until stopped
///
/// Stays in the foreground and logs to standard error, or to the journal under systemd. SIGTERM or Ctrl-C
/// ends it cleanly, a second one at once; SIGHUP reads the configuration again.
#[derive(Debug, Args)]
pub(super) struct RunArgs {}

pub(super) fn run(args: RunArgs, context: &Context) -> anyhow::Result<Exit> {
    let RunArgs {} = args;
    let _ = (context.config()?, ());
    anyhow::bail!("`run` is not joined to the daemon on this branch")
}
