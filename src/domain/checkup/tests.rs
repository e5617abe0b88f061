//! Faults, planted by writing down what would be measured; and what is measured on a healthy machine.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::daemon::{Daemon, Phase, Running};
use super::database::{Cache, Library, User};
use super::drift::Drift;
use super::files::{Collection, Home};
use super::service::{Sandbox, Service, Unit};
use super::system::{Private, Socket, Space, State, StateDatabase};
use super::watches::{Told, Watches};
use super::*;
use crate::domain::compact::PackedEntry;
use crate::domain::model::{self, ArtifactId, Desired, Doubt, Entry, Kind, Metadata, Origin, Problem};
use crate::domain::owned::{DbSide, FileSide, GroupValue, Groups, TagValue};
use crate::domain::plan;
use crate::domain::removal::Memory;
use crate::domain::rows::{Actual, DEFAULT_COLLECTION, DbArtifact, DbCollection, DbRow, DbTag, Scope};

/// Exactly one finding, of this verdict, that says all of these words; a complaint has a remedy.
#[track_caller]
fn one(findings: impl IntoIterator<Item = Finding>, verdict: Verdict, words: &[&str]) {
    let found: Vec<Finding> = findings.into_iter().filter(|finding| finding.verdict == verdict).collect();
    let [finding] = found.as_slice() else { panic!("not one {verdict:?} finding: {found:#?}") };
    let text =
        format!("{} {} | {}", finding.check, finding.found, finding.fix.as_deref().unwrap_or_default());
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
    assert_eq!(finding.fix.is_some(), verdict >= Verdict::Warn);
}

fn healthy_collection() -> Collection {
    Collection { name: "work".into(), artifacts: 3, writable: true, ..Collection::default() }
}

fn healthy_told() -> Told {
    Told { by_events: true, wanted: 20, held: 20, ..Told::default() }
}

fn healthy_watches() -> Watches {
    Watches {
        needed: 20,
        unwatched: Some(vec![]),
        limit: Some(8_192),
        users: vec![("code".into(), 5, 1_000), ("skillmeatd".into(), 7, 20)],
        daemon: Some(7),
    }
}

fn healthy_unit() -> Unit {
    Unit {
        load: "loaded".into(),
        active: "active".into(),
        file: "enabled".into(),
        result: "success".into(),
        restarts: 0,
        pid: 7,
        program_exists: true,
        linger: Some(true),
    }
}

fn healthy_running() -> Running {
    Running {
        version: "0.1.0".into(),
        pid: 7,
        phase: Phase::Working,
        verified: Some(30),
        ..Running::default()
    }
}

fn healthy_socket() -> Socket {
    Socket {
        path: "/r/s".into(),
        directory: "/r".into(),
        around: Private::Mode(0o700),
        access: Private::Mode(0o600),
        answers: true,
    }
}

fn healthy_state() -> State {
    State {
        directory: "/s".into(),
        access: Private::Mode(0o700),
        writable: true,
        database: StateDatabase::Sound,
        aside: vec![],
    }
}

fn space(bytes: u64) -> Space {
    Space { directory: "/h".into(), bytes, files: Some(1 << 20), device: 1 }
}

fn installed(unit: Unit) -> Service {
    Service::Installed(Box::new(unit))
}

#[test]
fn a_healthy_machine_has_nothing_to_complain_of() {
    let running = healthy_running();
    let mut all = vec![files::home("/h/.skillmeat", &Home::Sound)];
    all.extend(files::collections("work", &[healthy_collection()]));
    all.push(system::configuration("/c", false, &[]));
    all.extend(system::space(&[space(1 << 40), space(1 << 40)]));
    all.extend(system::state(&healthy_state()));
    all.extend(system::socket(&healthy_socket()));
    all.extend(watches::watching(&healthy_watches(), Some(&healthy_told())));
    all.push(watches::table(&healthy_watches()));
    all.extend(service::service(&installed(healthy_unit()), Some(7), "ann"));
    all.push(service::sandbox(Some(&Sandbox { enforced: "full".into(), detail: None, places: 4 }), true));
    all.extend(database::identity("/d", &Cache::Usable("made by SkillMeat".into()), Some(&[])));
    all.push(database::users(&[User { name: "uvicorn".into(), pid: 9, current: true }], Some(7)));
    all.push(database::elsewhere(&[]));
    all.extend(database::libraries(
        &[Library { program: "skillmeatd".into(), version: "3.51.3".into() }],
        None,
    ));
    all.extend(drift::judge(&Drift { compared: 3, ..Drift::default() }, true));
    all.extend(daemon::daemon(&Daemon::Running(Box::new(running.clone())), "0.1.0", true));
    all.extend(daemon::attention(&running));
    all.push(daemon::verified(&running, 600));
    all.push(sections::judge(&BTreeSet::new(), 2, true));
    all.push(daemon::round_trip(Some(Ok(1_234))));
    assert!(all.iter().all(|finding| finding.verdict == Verdict::Ok && finding.fix.is_none()), "{all:#?}");
    assert_eq!(worst(&all), Verdict::Ok);
    // One row for one file system, however many directories of ours are on it.
    assert_eq!(all.iter().filter(|finding| finding.check == "disk space").count(), 1);
}

