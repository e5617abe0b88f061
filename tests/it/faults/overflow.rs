//! When events are lost, or come all the time.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::oracle::{self, proc_status};
use super::scene::{Scene, entry, first_words, manifest, read, save, write_skill};
use crate::home::Home;

/// Twice what the kernel keeps for one watcher (inotify(7), `max_queued_events`), made in a directory that is watched.
pub(crate) fn overflow(home: &Home) {
    let limit: usize =
        read("/proc/sys/fs/inotify/max_queued_events".as_ref()).trim().parse().expect("a number");
    let scripts = home.collection("default").join("skills/noise/scripts");
    // At least four a file: created, modified, closed, removed. One name after the other, for equal events in a row
    // count once.
    for number in 0..limit / 2 {
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
fn s01_events_lost_while_stopped_are_made_good() {
    let mut scene = Scene::of(&["noise", "edited", "hashed", "gone"], "remove_grace = \"500ms\"\n");
    assert_eq!(scene.status()["watching"]["lost"], 0);
    scene.daemon.process().pause();
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
fn s02_overflow_after_overflow_costs_a_bounded_number_of_looks() {
    let mut scene = Scene::of(&["noise", "edited", "hashed", "gone"], "remove_grace = \"500ms\"\n");
    let before = scene.revision();
    for round in 1..=3 {
        scene.daemon.process().pause();
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
