//! `run`: the daemon in the foreground.

use anyhow::Context as _;
use clap::Args;

use super::{Context, Exit};
use crate::{daemon, observe};

/// Keep files and database in step until stopped
///
/// Stays in the foreground and logs to standard error, or to the journal under systemd. SIGTERM or Ctrl-C
/// ends it cleanly, a second one at once; SIGHUP reads the configuration again.
#[derive(Debug, Args)]
pub(super) struct RunArgs {}

pub(super) fn run(RunArgs {}: RunArgs, context: &Context) -> anyhow::Result<Exit> {
    let config = context.config()?.config;
    let logging = observe::init(&config.log)?;
    let again = context.clone();
    let reload: daemon::Reload = Box::new(move || {
        let config = again.load_config()?.config;
        if let Err(error) = logging.set_level(&config.log.level) {
            tracing::error!(%error, "the log level stays as it was");
        }
        Ok(config)
    });
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(daemon::run(context.paths.clone(), config, reload))?;
    Ok(Exit::Done)
}