#[test]
fn faults_of_the_home() {
    for (home, words) in [
        (Home::Missing, ["there is no /h", "skillmeat init"]),
        (Home::NotADirectory, ["not a directory", "skillmeat init"]),
        (Home::Foreign(12), ["user with id 12", "as the user"]),
        (Home::Unreadable("Permission denied".into()), ["Permission denied", "chmod"]),
    ] {
        one([files::home("/h", &home)], Verdict::Fail, &words);
    }
}

#[test]
fn faults_of_collections() {
    let with = |change: fn(&mut Collection)| {
        let mut collection = healthy_collection();
        change(&mut collection);
        files::collections("work", &[collection])
    };
    one(with(|it| it.doubt = Some(Doubt::Missing)), Verdict::Fail, &["is missing", "resume work"]);
    one(with(|it| it.doubt = Some(Doubt::Empty)), Verdict::Fail, &["is empty", "resume work"]);
    let unreadable = |it: &mut Collection| {
        it.doubt = Some(Doubt::Unreadable);
        it.problems = vec![Problem { path: "m".into(), ..Problem::at(4, 2, "not TOML") }];
    };
    one(with(unreadable), Verdict::Fail, &["m:4:2: not TOML", "mend"]);
    one(with(|it| it.problems = vec![Problem::new("p", "odd")]), Verdict::Warn, &["p: odd"]);
    one(with(|it| it.writable = false), Verdict::Warn, &["cannot be written", "chmod"]);
    one(with(|it| it.locked_by = Some("vi (pid 4)".into())), Verdict::Warn, &["vi (pid 4)", "lock"]);
    one(with(|it| it.strays = vec![".x.tmp".into()]), Verdict::Warn, &["1 temporary file", ".x.tmp"]);
    one(files::collections("play", &[healthy_collection()]), Verdict::Warn, &["play, does not exist"]);
    one(files::collections("work", &[]), Verdict::Warn, &["no collection", "skillmeat init"]);
}

#[test]
fn faults_of_the_ground() {
    one(
        [system::configuration("/c", true, &["/c:3: no such key".into()])],
        Verdict::Fail,
        &["/c:3", "config --help"],
    );
    one(system::space(&[space(15 << 20)]), Verdict::Fail, &["15 MiB", "/h"]);
    one(system::space(&[space(200 << 20)]), Verdict::Warn, &["200 MiB"]);
    one(system::space(&[Space { files: Some(0), ..space(1 << 40) }]), Verdict::Fail, &["no further file"]);
    one(system::space(&[Space { files: Some(7), ..space(1 << 40) }]), Verdict::Warn, &["7 more files"]);
    assert!(
        system::space(&[Space { files: None, ..space(1 << 40) }]).iter().all(|f| f.verdict == Verdict::Ok)
    );

    let state = |change: fn(&mut State)| {
        let mut state = healthy_state();
        change(&mut state);
        system::state(&state)
    };
    one(
        state(|s| s.database = StateDatabase::Damaged("malformed".into())),
        Verdict::Fail,
        &["malformed", "restart"],
    );
    one(state(|s| s.database = StateDatabase::Unknown("locked".into())), Verdict::Warn, &["locked"]);
    one(state(|s| s.access = Private::Mode(0o755)), Verdict::Warn, &["0755", "chmod 700"]);
    one(state(|s| s.access = Private::OfUser(3)), Verdict::Fail, &["id 3"]);
    one(state(|s| s.writable = false), Verdict::Fail, &["cannot be written"]);
    one(state(|s| s.aside = vec!["state.db.damaged-1".into()]), Verdict::Warn, &["state.db.damaged-1"]);

    let socket = |change: fn(&mut Socket)| {
        let mut socket = healthy_socket();
        change(&mut socket);
        system::socket(&socket)
    };
    one(socket(|s| s.access = Private::Mode(0o666)), Verdict::Fail, &["0666", "chmod 600 /r/s"]);
    one(socket(|s| s.around = Private::Mode(0o750)), Verdict::Fail, &["0750", "chmod 700 /r"]);
    one(socket(|s| s.access = Private::OfUser(9)), Verdict::Fail, &["id 9"]);
    one(socket(|s| s.access = Private::Foreign), Verdict::Fail, &["not a socket", "rm /r/s"]);
    one(socket(|s| s.access = Private::Absent), Verdict::Skip, &["no daemon"]);
}

