//! From `service install` to `service uninstall`, on a real systemd user manager, with the real SkillMeat.
//!
//! What these tests do not do: launchd; the module's own tests pretend one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::systemd::UserManager;
use super::{
    SEEN, SETTINGS, collection, describe, described, description, home, oddly_named, status, verify,
};
use crate::child::{Finished, finish};
use crate::daemon::{Daemon, binary, call};
use crate::home::{Home, eventually};
use crate::interop::skillmeat::SkillMeat;
use crate::interop::venv;

/// Everything below a directory: modes, link targets, contents.
pub(super) fn tree(top: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![top.to_owned()];
    while let Some(path) = pending.pop() {
        let Ok(data) = path.symlink_metadata() else { continue };
        let content = if data.is_dir() {
            pending.extend(fs::read_dir(&path).expect("a listing").flatten().map(|entry| entry.path()));
            Vec::new()
        } else if data.is_symlink() {
            fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).unwrap_or_default()
        };
        found.insert(path.strip_prefix(top).expect("below").to_owned(), (data.mode(), content));
    }
    found
}

/// `skillmeatd service …` as `program`.
fn service(home: &Home, program: &Path, arguments: &[&str]) -> Finished {
    let mut command = home.command(program);
    command.arg("service").args(arguments);
    finish(command, "", SEEN * 2)
}

