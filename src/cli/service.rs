//! `service`: what the system's service manager needs to run the daemon.

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::service::{Kind, lasting_name};

use super::{Context, Exit, Output};

/// Print what the system needs to run the daemon in the background
#[derive(Debug, Args)]
pub(super) struct ServiceArgs {
    #[command(subcommand)]
    command: ServiceCommand,
}

#[derive(Debug, Subcommand)]
enum ServiceCommand {
    /// Print a systemd user unit, or a launchd agent on macOS, that runs this program
    ///
    /// The service runs `skillmeatd run` with no flags: settings belong into the configuration file.
    Print(PrintArgs),
}

#[derive(Debug, Args)]
struct PrintArgs {
    /// Print the systemd user unit, whatever system this is
    #[arg(long, conflicts_with = "launchd")]
    systemd: bool,
    /// Print the launchd agent, whatever system this is
    #[arg(long)]
    launchd: bool,
}

pub(super) fn run(args: ServiceArgs, context: &Context) -> anyhow::Result<Exit> {
    let ServiceCommand::Print(args) = args.command;
    let kind = match args {
        PrintArgs { systemd: true, .. } => Kind::Systemd,
        PrintArgs { launchd: true, .. } => Kind::Launchd,
        PrintArgs { .. } => Kind::current(),
    };
    let running = std::env::current_exe().context("the system does not say where this program is")?;
    let called = std::env::args_os().next().unwrap_or_default();
    // Only a relative name needs it, and then it was there a moment ago.
    let directory = std::env::current_dir().unwrap_or_default();
    let program = lasting_name(&running, &called, std::env::var_os("PATH").as_deref(), &directory);
    let mut out = Output::stdout();
    out.write_all(kind.text(&program, &context.paths.home)?.as_bytes())?;
    out.finish()?;
    Ok(Exit::Done)
}