#[test]
fn faults_of_watches() {
    let kernel = healthy_watches();
    one(
        watches::watching(
            &Watches { unwatched: Some(vec!["/h/a".into()]), ..kernel.clone() },
            Some(&healthy_told()),
        ),
        Verdict::Fail,
        &["1 directory: /h/a", "restart"],
    );
    one(watches::watching(&kernel, Some(&Told { held: 3, ..healthy_told() })), Verdict::Fail, &["3 of 20"]);
    let polling = Told {
        by_events: false,
        shortfall: Some("used up; allow more with: sudo sysctl x=9".into()),
        ..healthy_told()
    };
    one(watches::watching(&kernel, Some(&polling)), Verdict::Warn, &["used up", "| sudo sysctl x=9"]);
    one(watches::watching(&kernel, None), Verdict::Skip, &["no daemon"]);
    let full = Watches { users: vec![("code".into(), 5, 8_180)], daemon: None, ..kernel.clone() };
    one(
        [watches::table(&full)],
        Verdict::Fail,
        &["8200", "limit is 8192", "code (pid 5)", "max_user_watches=65536"],
    );
    let nearly = Watches { users: vec![("code".into(), 5, 8_000)], daemon: None, ..kernel.clone() };
    one([watches::table(&nearly)], Verdict::Warn, &["8020 of 8192"]);
    one([watches::table(&Watches { limit: None, ..kernel })], Verdict::Skip, &["does not say"]);
}

#[test]
fn faults_of_the_database() {
    for (cache, verdict, words) in [
        (Cache::Absent, Verdict::Warn, ["there is no /d", "sync --once"]),
        (Cache::Empty, Verdict::Warn, ["no tables", "sync --once"]),
        (Cache::HalfSchema("tmp left".into()), Verdict::Fail, ["half made", "skillmeatd db rebuild"]),
        (Cache::Incomplete(vec!["tags.slug".into()]), Verdict::Fail, ["lacks tags.slug", "db rebuild"]),
        (Cache::NotADatabase("no".into()), Verdict::Fail, ["not a database", "db rebuild"]),
        (Cache::Locked, Verdict::Warn, ["locked", "wait"]),
        (Cache::Unopenable("denied".into()), Verdict::Fail, ["denied", "chmod"]),
    ] {
        one(database::identity("/d", &cache, Some(&[])), verdict, &words);
    }
    let usable = Cache::Usable("made by SkillMeat".into());
    one(
        database::identity("/d", &usable, Some(&["page 4".into()])),
        Verdict::Fail,
        &["page 4", "db rebuild"],
    );
    let user = |pid, current| User { name: "uvicorn".into(), pid, current };
    one(
        [database::users(&[user(9, false), user(7, true)], Some(7))],
        Verdict::Fail,
        &["uvicorn (pid 9)", "lost"],
    );
    one(
        [database::users(&[user(7, false)], Some(7))],
        Verdict::Fail,
        &["the daemon (pid 7)", "restart the daemon"],
    );
    one([database::elsewhere(&["this shell".into()])], Verdict::Warn, &["this shell", "PostgreSQL"]);
    assert!(database::leads_elsewhere("postgresql+psycopg2://u:p@h/d"));
    assert!(!database::leads_elsewhere("sqlite:///x.db"));
    let old = Library { program: "Python 3.11.7".into(), version: "3.40.1".into() };
    one(database::libraries(&[old], None), Verdict::Warn, &["Python 3.11.7", "3.40.1", "3.51.3"]);
    one(database::libraries(&[], Some("no skillmeat")), Verdict::Skip, &["no skillmeat"]);
    assert_eq!(database::refused(&[]), None);
    one(database::refused(&["soul:x".into()]), Verdict::Warn, &["soul:x"]);
}

