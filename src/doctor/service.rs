//! Asking the service manager, read-only.
//!
//! What this module does not do: start, stop or enable anything.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::domain::checkup::service::{Service, Unit};

/// A user manager that does not answer within this is none.
const PATIENCE: Duration = Duration::from_secs(10);

const PROPERTIES: &str = "--property=LoadState,ActiveState,UnitFileState,Result,NRestarts,MainPID,ExecStart";

/// What the service manager of this user says.
pub(super) async fn ask() -> Service {
    if cfg!(target_os = "macos") {
        return Service::NoManager("launchd is not asked; see: launchctl list skillmeatd".to_owned());
    }
    let shown = match run("systemctl", &["--user", "show", "skillmeatd.service", PROPERTIES]).await {
        Ok(shown) => shown,
        Err(why) => return Service::NoManager(why),
    };
    let mut unit = parse(&shown);
    if unit.load == "not-found" {
        return Service::NotInstalled;
    }
    unit.linger = linger().await;
    Service::Installed(Box::new(unit))
}

/// Where another home is looked at than the one a service would serve.
pub(super) fn not_this_home() -> Service {
    Service::NoManager("a service would serve another home than this".to_owned())
}

/// The lines of `systemctl show`.
fn parse(shown: &str) -> Unit {
    let value = |name: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    Unit {
        load: value("LoadState"),
        active: value("ActiveState"),
        file: value("UnitFileState"),
        result: value("Result"),
        restarts: value("NRestarts").parse().unwrap_or(0),
        pid: value("MainPID").parse().unwrap_or(0),
        program_exists: program(&value("ExecStart")).is_none_or(|program| program.exists()),
        linger: None,
    }
}

/// From `{ path=/usr/bin/skillmeatd ; argv[]=… }`.
fn program(exec_start: &str) -> Option<PathBuf> {
    let (_, rest) = exec_start.split_once("path=")?;
    let (path, _) = rest.split_once(" ;")?;
    Some(PathBuf::from(path))
}

/// The user's name, for commands that a person is told.
pub(super) fn user() -> String {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("USER").or_else(|| set("LOGNAME")).unwrap_or_else(|| rustix::process::getuid().as_raw().to_string())
}

async fn linger() -> Option<bool> {
    let user = user();
    match run("loginctl", &["show-user", &user, "--property=Linger", "--value"]).await {
        Ok(answer) => match answer.trim() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        },
        // Without a login manager to ask, its files tell the same (loginctl(1), enable-linger).
        Err(_) => {
            let directory = Path::new("/var/lib/systemd/linger");
            directory.is_dir().then(|| directory.join(&user).exists())
        }
    }
}

/// What a command prints, or why it cannot be asked.
async fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true).stdin(Stdio::null());
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| format!("{program} did not answer within {} s", PATIENCE.as_secs()))?
        .map_err(|error| format!("{program} cannot be asked: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("no user manager answers: {}", said.lines().next().unwrap_or("it does not say why")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_shows_is_understood() {
        let unit = parse(
            "ExecStart={ path=/no such/skillmeatd ; argv[]=/no such/skillmeatd run ; ignore_errors=no }\n\
             MainPID=71\nNRestarts=4\nResult=exit-code\nLoadState=loaded\nActiveState=failed\nUnitFileState=enabled\n",
        );
        let expected = Unit {
            load: "loaded".into(),
            active: "failed".into(),
            file: "enabled".into(),
            result: "exit-code".into(),
            restarts: 4,
            pid: 71,
            program_exists: false,
            linger: None,
        };
        assert_eq!(unit, expected);
        // Nothing is made of what is not there.
        assert!(parse("LoadState=not-found\n").program_exists);
    }
}
