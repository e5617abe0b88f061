//! `demo`: changes travelling from file to database, in a home of its own.
//!
//! Nothing in it is staged: it starts this very program as a daemon, edits files as a person and as SkillMeat would,
//! and reads the rows back from the database file.

mod sample;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;

use super::{Context, Exit};
use crate::control::client::Client;
use crate::control::protocol::State;
use crate::db::Cache;
use crate::domain::model::Row;
use crate::domain::rows::{DEFAULT_COLLECTION, Scope};
use crate::paths::{Environment, Paths};
use sample::Collection;

/// What should take milliseconds is given up after this.
const PATIENCE: Duration = Duration::from_secs(20);
/// Shorter than the usual five seconds, so that nobody has to wait for the removal.
const GRACE: &str = "1s";

/// Show a change travel from file to database, in a temporary home
///
/// Touches nothing of yours: it makes a home directory of its own, and removes it at the end.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Leave the temporary home in place, to look around in it
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(DemoArgs { keep }: DemoArgs, _: &Context) -> anyhow::Result<Exit> {
    let home = ScratchHome::new(keep).context("cannot make a temporary home")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play(&home))?;
    Ok(Exit::Done)
}

async fn play(home: &ScratchHome) -> anyhow::Result<()> {
    let mut out = io::stdout();
    let collection = Collection::write(&home.path).context("cannot write the sample collection")?;
    writeln!(out, "A collection of four artifacts, in a home of its own: {}", home.path.display())?;

    let began = Instant::now();
    let _daemon = Daemon::start(&home.path)?;
    let paths = Paths::new(&Environment::under(&home.path))?;
    let client = Client::new(&paths.socket);
    until("the daemon's first answer", async || {
        Ok(client.status().await.is_ok_and(|status| status.state == State::Watching).then_some(()))
    })
    .await?;
    let cache = Cache::open(&paths.cache_db, &paths.home).await?.usable()?;
    let mut rows = Rows { cache };
    writeln!(out, "The daemon made a cache database and filled it, {} after its start:\n", ms(began))?;
    table(&mut out, &rows.all().await?)?;

    writeln!(out, "\n1. Edit the description in skills/changelog/SKILL.md, as a person would.")?;
    let entry_file = collection.entry_file("skill", "changelog");
    let text = fs::read_to_string(&entry_file)?;
    let began = Instant::now();
    fs::write(&entry_file, text.replace("Turn a commit range", "Turn any commit range"))?;
    rows.wait("the row", |rows| {
        row(rows, "skill:changelog").is_some_and(|r| description(r).starts_with("Turn any"))
    })
    .await?;
    writeln!(
        out,
        "   The row has it after {}; collection.toml too, with every other byte as it was.",
        ms(began)
    )?;

    writeln!(out, "2. Add command:tidy: first its file, then its entry, as `skillmeat add` does.")?;
    let began = Instant::now();
    collection.add_one()?;
    rows.wait("the new row", |rows| row(rows, "command:tidy").is_some()).await?;
    writeln!(out, "   The row is there after {}, tags and fingerprints included.", ms(began))?;

    writeln!(out, "3. Break collection.toml in the middle of a save.")?;
    let good = fs::read(collection.manifest())?;
    fs::write(collection.manifest(), &good[..good.len() / 2])?;
    let problem = until("the problem", async || {
        Ok(client
            .problems()
            .await?
            .problems
            .into_iter()
            .find(|problem| problem.path.ends_with("collection.toml")))
    })
    .await?;
    writeln!(out, "   All {} rows stay. The daemon says: {problem}", rows.all().await?.len())?;
    fs::write(collection.manifest(), &good)?;
    until("the end of the problem", async || Ok(client.problems().await?.problems.is_empty().then_some(())))
        .await?;
    writeln!(out, "   Mended: no problems.")?;

    writeln!(out, "4. Remove agent:reviewer. (Rows go {GRACE} after their entry here; 5s is the default.)")?;
    let began = Instant::now();
    collection.remove_one()?;
    rows.wait("the removal", |rows| row(rows, "agent:reviewer").is_none()).await?;
    writeln!(out, "   The row is gone after {}.\n", ms(began))?;

    table(&mut out, &rows.all().await?)?;
    writeln!(out, "\nFor your own collections: skillmeatd run")?;
    if home.keep {
        writeln!(out, "Left in place: {}", home.path.display())?;
    }
    Ok(())
}

type Table = Vec<(String, Row)>;

fn row<'a>(rows: &'a Table, id: &str) -> Option<&'a Row> {
    rows.iter().find(|(name, _)| name == id).map(|(_, row)| row)
}

fn description(row: &Row) -> &str {
    row.description.as_deref().unwrap_or_default()
}

fn table(out: &mut impl Write, rows: &Table) -> io::Result<()> {
    writeln!(out, "   {:<18} {:<42} {:<16} files", "artifact", "description", "tags")?;
    for (id, row) in rows {
        writeln!(out, "   {id:<18} {:<42} {:<16} {}", description(row), row.tags.join(", "), row.file_count)?;
    }
    Ok(())
}

fn ms(since: Instant) -> String {
    let took = since.elapsed();
    if took < Duration::from_secs(1) {
        format!("{} ms", took.as_millis())
    } else {
        format!("{:.2} s", took.as_secs_f64())
    }
}

/// The rows as any other process sees them.
struct Rows {
    cache: Cache,
}

impl Rows {
    async fn all(&mut self) -> anyhow::Result<Table> {
        let mut actual = self.cache.load(&Scope::All).await?;
        let rows = actual.memberships.remove(DEFAULT_COLLECTION).unwrap_or_default();
        Ok(rows.into_iter().map(|(id, row)| (id.to_string(), row.row.unpack())).collect())
    }

    async fn wait(&mut self, what: &str, condition: impl Fn(&Table) -> bool) -> anyhow::Result<()> {
        until(what, async || Ok(condition(&self.all().await?).then_some(()))).await
    }
}

/// Ask until there is an answer.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        anyhow::ensure!(Instant::now() < deadline, "{what} did not come within {} s", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A temporary home, gone when this is dropped.
struct ScratchHome {
    path: PathBuf,
    keep: bool,
}

impl ScratchHome {
    fn new(keep: bool) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("skillmeatd-demo-{}", uuid::Uuid::new_v4().simple()));
        crate::paths::create_private(&path).map_err(io::Error::other)?;
        Ok(Self { path, keep })
    }
}

impl Drop for ScratchHome {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// This program, run as a daemon in the scratch home; stopped when dropped.
struct Daemon(Child);

impl Daemon {
    fn start(home: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let settings = ["database.create=standalone".to_owned(), format!("remove_grace={GRACE}")];
        let child = Command::new(program)
            .arg("run")
            .arg("--home")
            .arg(home)
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .args(["--log-level", "error"])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the daemon")?;
        Ok(Self(child))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}