/// The versions of <https://www.sqlite.org/wal.html#walresetbug>.
#[test]
fn the_versions_with_the_wal_reset_bug() {
    for (version, has_it) in [
        ("3.6.23", false),
        ("3.7.0", true),
        ("3.40.1", true),
        ("3.44.5", true),
        ("3.44.6", false),
        ("3.45.0", true),
        ("3.50.6", true),
        ("3.50.7", false),
        ("3.51.2", true),
        ("3.51.3", false),
        ("3.52", false),
        ("4.0.0", false),
        ("", false),
        ("x.y.z", false),
    ] {
        assert_eq!(database::has_wal_reset_bug(version), has_it, "{version}");
    }
}

#[test]
fn faults_of_the_daemon() {
    let judge = |daemon: Daemon, installed| daemon::daemon(&daemon, "0.1.0", installed);
    one(judge(Daemon::None, true), Verdict::Fail, &["service is installed"]);
    one(judge(Daemon::None, false), Verdict::Warn, &["skillmeatd run"]);
    one(judge(Daemon::Silent("pid 7".into()), false), Verdict::Fail, &["pid 7", "does not answer"]);
    one(judge(Daemon::Confused("nonsense".into()), false), Verdict::Fail, &["nonsense"]);
    let with = |change: fn(&mut Running)| {
        let mut running = healthy_running();
        change(&mut running);
        Daemon::Running(Box::new(running))
    };
    one(judge(with(|r| r.version = "0.0.9".into()), false), Verdict::Warn, &["0.0.9", "0.1.0", "restart"]);
    one(
        judge(with(|r| (r.phase, r.detail) = (Phase::Waiting, Some("no home".into()))), false),
        Verdict::Fail,
        &["no home"],
    );
    one(judge(with(|r| r.phase = Phase::Retrying), false), Verdict::Warn, &["tried again"]);
    one(judge(with(|r| r.phase = Phase::Starting), false), Verdict::Warn, &["first look"]);
    let halted = Running { halts: vec!["collection work is gone".into()], ..healthy_running() };
    one(daemon::attention(&halted), Verdict::Warn, &["work is gone", "resume"]);
    let conflict = Running { conflicts: 2, ..healthy_running() };
    one(daemon::attention(&conflict), Verdict::Warn, &["2 conflicts", "conflicts list"]);
    let stale = Running { verified: Some(5_000), ..healthy_running() };
    one([daemon::verified(&stale, 600)], Verdict::Fail, &["83 min ago", "every 10 min"]);
    one(
        [daemon::verified(&Running { verified: None, ..healthy_running() }, 600)],
        Verdict::Warn,
        &["none yet"],
    );
    one([daemon::round_trip(Some(Err("no event within 5 s")))], Verdict::Fail, &["no event within 5 s"]);
}

fn group(description: &str, members: &[&str]) -> GroupValue {
    GroupValue {
        description: description.into(),
        members: members.iter().map(|member| (*member).to_owned()).collect(),
        ..GroupValue::default()
    }
}

fn sides() -> (DbSide, FileSide) {
    let mut groups = Groups::default();
    groups.push(
        "Auth",
        GroupValue { color: "slate".into(), icon: "layers".into(), ..group("d", &["skill:a", "skill:b"]) },
    );
    let tag = TagValue { name: "X".into(), color: "#AABBCC".into(), description: None };
    let db = DbSide {
        groups: Some(groups),
        uuids: [("skill:a".to_owned(), "1".to_owned()), ("skill:b".to_owned(), "2".to_owned())].into(),
        tags: [("x".to_owned(), tag.clone()), ("db-only".to_owned(), tag.clone())].into(),
        ..DbSide::default()
    };
    let mut groups = Groups::default();
    groups.push("Auth", group("d", &["skill:a", "skill:gone", "skill:b"]));
    let tag = TagValue { color: "#aabbcc".into(), description: Some("for people".into()), ..tag };
    let file = FileSide { groups, tags: [("x".to_owned(), tag)].into(), ..FileSide::default() };
    (db, file)
}

