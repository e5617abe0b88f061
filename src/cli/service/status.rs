//! `service status`: what the service manager, the kernel and the daemon say, on one screen.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{job, manager, no_manager};
use crate::cli::{Context, Exit, Output};
use crate::config::Config;
use crate::control::protocol::{Sandbox, Status};
use crate::service::limits::limits;
use crate::service::plan::Found;
use crate::service::seal::{self, Hand};
use crate::service::systemd::UNIT;
use crate::service::{Kind, Manager, confinement};

/// The version of the JSON form.
const SCHEMA: u32 = 1;

/// Show the service: installed, running, ready, and what it may do
///
/// Asks the service manager, the kernel and the daemon itself. Exit code 3 if the service does not run.
#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &StatusArgs, context: &Context) -> anyhow::Result<Exit> {
    let manager = manager(context)?;
    let (_, answer) = manager.found();
    answer.map_err(|why| no_manager(manager.kind(), &why))?;
    let config = context.load_config().map_or_else(|_| Config::default(), |loaded| loaded.config);
    let program = super::Program { path: None };
    let wanted = job(context, &config, &program, manager.version()).ok();
    let wanted = wanted.and_then(|job| job.text(manager.kind()).ok());
    let report = Report::gather(&manager, context, wanted.as_deref());
    let mut out = Output::stdout();
    if args.json {
        out.json(&report)?;
    } else {
        report.render(&mut out)?;
    }
    out.finish()?;
    Ok(report.exit())
}

/// Everything that is to be said of the service.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    /// `systemd` or `launchd`.
    manager: &'static str,
    /// Where its file is, or would be.
    file: PathBuf,
    /// `ours`, `outdated` (ours, but not what this program would write), `edited`, `foreign`, `package` or `absent`.
    hand: &'static str,
    /// A person's own files that change it.
    overrides: Vec<PathBuf>,
    /// The program that it runs, and whether that is there.
    program: Option<PathBuf>,
    program_exists: bool,
    enabled: bool,
    /// It runs and is ready.
    active: bool,
    /// The manager's word.
    state: String,
    /// How it ended last, in the manager's word.
    result: String,
    since: Option<String>,
    pid: Option<u32>,
    restarts: u64,
    watchdog: Option<String>,
    /// `null` where that cannot be told.
    linger: Option<bool>,
    /// Whether the daemon that answers is the service's; `null` when none answers.
    answers: Option<bool>,
    /// What the daemon says of itself.
    daemon: Option<String>,
    no_new_privileges: Option<bool>,
    system_calls_filtered: Option<bool>,
    /// Bytes and processes that the kernel lets it have; `null` where it sets no limit of the service's own.
    memory_max: Option<u64>,
    tasks_max: Option<u64>,
    sandbox: Option<Sandbox>,
}

impl Report {
    /// Ask everybody. `wanted` is what the file would say if it were written now.
    pub(super) fn gather(manager: &Manager, context: &Context, wanted: Option<&str>) -> Self {
        let (found, _) = manager.found();
        let status = context.ask(|client| async move { client.status().await }).ok();
        Self::new(&found, status, wanted)
    }

    fn new(found: &Found, status: Option<Status>, wanted: Option<&str>) -> Self {
        let running = found.running.clone().unwrap_or_default();
        let hand = match found.text.as_deref().map(seal::open) {
            None if found.elsewhere.is_some() => "package",
            None => "absent",
            Some((above, Hand::Ours(_)))
                if wanted.is_some_and(|wanted| differ(found.kind, wanted, above)) =>
            {
                "outdated"
            }
            Some((_, Hand::Ours(_))) => "ours",
            Some((_, Hand::Edited)) => "edited",
            Some((_, Hand::Foreign)) => "foreign",
        };
        let confinement = running.pid.and_then(confinement);
        let limits = running.pid.map(|pid| limits(pid, UNIT)).unwrap_or_default();
        Self {
            schema: SCHEMA,
            manager: if found.kind == Kind::Systemd { "systemd" } else { "launchd" },
            file: found
                .elsewhere
                .clone()
                .filter(|_| found.text.is_none())
                .unwrap_or_else(|| found.file.clone()),
            hand,
            overrides: running.overrides,
            program_exists: running.program.as_ref().is_some_and(|program| program.is_file()),
            program: running.program,
            enabled: running.enabled && running.loaded,
            active: running.active,
            state: running.state,
            result: running.result,
            since: running.since,
            restarts: running.restarts,
            watchdog: running.watchdog,
            linger: running.linger,
            answers: status.as_ref().map(|status| Some(status.pid) == running.pid),
            pid: running.pid,
            daemon: status.as_ref().map(|status| {
                let state = serde_json::to_value(status.state).unwrap_or_default();
                let state = state.as_str().unwrap_or_default().to_owned();
                status.detail.as_ref().map_or(state.clone(), |detail| format!("{state}: {detail}"))
            }),
            no_new_privileges: confinement.map(|found| found.no_new_privileges),
            system_calls_filtered: confinement.map(|found| found.system_calls_filtered),
            memory_max: limits.memory,
            tasks_max: limits.tasks,
            sandbox: status.map(|status| status.sandbox),
        }
    }

