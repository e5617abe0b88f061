//! Against the real file system. A test acts, then waits for the notice it is entitled to; notices that come as well are
//! no fault, because hints may be doubled.

use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

struct Scene {
    home: TempDir,
    notices: Receiver<Notice>,
    watcher: Watcher,
    coverage: Coverage,
}

impl Scene {
    /// A home prepared by `set_up`, watched.
    fn new(set_up: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join(".skillmeat");
        set_up(&root);
        let (sender, notices) = channel();
        let watcher = Watcher::start(root, home.path().join("run/cookies"), Use::Events, move |notice| {
            let _ = sender.send(notice);
        })
        .unwrap();
        let Notice::Armed(coverage) = notices.recv_timeout(PATIENCE).unwrap() else {
            panic!("the first notice is not `Armed`");
        };
        Self { home, notices, watcher, coverage }
    }

    fn with_collection() -> Self {
        Self::new(|root| {
            fs::create_dir_all(root.join("collections/work/skills/pdf/scripts")).unwrap();
            fs::create_dir_all(root.join("cache")).unwrap();
            fs::write(root.join("collections/work/collection.toml"), "x").unwrap();
        })
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(".skillmeat").join(below)
    }

    #[track_caller]
    fn expect(&self, what: &Notice) {
        self.expect_any(&format!("{what:?}"), |notice| notice == what);
    }

    #[track_caller]
    fn expect_any(&self, what: &str, matches: impl Fn(&Notice) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            match self.notices.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(notice) if matches(&notice) => return,
                Ok(notice) => seen.push(notice),
                Err(_) => panic!("no {what}; seen: {seen:#?}"),
            }
        }
    }

    /// Every notice up to a marker written now.
    fn drain(&self) -> Vec<Notice> {
        fs::write(self.path("config.toml"), "marker").unwrap();
        let mut seen = Vec::new();
        loop {
            match self.notices.recv_timeout(PATIENCE).unwrap() {
                Notice::Hint(Hint::Everything) => return seen,
                notice => seen.push(notice),
            }
        }
    }
}

fn pdf() -> Hint {
    Hint::Path { collection: "work".into(), path: "skills/pdf".into() }
}

#[test]
fn a_save_in_place_and_a_save_by_rename_are_both_noticed_twice_in_a_row() {
    let scene = Scene::with_collection();
    for round in ["one", "two"] {
        fs::write(scene.path("collections/work/skills/pdf/SKILL.md"), round).unwrap();
        scene.expect(&Notice::Hint(pdf()));
        let temporary = scene.path("collections/work/.collection.toml.abcdefgh.tmp");
        fs::write(&temporary, round).unwrap();
        fs::rename(&temporary, scene.path("collections/work/collection.toml")).unwrap();
        scene.expect(&Notice::Hint(Hint::Manifest { collection: "work".into(), renamed: true }));
    }
}

#[test]
fn a_new_tree_is_watched_to_its_depth_before_it_is_reported() {
    let scene = Scene::with_collection();
    fs::create_dir_all(scene.path("collections/work/agents/deep/er/and/deeper")).unwrap();
    scene.expect_any("appearance", |notice| matches!(notice, Notice::Appeared(_)));
    scene.drain();
    fs::write(scene.path("collections/work/agents/deep/er/and/deeper/x"), "x").unwrap();
    scene.expect(&Notice::Hint(Hint::Path { collection: "work".into(), path: "agents/deep".into() }));
}

#[test]
fn a_tree_moved_in_from_outside_is_watched() {
    let scene = Scene::with_collection();
    let outside = scene.home.path().join("outside");
    fs::create_dir_all(outside.join("inner")).unwrap();
    fs::rename(&outside, scene.path("collections/work/skills/moved")).unwrap();
    let hint = Hint::Path { collection: "work".into(), path: "skills/moved".into() };
    scene.expect(&Notice::Appeared(hint.clone()));
    fs::write(scene.path("collections/work/skills/moved/inner/x"), "x").unwrap();
    scene.expect(&Notice::Hint(hint));
}

#[test]
fn a_directory_that_was_swapped_out_is_watched_at_its_new_inode() {
    let scene = Scene::with_collection();
    for round in 0..3 {
        let staged = scene.path("collections/work/skills/.pdf.txn-0123abcd");
        fs::create_dir_all(staged.join("scripts")).unwrap();
        let aside = scene.path("collections/work/skills/.pdf.skillmeat-swap-aside-0123abcd");
        fs::rename(scene.path("collections/work/skills/pdf"), &aside).unwrap();
        fs::rename(&staged, scene.path("collections/work/skills/pdf")).unwrap();
        fs::remove_dir_all(&aside).unwrap();
        scene.expect(&Notice::Appeared(pdf()));
        scene.drain();
        fs::write(scene.path("collections/work/skills/pdf/scripts/x"), format!("{round}")).unwrap();
        scene.expect(&Notice::Hint(pdf()));
    }
}

