//! `man`: the manual pages, made from the same definition as `--help`.
//!
//! What this module does not do: install them. A package, or a person, puts them where `man` looks.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Cli, Exit, Output};

/// Print the manual page, or write all of them into a directory
///
/// With no directory the page skillmeatd(1) goes to standard output: `skillmeatd man | man -l -` shows it. With one,
/// that page and one for each command are written into it; `man` looks in ~/.local/share/man/man1.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write every page into DIR, which is made if it is missing
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn run(args: ManArgs) -> anyhow::Result<Exit> {
    let ManArgs { directory } = args;
    let pages = pages()?;
    let mut out = Output::stdout();
    match directory {
        Some(directory) => {
            std::fs::create_dir_all(&directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
            for page in &pages {
                page.save(&directory)?;
            }
            writeln!(out, "{} pages written to {}", pages.len(), directory.display())?;
        }
        None => {
            for page in pages.iter().filter(|page| page.name == MAIN) {
                out.write_all(&page.text)?;
            }
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}

/// The page of the program itself.
const MAIN: &str = "skillmeatd.1";

struct Page {
    /// With its section.
    name: String,
    text: Vec<u8>,
}

impl Page {
    fn save(&self, directory: &Path) -> anyhow::Result<()> {
        let path = directory.join(&self.name);
        std::fs::write(&path, &self.text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Every page, the program's own last.
fn pages() -> io::Result<Vec<Page>> {
    // The page has sections of its own for what stands at the end of `--help`.
    let mut command = Cli::command().disable_help_subcommand(true).after_help("").after_long_help("");
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    Ok(pages)
}

fn collect(command: &Command, pages: &mut Vec<Page>) -> io::Result<()> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, pages)?;
    }
    let man = Man::new(command.clone()).source(concat!("skillmeatd ", env!("CARGO_PKG_VERSION")));
    let name = man.get_filename();
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    if name == MAIN {
        list(&mut text, "EXIT STATUS", Exit::ALL.map(|exit| ((exit as u8).to_string(), exit.meaning())))?;
        list(&mut text, "ENVIRONMENT", ENVIRONMENT.map(|(name, what)| (name.to_owned(), what)))?;
        list(&mut text, "FILES", FILES.map(|(name, what)| (name.to_owned(), what)))?;
        list(&mut text, "EXAMPLES", EXAMPLES.map(|(name, what)| (name.to_owned(), what)))?;
    } else {
        let mut roff = Roff::new();
        roff.control("SH", ["SEE ALSO"]).text([bold("skillmeatd"), roman("(1)")]);
        roff.to_writer(&mut text)?;
    }
    pages.push(Page { name, text });
    Ok(())
}

/// A section of terms and what they mean.
fn list<const N: usize>(
    text: &mut Vec<u8>,
    heading: &str,
    items: [(String, &'static str); N],
) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [heading]);
    for (term, meaning) in items {
        roff.control("TP", []).text([bold(term)]).text([roman(meaning)]);
    }
    roff.to_writer(text)
}

const ENVIRONMENT: [(&str, &str); 4] = [
    (
        "SKILLMEATD_*",
        "Every configuration key, for example SKILLMEATD_LOG_LEVEL for log.level; over the file.",
    ),
    ("HOME", "Where .skillmeat is looked for."),
    ("XDG_STATE_HOME, XDG_CONFIG_HOME, XDG_RUNTIME_DIR", "Where our own files go; see below."),
    ("NO_COLOR", "Set to anything, no colour is used."),
];

const FILES: [(&str, &str); 5] = [
    ("~/.skillmeat/collections/*/collection.toml", "SkillMeat's manifests: what is mirrored."),
    ("~/.skillmeat/cache/cache.db", "SkillMeat's cache database: where it is mirrored to."),
    ("~/.config/skillmeatd/config.toml", "The configuration; need not exist."),
    ("~/.local/state/skillmeatd/", "What is remembered between runs."),
    ("$XDG_RUNTIME_DIR/skillmeatd/control.sock", "Where the running daemon is asked."),
];

const EXAMPLES: [(&str, &str); 4] = [
    ("skillmeatd demo", "Show how it works, in a scratch home."),
    ("skillmeatd sync --once", "Bring the database up to date once, with no daemon."),
    ("skillmeatd run", "Keep it up to date."),
    ("skillmeatd status", "Ask the running daemon how it is."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_names_it() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
        for expected in [MAIN, "skillmeatd-run.1", "skillmeatd-config-show.1"] {
            assert!(names.contains(&expected), "{names:?}");
        }
        for page in &pages {
            let text = std::str::from_utf8(&page.text).unwrap();
            let title = page.name.trim_end_matches(".1");
            assert!(text.contains(&format!(".TH {title} 1")), "{text}");
            assert!(text.contains(".SH NAME") && text.contains(".SH DESCRIPTION"), "{text}");
        }
    }

    #[test]
    fn the_main_page_lists_every_exit_code() {
        let pages = pages().unwrap();
        let main = pages.iter().find(|page| page.name == MAIN).unwrap();
        let text = std::str::from_utf8(&main.text).unwrap().replace("\\-", "-");
        for exit in Exit::ALL {
            assert!(text.contains(&format!("\\fB{}\\fR\n{}", exit as u8, exit.meaning())), "{text}");
        }
    }
}
