//! What to do to have the service, or to have it no more: steps as values, to be shown or taken.
//!
//! What this module does not do: take them ([`super::act`]), or find out how things are.

use std::path::{Path, PathBuf};

use super::call::Program;
use super::seal::{Hand, Traces, open, seal};
use super::{Kind, Running};

/// How things are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which service manager.
    pub kind: Kind,
    /// Where its file for our service belongs.
    pub file: PathBuf,
    /// What is in that file, if it is there.
    pub text: Option<String>,
    /// How many of the directories above the file are missing.
    pub missing: usize,
    /// The directory of the links that start services at login, and whether it is missing. systemd's only.
    pub links: Option<(PathBuf, bool)>,
    /// Another file of this service that is used when ours is not there: a package's.
    pub elsewhere: Option<PathBuf>,
    /// What the manager says of it; `None` when there is no manager to ask.
    pub running: Option<Running>,
}

/// Why it will not be done.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody has changed our file, or has made one of this name.
    #[error("{path} {what}; `--force` overrides that, and keeps the file beside it", path = path.display(), what = what(*.hand))]
    Hands {
        /// The file.
        path: PathBuf,
        /// Whose.
        hand: Hand,
    },
    /// The manager has been told never to start it.
    #[error("the service is masked; `{0}` takes that back")]
    Masked(String),
}

fn what(hand: Hand) -> &'static str {
    match hand {
        Hand::Foreign => "was not written by `skillmeatd service install`",
        Hand::Edited | Hand::Ours(_) => "has been changed since `skillmeatd service install` wrote it",
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Write this file at once and whole, with the directories above it.
    Write {
        /// The file.
        path: PathBuf,
        /// Its text.
        text: String,
    },
    /// Give a file another name.
    Aside {
        /// From this.
        from: PathBuf,
        /// To this.
        to: PathBuf,
    },
    /// Remove a file, if it is there.
    Remove(PathBuf),
    /// Remove these directories, in this order, up to the first that is not empty.
    RemoveEmpty(Vec<PathBuf>),
    /// Make a directory that was there before, and may have gone.
    Restore(PathBuf),
    /// Run a program.
    Run {
        /// Which.
        program: Program,
        /// With what.
        arguments: Vec<String>,
        /// What if it fails.
        failing: Failing,
    },
    /// Start the service, anew if it runs, and wait until it is ready.
    Start {
        /// It runs, with another file.
        again: bool,
    },
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// That is the end.
    Ends,
    /// Nothing: what is to be undone may not be the case.
    IsNothing,
    /// It comes too early: what was asked before is still going on.
    IsTooEarly,
}

/// The commands of one service manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// `systemctl --user` or `launchctl`.
    pub control: Program,
    /// What stands for the service in them.
    pub service: String,
    /// launchd's domain of this user's session.
    pub domain: String,
}

impl Commands {
    fn run(&self, arguments: &[&str], failing: Failing) -> Act {
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        Act::Run { program: self.control.clone(), arguments, failing }
    }
}

