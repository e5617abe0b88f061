//! `completions`: what a shell needs to complete our commands and flags.

use std::io::Write as _;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Exit, Output};

/// Print a completion script for your shell
///
/// Where it goes: bash reads ~/.local/share/bash-completion/completions/skillmeatd, zsh a file _skillmeatd in a
/// directory of $fpath, fish ~/.config/fish/completions/skillmeatd.fish. For elvish and powershell, let your
/// rc.elv or profile evaluate it.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(args: CompletionsArgs) -> anyhow::Result<Exit> {
    let CompletionsArgs { shell } = args;
    let mut out = Output::stdout();
    out.write_all(&script(shell))?;
    out.finish()?;
    Ok(Exit::Done)
}

/// In memory first: the generator panics when it cannot write.
fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "skillmeatd", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