    /// 0 when the service runs and it is its daemon that answers.
    pub(super) fn exit(&self) -> Exit {
        if self.active && self.answers == Some(true) { Exit::Done } else { Exit::NotRunning }
    }

    pub(super) fn render(&self, out: &mut impl Write) -> io::Result<()> {
        let file = self.file.display();
        match self.hand {
            "absent" => {
                writeln!(out, "installed  no; `skillmeatd service install` does it")?;
            }
            "outdated" => {
                writeln!(
                    out,
                    "installed  {file}\n           by another version; `skillmeatd service install` brings it up to date"
                )?;
            }
            "edited" => writeln!(out, "installed  {file}, changed by hand")?,
            "foreign" => writeln!(out, "installed  {file}, not by us")?,
            "package" => writeln!(out, "installed  {file}, by a package")?,
            _ => writeln!(out, "installed  {file}")?,
        }
        for path in &self.overrides {
            writeln!(out, "           changed by {}", path.display())?;
        }
        if let Some(program) = &self.program {
            let there = if self.program_exists { "" } else { ": it is NOT THERE" };
            writeln!(out, "program    {}{there}", program.display())?;
        }
        if self.hand == "absent" && !self.active {
            return Ok(());
        }
        let login = if self.enabled { "starts at login" } else { "does NOT start at login" };
        match (self.active, self.pid) {
            (true, Some(pid)) => write!(out, "service    running, process {pid}, {login}")?,
            _ => write!(out, "service    {}{}, {login}", self.state, self.ended())?,
        }
        match self.restarts {
            0 => writeln!(out)?,
            count => writeln!(out, ", restarted {count} times")?,
        }
        match (self.answers, &self.daemon) {
            (Some(true), Some(daemon)) => writeln!(out, "daemon     answers: {daemon}")?,
            (Some(false), _) => writeln!(out, "daemon     ANOTHER one answers, not the service's")?,
            _ => writeln!(out, "daemon     does not answer")?,
        }
        if let Some(watchdog) = &self.watchdog {
            writeln!(out, "watchdog   started anew when it shows no sign of work for {watchdog}")?;
        }
        self.render_sandbox(out)?;
        match self.linger {
            Some(true) => {
                writeln!(out, "linger     on: it runs from the start of the machine, logged in or not")
            }
            Some(false) => writeln!(
                out,
                "linger     off: it ends when you log out, and starts at your next login\n           `loginctl \
                 enable-linger` keeps it running from the start of the machine on"
            ),
            None if self.manager == "systemd" => {
                writeln!(out, "linger     cannot be told: no logind answers")
            }
            None => Ok(()),
        }
    }

    fn ended(&self) -> String {
        if self.result.is_empty() || self.result == "success" {
            String::new()
        } else {
            format!(" ({}; see journalctl --user -u skillmeatd)", self.result)
        }
    }

    fn render_sandbox(&self, out: &mut impl Write) -> io::Result<()> {
        let mut held = Vec::new();
        if self.no_new_privileges == Some(true) {
            held.push("gains no rights".to_owned());
        }
        if self.system_calls_filtered == Some(true) {
            held.push("system calls filtered".to_owned());
        }
        match &self.sandbox {
            Some(Sandbox { writable, detail: None, .. }) if !writable.is_empty() => {
                held.push(format!("writes in {} directories only", writable.len()));
            }
            Some(Sandbox { detail: Some(detail), .. }) => held.push(format!("files: {detail}")),
            _ => {}
        }
        if !held.is_empty() {
            writeln!(out, "sandbox    {}", held.join(", "))?;
        }
        let memory = self.memory_max.map(|bytes| format!("{} MiB of memory", bytes >> 20));
        let tasks = self.tasks_max.map(|count| format!("{count} tasks"));
        let limits: Vec<String> = memory.into_iter().chain(tasks).collect();
        if !limits.is_empty() {
            writeln!(out, "limits     at most {}", limits.join(", "))?;
        }
        Ok(())
    }
}

/// Whether two texts differ in more than what depends on how and where they were asked for.
fn differ(kind: Kind, one: &str, other: &str) -> bool {
    let lasting = |text: &str| -> Vec<String> {
        let asked = |line: &&str| !line.starts_with("ExecStart=") && !line.starts_with("Environment=");
        text.lines().filter(asked).map(ToOwned::to_owned).collect()
    };
    kind == Kind::Systemd && lasting(one) != lasting(other)
}

#[cfg(test)]
mod tests;
