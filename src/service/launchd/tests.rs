use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::service::plan;

/// A launchctl that keeps its books in a directory: what it was asked in `asked`, what it answers in files.
fn pretended(directory: &Path, loaded: bool) -> Launchd {
    let program = directory.join("launchctl");
    fs::write(
        &program,
        "#!/bin/sh\ncd \"${0%/*}\" && echo \"$@\" >>asked\ncase $1 in\n\
         print-disabled) cat disabled;;\nprint) [ -e loaded ] && cat loaded || exit 113;;\n\
         bootstrap) [ \"$2\" = gui/501 ] && cp printed loaded;;\nbootout) rm loaded;;\nenable) echo >disabled;;\nesac\n",
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(directory.join("disabled"), "\tdisabled services = {\n\t\t\"skillmeatd\" => disabled\n\t}\n")
        .unwrap();
    let printed = "gui/501/skillmeatd = {\n\tactive count = 1\n\tpath = /Users/ann/Library/LaunchAgents/skillmeatd.plist\n\
                   \tstate = running\n\n\tprogram = /opt/skillmeatd\n\tpid = 77\n\tlast exit code = 78: EX_CONFIG\n}\n";
    fs::write(directory.join(if loaded { "loaded" } else { "printed" }), printed).unwrap();
    Launchd::asking(Program::new(&[program.to_str().unwrap()]), directory, 501)
}

#[test]
fn what_it_says_is_understood() {
    let directory = tempfile::tempdir().unwrap();
    let (found, answer) = pretended(directory.path(), true).found();
    assert_eq!(answer, Ok(()));
    let running = found.running.unwrap();
    assert!(running.loaded && running.active && !running.enabled);
    assert_eq!((running.pid, running.exit), (Some(77), Some(78)));
    assert_eq!(running.program.as_deref(), Some(Path::new("/opt/skillmeatd")));
    assert_eq!(found.file, directory.path().join("Library/LaunchAgents/skillmeatd.plist"));
    let nobody = Launchd::asking(Program::new(&["no-such-launchctl"]), directory.path(), 501);
    assert!(nobody.found().1.unwrap_err().starts_with("there is no launchctl"));
}

#[test]
fn an_agent_comes_and_goes_without_a_trace() {
    let directory = tempfile::tempdir().unwrap();
    let launchd = pretended(directory.path(), false);
    let wanted = "<plist/>\n";
    let (found, _) = launchd.found();
    assert_eq!(found.missing, 2);
    for act in plan::install(&found, wanted, launchd.commands(), false).unwrap() {
        act.take().unwrap();
    }
    let (found, _) = launchd.found();
    assert!(found.running.as_ref().unwrap().active);
    assert_eq!(plan::install(&found, wanted, launchd.commands(), false), Ok(Vec::new()));
    for act in plan::uninstall(&found, launchd.commands(), false).unwrap() {
        act.take().unwrap();
    }
    assert!(!directory.path().join("Library").exists());
    let asked = fs::read_to_string(directory.path().join("asked")).unwrap();
    let asked: Vec<&str> = asked.lines().filter(|line| !line.starts_with("print")).collect();
    let file = found.file.display();
    assert_eq!(
        asked,
        ["enable gui/501/skillmeatd", &format!("bootstrap gui/501 {file}"), "bootout gui/501/skillmeatd"]
    );
}
