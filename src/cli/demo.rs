//! `demo`: a try in a directory of its own.

use clap::Args;

use super::{Context, Exit};

/// Show a change travel from file to database, in a temporary home
///
/// Touches nothing of yours: it makes a home directory of its own, and removes it at the end.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {}

pub(super) fn run(args: DemoArgs, context: &Context) -> anyhow::Result<Exit> {
    let DemoArgs {} = args;
    let _ = (context.config()?, ());
    anyhow::bail!("`demo` is not joined to the daemon on this branch")
}
