//! When the events do not come, come too late, or come all the time.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::oracle::{self, proc_status};
use super::scene::{self, SEEN, Scene, entry, entry_file, first_words, manifest, read, save, write_skill};
use crate::home::{Home, eventually};

/// More than the kernel keeps for one watcher (inotify(7), `max_queued_events`), made in a directory that is watched.
fn overflow(home: &Home) {
    let limit: usize =
        read("/proc/sys/fs/inotify/max_queued_events".as_ref()).trim().parse().expect("a number");
    let scripts = home.collection("default").join("skills/noise/scripts");
    // At least four a file: created, modified, closed, removed. One name after the other, for equal events in a row
    // count once.
    for number in 0..limit / 4 + 100 {
        let path = scripts.join(format!("{number}.txt"));
        fs::write(&path, "x").expect("a file");
        fs::remove_file(&path).expect("its end");
    }
}

/// Changes of every kind, which nobody hears of.
fn unheard(scene: &Scene, round: usize) {
    let root = scene.home.collection("default");
    write_skill(&root, "edited", &format!("edited in round {round}"));
    fs::write(root.join("skills/hashed/scripts/run.py"), format!("# round {round}\n")).expect("a file");
    let names = ["noise", "edited", "hashed", &format!("new{round}")];
    write_skill(&root, names[3], &first_words(names[3]));
    // `gone` is in the first manifest only, and so is each round's new one.
    let entries: Vec<String> = names.iter().map(|name| entry(name, &first_words(name))).collect();
    save(&scene.home.manifest("default"), &manifest("default", &entries));
}

#[test]
#[cfg(target_os = "linux")]
fn s01_events_lost_while_stopped_are_made_good() {
    let mut scene = Scene::of(&["noise", "edited", "hashed", "gone"], "remove_grace = \"500ms\"\n");
    assert_eq!(scene.status()["watching"]["lost"], 0);
    scene.daemon.process().signal(Signal::STOP);
    overflow(&scene.home);
    unheard(&scene, 1);
    scene.daemon.process().signal(Signal::CONT);
    scene.described("edited", "edited in round 1");
    scene.settled("an overflow");
    let status = scene.status();
    assert!(status["watching"]["lost"].as_u64() >= Some(1), "{status}");
    assert_eq!(status["watching"]["mode"], "events");
    // The watches work again.
    write_skill(&scene.home.collection("default"), "new1", "seen by an event");
    scene.described("new1", "seen by an event");
}

#[test]
#[cfg(target_os = "linux")]
fn s02_overflow_after_overflow_costs_a_bounded_number_of_looks() {
    let mut scene = Scene::of(&["noise", "edited", "hashed", "gone"], "remove_grace = \"500ms\"\n");
    let before = scene.revision();
    for round in 1..=3 {
        scene.daemon.process().signal(Signal::STOP);
        overflow(&scene.home);
        unheard(&scene, round);
        scene.daemon.process().signal(Signal::CONT);
    }
    scene.described("edited", "edited in round 3");
    scene.settled("three overflows");
    let looks = scene.revision() - before;
    assert!(looks <= 40, "{looks} reconciles for three overflows");
    assert_eq!(oracle::ids(&scene.home), ["skill:edited", "skill:hashed", "skill:new3", "skill:noise"]);
}

#[test]
fn s03_files_that_come_before_their_directory_is_watched() {
    let scene = Scene::of(&["first"], "");
    let root = scene.home.collection("default");
    let names: Vec<String> = (0..200).map(|number| format!("deep{number}")).collect();
    let moved: Vec<String> = (0..20).map(|number| format!("moved{number}")).collect();
    let all = ["first".to_owned()].into_iter().chain(names.iter().cloned()).chain(moved.iter().cloned());
    let entries: Vec<String> = all.map(|name| entry(&name, &first_words(&name))).collect();
    // The manifest first: what is missed now stays missed, for no manifest comes to make it good.
    save(&scene.home.manifest("default"), &manifest("default", &entries));
    for name in &names {
        let deep = root.join("skills").join(name).join("a/b/c");
        fs::create_dir_all(&deep).expect("directories");
        fs::write(deep.join("text.md"), name).expect("a file");
    }
    for name in &moved {
        // A whole tree at once, as `skillmeat add` does when $TMPDIR is on the same file system.
        let outside = write_skill(&scene.home.path().join("sources"), name, &first_words(name));
        fs::rename(outside, root.join("skills").join(name)).expect("the move");
    }
    scene.settled("two hundred deep directories and twenty trees moved in");
    // And each of them is watched to the bottom.
    for name in names.iter().step_by(40) {
        let deep = root.join("skills").join(name).join("a/b/c");
        fs::write(deep.join("text.md"), "changed").expect("a file");
    }
    for name in moved.iter().step_by(7) {
        fs::write(root.join("skills").join(name).join("scripts/run.py"), "changed").expect("a file");
    }
    scene.settled("changes at the bottom of them");
}

