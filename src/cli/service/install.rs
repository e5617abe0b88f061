//! `service install`: from nothing to a service that has shown that it works.

use std::io::Write as _;
use std::process::Child;
use std::time::{Duration, Instant};

use clap::Args;

use super::status::Report;
use super::{Program, job, manager, no_manager};
use crate::cli::{Context, Exit, Failure, Output};
use crate::control::protocol::State;
use crate::service::plan::{self, Act};
use crate::service::{Kind, Manager, Running, fleeting};

/// Between two looks at a service that starts.
const LOOK: Duration = Duration::from_millis(50);

/// Install the service, start it, and see that it works
///
/// Writes a systemd user unit (a launchd agent on macOS), has it started at every login and now, waits until the first
/// pass is done, and shows how it is. Doing it again does what is missing, or what is new after an upgrade. A file that
/// you have changed is left alone.
#[derive(Debug, Args)]
pub(in crate::cli) struct InstallArgs {
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Replace a unit that was changed by hand, or is not ours; it is kept beside the new one
    #[arg(long)]
    force: bool,
    /// Wait at most this many seconds for the first pass
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    wait: u64,
    #[command(flatten)]
    program: Program,
}

pub(super) fn run(args: &InstallArgs, context: &Context) -> anyhow::Result<Exit> {
    // A service with a wrong configuration would fail, and say so in its log only.
    let config = context.config()?.config;
    let manager = manager(context)?;
    let (found, answer) = manager.found();
    let job = job(context, &config, &args.program, manager.version())?;
    if let Some(why) = fleeting(&job.program) {
        eprintln!("warning: {} {why}", job.program.display());
    }
    warn_of_variables();
    let wanted = job.text(manager.kind())?;
    let acts = plan::install(&found, &wanted, manager.commands(), args.force)
        .map_err(|refusal| Failure::new(Exit::Failed, refusal.to_string()))?;
    if args.dry_run {
        return show(&acts, "there is nothing to do");
    }
    answer.map_err(|why| no_manager(manager.kind(), &why))?;
    let pid = found.running.as_ref().and_then(|running| running.pid);
    if acts.iter().any(|act| matches!(act, Act::Start { .. })) {
        refuse_two(context, pid)?;
    }
    if let Some(elsewhere) = found.elsewhere.as_ref().filter(|_| !args.force) {
        println!("a package has installed {}; that one is used", elsewhere.display());
    }
    for act in &acts {
        println!("{}", act.says());
        act.take()?;
        if let Act::Start { again } = act {
            start(&manager, *again, Duration::from_secs(args.wait), context)?;
        }
    }
    if acts.is_empty() {
        println!("there is nothing to do");
    }
    println!();
    let report = Report::gather(&manager, context, Some(&wanted));
    let mut out = Output::stdout();
    report.render(&mut out)?;
    out.finish()?;
    Ok(report.exit())
}

/// What would be done.
pub(super) fn show(acts: &[Act], nothing: &str) -> anyhow::Result<Exit> {
    let mut out = Output::stdout();
    if acts.is_empty() {
        writeln!(out, "{nothing}")?;
    }
    for act in acts {
        writeln!(out, "would {}", act.says())?;
    }
    out.finish()?;
    Ok(Exit::Done)
}

/// Settings that hold in this shell and not in the service.
fn warn_of_variables() {
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let ours: Vec<String> =
        ours.filter(|name| name.starts_with("SKILLMEATD_") && name != "SKILLMEATD_CONFIG").collect();
    if !ours.is_empty() {
        eprintln!(
            "warning: not for the service: {}; what is to hold there belongs into the configuration file",
            ours.join(", ")
        );
    }
}

/// A daemon that was started by hand holds the home; the service could only fail.
fn refuse_two(context: &Context, service: Option<u32>) -> anyhow::Result<()> {
    let Ok(status) = context.ask(|client| async move { client.status().await }) else { return Ok(()) };
    if Some(status.pid) == service {
        return Ok(());
    }
    let message =
        format!("a daemon that is not the service serves this home already (process {})", status.pid);
    Err(Failure::new(Exit::AnotherInstance, message).hint(format!("end it: kill {}", status.pid)).into())
}

fn start(manager: &Manager, again: bool, patience: Duration, context: &Context) -> anyhow::Result<()> {
    let began = Instant::now();
    let told = match manager.kind() {
        Kind::Systemd => await_systemd(manager, again, began + patience)?,
        Kind::Launchd => await_launchd(manager, began + patience, context)?,
    };
    println!("ready after {:.1} s: {told}", began.elapsed().as_secs_f64());
    Ok(())
}

/// `systemctl start` returns when the daemon has said that it is ready.
fn await_systemd(manager: &Manager, again: bool, end: Instant) -> anyhow::Result<String> {
    let commands = manager.commands();
    let verb = if again { "restart" } else { "start" };
    let mut starting = Ended(commands.control.command(&[verb, &commands.service]).spawn()?);
    let mut told = String::new();
    let mut look = Instant::now() + Duration::from_secs(2);
    loop {
        if let Some(status) = starting.0.try_wait()? {
            let running = manager.found().0.running.unwrap_or_default();
            return if status.success() { Ok(running.told) } else { Err(failed(&running)) };
        }
        let now = Instant::now();
        if now >= end {
            let running = manager.found().0.running.unwrap_or_default();
            return Err(still_starting(&running.told));
        }
        if now >= look {
            let running = manager.found().0.running.unwrap_or_default();
            if running.told != told && !running.told.is_empty() {
                println!("  {}", running.told);
                told = running.told;
            }
            look = now + Duration::from_secs(2);
        }
        std::thread::sleep(LOOK);
    }
}

/// A child that goes with us; the service manager goes on with what it was asked for.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// launchd knows no readiness; the daemon itself does.
fn await_launchd(manager: &Manager, end: Instant, context: &Context) -> anyhow::Result<String> {
    let commands = manager.commands();
    // It may have started with its loading: then this does nothing.
    let said = commands.control.call(&["kickstart", &commands.service])?;
    let mut told = String::new();
    while Instant::now() < end {
        match context.ask(|client| async move { client.status().await }) {
            Ok(status) if status.state != State::Starting => {
                return Ok(status.detail.unwrap_or_else(|| "watching".to_owned()));
            }
            Ok(status) => told = status.detail.unwrap_or_default(),
            Err(_) if !said.ok => {
                return Err(Failure::new(
                    Exit::Failed,
                    format!("launchd did not start it: {}", said.complaint()),
                )
                .into());
            }
            Err(_) => {}
        }
        std::thread::sleep(LOOK);
    }
    Err(still_starting(&told))
}

fn still_starting(told: &str) -> anyhow::Error {
    let told = if told.is_empty() { "it has said nothing" } else { told };
    Failure::new(Exit::Failed, format!("the service is installed and goes on starting ({told})"))
        .hint("`skillmeatd service status` tells when it is ready")
        .into()
}

fn failed(running: &Running) -> anyhow::Error {
    let exit = running.exit.and_then(|code| Exit::ALL.into_iter().find(|exit| *exit as i32 == code));
    let why = match exit {
        Some(exit) if exit != Exit::Done => exit.meaning().to_owned(),
        _ => running.result.clone(),
    };
    Failure::new(Exit::Failed, format!("the service is installed and does not start: {why}"))
        .hint("its log says more: journalctl --user -u skillmeatd -n 20")
        .into()
}