#[test]
fn groups_and_tags_that_differ() {
    let (db, file) = sides();
    assert_eq!(sections::differences("work", &db, &file), BTreeSet::new());
    let check = |change: fn(&mut DbSide, &mut FileSide), words: &str| {
        let (mut db, mut file) = sides();
        change(&mut db, &mut file);
        let found = sections::differences("work", &db, &file);
        assert_eq!(found, BTreeSet::from([format!("{words} (collection work)")]));
        one([sections::judge(&found, 1, true)], Verdict::Fail, &[words, "skillmeatd sync"]);
        one([sections::judge(&found, 1, false)], Verdict::Fail, &[words, "sync --once"]);
    };
    check(|_, file| file.groups.push("New", group("", &[])), "group New is in the file alone");
    check(|_, file| file.groups = Groups::default(), "group Auth is in the database alone");
    check(
        |_, file| file.groups.push("Auth", group("e", &["skill:a", "skill:b"])),
        "description of group Auth",
    );
    check(|_, file| file.groups.push("Auth", group("d", &["skill:b", "skill:a"])), "members of group Auth");
    check(|db, _| db.tags.get_mut("x").unwrap().color = String::new(), "colour of tag x");
    check(|db, _| db.tags.get_mut("x").unwrap().name = "Y".into(), "name of tag x");
    // What cannot be read, and what nobody can say, is no difference.
    let (db, mut file) = sides();
    (file.groups, file.groups_incomplete) = (Groups::default(), true);
    assert_eq!(sections::differences("work", &db, &file), BTreeSet::new());
    let (mut db, file) = sides();
    db.groups = None;
    assert_eq!(sections::differences("work", &db, &file), BTreeSet::new());
    let (db, mut file) = sides();
    file.groups.push("Auth", group("d", &["a", "skill:b"]));
    assert_eq!(sections::differences("work", &db, &file), BTreeSet::new());
    one(sections::database_only(&["W".into()]), Verdict::Skip, &["groups of W"]);
    assert_eq!(sections::database_only(&[]), None);
}

#[test]
fn faults_of_the_service() {
    let judge = |change: fn(&mut Unit)| {
        let mut unit = healthy_unit();
        change(&mut unit);
        service::service(&installed(unit), Some(7), "ann")
    };
    one(
        judge(|u| (u.active, u.result) = ("failed".into(), "exit-code".into())),
        Verdict::Fail,
        &["failed (exit-code)", "journalctl"],
    );
    one(judge(|u| u.active = "inactive".into()), Verdict::Fail, &["inactive", "enable --now"]);
    one(judge(|u| u.load = "bad-setting".into()), Verdict::Fail, &["bad-setting", "install --force"]);
    one(judge(|u| u.load = "masked".into()), Verdict::Fail, &["unmask"]);
    one(judge(|u| u.program_exists = false), Verdict::Fail, &["not there", "install --force"]);
    one(judge(|u| u.file = "disabled".into()), Verdict::Warn, &["next login", "enable"]);
    one(judge(|u| u.restarts = 9), Verdict::Warn, &["9 times"]);
    one(judge(|u| u.pid = 8), Verdict::Warn, &["8", "7"]);
    one(judge(|u| u.linger = Some(false)), Verdict::Warn, &["log out", "loginctl enable-linger ann"]);
    one(judge(|u| u.linger = None), Verdict::Skip, &["linger"]);
    one(service::service(&Service::NotInstalled, None, "ann"), Verdict::Skip, &["service install"]);
    one(
        service::service(&Service::NoManager("no systemd".into()), None, "ann"),
        Verdict::Skip,
        &["no systemd"],
    );
    let sandbox =
        |enforced: &str| Sandbox { enforced: enforced.into(), detail: Some("no Landlock".into()), places: 0 };
    one([service::sandbox(Some(&sandbox("none")), true)], Verdict::Warn, &["no Landlock", "5.13"]);
    one([service::sandbox(Some(&sandbox("partial")), true)], Verdict::Warn, &["partly"]);
    one([service::sandbox(Some(&sandbox("none")), false)], Verdict::Skip, &["switched off"]);
    one([service::sandbox(Some(&sandbox("")), true)], Verdict::Skip, &["no daemon"]);
    one([service::sandbox(None, true)], Verdict::Skip, &["no daemon"]);
}