#[test]
#[cfg(target_os = "linux")]
fn s04_a_file_that_never_rests_starves_nobody() {
    let scene = Scene::of(&["restless", "patient"], "");
    let root = scene.home.collection("default");
    let stop = Arc::new(AtomicBool::new(false));
    let writer = thread::spawn({
        let (stop, path) = (Arc::clone(&stop), root.join("skills/restless/scripts/run.py"));
        move || {
            let mut writes = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                writes += 1;
                fs::write(&path, format!("# {writes}\n")).expect("a write");
                thread::sleep(Duration::from_millis(10)); // the writer's own rhythm
            }
            writes
        }
    });
    let mut memory = Vec::new();
    for round in 0..5 {
        let text = format!("round {round}");
        let began = Instant::now();
        write_skill(&root, "patient", &text);
        scene.described("patient", &text);
        let took = began.elapsed();
        // The hard limit is 500 ms; the rest is the margin of a busy machine.
        assert!(took < Duration::from_secs(3), "{took:?} in round {round}");
        memory.push(proc_status(scene.daemon.pid(), "VmRSS"));
    }
    stop.store(true, Ordering::Relaxed);
    let writes = writer.join().expect("the writer");
    assert!(writes > 50, "only {writes} writes");
    scene.settled("the last write");
    let (first, last) = (memory[0], memory[4]);
    assert!(last < first + 8 * 1024, "resident memory in kB: {memory:?}");
}

/// Runs with a limit of the kernel's taken down, or at least without events where that is not allowed.
#[cfg(target_os = "linux")]
fn with_limit(limit: &str, value: usize, home: &Arc<Home>) -> (Scene, bool) {
    use crate::daemon::Daemon;
    match scene::limited(home, limit, value) {
        Some(command) => {
            let daemon = Daemon::launch(home, command);
            (Scene { daemon, home: Arc::clone(home) }, true)
        }
        None => {
            eprintln!(
                "NOT TESTED: {limit} = {value}. No user namespace may be made here; testing watch.mode = \"poll\" instead."
            );
            let config = read(&home.path().join("config/skillmeatd/config.toml"));
            home.configure(&format!("{config}watch.mode = \"poll\"\n"));
            (Scene { daemon: Daemon::start(home), home: Arc::clone(home) }, false)
        }
    }
}

/// Polling finds what no event told, says what is wrong and how to mend it, and does not spin.
#[cfg(target_os = "linux")]
fn polls(scene: &Scene, limited: bool, remedy: &str) {
    let status = scene.in_state("watching", "the start");
    assert_eq!(status["watching"]["mode"], "polling", "{status}");
    let shortfall = status["watching"]["shortfall"].as_str().expect("a reason");
    if limited {
        assert!(shortfall.contains(remedy), "{shortfall}");
    }
    scene.settled("the start");
    let root = scene.home.collection("default");
    write_skill(&root, "s9", "found by polling");
    scene.described("s9", "found by polling");
    fs::write(root.join("skills/s7/scripts/run.py"), "changed").expect("a file");
    scene.settled("changes in polling mode");
    // A window of two seconds: a poll a second of ten artifacts, and nothing else.
    let began = (Instant::now(), oracle::ticks(scene.daemon.pid()));
    thread::sleep(Duration::from_secs(2));
    let (took, used) = (began.0.elapsed(), oracle::ticks(scene.daemon.pid()) - began.1);
    assert!(used < 40, "{used} hundredths of a second of processor time in {took:?}");
}

const TEN: [&str; 10] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];

