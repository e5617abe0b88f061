use proptest::prelude::*;

use super::*;

const WINDOW: Window = Window { quiet: Duration::from_millis(50), max_wait: Duration::from_millis(500) };

#[expect(clippy::disallowed_methods, reason = "an origin to add durations to")]
fn origin() -> Instant {
    Instant::now()
}

fn path(n: usize) -> Hint {
    Hint::Path { collection: "work".into(), path: format!("skills/s{n}") }
}

#[test]
fn a_single_hint_waits_for_the_quiet_window() {
    let start = origin();
    let mut dirty = DirtySet::default();
    assert_eq!(dirty.deadline(WINDOW), None);
    dirty.note(&path(1), start);
    assert_eq!(dirty.deadline(WINDOW), Some(start + WINDOW.quiet));
}

#[test]
fn a_writer_who_never_pauses_waits_no_longer_than_the_max_wait() {
    let start = origin();
    let mut dirty = DirtySet::default();
    for n in 0..1000_u32 {
        dirty.note(&path(1), start + Duration::from_millis(10) * n);
    }
    assert_eq!(dirty.deadline(WINDOW), Some(start + WINDOW.max_wait));
}

#[test]
fn a_renamed_manifest_does_not_wait_and_one_written_in_place_does() {
    let start = origin();
    let mut dirty = DirtySet::default();
    dirty.note(&Hint::Manifest { collection: "work".into(), renamed: false }, start);
    assert_eq!(dirty.deadline(WINDOW), Some(start + WINDOW.quiet));
    dirty.note(&Hint::Manifest { collection: "work".into(), renamed: true }, start);
    assert_eq!(dirty.deadline(WINDOW), Some(start));
}

#[test]
fn many_paths_collapse_to_the_collection() {
    let mut dirty = DirtySet::default();
    for n in 0..=PATHS_PER_COLLECTION {
        dirty.note(&path(n), origin());
    }
    assert_eq!(dirty.take(), ScanScope::Collections(BTreeMap::from([("work".into(), Dirt::Whole)])));
    assert!(dirty.is_empty());
}

#[test]
fn a_hint_about_the_cache_is_not_about_files() {
    let mut dirty = DirtySet::default();
    dirty.note(&Hint::Cache, origin());
    assert!(dirty.is_empty());
}

fn any_hint() -> impl Strategy<Value = Hint> {
    prop_oneof![
        1 => Just(Hint::Everything),
        2 => "[ab]".prop_map(Hint::Collection),
        4 => ("[ab]", any::<bool>()).prop_map(|(collection, renamed)| Hint::Manifest { collection, renamed }),
        8 => ("[ab]", "skills/[a-d]").prop_map(|(collection, path)| Hint::Path { collection, path }),
    ]
}

fn covers(scope: &ScanScope, hint: &Hint) -> bool {
    let ScanScope::Collections(collections) = scope else { return true };
    match hint {
        Hint::Cache => true,
        Hint::Everything => false,
        Hint::Collection(c) => collections.get(c) == Some(&Dirt::Whole),
        Hint::Manifest { collection, .. } => match collections.get(collection) {
            Some(Dirt::Whole) => true,
            Some(Dirt::Parts { manifest, .. }) => *manifest,
            None => false,
        },
        Hint::Path { collection, path } => match collections.get(collection) {
            Some(Dirt::Whole) => true,
            Some(Dirt::Parts { paths, .. }) => paths.contains(path),
            None => false,
        },
    }
}

proptest! {
    /// Nothing that was hinted at is left out of what is taken, in whatever order the hints came.
    #[test]
    fn no_hint_is_lost(hints in prop::collection::vec((any_hint(), 0_u64..100), 1..60)) {
        let mut dirty = DirtySet::default();
        let mut now = origin();
        for (hint, pause) in &hints {
            now += Duration::from_millis(*pause);
            dirty.note(hint, now);
        }
        let scope = dirty.take();
        for (hint, _) in &hints {
            prop_assert!(covers(&scope, hint), "{hint:?} is not in {scope:?}");
        }
    }

    /// The set is due within the max-wait of its first hint, and a later hint never brings the first one forward
    /// unless it is urgent.
    #[test]
    fn the_deadline_is_bounded(hints in prop::collection::vec((any_hint(), 0_u64..100), 1..60)) {
        let mut dirty = DirtySet::default();
        let start = origin();
        let mut now = start;
        for (index, (hint, pause)) in hints.iter().enumerate() {
            if index > 0 {
                now += Duration::from_millis(*pause);
            }
            dirty.note(hint, now);
            let deadline = dirty.deadline(WINDOW).unwrap();
            prop_assert!(deadline <= start + WINDOW.max_wait);
            prop_assert!(deadline >= start);
        }
    }
}