// --- drift ---------------------------------------------------------------------------------------------------------

fn artifact(name: &str, description: &str, tags: &[&str]) -> model::Artifact {
    let metadata = Metadata {
        description: Some(description.into()),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Metadata::default()
    };
    let entry = Entry {
        id: ArtifactId::new(Kind::Skill, name),
        path: format!("skills/{name}"),
        origin: Origin::Local,
        origin_source: None,
        upstream: None,
        resolved_sha: None,
        resolved_version: None,
        metadata,
    };
    model::Artifact { entry: Arc::new(PackedEntry::new(&entry)), fingerprint: None }
}

fn files_of(collections: &[(&str, &[model::Artifact])]) -> Desired {
    let collections = collections.iter().map(|(name, artifacts)| {
        let artifacts = artifacts.iter().map(|a| (a.entry.id(), a.clone())).collect();
        ((*name).to_owned(), model::Collection { artifacts, ..model::Collection::default() })
    });
    Desired { active: "work".into(), collections: collections.collect() }
}

/// What the cache holds once the planner's plan for an empty one is carried out.
fn applied(desired: &Desired, named_collections: &[&str]) -> Actual {
    let mut actual = Actual { sentinel: true, ..Actual::default() };
    for name in named_collections.iter().copied().chain([DEFAULT_COLLECTION]) {
        let row = DbCollection { id: name.into(), name: name.into(), ..DbCollection::default() };
        actual.collections.insert(name.into(), row);
    }
    let plan = plan::plan(desired, &actual, &Scope::All, &Memory::default()).plan;
    for new in &plan.new_artifacts {
        let uuid = format!("uuid of {}", new.id);
        actual.artifacts.insert(new.id.clone(), DbArtifact { uuid, mirrors_files: true });
    }
    for tag in &plan.new_tags {
        actual.tags.push(DbTag {
            id: format!("id of {}", tag.slug),
            name: tag.name.clone(),
            slug: tag.slug.clone(),
        });
    }
    for upsert in plan.upserts {
        let row = DbRow { row: upsert.row, sound: true, synced: true, stale: false };
        actual.memberships.entry(upsert.collection).or_default().insert(upsert.artifact, row);
    }
    for assignment in plan.tag {
        actual
            .artifact_tags
            .entry(assignment.artifact)
            .or_default()
            .insert(format!("id of {}", assignment.slug));
    }
    actual
}

fn difference(desired: &Desired, actual: &Actual) -> Drift {
    drift::drift(desired, actual, |_| true)
}

fn scene() -> (Desired, Actual) {
    let (a, b) = (artifact("a", "of work", &["Two Words", "x"]), artifact("b", "of work", &[]));
    let desired = files_of(&[("play", &[artifact("a", "of play", &["y"])]), ("work", &[a, b])]);
    let actual = applied(&desired, &["play"]);
    (desired, actual)
}

fn a() -> ArtifactId {
    ArtifactId::new(Kind::Skill, "a")
}

#[test]
fn rows_that_say_what_the_files_say_do_not_drift() {
    let (desired, actual) = scene();
    let drift = difference(&desired, &actual);
    assert!(drift.is_none(), "{drift:?}");
    // a and b in `default`, a of play in `play`.
    assert_eq!(drift.compared, 3);
    assert_eq!(
        actual.memberships[DEFAULT_COLLECTION][&a()].row.unpack().description.as_deref(),
        Some("of work")
    );
}

