//! What launchd says of this user's agents (launchctl(1)), and where their files belong (launchd.plist(5), "FILES").
//!
//! The output of `launchctl print` is for people, as its manual says; of it only three lines are read, and none of them
//! decides anything: whether the agent is loaded is told by the exit status.
//!
//! What this module does not do: change anything.

use std::path::{Path, PathBuf};

use super::call::{Program, unasked};
use super::plan::{Commands, Found};
use super::{Kind, Running, missing_above};

/// The agent's label.
pub const LABEL: &str = "skillmeatd";

/// The launchd of this user's graphical session.
#[derive(Debug, Clone)]
pub struct Launchd {
    commands: Commands,
    file: PathBuf,
}

impl Launchd {
    /// For the user `uid` with this home directory.
    #[must_use]
    pub fn new(home: &Path, uid: u32) -> Self {
        Self::asking(Program::new(&["launchctl"]), home, uid)
    }

    pub(super) fn asking(control: Program, home: &Path, uid: u32) -> Self {
        let domain = format!("gui/{uid}");
        let service = format!("{domain}/{LABEL}");
        let file = home.join("Library/LaunchAgents").join(format!("{LABEL}.plist"));
        Self { commands: Commands { control, service, domain }, file }
    }

    /// How to ask it for things.
    #[must_use]
    pub fn commands(&self) -> &Commands {
        &self.commands
    }

    /// How things are; `Err` says why there is nobody to ask.
    pub fn found(&self) -> (Found, Result<(), String>) {
        let (running, answer) = match self.ask() {
            Ok(running) => (Some(running), Ok(())),
            Err(why) => (None, Err(why)),
        };
        let found = Found {
            kind: Kind::Launchd,
            file: self.file.clone(),
            text: std::fs::read_to_string(&self.file).ok(),
            missing: missing_above(&self.file),
            links: None,
            elsewhere: None,
            running,
        };
        (found, answer)
    }

    fn ask(&self) -> Result<Running, String> {
        let call = |arguments: &[&str]| {
            self.commands.control.call(arguments).map_err(|error| unasked("launchctl", &error))
        };
        let domain = call(&["print-disabled", &self.commands.domain])?;
        if !domain.ok {
            return Err(format!(
                "launchd has no graphical session of yours ({}); log in at the screen, not by ssh",
                domain.complaint()
            ));
        }
        let shown = call(&["print", &self.commands.service])?;
        let printed = if shown.ok { shown.stdout.as_str() } else { "" };
        let field = |name: &str| {
            let mut lines = printed.lines().map(str::trim);
            lines.find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("= "))
        };
        let state = field("state").unwrap_or_default();
        // `"skillmeatd" => disabled`, and `true` for that in older systems.
        let disabled = domain.stdout.lines().map(str::trim).any(|line| {
            let state =
                line.strip_prefix(&format!("\"{LABEL}\"")).map(|rest| rest.trim_start_matches(" =>").trim());
            matches!(state, Some("disabled" | "true"))
        });
        Ok(Running {
            loaded: shown.ok,
            load: if shown.ok { "loaded" } else { "not-found" }.to_owned(),
            enabled: !disabled,
            file_state: if disabled { "disabled" } else { "enabled" }.to_owned(),
            active: state == "running",
            state: state.to_owned(),
            pid: field("pid").and_then(|pid| pid.parse().ok()),
            exit: field("last exit code").and_then(|code| code.split(':').next()?.trim().parse().ok()),
            program: field("program").map(PathBuf::from),
            from: field("path").map(PathBuf::from),
            ..Running::default()
        })
    }
}

#[cfg(test)]
mod tests;
