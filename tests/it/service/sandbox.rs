//! The daemon under its own restrictions: what has to be written is written, wherever it lies, and `status` tells.
//!
//! What these tests do not do: try each kind of forbidden access; the module's own tests do.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use super::systemd::UserManager;
use super::{SEEN, SETTINGS, collection, described, home, not_tested, status, unit};
use crate::child::finish;
use crate::daemon::{Daemon, binary, call};
use crate::home::{Home, eventually};

/// Whether the kernel of this machine restricts anything.
fn restricted(home: &Home) -> bool {
    let enforced = status(home).expect("an answer")["sandbox"]["enforced"].clone();
    if enforced == "none" {
        not_tested("the sandbox", "this kernel has no Landlock");
    }
    enforced != "none"
}

fn writable(home: &Home) -> Vec<String> {
    let status = status(home).expect("an answer");
    let places = status["sandbox"]["writable"].as_array().expect("a list");
    places.iter().filter_map(|place| place.as_str().map(ToOwned::to_owned)).collect()
}

#[test]
fn what_lies_elsewhere_is_written_there_and_nothing_is_lost_when_it_moves() {
    let home = home();
    collection(&home);
    let _daemon = Daemon::start(&home);
    described(&home, "as made");
    if !restricted(&home) {
        return;
    }
    let real =
        |path: std::path::PathBuf| path.canonicalize().expect("a path that is there").display().to_string();
    let own = [
        home.path().join("state/skillmeatd"),
        home.skillmeat().join("cache"),
        home.skillmeat().join("collections"),
    ];
    let mut own: Vec<String> = own.into_iter().map(real).collect();
    own.sort();
    assert_eq!(writable(&home), own);

    // The collection moves out of SkillMeat's tree, as with stow: an edit is carried into its manifest there.
    let dotfiles = home.path().join("dotfiles");
    fs::rename(home.collection("default"), &dotfiles).expect("a moved collection");
    symlink(&dotfiles, home.collection("default")).expect("a link to it");
    let entry = dotfiles.join("skills/pdf/SKILL.md");
    fs::write(&entry, "---\nname: pdf\ndescription: moved\n---\n# pdf\n").expect("an edit");
    described(&home, "moved");
    assert!(
        fs::read_to_string(dotfiles.join("collection.toml")).expect("the manifest").contains("\"moved\"")
    );
    assert!(writable(&home).contains(&real(dotfiles)));

    // The whole tree is replaced by a copy of itself, database included.
    let aside = home.path().join("aside");
    fs::rename(home.skillmeat(), &aside).expect("the tree aside");
    eventually(SEEN, "it waits for a home", || {
        let status = status(&home)?;
        if status["state"] == "waiting" { Ok(()) } else { Err(status.to_string()) }
    });
    collection(&home);
    described(&home, "as made");
}

#[test]
fn it_can_be_switched_off_while_it_runs() {
    let home = home();
    collection(&home);
    let mut daemon = Daemon::start(&home);
    described(&home, "as made");
    home.configure(&format!("{SETTINGS}sandbox.enabled = false\n"));
    daemon.process().signal(Signal::HUP);
    eventually(SEEN, "the sandbox is off", || {
        let sandbox = status(&home)?["sandbox"].clone();
        let off =
            sandbox["enforced"] == "none" && sandbox["detail"] == "switched off (sandbox.enabled = false)";
        if off { Ok(()) } else { Err(sandbox.to_string()) }
    });
    super::describe(&home, "edited without");
    described(&home, "edited without");
}

