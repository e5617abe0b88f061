//! `resume`: confirms removals that were halted.

use clap::Args;

use super::{Context, Exit, Failure};

/// Let a halted collection go on
///
/// A collection is halted when a single change would remove most of it, or its manifest is suddenly empty or
/// missing. `skillmeatd status` shows which one and why. This confirms that the removals are meant.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The collection, by the name of its directory
    #[arg(value_name = "COLLECTION")]
    collection: String,
}

pub(super) fn run(args: ResumeArgs, context: &Context) -> anyhow::Result<Exit> {
    let ResumeArgs { collection } = args;
    let _ = (context.config()?, collection);
    Err(Failure::new(Exit::NotRunning, "the daemon cannot be asked on this branch")
        .hint("this command is joined to the control socket on merge")
        .because(std::io::Error::from(std::io::ErrorKind::Unsupported))
        .into())
}
