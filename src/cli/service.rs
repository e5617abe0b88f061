//! `service`: the daemon as a service of its user.

mod install;
mod status;
mod uninstall;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{Context, Exit, Failure, Output};
use crate::config::Config;
use crate::service::{Job, Kind, Manager, lasting_name};

/// Run the daemon in the background: install, remove or look at the service
#[derive(Debug, Args)]
pub(super) struct ServiceArgs {
    #[command(subcommand)]
    command: ServiceCommand,
}

#[derive(Debug, Subcommand)]
enum ServiceCommand {
    Install(install::InstallArgs),
    Uninstall(uninstall::UninstallArgs),
    Status(status::StatusArgs),
    Print(PrintArgs),
}

/// Print a systemd user unit, or a launchd agent on macOS, that runs this program
///
/// It is what `install` writes. The service runs `skillmeatd run`, with --home and --config as given here; all other
/// settings belong into the configuration file.
#[derive(Debug, Args)]
struct PrintArgs {
    /// Print the systemd user unit, whatever system this is
    #[arg(long, conflicts_with = "launchd")]
    systemd: bool,
    /// Print the launchd agent, whatever system this is
    #[arg(long)]
    launchd: bool,
    #[command(flatten)]
    program: Program,
}

/// Which program the service runs.
#[derive(Debug, Args)]
struct Program {
    /// Have the service run this program; the one that is running, by the name it was called by, unless given
    #[arg(long = "program", value_name = "PATH")]
    path: Option<PathBuf>,
}

impl Program {
    fn path(&self) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.path {
            let path = std::path::absolute(path)?;
            if !path.is_file() {
                return Err(Failure::new(Exit::Usage, format!("{} is not a program", path.display())).into());
            }
            return Ok(path);
        }
        let running = std::env::current_exe().context("the system does not say where this program is")?;
        let called = std::env::args_os().next().unwrap_or_default();
        // Only a relative name needs it, and then it was there a moment ago.
        let directory = std::env::current_dir().unwrap_or_default();
        Ok(lasting_name(&running, &called, std::env::var_os("PATH").as_deref(), &directory))
    }
}

pub(super) fn run(args: ServiceArgs, context: &Context) -> anyhow::Result<Exit> {
    match args.command {
        ServiceCommand::Install(args) => install::run(&args, context),
        ServiceCommand::Uninstall(args) => uninstall::run(&args, context),
        ServiceCommand::Status(args) => status::run(&args, context),
        ServiceCommand::Print(args) => print(&args, context),
    }
}

fn print(args: &PrintArgs, context: &Context) -> anyhow::Result<Exit> {
    let kind = match args {
        PrintArgs { systemd: true, .. } => Kind::Systemd,
        PrintArgs { launchd: true, .. } => Kind::Launchd,
        PrintArgs { .. } => Kind::current(),
    };
    // A configuration that is wrong is the business of whoever starts the service.
    let config = context.load_config().map_or_else(|_| Config::default(), |loaded| loaded.config);
    let job = job(context, &config, &args.program, manager(context)?.version())?;
    let mut out = Output::stdout();
    out.write_all(job.text(kind)?.as_bytes())?;
    out.finish()?;
    Ok(Exit::Done)
}

/// The service manager of the person, which knows nothing of a scratch home.
pub(super) fn manager(context: &Context) -> anyhow::Result<Manager> {
    let own = context.persons_paths()?;
    let config_home = own.config_file.ancestors().nth(2).unwrap_or(&own.home);
    Ok(Manager::current(&own.home, config_home))
}

fn job(context: &Context, config: &Config, program: &Program, systemd: Option<u32>) -> anyhow::Result<Job> {
    let own = context.persons_paths()?;
    let mut job = Job::new(program.path()?, own.home.clone());
    job.arguments = context.lasting_flags()?;
    job.grace = config.shutdown.grace;
    job.systemd = systemd;
    if config.database.skillmeat.is_none() {
        job.search = unusual_place(std::env::var_os("PATH"), &own.home);
    }
    // The service manager was started by somebody else, who need not have these.
    for (name, usual) in [("XDG_CONFIG_HOME", ".config"), ("XDG_STATE_HOME", ".local/state")] {
        let value = std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        if let Some(value) = value.filter(|value| *value != own.home.join(usual)) {
            job.variables.push((name.to_owned(), value.display().to_string()));
        }
    }
    Ok(job)
}

/// The directory of the `skillmeat` that this shell finds, if the service would not look there.
fn unusual_place(search: Option<OsString>, home: &Path) -> Option<PathBuf> {
    let usual = [
        home.join(".local/bin"),
        "/opt/homebrew/bin".into(),
        "/usr/local/bin".into(),
        "/usr/bin".into(),
        "/bin".into(),
    ];
    let mut places = std::env::split_paths(search.as_ref()?).filter(|place| place.is_absolute());
    let place = places.find(|place| place.join("skillmeat").is_file())?;
    let homebrew = Kind::current() == Kind::Launchd || place != usual[1];
    (!(usual.contains(&place) && homebrew)).then_some(place)
}

/// Nobody is there to be asked for a service.
fn no_manager(kind: Kind, why: &str) -> anyhow::Error {
    let (what, hint) = match kind {
        Kind::Systemd => (
            "no systemd user manager answers",
            "a session by `su` or `sudo` has none, and few containers do: log in as this user, or have one started by \
             `loginctl enable-linger`. Anything else that keeps a program running can run `skillmeatd run`",
        ),
        Kind::Launchd => (
            "launchd does not answer",
            "log in at the screen as this user; anything else that keeps a program running can run `skillmeatd run`",
        ),
    };
    Failure::new(Exit::Failed, format!("{what} ({why})")).hint(hint).into()
}