fn shown(home: &Home) -> Value {
    let answer = call(home, &["service", "status", "--json"]);
    serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[test]
fn installed_it_works_and_uninstalled_it_leaves_no_trace() {
    let home = Arc::new(Home::new().with_programs(venv::bin().to_owned()));
    collection(&home);
    let Some(manager) = UserManager::start(&home) else { return };
    let program = oddly_named(&home);
    let before = tree(&home.path().join("config"));
    let dry = service(&home, &program, &["install", "--dry-run"]).succeeded();
    assert!(dry.stdout.starts_with("would write "), "{dry:?}");
    assert_eq!(before, tree(&home.path().join("config")), "a dry run does nothing");

    // SkillMeat itself makes the database, under the service's limits, found where this shell finds it.
    let installed = service(&home, &program, &["install"]).succeeded();
    println!("{}", installed.stdout);
    assert!(installed.stdout.contains("\nready after "), "{installed:?}");
    assert_eq!(description(&home), Ok("as made".to_owned()));
    let first = status(&home).expect("an answer");
    assert_eq!((&first["state"], &first["database"]["kind"]), (&"watching".into(), &"skillmeat".into()));
    assert_eq!(manager.property("UnitFileState"), "enabled");
    let unit =
        fs::read_to_string(home.path().join("config/systemd/user/skillmeatd.service")).expect("the unit");
    assert_eq!(verify(&home, &unit).map_or((true, String::new()), |verdict| verdict), (true, String::new()));

    let report = shown(&home);
    for (key, value) in [
        ("hand", Value::from("ours")),
        ("active", true.into()),
        ("answers", true.into()),
        ("enabled", true.into()),
        ("program_exists", true.into()),
        ("no_new_privileges", true.into()),
        ("system_calls_filtered", true.into()),
        ("program", program.display().to_string().into()),
        ("daemon", "watching".into()),
        ("watchdog", "2min".into()),
    ] {
        assert_eq!(report[key], value, "{key}: {report}");
    }
    // Where user managers are given the control groups for it, which the kernel tells.
    for (key, limit) in [("memory_max", 1 << 30), ("tasks_max", 64)] {
        match &report[key] {
            Value::Null => super::not_tested(key, "this manager has no control group for it"),
            found => assert_eq!(*found, limit, "{key}: {report}"),
        }
    }
    // By a write that was tried from inside; no less than without the unit's limits.
    let plain = super::home();
    let _daemon = Daemon::start(&plain);
    let enforced = status(&plain).expect("an answer")["sandbox"]["enforced"].clone();
    assert_eq!(report["sandbox"]["enforced"], enforced, "{report}");

    // Doing it again does nothing.
    let again = service(&home, &program, &["install"]).succeeded();
    assert!(again.stdout.starts_with("there is nothing to do\n"), "{again:?}");
    assert_eq!(status(&home).expect("an answer")["pid"], first["pid"]);

    // What SkillMeat adds is mirrored.
    let source = home.write("sources/notes/SKILL.md", "---\nname: notes\ndescription: added\n---\n# notes\n");
    SkillMeat::new(&home).add("skill", source.parent().expect("its directory"), &[]);
    eventually(SEEN, "the row of what was added", || {
        let rows = crate::interop::judge::rows(&home)?;
        if rows.contains_key("skill:notes") { Ok(()) } else { Err(format!("{:?}", rows.keys())) }
    });

    // A person's hand is respected.
    let path = home.path().join("config/systemd/user/skillmeatd.service");
    fs::write(&path, format!("{unit}# mine\n")).expect("an edit");
    assert_eq!(shown(&home)["hand"], "edited");
    for refused in ["install", "uninstall"] {
        let answer = service(&home, &program, &[refused]);
        assert_eq!(answer.status.code(), Some(1), "{answer:?}");
        assert!(answer.stderr.contains("has been changed since"), "{answer:?}");
    }
    fs::write(&path, &unit).expect("the edit taken back");

    let collections = tree(&home.skillmeat().join("collections"));
    let gone = service(&home, &program, &["uninstall", "--purge"]).succeeded();
    assert!(gone.stdout.contains("remove "), "{gone:?}");
    assert_eq!(before, tree(&home.path().join("config")));
    assert_eq!(collections, tree(&home.skillmeat().join("collections")));
    assert!(!home.path().join("state/skillmeatd").exists() && !home.path().join("run/skillmeatd").exists());
    assert_eq!(manager.property("LoadState"), "not-found");
    assert_eq!(manager.property("ActiveState"), "inactive");
    let again = service(&home, &program, &["uninstall"]).succeeded();
    assert!(again.stdout.starts_with("there is no service of ours\n"), "{again:?}");
    assert_eq!(call(&home, &["service", "status"]).status.code(), Some(3));
}

#[test]
fn an_upgrade_is_brought_in_and_a_foreign_unit_kept() {
    let home = home();
    collection(&home);
    let Some(manager) = UserManager::start(&home) else { return };
    let program = Path::new("skillmeatd");
    let (first, second) = (home.path().join("one"), home.path().join("two"));
    for directory in [&first, &second] {
        fs::create_dir(directory).expect("a directory");
        std::os::unix::fs::symlink(binary(), directory.join(program)).expect("a link to the program");
    }
    let mine = "[Service]\nExecStart=/bin/true\n";
    let path = home.write("config/systemd/user/skillmeatd.service", mine);
    let refused = service(&home, &first.join(program), &["install"]);
    assert!(refused.stderr.contains("was not written by `skillmeatd service install`"), "{refused:?}");
    service(&home, &first.join(program), &["install", "--force"]).succeeded();
    let pid = manager.property("MainPID");
    assert_eq!(fs::read_to_string(path.with_extension("service.kept")).expect("what was there"), mine);

    // The same program by another name: another unit, another process.
    service(&home, &second.join(program), &["install"]).succeeded();
    assert_ne!(manager.property("MainPID"), pid);
    assert!(manager.property("ExecStart").contains(&second.display().to_string()));

    service(&home, &second.join(program), &["uninstall"]).succeeded();
    let left = tree(&home.path().join("config/systemd"));
    let left: Vec<_> = left.keys().map(|path| path.display().to_string()).collect();
    assert_eq!(left, ["", "user", "user/skillmeatd.service.kept"]);
    assert!(home.path().join("state/skillmeatd").exists(), "what it remembers stays unless asked for");
}

#[test]
fn nothing_is_installed_where_it_cannot_run() {
    let home = home();
    collection(&home);
    let before = tree(&home.path().join("config"));
    // No user manager.
    let answer = call(&home, &["service", "install"]);
    assert_eq!(answer.status.code(), Some(1));
    assert!(
        answer.stderr.contains("no systemd user manager answers") && answer.stderr.contains("hint:"),
        "{answer:?}"
    );
    assert_eq!(call(&home, &["service", "status"]).status.code(), Some(1));
    assert_eq!(call(&home, &["service", "install", "--dry-run"]).succeeded().stdout.lines().count(), 4);
    // Settings that the service would not have, and a configuration it could not start with.
    let answer = call(&home, &["service", "install", "--log-level", "debug"]);
    assert_eq!(answer.status.code(), Some(2), "{answer:?}");
    home.configure("no such key = 1\n");
    assert_eq!(call(&home, &["service", "install"]).status.code(), Some(2));
    home.configure(SETTINGS);
    let Some(_manager) = UserManager::start(&home) else { return };
    let _daemon = Daemon::start(&home);
    let answer = call(&home, &["service", "install"]);
    assert_eq!(answer.status.code(), Some(6), "{answer:?}");
    assert_eq!(before, tree(&home.path().join("config")));
}

#[test]
fn a_service_for_another_home_serves_that_home() {
    let home = home();
    collection(&home);
    let Some(_manager) = UserManager::start(&home) else { return };
    let other = Home::new();
    collection(&other);
    other.write(".config/skillmeatd/config.toml", SETTINGS);
    let of = other.path().display().to_string();
    call(&home, &["--home", &of, "service", "install"]).succeeded();
    assert_eq!(description(&other), Ok("as made".to_owned()));
    describe(&other, "edited there");
    described(&other, "edited there");
    assert!(!home.cache_db().exists());
    call(&home, &["--home", &of, "service", "uninstall", "--purge"]).succeeded();
    assert!(!other.path().join(".local/state/skillmeatd").exists());
}