#[test]
fn temporary_names_and_other_files_of_skillmeat_are_not_reported() {
    let scene = Scene::with_collection();
    fs::create_dir_all(scene.path("snapshots/work")).unwrap();
    fs::write(scene.path("snapshots/work/x.tar.gz"), "x").unwrap();
    fs::write(scene.path("analytics.db-wal"), "x").unwrap();
    fs::write(scene.path("collections/work/.collection.toml.skillmeat-lock"), "").unwrap();
    fs::write(scene.path("collections/work/collection.lock"), "x").unwrap();
    fs::create_dir(scene.path("collections/work/skills/.pdf.txn-0123abcd")).unwrap();
    fs::write(scene.path("collections/work/skills/.pdf.txn-0123abcd/x"), "x").unwrap();
    assert_eq!(scene.drain(), []);
}

#[test]
fn our_own_reads_are_not_reported() {
    let scene = Scene::with_collection();
    let manifest = scene.path("collections/work/collection.toml");
    for _ in 0..100 {
        fs::read(&manifest).unwrap();
        fs::read_dir(scene.path("collections/work/skills/pdf")).unwrap().count();
    }
    assert_eq!(scene.drain(), []);
}

#[test]
fn a_commit_in_the_cache_is_noticed_and_its_shared_memory_file_is_not() {
    let scene = Scene::with_collection();
    fs::write(scene.path("cache/cache.db-shm"), "x").unwrap();
    assert_eq!(scene.drain(), []);
    fs::write(scene.path("cache/cache.db-wal"), "x").unwrap();
    scene.expect(&Notice::Hint(Hint::Cache));
}

#[test]
fn a_root_that_appears_is_lost_events_and_watched_after_rearming() {
    let scene = Scene::new(|_| {});
    assert_eq!(scene.coverage.held, 1, "its parent");
    fs::create_dir_all(scene.path("collections/work/skills")).unwrap();
    scene.expect(&Notice::Lost(Loss::Root));
    scene.watcher.rearm().unwrap();
    scene.expect_any("rearming", |notice| matches!(notice, Notice::Armed(c) if c.held == 4));
    fs::create_dir(scene.path("collections/work/skills/pdf")).unwrap();
    scene.expect(&Notice::Appeared(pdf()));
}

#[test]
fn a_root_that_is_removed_renamed_or_replaced_is_lost_events() {
    let removed = Scene::with_collection();
    fs::remove_dir_all(removed.path("")).unwrap();
    removed.expect(&Notice::Lost(Loss::Root));
    removed.watcher.rearm().unwrap();
    removed.expect_any("rearming", |notice| matches!(notice, Notice::Armed(_)));
    fs::create_dir_all(removed.path("collections")).unwrap();
    removed.expect(&Notice::Lost(Loss::Root));

    let renamed = Scene::with_collection();
    fs::rename(renamed.path(""), renamed.home.path().join("elsewhere")).unwrap();
    renamed.expect(&Notice::Lost(Loss::Root));
}

#[test]
fn a_root_that_is_a_link_is_watched_behind_it_and_repointing_is_lost_events() {
    let scene = Scene::new(|root| {
        let home = root.parent().unwrap();
        for target in ["one", "two"] {
            fs::create_dir_all(home.join(target).join("collections/work/skills/pdf")).unwrap();
        }
        std::os::unix::fs::symlink(home.join("one"), root).unwrap();
    });
    fs::write(scene.home.path().join("one/collections/work/skills/pdf/SKILL.md"), "x").unwrap();
    scene.expect(&Notice::Hint(pdf()));
    std::os::unix::fs::symlink(scene.home.path().join("two"), scene.home.path().join("new")).unwrap();
    fs::rename(scene.home.path().join("new"), scene.home.path().join(".skillmeat")).unwrap();
    scene.expect(&Notice::Lost(Loss::Root));
}

#[test]
fn an_artifact_that_is_a_link_is_watched_behind_it_and_a_link_inside_one_is_not_followed() {
    let scene = Scene::new(|root| {
        let home = root.parent().unwrap();
        fs::create_dir_all(home.join("dev/pdf")).unwrap();
        fs::create_dir_all(home.join("dev/other")).unwrap();
        fs::create_dir_all(root.join("collections/work/skills")).unwrap();
        std::os::unix::fs::symlink(home.join("dev/pdf"), root.join("collections/work/skills/pdf")).unwrap();
        std::os::unix::fs::symlink(home.join("dev/other"), home.join("dev/pdf/inside")).unwrap();
    });
    fs::write(scene.home.path().join("dev/other/x"), "x").unwrap();
    assert_eq!(scene.drain(), []);
    fs::write(scene.home.path().join("dev/pdf/SKILL.md"), "x").unwrap();
    scene.expect(&Notice::Hint(pdf()));
}

