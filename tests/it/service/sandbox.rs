//! The daemon under its own restrictions: what has to be written is written, wherever it lies, and `status` tells.
//!
//! What these tests do not do: try each kind of forbidden access; the module's own tests do.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::Signal;

use super::{SEEN, SETTINGS, collection, described, home, not_tested, status};
use crate::daemon::Daemon;
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
