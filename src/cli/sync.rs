//! `sync`: one complete comparison, here or by the running daemon.

use clap::Args;

use super::{Context, Exit};

/// Bring the database up to date and say what changed
///
/// Asks the running daemon and returns when everything that happened before the call is applied. With --once
/// no daemon is needed: this process does one complete pass itself.
#[derive(Debug, Args)]
pub(super) struct SyncArgs {
    /// Do one pass in this process instead of asking the daemon
    #[arg(long)]
    once: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: SyncArgs, context: &Context) -> anyhow::Result<Exit> {
    let SyncArgs { once, json } = args;
    let _ = (context.config()?, once, json);
    anyhow::bail!("`sync` is not joined to the daemon on this branch")
}
