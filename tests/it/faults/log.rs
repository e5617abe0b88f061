//! What is in the log: states when they change, once, and nothing that is nobody's business.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use super::scene::{self, SEEN, Scene, entry, entry_file, manifest, read, save};
use crate::daemon::{Daemon, binary, call};
use crate::home::eventually;

fn lines<'l>(log: &'l str, words: &str) -> Vec<&'l str> {
    log.lines().filter(|line| line.contains(words)).collect()
}

#[test]
fn a_problem_is_told_when_it_begins_and_when_it_is_over() {
    let home = scene::home(&["pdf"], "");
    let mut scene = Scene::open(Arc::clone(&home));
    let good = read(&home.manifest("default"));
    save(&home.manifest("default"), &good.replace("description = \"", "description = "));
    eventually(SEEN, "the problem is listed", || match scene.problems().len() {
        0 => Err("no problem yet".to_owned()),
        _ => Ok(()),
    });
    // However often it is looked at meanwhile.
    for _ in 0..5 {
        scene.call(&["sync"]);
    }
    save(&home.manifest("default"), &good);
    scene.settled("the mended manifest");
    let log = scene.daemon.process().log();
    assert_eq!(
        lines(&log, "WARN skillmeatd::daemon::told: collections/default/collection.toml:").len(),
        1,
        "{log}"
    );
    assert_eq!(lines(&log, "no problems any more").len(), 1, "{log}");
}

#[test]
fn of_two_problems_each_is_over_by_itself() {
    let home = scene::home(&["pdf", "other"], "");
    let mut scene = Scene::open(Arc::clone(&home));
    let file = |name: &str| home.collection("default").join("skills").join(name).join("SKILL.md");
    let problems = |scene: &Scene, wanted: usize| {
        eventually(SEEN, &format!("{wanted} problems are listed"), || match scene.problems() {
            listed if listed.len() == wanted => Ok(()),
            listed => Err(format!("{listed:?}")),
        });
    };
    for name in ["pdf", "other"] {
        fs::write(file(name), "---\nname: [\n---\n").expect("a broken edit");
    }
    problems(&scene, 2);
    fs::write(file("pdf"), entry_file("pdf", "mended")).expect("an edit");
    problems(&scene, 1);
    fs::write(file("other"), entry_file("other", "mended")).expect("an edit");
    scene.settled("both mended");
    let log = scene.daemon.process().log();
    for (words, times) in [
        ("WARN skillmeatd::daemon::told: collections/default/skills/pdf/SKILL.md", 1),
        ("WARN skillmeatd::daemon::told: collections/default/skills/other/SKILL.md", 1),
        ("no problem any more: collections/default/skills/pdf/SKILL.md", 1),
        ("no problem any more: collections/default/skills/other/SKILL.md", 0),
        ("no problems any more", 1),
    ] {
        assert_eq!(lines(&log, words).len(), times, "{words}: {log}");
    }
}

/// One that fails is asked again and again, seconds apart at first.
#[test]
fn a_skillmeat_that_makes_no_database_is_told_once() {
    let home = scene::home(&["pdf"], "");
    let program = home.write("bin/skillmeat", "#!/bin/sh\necho x >>\"$HOME/asked\"\necho no >&2\nexit 1\n");
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    home.configure(&format!(
        "database.create = \"skillmeat\"\ndatabase.skillmeat = \"{}\"\n",
        program.display()
    ));
    let mut scene = Scene { daemon: Daemon::start(&home), home: Arc::clone(&home) };
    scene.in_state("waiting", "a failure");
    eventually(SEEN, "it is asked four times", || {
        let asked = fs::read_to_string(home.path().join("asked")).unwrap_or_default();
        if asked.lines().count() >= 4 { Ok(()) } else { Err(asked) }
    });
    assert_eq!(scene.status()["database"]["kind"], "absent");
    assert_eq!(scene.call(&["status"]).status.code(), Some(5));
    let log = scene.daemon.process().log();
    for words in ["asking SkillMeat", "was to make the cache database, but ended with"] {
        assert_eq!(lines(&log, words).len(), 1, "{words}: {log}");
    }
}

#[test]
fn our_own_state_that_cannot_be_written_is_told_once() {
    let home = scene::home(&["pdf"], "");
    let mut scene = Scene::open(Arc::clone(&home));
    let state = rusqlite::Connection::open(home.path().join("state/skillmeatd/state.db")).expect("the state");
    state.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    for text in ["one", "two", "three"] {
        fs::write(home.collection("default").join("skills/pdf/SKILL.md"), entry_file("pdf", text))
            .expect("an edit");
        scene.described("pdf", text);
    }
    state.execute_batch("ROLLBACK").expect("the end of the lock");
    fs::write(home.collection("default").join("skills/pdf/SKILL.md"), entry_file("pdf", "four"))
        .expect("an edit");
    scene.described("pdf", "four");
    eventually(SEEN, "the log says that it is over", || {
        let log = scene.daemon.process().log();
        if log.contains("can be written again") { Ok(()) } else { Err(log) }
    });
    let log = scene.daemon.process().log();
    assert_eq!(lines(&log, "cannot be written").len(), 1, "{log}");
}

