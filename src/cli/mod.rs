//! The command line: one file per command, one table of exit codes, one place where errors are printed.
//!
//! What this module does not do: anything a command is about. It parses, calls, prints and turns results
//! into exit codes. Nothing below it prints to standard output or ends the process.

mod artifact;
mod completions;
mod config;
mod conflicts;
mod context;
mod db;
mod demo;
mod doctor;
mod exit;
mod history;
mod inspect;
mod man;
mod output;
mod paint;
mod problems;
mod progress;
mod resume;
mod run;
mod service;
mod stale;
mod status;
mod sync;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use context::{Context, Global};
pub use exit::Exit;
pub(crate) use exit::Failure;
pub(crate) use output::Output;

/// Keeps SkillMeat's files and its web backend's cache database in step, in both directions.
///
/// SkillMeat keeps your artifacts as files in ~/.skillmeat and copies what they say into a database that its
/// web backend reads. skillmeatd watches both and carries every change over, so neither has to be refreshed
/// by hand.
#[derive(Debug, Parser)]
#[command(name = "skillmeatd", version, after_help = START, after_long_help = format!("{START}\n\n{}", exit::table()))]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const START: &str = "\
Start here:
  skillmeatd demo         see it work, without touching your files
  skillmeatd sync --once  bring the database up to date, once
  skillmeatd run          keep it up to date
  skillmeatd doctor       find out what is wrong, and how to mend it";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Sync(sync::SyncArgs),
    Status(status::StatusArgs),
    Problems(problems::ProblemsArgs),
    Resume(resume::ResumeArgs),
    Stale(stale::StaleArgs),
    Doctor(doctor::DoctorArgs),
    Db(db::DbArgs),
    Conflicts(conflicts::ConflictsArgs),
    History(history::HistoryArgs),
    Artifact(artifact::ArtifactArgs),
    Inspect(inspect::InspectArgs),
    Config(config::ConfigArgs),
    Service(service::ServiceArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Demo(demo::DemoArgs),
}

/// Runs the command line of this process to its end.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A help text that nobody reads to its end is no failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    Context::new(cli.global)
        .and_then(|context| cli.command.run(&context))
        .unwrap_or_else(|error| exit::fold(&error))
        .into()
}

impl Command {
    fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self {
            Self::Run(args) => run::run(args, context),
            Self::Sync(args) => sync::run(args, context),
            Self::Status(args) => status::run(args, context),
            Self::Problems(args) => problems::run(args, context),
            Self::Resume(args) => resume::run(args, context),
            Self::Stale(args) => stale::run(args, context),
            Self::Doctor(args) => doctor::run(args, context),
            Self::Db(args) => db::run(args, context),
            Self::Conflicts(args) => conflicts::run(args, context),
            Self::History(args) => history::run(args, context),
            Self::Artifact(args) => artifact::run(args, context),
            Self::Inspect(args) => inspect::run(args, context),
            Self::Config(args) => config::run(args, context),
            Self::Service(args) => service::run(args, context),
            Self::Completions(args) => completions::run(args),
            Self::Man(args) => man::run(args),
            Self::Demo(args) => demo::run(args, context),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_every_flag_is_explained() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for line in
            [["skillmeatd", "--home=/h", "config", "path"], ["skillmeatd", "config", "path", "--home=/h"]]
        {
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(cli.global.home.as_deref(), Some(std::path::Path::new("/h")));
        }
    }
}
