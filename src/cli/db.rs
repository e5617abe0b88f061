//! `db`: what can be done about a cache database that cannot be used.

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::Path;

use anyhow::Context as _;
use chrono::Utc;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Context, Exit, Failure, Output, sync};
use crate::config::DatabaseCreate;
use crate::control::protocol::Synced;
use crate::db::{Aside, AsideError, Cache, DbError, Identity, set_aside};

/// Put a damaged cache database right
#[derive(Debug, Args)]
pub(super) struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Set the cache database aside and have another one made and filled
    ///
    /// Cures the half-made database that the web backend leaves when it is started before SkillMeat's command line was
    /// ever used, and any damaged one. Refuses while another process has the database open, and names it. The old
    /// files stay beside the new one, under another name. SkillMeat makes the new database if it is installed, and
    /// skillmeatd otherwise; then it is filled from the files. Does nothing to a database that is sound.
    Rebuild(RebuildArgs),
}

#[derive(Debug, Args)]
struct RebuildArgs {
    /// Do not ask; needed when standard input is no terminal
    #[arg(long)]
    yes: bool,
    /// Also if nothing is wrong with the database
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints. Fields are added, never renamed or removed, within a version of the schema.
#[derive(Debug, Serialize)]
struct Rebuilt {
    schema: u32,
    /// Whether anything was done.
    rebuilt: bool,
    /// Where the old database is now.
    aside: Option<String>,
    /// What the first pass over the new one did.
    synced: Option<Synced>,
}

pub(super) fn run(args: DbArgs, context: &Context) -> anyhow::Result<Exit> {
    let DbCommand::Rebuild(args) = args.command;
    let rebuilt = rebuild(&args, context)?;
    let mut out = Output::stdout();
    if args.json {
        out.json(&rebuilt)?;
    } else {
        render(&mut out, &rebuilt)?;
    }
    out.finish()?;
    Ok(Exit::Done)
}

fn rebuild(args: &RebuildArgs, context: &Context) -> anyhow::Result<Rebuilt> {
    let path = &context.paths.cache_db;
    let config = context.config()?.config;
    if config.database.create == DatabaseCreate::Never {
        return Err(Failure::new(
            Exit::Usage,
            "nobody would make the new database: database.create is \"never\"",
        )
        .hint("skillmeatd db rebuild --set database.create=auto, and the same for the daemon if one runs")
        .into());
    }
    let fault = fault(context)?;
    if fault.is_none() && !args.force {
        return Ok(Rebuilt { schema: 1, rebuilt: false, aside: None, synced: None });
    }
    let fault = fault.unwrap_or_else(|| "nothing is wrong with it".to_owned());
    if !args.yes && !agreed(path, &fault)? {
        return Err(Failure::new(Exit::Failed, "nothing was done").into());
    }
    let aside = set_aside(path, Utc::now().naive_utc()).map_err(refusal)?;
    match sync::here(context) {
        Ok(synced) => Ok(Rebuilt {
            schema: 1,
            rebuilt: true,
            aside: aside.map(|aside| aside.path.display().to_string()),
            synced: Some(synced),
        }),
        Err(error) => Err(after_failure(path, aside, error)),
    }
}

/// What is wrong with the database; `None` for a sound one.
fn fault(context: &Context) -> anyhow::Result<Option<String>> {
    let paths = &context.paths;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(async {
        let opened = match Cache::open(&paths.cache_db, &paths.home).await {
            // Whoever holds it is named when it cannot be set aside.
            Err(DbError::Busy) => return Ok(Some("the database is locked".to_owned())),
            opened => opened.context("cannot look at the database")?,
        };
        let Some(cache) = opened.cache else {
            return Ok(Some(match opened.identity {
                Identity::Absent | Identity::Empty => opened.identity.to_string(),
                unusable => format!("the database cannot be used: {unusable}"),
            }));
        };
        let complaints = cache.complaints().await;
        cache.close().await.context("cannot close the database")?;
        // A check that cannot be carried to its end is a complaint, too.
        let complaints = complaints.unwrap_or_else(|error| vec![super::exit::one_line(&error)]);
        Ok(complaints.first().map(|first| format!("the database is damaged: {first}")))
    })
}

/// Asks on a terminal.
fn agreed(path: &Path, fault: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "this needs a yes, and there is nobody to ask")
            .hint("skillmeatd db rebuild --yes")
            .into());
    }
    let mut ask = std::io::stderr().lock();
    write!(
        ask,
        "{fault}\n{path} and its companions are renamed, and a new database is made and filled from the files.\n\
         Deployment and usage history stays in the old one only.\nGo on? [y/N] ",
        path = path.display()
    )?;
    ask.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

fn refusal(error: AsideError) -> anyhow::Error {
    match error {
        AsideError::Held(holders) => {
            let ours = holders.iter().any(|holder| holder.name.starts_with("skillmeatd"));
            let hint = if ours {
                "stop the daemon first (systemctl --user stop skillmeatd, or Ctrl-C where it runs), and start it again \
                 afterwards"
            } else {
                "stop that first (the web backend, usually), and start it again afterwards"
            };
            Failure::new(Exit::Database, "the database is in use")
                .because(AsideError::Held(holders))
                .hint(hint)
                .into()
        }
        error @ AsideError::File { .. } => {
            Failure::new(Exit::Database, "the database cannot be set aside").because(error).into()
        }
    }
}

/// Nobody made another one: then the old one belongs back in its place.
fn after_failure(path: &Path, aside: Option<Aside>, error: anyhow::Error) -> anyhow::Error {
    let Some(aside) = aside else { return error };
    let place = aside.path.display().to_string();
    if path.exists() {
        return error.context(format!("the new database is not filled yet; the old one is {place}"));
    }
    match aside.put_back() {
        Ok(()) => error.context("no new database was made, and the old one is back in its place"),
        Err(_) => error.context(format!("no new database was made; the old one is {place}")),
    }
}

fn render(out: &mut impl Write, rebuilt: &Rebuilt) -> std::io::Result<()> {
    if !rebuilt.rebuilt {
        return writeln!(
            out,
            "nothing is wrong with the database; nothing was done (--force rebuilds it all the same)"
        );
    }
    if let Some(aside) = &rebuilt.aside {
        writeln!(out, "the old database is now {aside}")?;
    }
    if let Some(synced) = &rebuilt.synced {
        let done = &synced.reconcile;
        writeln!(out, "the new one has {} artifacts ({} rows written)", done.artifacts, done.rows)?;
        if synced.problems > 0 {
            writeln!(out, "{} problems (`skillmeatd doctor` lists them)", synced.problems)?;
        }
    }
    Ok(())
}
