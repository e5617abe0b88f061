//! `sync`: one complete reconcile, by the running daemon or here.

use std::time::Duration;

use std::io::Write;

use anyhow::Context as _;
use clap::Args;

use super::progress::Progress;
use super::{Context, Exit, Failure, Output};
use crate::config;
use crate::control::protocol::{SyncRequest, Synced};
use crate::daemon::lifecycle::LockError;
use crate::daemon::{OnceError, once};
use crate::domain::reactor::Setback;
use crate::observe;

/// Bring the database up to date and say what changed
///
/// Asks the running daemon to look at everything, and returns when it has. With --wait the daemon relies on its file
/// events, which takes a few milliseconds however many artifacts there are: it returns when everything that happened
/// before is applied, in files and database. With --once no daemon is needed: this process does one complete pass
/// itself, and waits out the grace period of removals; if a daemon does run, it is asked all the same.
#[derive(Debug, Args)]
pub(super) struct SyncArgs {
    /// Do one pass in this process if no daemon runs
    #[arg(long, conflicts_with_all = ["wait", "collection", "artifact"])]
    once: bool,
    /// Only wait until everything that happened before is applied
    #[arg(long)]
    wait: bool,
    /// Read this collection directory again, and no other
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Read this artifact again, in --collection or wherever it is
    #[arg(long, value_name = "TYPE:NAME")]
    artifact: Option<String>,
    /// Give up after this long, for example 500ms or 2m; what was asked for goes on
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m")]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: SyncArgs, context: &Context) -> anyhow::Result<Exit> {
    let SyncArgs { once, wait, collection, artifact, timeout, json } = args;
    let request = SyncRequest {
        full: !wait && collection.is_none() && artifact.is_none(),
        collection,
        artifact,
        since: None,
        timeout_ms: Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
    };
    let synced = if once { here(context)? } else { ask(context, request)? };
    let mut out = Output::stdout();
    if json {
        out.json(&synced)?;
    } else {
        render(&mut out, &synced)?;
    }
    out.finish()?;
    Ok(if synced.halts.is_empty() && synced.conflicts == 0 { Exit::Done } else { Exit::Attention })
}

fn duration(text: &str) -> Result<Duration, String> {
    config::parse_duration(text, &(Duration::from_millis(1)..=Duration::from_mins(10)))
}

fn ask(context: &Context, request: SyncRequest) -> anyhow::Result<Synced> {
    context.ask(|client| async move { client.sync(&request).await })
}

/// One pass by this process; by the daemon, if one runs.
pub(super) fn here(context: &Context) -> anyhow::Result<Synced> {
    let config = context.config()?.config;
    observe::init(&config.log)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let progress = Progress::start();
    let result = runtime.block_on(once(context.paths.clone(), config, |what| progress.say(what)));
    drop(progress);
    match result {
        Ok(synced) => Ok(synced),
        Err(OnceError::Lock(LockError::Held { .. })) => {
            ask(context, SyncRequest { full: true, ..SyncRequest::default() })
        }
        Err(OnceError::Setback { setback, why }) => Err(match setback {
            Setback::CacheUnusable => Failure::new(Exit::Database, why),
            Setback::HomeMissing => Failure::new(Exit::Failed, why)
                .hint("`skillmeat init` makes it; `skillmeatd run` waits for it"),
            Setback::Transient => Failure::new(Exit::Failed, why).hint("try again"),
        }
        .into()),
        Err(error) => Err(error.into()),
    }
}

fn render(out: &mut impl Write, synced: &Synced) -> std::io::Result<()> {
    let done = &synced.reconcile;
    let (ms, us) = (done.took_us / 1000, done.took_us % 1000);
    match synced.applied.rows {
        0 => writeln!(out, "{} artifacts, already in step ({ms}.{us:03} ms)", done.artifacts)?,
        rows => writeln!(out, "{} artifacts, {rows} rows written ({ms}.{us:03} ms)", done.artifacts)?,
    }
    if synced.pending_removals > 0 {
        writeln!(out, "{} removals wait for their grace period", synced.pending_removals)?;
    }
    for halt in &synced.halts {
        writeln!(out, "halted: {}", halt.message)?;
    }
    if synced.conflicts > 0 {
        writeln!(out, "{} conflicts (`skillmeatd conflicts list` shows them)", synced.conflicts)?;
    }
    if synced.problems > 0 {
        writeln!(
            out,
            "{} problems (`skillmeatd problems` lists them while the daemon runs)",
            synced.problems
        )?;
    }
    Ok(())
}
