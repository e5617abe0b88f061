use super::*;
use crate::domain::model::{Collection, Kind};
use crate::domain::plan::tests::artifact;

fn id(name: &str) -> ArtifactId {
    ArtifactId::new(Kind::Skill, name)
}

fn ids(names: &[&str]) -> BTreeSet<ArtifactId> {
    names.iter().map(|n| id(n)).collect()
}

fn rows(names: &[&str]) -> Actual {
    let mut actual = Actual::default();
    for name in names {
        actual
            .artifacts
            .insert(id(name), crate::domain::rows::DbArtifact { uuid: (*name).into(), mirrors_files: true });
        actual.memberships.entry("default".into()).or_default().insert(id(name), Default::default());
    }
    actual.totals.insert("default".into(), names.len());
    actual
}

fn directory(doubt: Option<Doubt>) -> Desired {
    let collection = Collection { doubt, ..Collection::default() };
    Desired { active: "default".into(), collections: BTreeMap::from([("work".to_owned(), collection)]) }
}

fn seen(names: &[&str]) -> Memory {
    Memory {
        seen: BTreeMap::from([("work".to_owned(), ids(names).into())]),
        due: ids(names),
        ..Memory::default()
    }
}

fn after(
    memory: &Memory,
    desired: &Desired,
    absent: &BTreeSet<ArtifactId>,
    removed: &BTreeSet<ArtifactId>,
) -> Memory {
    memory.after(Done { desired, scope: &Scope::All, absent, removed })
}

fn verdict(desired: &Desired, actual: &Actual, memory: &Memory) -> Verdict {
    judge(desired, actual, &Scope::All, &BTreeSet::from(["default"]), memory)
}

#[test]
fn a_directory_that_is_gone_keeps_its_rows_until_a_person_says_so() {
    let gone = Desired { active: "default".into(), ..Desired::default() };
    let held = verdict(&gone, &rows(&["a", "b"]), &seen(&["a", "b"]));
    assert!(held.absent.is_empty());
    assert_eq!(held.halts[0].reason, HaltReason::Gone);
    assert_eq!(held.halts[0].artifacts, ids(&["a", "b"]));

    let confirmed = BTreeMap::from([("work".to_owned(), ids(&["a", "b"]))]);
    let memory = Memory { confirmed, ..seen(&["a", "b"]) };
    let released = verdict(&gone, &rows(&["a", "b"]), &memory);
    assert_eq!(released.allowed, ids(&["a", "b"]));
    assert!(released.halts.is_empty());
    let after = after(&memory, &gone, &released.absent, &released.allowed);
    assert_eq!(after, Memory::default(), "nothing is left to remember of it");
}

#[test]
fn an_unreadable_manifest_cannot_be_confirmed_away() {
    let confirmed = BTreeMap::from([("work".to_owned(), ids(&["a"]))]);
    let memory = Memory { confirmed, ..seen(&["a"]) };
    let held = verdict(&directory(Some(Doubt::Unreadable)), &rows(&["a"]), &memory);
    assert!(held.allowed.is_empty());
    assert_eq!(held.halts[0].reason, HaltReason::Unreadable);
}

#[test]
fn a_braked_removal_stays_braked_at_the_next_look() {
    let names: Vec<String> = (0..12).map(|n| format!("s{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Many other rows, so that losing the owner would let the removal pass.
    let others: Vec<String> = (0..100).map(|n| format!("other{n}")).collect();
    let all: Vec<&str> = names.iter().copied().chain(others.iter().map(String::as_str)).collect();
    let mut desired = directory(None);
    let kept = Collection { held: others.iter().map(|n| id(n)).collect(), ..Collection::default() };
    desired.collections.insert("default".into(), kept);
    let mut memory = seen(&names);
    for round in 0..3 {
        let verdict = verdict(&desired, &rows(&all), &memory);
        assert!(verdict.allowed.is_empty(), "round {round}");
        assert_eq!(verdict.halts[0].reason, HaltReason::Mass { of: 12 }, "round {round}");
        memory.seen = after(&memory, &desired, &verdict.absent, &verdict.allowed).seen;
    }
}

#[test]
fn ten_may_go_at_once_from_a_collection_of_any_size_and_eleven_may_not() {
    let names: Vec<String> = (0..11).map(|n| format!("s{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(verdict(&directory(None), &rows(&names[..10]), &seen(&names[..10])).allowed.len(), 10);
    assert_eq!(verdict(&directory(None), &rows(&names), &seen(&names)).allowed.len(), 0);
}

#[test]
fn what_moved_to_another_directory_is_no_longer_this_ones() {
    let mut desired = directory(None);
    let other = Collection { held: ids(&["a"]), ..Collection::default() };
    desired.collections.insert("zeta".into(), other);
    let after = after(&seen(&["a"]), &desired, &ids(&[]), &ids(&[]));
    assert_eq!(*after.seen["work"], ids(&[]));
    assert_eq!(*after.seen["zeta"], ids(&["a"]));
}

#[test]
fn what_is_seen_again_is_remembered_without_a_copy() {
    let named = |names: &[&str]| {
        let artifacts = names.iter().map(|name| (id(name), artifact(name, &[]))).collect();
        let mut desired = directory(None);
        desired.collections.insert("work".into(), Collection { artifacts, ..Collection::default() });
        desired
    };
    let before = seen(&["a", "b"]);
    let same = after(&before, &named(&["a", "b"]), &ids(&[]), &ids(&[]));
    assert!(Arc::ptr_eq(&same.seen["work"], &before.seen["work"]));
    for (names, absent) in [(&["a", "b", "c"][..], &[][..]), (&["a"], &[]), (&["a"], &["b"])] {
        let other = after(&before, &named(names), &ids(absent), &ids(&[]));
        assert_eq!(*other.seen["work"], ids(&[names, absent].concat()), "an absent one stays seen");
    }
}

#[test]
fn an_absence_is_due_after_the_grace_and_starts_over_when_it_ends() {
    let start = Instant::now_for_tests();
    let grace = Duration::from_secs(5);
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut absences = Absences::default();
    absences.observe(&ids(&["a"]), &Scope::All, at(0));
    assert_eq!(absences.next(at(0), grace), Some(at(5)));
    assert!(absences.due(at(4), grace).is_empty());
    assert_eq!(absences.running(at(4), grace), 1);
    absences.observe(&ids(&[]), &Scope::All, at(4));
    absences.observe(&ids(&["a"]), &Scope::All, at(4));
    assert!(absences.due(at(5), grace).is_empty(), "it was back in between");
    assert_eq!(absences.due(at(9), grace), ids(&["a"]));
    assert_eq!(absences.next(at(9), grace), None);
    absences.forget(&ids(&["a"]));
    assert_eq!(absences, Absences::default());
}

#[test]
fn a_look_at_something_else_leaves_an_absence_running() {
    let start = Instant::now_for_tests();
    let mut absences = Absences::default();
    absences.observe(&ids(&["a"]), &Scope::All, start);
    let elsewhere = Scope::Artifacts(ids(&["b"]));
    absences.observe(&ids(&[]), &elsewhere, start + Duration::from_secs(3));
    assert_eq!(absences.due(start + Duration::from_secs(5), Duration::from_secs(5)), ids(&["a"]));
}

/// Tests need some instant to count from; which one does not matter.
trait ForTests {
    fn now_for_tests() -> Self;
}

impl ForTests for Instant {
    #[expect(clippy::disallowed_methods, reason = "an origin to add durations to")]
    fn now_for_tests() -> Self {
        Self::now()
    }
}