/// The steps to the service that does what `wanted` says; none when all is so already.
///
/// # Errors
/// See [`Refusal`]. `force` overrides hands.
pub fn install(found: &Found, wanted: &str, commands: &Commands, force: bool) -> Result<Vec<Act>, Refusal> {
    let mut acts = Vec::new();
    let running = found.running.clone().unwrap_or_default();
    if running.masked {
        return Err(Refusal::Masked(commands.control.line(&["unmask", &commands.service])));
    }
    let new = || Traces {
        directories: found.missing,
        links: found.links.as_ref().is_some_and(|(_, missing)| *missing),
    };
    let (hand, same) = match &found.text {
        None => (None, false),
        Some(text) => {
            let (above, hand) = open(text);
            (Some(hand), above == wanted)
        }
    };
    let traces = match hand {
        // A package's file does as well as ours.
        None if found.elsewhere.is_some() && !force => None,
        None => Some(new()),
        Some(Hand::Ours(_)) if same => None,
        Some(Hand::Ours(traces)) => Some(traces),
        // What `service print` wrote is not ours to remove the directories of, but ours to keep up to date.
        Some(Hand::Foreign) if same => Some(new()),
        Some(_) if force => Some(new()),
        Some(hand) => return Err(Refusal::Hands { path: found.file.clone(), hand }),
    };
    let written = traces.is_some();
    if let Some(traces) = traces {
        let ours = matches!(hand, None | Some(Hand::Ours(_))) || same;
        if !ours {
            acts.push(Act::Aside { from: found.file.clone(), to: aside(&found.file) });
        }
        acts.push(Act::Write { path: found.file.clone(), text: seal(found.kind, wanted, traces) });
    }
    match found.kind {
        Kind::Systemd => {
            if written || running.stale {
                acts.push(commands.run(&["daemon-reload"], Failing::Ends));
            }
            if !running.enabled {
                acts.push(commands.run(&["enable", &commands.service], Failing::Ends));
            }
            if running.failed {
                acts.push(commands.run(&["reset-failed", &commands.service], Failing::IsNothing));
            }
        }
        Kind::Launchd => {
            if written && running.loaded {
                acts.push(commands.run(&["bootout", &commands.service], Failing::IsNothing));
            }
            if !running.enabled {
                acts.push(commands.run(&["enable", &commands.service], Failing::Ends));
            }
            if written || !running.loaded {
                let file = found.file.display().to_string();
                acts.push(commands.run(
                    &["bootstrap", &commands.domain, &file],
                    if running.loaded { Failing::IsTooEarly } else { Failing::Ends },
                ));
            }
        }
    }
    let again = running.active && (written || running.stale);
    if again || !running.active {
        acts.push(Act::Start { again: again && found.kind == Kind::Systemd });
    }
    Ok(acts)
}

/// The steps to no service; none when there is none.
///
/// # Errors
/// See [`Refusal`]. With `force` a file that somebody has changed is kept under another name.
pub fn uninstall(found: &Found, commands: &Commands, force: bool) -> Result<Vec<Act>, Refusal> {
    let hand = found.text.as_deref().map(|text| open(text).1);
    let mut acts = Vec::new();
    match hand {
        Some(hand @ (Hand::Edited | Hand::Foreign)) if !force => {
            return Err(Refusal::Hands { path: found.file.clone(), hand });
        }
        _ => {}
    }
    let running = found.running.clone().unwrap_or_default();
    let known = running.loaded || running.enabled || running.active;
    match found.kind {
        Kind::Systemd if known => {
            acts.push(commands.run(&["disable", "--now", &commands.service], Failing::Ends));
        }
        Kind::Launchd if running.loaded => {
            acts.push(commands.run(&["bootout", &commands.service], Failing::Ends));
        }
        _ => {}
    }
    if let Some(hand) = hand {
        if let (Some((links, _)), Some(name)) = (&found.links, found.file.file_name()) {
            acts.push(Act::Remove(links.join(name))); // when there was nobody to ask for it
        }
        acts.push(match hand {
            Hand::Ours(_) => Act::Remove(found.file.clone()),
            _ => Act::Aside { from: found.file.clone(), to: aside(&found.file) },
        });
        let traces = if let Hand::Ours(traces) = hand { traces } else { Traces::default() };
        if let Some((links, _)) = &found.links {
            acts.push(if traces.links {
                Act::RemoveEmpty(vec![links.clone()])
            } else {
                Act::Restore(links.clone())
            });
        }
        let above = found.file.ancestors().skip(1).take(traces.directories).map(Path::to_owned);
        let above: Vec<_> = above.collect();
        if !above.is_empty() {
            acts.push(Act::RemoveEmpty(above));
        }
    }
    if found.kind == Kind::Systemd && found.running.is_some() && !acts.is_empty() {
        acts.push(commands.run(&["daemon-reload"], Failing::Ends));
        acts.push(commands.run(&["reset-failed", &commands.service], Failing::IsNothing));
    }
    Ok(acts)
}

/// The name under which somebody's file is kept. Neither manager takes it for one of its own.
fn aside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".kept");
    file.with_file_name(name)
}

#[cfg(test)]
mod tests;