/// What an artifact says is its author's business, and the environment is its user's.
#[test]
fn no_content_and_no_secret_is_logged_at_any_level() {
    const MARK: &str = "hunter2-marks-the-spot";
    let home = scene::home(&["pdf"], "");
    let skill = home.collection("default").join("skills/pdf");
    let text = |description: &str| {
        entry("pdf", description)
            .replace("[artifacts.metadata]", &format!("[artifacts.metadata]\nx_token = \"{MARK}\""))
    };
    save(&home.manifest("default"), &manifest("default", &[text(MARK)]));
    let mut command = home.command(binary());
    command.args(["run", "--log-level", "trace"]).env("GITHUB_TOKEN", MARK).env("DATABASE_URL", MARK);
    let mut scene = Scene { daemon: Daemon::launch(&home, command), home: Arc::clone(&home) };
    scene.described("pdf", MARK);
    // An edit that is followed; a body; frontmatter, an entry and a manifest that cannot be read.
    fs::write(skill.join("SKILL.md"), entry_file("pdf", &format!("{MARK} again"))).expect("an edit");
    scene.described("pdf", &format!("{MARK} again"));
    fs::write(skill.join("scripts/run.py"), MARK).expect("a script");
    fs::write(skill.join("SKILL.md"), format!("---\nname: [{MARK}\n---\n{MARK}\n")).expect("a broken edit");
    call(&home, &["sync"]);
    for broken in [format!("x = {MARK}\n"), format!("[[artifacts]]\nname = \"{MARK}\"\ntype = \"{MARK}")] {
        save(&home.manifest("default"), &broken);
        call(&home, &["sync"]);
        eventually(SEEN, "the problem is listed", || match scene.problems().len() {
            0 => Err("no problem yet".to_owned()),
            _ => Ok(()),
        });
    }
    let log = scene.daemon.process().log();
    assert!(log.contains("DEBUG") && log.contains("collection.toml:"), "{log}");
    let told: Vec<&str> = lines(&log, MARK);
    assert_eq!(told, Vec::<&str>::new());
}

/// The journal gets fields, not a line to be taken apart (systemd.journal-fields(7)).
#[test]
fn the_journal_gets_fields_and_levels() {
    let home = scene::home(&["pdf"], "log.format = \"journald\"\n");
    let journal = UnixDatagram::bind(home.path().join("run/socket")).expect("a journal of our own");
    journal.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let script = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal \
                  && mount --bind \"$1\" /run/systemd/journal && shift && exec \"$@\"";
    let mut command = home.command("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(home.path().join("run"));
    command.arg(binary()).args(["run", "--log-level", "info"]);
    let probe = {
        let mut probe = home.command("unshare");
        probe.args(["-m", "sh", "-c", script, "sh"]).arg(home.path().join("run")).arg("true");
        probe.output()
    };
    if !probe.is_ok_and(|ran| ran.status.success()) {
        eprintln!("NOT TESTED: no mount may be made here, so no journal can be had.");
        return;
    }
    let mut daemon = Daemon::launch(&home, command);
    fs::remove_file(home.manifest("default")).expect("its removal");
    let mut messages: Vec<Fields> = Vec::new();
    eventually(SEEN, "a warning comes", || {
        let mut bytes = [0; 65_536];
        while let Ok(length) = journal.recv(&mut bytes) {
            messages.push(fields(&bytes[..length]));
        }
        let warned = messages.iter().any(|message| message.get("PRIORITY").is_some_and(|it| it == "4"));
        if warned { Ok(()) } else { Err(format!("{messages:#?}")) }
    });
    let with = |field: &str, value: &str| {
        messages
            .iter()
            .find(|message| message.get(field).is_some_and(|it| it == value))
            .expect("such a message")
    };
    let written = with("MESSAGE", "rows written");
    for (field, value) in [
        ("PRIORITY", "5"),
        ("SYSLOG_IDENTIFIER", "skillmeatd"),
        ("TARGET", "skillmeatd::daemon::told"),
        ("F_ROWS", "8"),
    ] {
        assert_eq!(written.get(field).map(String::as_str), Some(value), "{field}: {written:?}");
    }
    assert!(with("PRIORITY", "4")["MESSAGE"].contains("collection.toml"), "{messages:#?}");
    // All of it went there.
    assert_eq!(daemon.process().log(), "");
}

type Fields = BTreeMap<String, String>;

/// A datagram of the journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): `KEY=value`, or the key alone, the
/// length as 64 bits, little end first, and the value.
fn fields(mut bytes: &[u8]) -> Fields {
    let mut fields = Fields::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes = &bytes[end + 1..];
        if let Some((key, value)) = line.split_once('=') {
            fields.insert(key.to_owned(), value.to_owned());
            continue;
        }
        let (length, rest) = bytes.split_first_chunk::<8>().expect("a length");
        let length = usize::try_from(u64::from_le_bytes(*length)).expect("a small value");
        fields.insert(line, String::from_utf8_lossy(&rest[..length]).into_owned());
        bytes = &rest[length + 1..];
    }
    fields
}