#[test]
fn each_kind_of_drift_is_found() {
    let check = |change: fn(&mut Desired, &mut Actual), words: &[&str]| {
        let (mut desired, mut actual) = scene();
        change(&mut desired, &mut actual);
        let drift = difference(&desired, &actual);
        assert_eq!(drift.rows(), 1, "{drift:?}");
        one(drift::judge(&drift, true), Verdict::Fail, words);
    };
    check(
        |_, actual| {
            actual.memberships.get_mut(DEFAULT_COLLECTION).unwrap().remove(&a());
        },
        &["skill:a has no row"],
    );
    check(
        |_, actual| {
            let rows = actual.memberships.get_mut(DEFAULT_COLLECTION).unwrap();
            let row = &mut rows.get_mut(&a()).unwrap().row;
            row.change(|row| (row.description, row.source) = (Some("another".into()), None));
        },
        &["skill:a has another description, source"],
    );
    check(
        |_, actual| actual.memberships.get_mut("play").unwrap().get_mut(&a()).unwrap().synced = false,
        &["skill:a in play has another synced_at"],
    );
    check(
        |_, actual| actual.memberships.get_mut("play").unwrap().get_mut(&a()).unwrap().sound = false,
        &["a value of another type"],
    );
    check(
        |desired, _| {
            desired.collections.get_mut("work").unwrap().artifacts.remove(&ArtifactId::new(Kind::Skill, "b"));
        },
        &["skill:b has a row and no file"],
    );
    check(
        |_, actual| {
            actual.artifact_tags.get_mut(&a()).unwrap().remove("id of x");
        },
        &["skill:a has other tags"],
    );
    check(
        |_, actual| {
            actual
                .artifact_tags
                .entry(ArtifactId::new(Kind::Skill, "b"))
                .or_default()
                .insert("id of x".into());
        },
        &["skill:b has other tags"],
    );
}

#[test]
fn what_cannot_be_told_is_not_called_drift() {
    let (mut desired, actual) = scene();
    let work = desired.collections.get_mut("work").unwrap();
    work.artifacts.clear();
    work.doubt = Some(Doubt::Unreadable);
    let drift = difference(&desired, &actual);
    // a's row is still asked for by play, and says what work said.
    assert_eq!((drift.in_doubt, drift.surplus.len()), (1, 0));
    one(drift::judge(&drift, true), Verdict::Skip, &["1 row", "cannot be read"]);

    let (mut desired, actual) = scene();
    let b = ArtifactId::new(Kind::Skill, "b");
    let work = desired.collections.get_mut("work").unwrap();
    work.artifacts.remove(&b);
    let surplus = difference(&desired, &actual);
    assert!(surplus.clone().without(&BTreeSet::from([b.clone()])).is_none());
    desired.collections.get_mut("work").unwrap().held.insert(b.clone());
    assert!(difference(&desired, &actual).is_none());
    // What was there at one look only was being put right.
    assert!(surplus.clone().lasting(&Drift::default()).is_none());
    assert_eq!(surplus.clone().lasting(&surplus), surplus);
    // A type the database does not know has no row and needs none.
    let mut refusing = actual;
    refusing.memberships.clear();
    refusing.artifact_tags.clear();
    assert!(drift::drift(&desired, &refusing, |_| false).is_none());
}

proptest! {
    /// Two judges that share no code: what the planner would change is what the comparison finds.
    #[test]
    fn the_comparison_and_the_planner_agree(
        specs in proptest::collection::vec((0_usize..3, 0_usize..4, "[ab]", proptest::collection::vec("[A-C]", 0..3)), 0..8),
        others in proptest::collection::vec((0_usize..3, 0_usize..4, "[ab]", proptest::collection::vec("[A-C]", 0..3)), 0..8),
        same in any::<bool>(),
    ) {
        type Spec = (usize, usize, String, Vec<String>);
        let build = |specs: &[Spec]| {
            let mut desired = files_of(&[("play", &[]), ("rest", &[]), ("work", &[])]);
            for (directory, name, description, tags) in specs {
                let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
                let artifact = artifact(["n", "m", "o", "p"][*name], description, &tags);
                let collection = desired.collections.get_mut(["play", "rest", "work"][*directory]).unwrap();
                collection.artifacts.insert(artifact.entry.id(), artifact);
            }
            desired
        };
        let before = build(&specs);
        let after = if same { before.clone() } else { build(&others) };
        let actual = applied(&before, &["play"]);
        let decision = plan::plan(&after, &actual, &Scope::All, &Memory::default());
        let agrees = decision.plan.is_empty() && decision.absent.is_empty();
        let drift = difference(&after, &actual);
        prop_assert_eq!(drift.is_none(), agrees, "{:?}\n{:?}", drift, decision);
        prop_assert!(!same || agrees);
    }
}
