//! Getting at the cache: which database is this, may it be used, and who makes it when there is none.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::task::JoinSet;

use super::{Engine, Stop};
use crate::config::DatabaseCreate;
use crate::control::protocol::Database;
use crate::daemon::board;
use crate::db::{Cache, Identity};
use crate::domain::reactor::Setback;
use crate::paths::create_private;

/// `skillmeat list` takes about five seconds; a first run on a slow machine takes longer.
const SKILLMEAT_PATIENCE: Duration = Duration::from_secs(120);

impl Engine {
    /// Have an open cache, or say why there is none.
    pub(super) async fn open_cache(&mut self) -> Result<(), Stop> {
        if self.cache.as_ref().is_some_and(|cache| !cache.replaced()) {
            return Ok(());
        }
        let replaced = self.cache.take();
        let was_open = replaced.is_some();
        if let Some(replaced) = replaced {
            tracing::info!("the cache database was replaced; opening the new one");
            // Closed before the new one is opened: SQLite saves what is only in a log that has lost its name.
            if let Err(error) = replaced.close().await {
                tracing::debug!(error = %board::chain(&error), "the old one did not close well");
            }
        }
        let path = self.paths.cache_db.clone();
        let home = self.paths.home.clone();
        let mut opened = Cache::open(&path, &home).await?;
        if was_open && opened.identity == Identity::Absent {
            // Whoever deletes it may be deleting the whole tree, or about to put another one there.
            return Err(Stop::new(Setback::Transient, "the cache database is gone; making another one soon"));
        }
        if matches!(opened.identity, Identity::Absent | Identity::Empty) {
            let missing = describe(&path, &opened.identity);
            // Whoever cannot make one is asked again and again; that is news once.
            let news = self.database.kind != missing.kind;
            self.database = missing;
            if self.make_database(news).await? {
                opened = Cache::open(&path, &home).await?;
            }
        }
        self.database = describe(&path, &opened.identity);
        match opened.cache {
            Some(mut cache) => {
                cache.listen(self.listener.clone());
                tracing::info!(kind = self.database.kind, "cache opened");
                self.cache = Some(cache);
                Ok(())
            }
            None => Err(Stop::new(
                Setback::CacheUnusable,
                self.database.detail.clone().unwrap_or_else(|| "the cache cannot be used".into()),
            )),
        }
    }

    /// After a long write, when nobody waits for it any more: have SQLite put what is in its log in its place.
    pub async fn copy_log(&mut self) {
        if let Some(cache) = &mut self.cache
            && let Err(error) = cache.copy_log().await
        {
            tracing::debug!(error = %board::chain(&error), "the log stays as it is until the next commit");
        }
    }

    /// Let somebody make the database that is missing, as the configuration says; whether anybody was to. `news`: that is
    /// told.
    async fn make_database(&mut self, news: bool) -> Result<bool, Stop> {
        let program = match self.config.database.create {
            DatabaseCreate::Never => return Ok(false),
            DatabaseCreate::Standalone => None,
            DatabaseCreate::Auto => self.skillmeat(),
            DatabaseCreate::Skillmeat => Some(self.skillmeat().ok_or_else(|| {
                Stop::new(
                    Setback::CacheUnusable,
                    "there is no cache database and no `skillmeat` to make one: install SkillMeat, name it in \
                     database.skillmeat, or set database.create = \"standalone\"",
                )
            })?),
        };
        match program {
            Some(program) => {
                if news {
                    tracing::info!(program = %program.display(), "asking SkillMeat to make the cache database");
                }
                self.ask_skillmeat(program).await?;
            }
            None => {
                if news {
                    tracing::info!(path = %self.paths.cache_db.display(), "making a standalone cache database");
                }
                if let Some(directory) = self.paths.cache_db.parent() {
                    create_private(directory)
                        .map_err(|error| Stop::new(Setback::CacheUnusable, board::chain(&error)))?;
                }
                Cache::create_standalone(&self.paths.cache_db, &self.paths.home).await?;
            }
        }
        Ok(true)
    }

    fn skillmeat(&self) -> Option<PathBuf> {
        self.config.database.skillmeat.clone().or_else(|| {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).map(|dir| dir.join("skillmeat")).find(|program| program.is_file())
        })
    }

    /// Run a program to its end. It is killed when the result is not waited for.
    async fn output(&self, mut command: Command) -> io::Result<Output> {
        let Some(elsewhere) = &self.programs else { return command.output().await };
        // A set, because its tasks end with it.
        let mut running = JoinSet::new();
        running.spawn_on(async move { command.output().await }, elsewhere);
        match running.join_next().await {
            Some(Ok(output)) => output,
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The CLI's first command makes a good database; the web backend's first start does not
    /// (`skillmeat.cache.manager.CacheManager.initialize_cache` against `skillmeat.api.lifespan`).
    async fn ask_skillmeat(&self, program: PathBuf) -> Result<(), Stop> {
        let mut command = Command::new(&program);
        command.arg("list").env("HOME", &self.paths.home).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let failed = |why: String| {
            Stop::new(
                Setback::CacheUnusable,
                format!("`{} list` was to make the cache database, but {why}", program.display()),
            )
        };
        let output = tokio::time::timeout(SKILLMEAT_PATIENCE, self.output(command))
            .await
            .map_err(|_| failed(format!("did not end within {} s", SKILLMEAT_PATIENCE.as_secs())))?
            .map_err(|error| failed(format!("could not be started: {error}")))?;
        // In a home without collections `list` fails after it has made the database, so the file is what counts.
        if output.status.success() || self.paths.cache_db.metadata().is_ok_and(|file| file.len() > 0) {
            return Ok(());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(failed(format!("ended with {}: {}", output.status, stderr.lines().last().unwrap_or_default())))
    }
}

fn describe(path: &Path, identity: &Identity) -> Database {
    let path = path.display().to_string();
    let (kind, detail) = match identity {
        Identity::Guest(_) => ("skillmeat", None),
        Identity::Standalone(_) => ("standalone", None),
        Identity::Absent => ("absent", Some("there is no cache database yet".to_owned())),
        Identity::Empty => ("empty", Some("the cache database has no tables yet".to_owned())),
        Identity::HalfSchema { reason } => (
            "half_schema",
            Some(format!(
                "the cache database was left half made by a first start of the web backend ({reason}); nothing is \
                 written to it. Stop the backend, then: skillmeatd db rebuild"
            )),
        ),
        Identity::Incomplete { missing } => (
            "incomplete",
            Some(format!("the cache database lacks {}; nothing is written to it", missing.join(", "))),
        ),
        Identity::NotADatabase { reason } => (
            "not_a_database",
            Some(format!(
                "{path} is not a database that can be read ({reason}). Stop the web backend, then: skillmeatd db \
                     rebuild"
            )),
        ),
    };
    Database { path, kind: kind.to_owned(), detail }
}