#[test]
fn switched_off_it_says_how_much_is_to_be_polled() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join(".skillmeat");
    fs::create_dir_all(root.join("collections/work")).unwrap();
    let cookies = home.path().join("run/cookies");
    let (sender, notices) = channel();
    let _watcher =
        Watcher::start(root, cookies, Use::Nothing, move |notice| sender.send(notice).unwrap()).unwrap();
    let Notice::Armed(coverage) = notices.recv_timeout(PATIENCE).unwrap() else { panic!("not armed") };
    assert_eq!((coverage.wanted, coverage.held), (3, 0));
    assert!(coverage.shortfall.unwrap().contains("polled"));
}

#[test]
fn a_cookie_comes_after_everything_that_was_before_it() {
    let scene = Scene::with_collection();
    for number in 1..=200 {
        fs::write(scene.path("collections/work/skills/pdf/scripts/x"), number.to_string()).unwrap();
        scene.watcher.lay_cookie(number).unwrap();
        let mut hinted = false;
        loop {
            match scene.notices.recv_timeout(PATIENCE).unwrap() {
                Notice::Hint(hint) => hinted |= hint == pdf(),
                Notice::CookieSeen(seen) => break assert_eq!(seen, number),
                other => panic!("{other:?}"),
            }
        }
        assert!(hinted, "round {number}: the cookie overtook the file");
        scene.drain();
    }
    assert_eq!(fs::read_dir(scene.home.path().join("run/cookies")).unwrap().count(), 0);
}

#[test]
fn cookies_whose_directory_was_tidied_up_are_laid_all_the_same() {
    let scene = Scene::with_collection();
    fs::remove_dir_all(scene.home.path().join("run")).unwrap();
    scene.watcher.lay_cookie(1).unwrap();
    scene.expect(&Notice::CookieSeen(1));
    // What lies about in it, of us or of others, tells nothing.
    fs::write(scene.home.path().join("run/cookies/cookie-2"), "").unwrap();
    fs::write(scene.home.path().join("run/cookies/other"), "").unwrap();
    assert_eq!(scene.drain(), []);
    scene.watcher.lay_cookie(2).unwrap();
    scene.expect(&Notice::CookieSeen(2));
    assert!(scene.home.path().join("run/cookies/other").exists());
}

#[test]
fn a_cookie_that_cannot_be_laid_is_said_to_be() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("run"), "in the way").unwrap();
    for (events, root) in [(Use::Events, "a"), (Use::Nothing, "b")] {
        let root = home.path().join(root).join(".skillmeat");
        fs::create_dir_all(&root).unwrap();
        let (sender, notices) = channel();
        let cookies = home.path().join("run/cookies");
        let watcher =
            Watcher::start(root, cookies, events, move |notice| sender.send(notice).unwrap()).unwrap();
        watcher.lay_cookie(1).unwrap();
        let noticed: Vec<_> = (0..2).map(|_| notices.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(noticed[1], Notice::CookieFailed(1), "{noticed:?}");
    }
}

#[test]
fn a_storm_is_told_of_while_it_lasts() {
    let home = tempfile::tempdir().unwrap();
    let (raw, inbox) = channel();
    let (told, notices) = channel();
    let mut warden = Warden {
        root: home.path().join(".skillmeat"),
        events: Use::Events,
        raw: raw.clone(),
        backend: None,
        jar: Jar::new(home.path().join("cookies")),
        held: BTreeSet::new(),
        refused: None,
        wanted: 0,
        sink: move |notice| told.send(notice).unwrap(),
    };
    let file = warden.root.join("collections/work/skills/pdf/SKILL.md");
    let event = notify::Event::new(EventKind::Any).add_path(file);
    for _ in 0..2 * BURST {
        raw.send(Message::Raw(Ok(event.clone()))).unwrap();
    }
    // Whoever stops it hears nothing more; by then it has told of what came before.
    raw.send(Message::Stop).unwrap();
    warden.run(&inbox);
    assert_eq!(notices.try_iter().collect::<Vec<_>>(), [Notice::Hint(pdf()), Notice::Hint(pdf())]);
}

#[test]
fn a_thread_that_panics_says_so_and_takes_no_more() {
    let home = tempfile::tempdir().unwrap();
    let (sender, notices) = channel();
    let mut calls = 0;
    let watcher = Watcher::start(home.path().join("x"), home.path().join("c"), Use::Events, move |notice| {
        calls += 1;
        sender.send(notice).unwrap();
        assert!(calls != 1, "on purpose");
    })
    .unwrap();
    assert!(matches!(notices.recv_timeout(PATIENCE).unwrap(), Notice::Armed(_)));
    assert!(matches!(notices.recv_timeout(PATIENCE).unwrap(), Notice::Lost(Loss::Backend(_))));
    assert_eq!((watcher.lay_cookie(1), watcher.rearm()), (Err(Gone), Err(Gone)));
}