/// What the daemon says of itself, seen from outside: a write that it wants to do, and that only the sandbox forbids.
#[test]
fn from_inside_the_service_nothing_can_be_written_elsewhere() {
    let home = home();
    collection(&home);
    let Some(manager) = UserManager::start(&home) else { return };
    manager.install(&unit(&home, Path::new(&binary())));
    manager.call(&["start", "skillmeatd"]).succeeded();
    if !restricted(&home) {
        return;
    }
    // The manifest leads to a file in the directory that the home is in, which is never opened.
    let manifest = home.manifest("default");
    let outside = tempfile::Builder::new().prefix("smd-outside-").tempfile().expect("a file elsewhere");
    assert_eq!(outside.path().parent(), home.path().parent());
    let before = fs::read_to_string(&manifest).expect("the manifest");
    fs::write(outside.path(), &before).expect("the manifest, elsewhere");
    let link = manifest.with_extension("link");
    symlink(outside.path(), &link).expect("a link to it");
    fs::rename(&link, &manifest).expect("the link in place of the manifest");
    super::describe(&home, "edited inside");
    let told = eventually(SEEN, "the write is refused, and that is told", || {
        let problems = call(&home, &["problems"]).stdout;
        if problems.contains("denied") { Ok(problems) } else { Err(problems) }
    });
    assert!(told.contains("collections/default/collection.toml"), "{told}");
    assert_eq!(fs::read_to_string(outside.path()).expect("the manifest, elsewhere"), before);

    // Nothing else was in the way.
    home.configure(&format!("{SETTINGS}sandbox.enabled = false\n"));
    manager.call(&["restart", "skillmeatd"]).succeeded();
    eventually(SEEN, "the manifest is written where it is", || {
        let text = fs::read_to_string(outside.path()).expect("the manifest, elsewhere");
        if text.contains("edited inside") { Ok(()) } else { Err(text) }
    });
}

/// Whether a directive is in force, in the eyes of `systemd-analyze security`, and its figure for the whole: from 0, all
/// closed, to 10.
fn exposure(home: &Home, unit: &str) -> Option<(BTreeMap<String, bool>, f64)> {
    let path = home.write("security/skillmeatd.service", unit);
    let analyze = |more: &[&str]| {
        let mut command = home.command("systemd-analyze");
        command.args(["--user", "--no-pager", "security", "--offline=yes"]).args(more).arg(&path);
        finish(command, "", SEEN).succeeded().stdout
    };
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return None;
    }
    let text = analyze(&[]);
    let figure = text.rsplit_once("service: ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    let checks: Value = serde_json::from_str(&analyze(&["--json=short"])).expect("JSON");
    let checks = checks.as_array().expect("a list").iter().filter_map(|check| {
        Some((check["json_field"].as_str()?.to_owned(), check["set"].as_bool().unwrap_or(false)))
    });
    Some((checks.collect(), figure.unwrap_or_else(|| panic!("no figure: {text}"))))
}

#[test]
fn every_restriction_of_the_unit_counts() {
    let home = home();
    let unit = unit(&home, Path::new(&binary()));
    let Some((checks, figure)) = exposure(&home, &unit) else {
        not_tested("systemd-analyze security", "there is no systemd-analyze");
        return;
    };
    let (_, bare) = exposure(&home, "[Service]\nExecStart=/bin/true\n").expect("the same once more");
    // To the terminal, past the test runner's capture: a figure to be read, which differs with systemd's version.
    let _ = writeln!(
        std::io::stderr(),
        "systemd-analyze security --offline: {figure} (a service with no restrictions: {bare})"
    );
    assert!(figure < bare - 3.0, "{figure} {bare}");
    for directive in [
        "NoNewPrivileges",
        "SystemCallArchitectures",
        "SystemCallFilter_raw_io",
        "SystemCallFilter_resources",
        "SystemCallFilter_module",
        "SystemCallFilter_mount",
        "SystemCallFilter_debug",
        "RestrictAddressFamilies_AF_NETLINK",
        "RestrictAddressFamilies_OTHER",
        "RestrictNamespaces_user",
        "RestrictNamespaces_mnt",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "UMask",
    ] {
        assert_eq!(checks.get(directive), Some(&true), "{directive}: {checks:?}");
    }
}
