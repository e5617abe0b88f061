//! What a systemd user manager says (systemctl(1)), and where its files belong (systemd.unit(5), "UNIT FILE LOAD PATH").
//!
//! What this module does not do: change anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::call::{Program, unasked};
use super::plan::{Commands, Found};
use super::{Kind, Running, missing_above};

/// The name of the unit.
pub const UNIT: &str = "skillmeatd.service";
/// What is started at login.
const LINKS: &str = "default.target.wants";
/// logind keeps a file here for each user whose services outlive the login (loginctl(1), `enable-linger`).
const LINGER: &str = "/var/lib/systemd/linger";

const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,UnitFileState,FragmentPath,DropInPaths,MainPID,\
                          NRestarts,Result,ExecMainStatus,StatusText,WatchdogUSec,NeedDaemonReload,ExecStart,\
                          ActiveEnterTimestamp";

/// The systemd of this user.
#[derive(Debug, Clone)]
pub struct Systemd {
    commands: Commands,
    linger: PathBuf,
    /// `$XDG_CONFIG_HOME` as this process sees it.
    config_home: PathBuf,
}

impl Systemd {
    /// The one that `systemctl --user` finds.
    #[must_use]
    pub fn new(config_home: PathBuf) -> Self {
        let control = Program::new(&["systemctl", "--user"]);
        let commands = Commands { control, service: UNIT.to_owned(), domain: String::new() };
        Self { commands, linger: LINGER.into(), config_home }
    }

    /// How to ask it for things.
    #[must_use]
    pub fn commands(&self) -> &Commands {
        &self.commands
    }

    /// Its version, of which systemctl has the same (`systemctl --version`).
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        let said = self.commands.control.call(&["--version"]).ok()?;
        said.stdout.split_whitespace().nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// How things are. Without a manager to ask, its files are looked at all the same, and `Err` says why there is none.
    pub fn found(&self) -> (Found, Result<(), String>) {
        let (manager, directory, answer) = match self.ask() {
            Ok((running, directory)) => (Some(running), directory, Ok(())),
            Err(why) => (None, self.config_home.join("systemd/user"), Err(why)),
        };
        let file = directory.join(UNIT);
        let links = directory.join(LINKS);
        let elsewhere =
            manager.as_ref().and_then(|running| running.from.clone()).filter(|from| *from != file);
        let found = Found {
            kind: Kind::Systemd,
            text: std::fs::read_to_string(&file).ok(),
            missing: missing_above(&file),
            links: Some((links.clone(), !links.exists())),
            elsewhere,
            running: manager,
            file,
        };
        (found, answer)
    }

    fn ask(&self) -> Result<(Running, PathBuf), String> {
        let call = |arguments: &[&str]| match self.commands.control.call(arguments) {
            Ok(said) if said.ok => Ok(said.stdout),
            Ok(said) => Err(said.complaint()),
            Err(error) => Err(unasked("systemctl", &error)),
        };
        let places = call(&["show", "--property=UnitPath", "--value"])?;
        let own = self.config_home.join("systemd/user");
        let directory = unit_directory(&places, &own);
        let shown = call(&["show", PROPERTIES, UNIT])?;
        Ok((read(&shown, self.lingers()), directory))
    }

    /// Whether this user's services go on without a login; `None` where nobody keeps a book of that.
    #[must_use]
    pub fn lingers(&self) -> Option<bool> {
        let uid = rustix::process::getuid().as_raw();
        let shown = Program::new(&["loginctl"]).call(&[
            "show-user",
            &uid.to_string(),
            "--property=Linger",
            "--value",
        ]);
        match shown.as_ref().map(|said| said.stdout.trim()) {
            Ok("yes") => return Some(true),
            Ok("no") => return Some(false),
            _ => {}
        }
        // Nobody is logged in, or no logind runs: its book is a directory of files with the users' names.
        if !self.linger.is_dir() {
            return None;
        }
        let name = Program::new(&["id", "-un"]).call(&[]).ok().filter(|said| said.ok)?;
        Some(self.linger.join(name.stdout.trim()).exists())
    }
}

/// The directory for units of this user among those the manager reads: ours if it is one of them, else the first of that
/// kind. A manager may have been started with other variables than this shell has.
fn unit_directory(places: &str, own: &Path) -> PathBuf {
    let places: Vec<&Path> = places.split_whitespace().map(Path::new).collect();
    if places.contains(&own) {
        return own.to_owned();
    }
    let persons = |place: &&&Path| place.ends_with("systemd/user") && !place.starts_with("/run");
    places.iter().find(persons).map_or_else(|| own.to_owned(), |place| (*place).to_owned())
}

fn read(shown: &str, linger: Option<bool>) -> Running {
    let properties: BTreeMap<&str, &str> = shown.lines().filter_map(|line| line.split_once('=')).collect();
    let text = |name: &str| properties.get(name).copied().unwrap_or_default();
    let some = |name: &str| Some(text(name)).filter(|value| !value.is_empty());
    // `{ path=/the/program ; argv[]=/the/program run ; … }`
    let program = text("ExecStart").split_once("path=").and_then(|(_, rest)| rest.split_once(" ; argv[]="));
    Running {
        loaded: text("LoadState") == "loaded",
        masked: text("LoadState") == "masked",
        load: text("LoadState").to_owned(),
        from: some("FragmentPath").map(PathBuf::from),
        overrides: text("DropInPaths").split_whitespace().map(PathBuf::from).collect(),
        stale: text("NeedDaemonReload") == "yes",
        enabled: text("UnitFileState").starts_with("enabled"),
        file_state: text("UnitFileState").to_owned(),
        active: text("ActiveState") == "active" || text("ActiveState") == "reloading",
        failed: text("ActiveState") == "failed",
        state: text("ActiveState").to_owned(),
        told: text("StatusText").to_owned(),
        since: some("ActiveEnterTimestamp").map(ToOwned::to_owned),
        pid: text("MainPID").parse().ok().filter(|pid| *pid != 0),
        restarts: text("NRestarts").parse().unwrap_or(0),
        result: text("Result").to_owned(),
        exit: text("ExecMainStatus").parse().ok(),
        watchdog: some("WatchdogUSec")
            .filter(|time| *time != "0" && *time != "infinity")
            .map(ToOwned::to_owned),
        program: program.map(|(path, _)| PathBuf::from(path)),
        linger,
    }
}

#[cfg(test)]
mod tests;