#[test]
#[cfg(target_os = "linux")]
fn s08_too_few_watches_is_said_and_polled_around() {
    let home = scene::home(&TEN, "watch.poll_interval = \"1s\"\n");
    let (scene, limited) = with_limit("max_inotify_watches", 12, &home);
    polls(&scene, limited, "sudo sysctl fs.inotify.max_user_watches=");
    if limited {
        let watching = &scene.status()["watching"];
        let (held, wanted) = (watching["held"].as_u64(), watching["wanted"].as_u64());
        assert!(held <= Some(12) && held > Some(0) && wanted > Some(20), "{watching}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn s08_running_out_of_watches_later_is_said_and_polled_around() {
    let home = scene::home(&["s0"], "watch.poll_interval = \"1s\"\n");
    let (scene, limited) = with_limit("max_inotify_watches", 12, &home);
    scene.settled("the start");
    if limited {
        assert_eq!(scene.status()["watching"]["mode"], "events");
    }
    scene::collection(&home, "default", &TEN);
    eventually(SEEN, "polling mode", || {
        let status = scene.daemon.status()?;
        if status["watching"]["mode"] == "polling" { Ok(()) } else { Err(status.to_string()) }
    });
    polls(&scene, limited, "sudo sysctl fs.inotify.max_user_watches=");
}

#[test]
#[cfg(target_os = "linux")]
fn s09_no_inotify_instance_left_is_no_reason_to_end() {
    let home = scene::home(&TEN, "watch.poll_interval = \"1s\"\n");
    let (scene, limited) = with_limit("max_inotify_instances", 0, &home);
    polls(&scene, limited, "sudo sysctl fs.inotify.max_user_instances=");
}

#[test]
fn s10_the_root_is_removed_and_made_again() {
    let scene = Scene::of(&["old", "both"], "");
    fs::remove_dir_all(scene.home.skillmeat()).expect("its removal");
    scene.in_state("waiting", "the removal of the root");
    scene::collection(&scene.home, "default", &["both", "new"]);
    scene.settled("a new root");
    assert_eq!(oracle::ids(&scene.home), ["skill:both", "skill:new"]);
    write_skill(&scene.home.collection("default"), "new", "by an event");
    scene.described("new", "by an event");
    // At once: there is no moment at which the root is seen to be missing.
    fs::remove_dir_all(scene.home.skillmeat()).expect("its removal");
    scene::collection(&scene.home, "default", &["third"]);
    scene.settled("another root");
    write_skill(&scene.home.collection("default"), "third", "by an event");
    scene.described("third", "by an event");
}

#[test]
fn s10_the_root_is_renamed_away_and_back() {
    let scene = Scene::of(&["one", "two"], "");
    let away = scene.home.path().join("away");
    fs::rename(scene.home.skillmeat(), &away).expect("the rename");
    let status = scene.in_state("waiting", "the rename of the root");
    assert!(status["detail"].as_str().is_some_and(|detail| detail.contains("skillmeat init")), "{status}");
    assert!(!scene.home.skillmeat().exists(), "the root was made by a guest");
    write_skill(&away.join("collections/default"), "one", "changed while away");
    fs::rename(&away, scene.home.skillmeat()).expect("the rename back");
    scene.described("one", "changed while away");
    scene.settled("the return of the root");
    write_skill(&scene.home.collection("default"), "two", "by an event");
    scene.described("two", "by an event");
}

#[test]
#[cfg(unix)]
fn s10_a_root_that_is_a_link_is_pointed_elsewhere() {
    let home = scene::home(&["one", "two"], "");
    let (here, there) = (home.path().join("here"), home.path().join("there"));
    fs::rename(home.skillmeat(), &here).expect("the rename");
    std::os::unix::fs::symlink(&here, home.skillmeat()).expect("a link");
    let scene = Scene::open(home);
    // Another home's files, brought by exchanging the link, as `ln -sfn` and home managers do.
    fs::create_dir_all(there.join("collections/default")).expect("directories");
    for name in ["two", "three"] {
        write_skill(&there.join("collections/default"), name, "of the other root");
    }
    let entries = ["two", "three"].map(|name| entry(name, "of the other root"));
    fs::write(there.join("collections/default/collection.toml"), manifest("default", &entries))
        .expect("a manifest");
    let link = scene.home.path().join("link");
    std::os::unix::fs::symlink(&there, &link).expect("a link");
    fs::rename(&link, scene.home.skillmeat()).expect("the exchange");
    scene.described("three", "of the other root");
    scene.settled("another target of the link");
    assert_eq!(oracle::ids(&scene.home), ["skill:three", "skill:two"]);
    write_skill(&there.join("collections/default"), "two", "by an event");
    scene.described("two", "by an event");
    // What the old target says is nobody's business any more.
    let revision = scene.revision();
    fs::write(here.join("collections/default/skills/two/SKILL.md"), entry_file("two", "stray"))
        .expect("a file");
    thread::sleep(Duration::from_secs(1)); // a window in which nothing may happen
    assert_eq!(scene.revision(), revision);
}
