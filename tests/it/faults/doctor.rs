//! Planted faults, each of which `doctor` has to find, and a healthy machine, on which it must find nothing.
//!
//! What cannot be planted on a shared machine (no linger, a service that failed) is said by stand-ins for `systemctl`
//! and `loginctl`; the real ones are asked in [`crate::service`].

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::scene::{self, SEEN, Scene, entry, first_words, manifest, read, save};
use crate::child::{Finished, finish};
use crate::daemon::{Daemon, binary};
use crate::home::{Home, eventually};
use crate::service::watchdog::Frozen;

/// Makes a home unwell.
type Plant = fn(&Home);
/// A line of the report: what is looked at, its state, and words of the message.
type Complaint<'a> = (&'a str, &'a str, &'a str);

/// Longest a checkup may take; one that waits for differences to last takes about ten seconds.
const CHECKUP: Duration = Duration::from_secs(90);

/// What a checkup said.
#[derive(Debug)]
struct Report(Value);

impl Report {
    fn of(finished: &Finished) -> Self {
        let report: Value =
            serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}\n{finished:?}"));
        let failed = report["verdict"] == "fail";
        assert_eq!(finished.status.code(), Some(i32::from(failed)), "{finished:?}");
        Self(report)
    }

    fn with(&self, verdict: &str) -> Vec<&Value> {
        let findings = self.0["findings"].as_array().expect("findings");
        findings.iter().filter(|finding| finding["verdict"] == verdict).collect()
    }

    /// Exactly these checks complain, each with a remedy.
    #[track_caller]
    fn complains_of(&self, expected: &[(&str, &str, &str)]) {
        let complaints: Vec<&Value> =
            ["fail", "warn"].into_iter().flat_map(|verdict| self.with(verdict)).collect();
        // Not every kernel can confine; that is told, and is no fault of what is tested here.
        let complaints: Vec<&Value> = complaints.into_iter().filter(|it| it["check"] != "sandbox").collect();
        for (check, verdict, words) in expected {
            let said = complaints.iter().any(|it| {
                it["check"] == *check
                    && it["verdict"] == *verdict
                    && it["found"].as_str().is_some_and(|found| found.contains(words))
            });
            assert!(said, "no {verdict} of {check} with {words:?}: {complaints:#?}");
        }
        assert_eq!(complaints.len(), expected.len(), "{complaints:#?}");
        assert!(
            complaints.iter().all(|it| it["fix"].as_str().is_some_and(|fix| !fix.is_empty())),
            "{complaints:#?}"
        );
    }
}

/// A home with the stand-ins in front of the system's programs.
fn home(skills: &[&str]) -> Arc<Home> {
    let home = Home::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).expect("a directory of programs");
    let home = home.with_programs(bin);
    home.configure("database.create = \"standalone\"\nremove_grace = \"100ms\"\n");
    scene::collection(&home, "default", skills);
    says(&home, "loginctl", "yes");
    service(&home, "inactive", "not-found", 0);
    skillmeat(&home, "0.74.0 3.13.1 3.51.3");
    Arc::new(home)
}

/// A program that prints this and ends well.
fn says(home: &Home, program: &str, text: &str) {
    let answer = home.write(&format!("answers/{program}"), text);
    executable(&home.path().join("bin").join(program), &format!("#!/bin/sh\ncat {}\n", answer.display()));
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).expect("a program");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("that can be run");
}

/// What `systemctl --user show` says of the service.
fn service(home: &Home, active: &str, load: &str, pid: u32) {
    let program = PathBuf::from(binary());
    let shown = format!(
        "LoadState={load}\nActiveState={active}\nUnitFileState=enabled\nResult=success\nNRestarts=0\nMainPID={pid}\n\
         ExecStart={{ path={} ; argv[]=skillmeatd run ; ignore_errors=no }}\n",
        program.display()
    );
    says(home, "systemctl", &shown);
}

/// A `skillmeat` whose Python names these versions.
fn skillmeat(home: &Home, versions: &str) {
    says(home, "python3-stand-in", versions);
    let python = home.path().join("bin/python3-stand-in");
    executable(&home.path().join("bin/skillmeat"), &format!("#!{}\n", python.display()));
}

fn command(home: &Home) -> Command {
    let mut command = home.command(binary());
    command.args(["doctor", "--json"]);
    command
}

fn doctor(home: &Home) -> Report {
    Report::of(&finish(command(home), "", CHECKUP))
}

/// A daemon at work, run by a service as far as anybody can tell.
fn at_work(home: &Arc<Home>) -> Scene {
    let scene = Scene { daemon: Daemon::start(home), home: Arc::clone(home) };
    scene.settled("the first look");
    service(home, "active", "loaded", scene.daemon.pid());
    scene
}

/// A home that was in step when its daemon was stopped. There is no service.
fn at_rest(skills: &[&str]) -> Arc<Home> {
    let home = home(skills);
    let mut scene = at_work(&home);
    scene.daemon.process().stop();
    service(&home, "inactive", "not-found", 0);
    home
}

const NO_DAEMON: (&str, &str, &str) = ("daemon", "warn", "none runs");

/// Changes rows behind everybody's back.
fn sql(home: &Home, statements: &str) {
    let connection = rusqlite::Connection::open(home.cache_db()).expect("the cache");
    connection.execute_batch(statements).expect("statements that fit");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("another mode");
}

#[test]
fn a_healthy_machine_has_nothing_to_complain_of() {
    let home = home(&["pdf", "other"]);
    let scene = at_work(&home);
    let report = doctor(&home);
    report.complains_of(&[]);
    assert_eq!(report.with("skip"), Vec::<&Value>::new());
    // With no daemon only that is told.
    let mut scene = scene;
    scene.daemon.process().stop();
    service(&home, "inactive", "not-found", 0);
    doctor(&home).complains_of(&[NO_DAEMON]);
    // A person reads the same, in the same order.
    let text = finish(
        {
            let mut it = home.command(binary());
            it.arg("doctor");
            it
        },
        "",
        CHECKUP,
    );
    assert!(text.stdout.contains("warn  daemon ") && text.stdout.contains("fix: skillmeatd run"), "{text:?}");
    assert!(!text.stdout.contains('\u{1b}'), "{text:?}");
}

#[test]
fn rows_that_drifted() {
    for (statements, words) in [
        (
            "UPDATE collection_artifacts SET description = 'x' WHERE description LIKE '%pdf%'",
            "skill:pdf has another description",
        ),
        ("UPDATE collection_artifacts SET synced_at = NULL", "2 differences"),
        ("DELETE FROM collection_artifacts WHERE description LIKE '%pdf%'", "skill:pdf has no row"),
        (
            "DELETE FROM artifact_tags WHERE tag_id = (SELECT id FROM tags WHERE slug = 'pdf')",
            "skill:pdf has other tags",
        ),
    ] {
        let home = at_rest(&["pdf", "other"]);
        sql(&home, statements);
        doctor(&home).complains_of(&[NO_DAEMON, ("drift", "fail", words)]);
    }
    let home = at_rest(&["pdf", "other"]);
    save(&home.manifest("default"), &manifest("default", &[entry("pdf", &first_words("pdf"))]));
    doctor(&home).complains_of(&[NO_DAEMON, ("drift", "fail", "skill:other has a row and no file")]);
    // What is being put right is no drift: the daemon finds it at its start, while the checkup looks on.
    let daemon = Daemon::start(&home);
    let report = doctor(&home);
    assert!(report.with("fail").is_empty(), "{report:?}");
    drop(daemon);
}

#[test]
fn databases_that_cannot_be_used() {
    let plant: [(Plant, &str); 3] = [
        (|home| sql(home, "CREATE TABLE _alembic_tmp_artifacts (id)"), "half made"),
        (|home| sql(home, "DROP TABLE artifact_tags"), "lacks artifact_tags"),
        (
            |home| fs::write(home.cache_db(), "not a database, though it is a file").expect("a write"),
            "not a database",
        ),
    ];
    for (plant, words) in plant {
        let home = at_rest(&["pdf"]);
        plant(&home);
        doctor(&home).complains_of(&[NO_DAEMON, ("database", "fail", words)]);
    }
    let home = at_rest(&["pdf"]);
    fs::remove_file(home.cache_db()).expect("its removal");
    doctor(&home).complains_of(&[NO_DAEMON, ("database", "warn", "there is no")]);
}

#[test]
fn a_damaged_database() {
    let names: Vec<String> = (0..60).map(|n| format!("s{n}")).collect();
    let home = at_rest(&names.iter().map(String::as_str).collect::<Vec<_>>());
    // The root page of an index that only the check reads.
    let page: i64 = {
        let connection = rusqlite::Connection::open(home.cache_db()).expect("the cache");
        connection
            .execute_batch("CREATE INDEX damaged ON collection_artifacts (description)")
            .expect("an index");
        connection
            .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'damaged'", [], |row| row.get(0))
            .expect("its page")
    };
    let mut bytes = fs::read(home.cache_db()).expect("the cache");
    let at = usize::try_from((page - 1) * 4_096).expect("a small file");
    bytes[at..at + 4_096].fill(0xff);
    fs::write(home.cache_db(), bytes).expect("the damaged cache");
    doctor(&home).complains_of(&[NO_DAEMON, ("database integrity", "fail", "is damaged")]);
}

/// Keeps a file open until dropped.
struct Keeper(Child);

impl Keeper {
    fn of(path: &Path) -> Self {
        let mut command = Command::new("sleep");
        Self(
            command
                .arg("600")
                .stdin(File::open(path).expect("the file"))
                .stdout(Stdio::null())
                .spawn()
                .expect("sleep"),
        )
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn somebody_works_in_a_database_that_was_replaced() {
    let home = home(&["pdf"]);
    let scene = at_work(&home);
    let keeper = Keeper::of(&home.cache_db());
    doctor(&home).complains_of(&[]);
    fs::remove_file(home.cache_db()).expect("its removal");
    scene.settled("the removal");
    let words = format!("sleep (pid {})", keeper.0.id());
    doctor(&home).complains_of(&[("database in use", "fail", &words)]);
}

#[test]
fn a_socket_that_others_reach() {
    let home = home(&["pdf"]);
    let _scene = at_work(&home);
    let directory = home.path().join("run/skillmeatd");
    mode(&directory.join("control.sock"), 0o666);
    doctor(&home).complains_of(&[("socket", "fail", "mode 0666")]);
    mode(&directory.join("control.sock"), 0o600);
    mode(&directory, 0o750);
    doctor(&home).complains_of(&[("socket", "fail", "mode 0750")]);
}

#[test]
fn our_own_state() {
    let home = at_rest(&["pdf"]);
    let directory = home.path().join("state/skillmeatd");
    // A log that is still there would hold a copy of every page.
    for companion in ["state.db-wal", "state.db-shm"] {
        let _ = fs::remove_file(directory.join(companion));
    }
    fs::write(directory.join("state.db"), "no state at all, and long enough to be read").expect("a write");
    doctor(&home).complains_of(&[NO_DAEMON, ("state", "fail", "state.db is damaged")]);
    // The daemon sets it aside, and that is told until somebody has removed it.
    let scene = Scene { daemon: Daemon::start(&home), home: Arc::clone(&home) };
    scene.equal("the new state");
    doctor(&home).complains_of(&[("state", "warn", "state.db.damaged-")]);
    for entry in fs::read_dir(&directory).expect("the state").flatten() {
        if entry.file_name().to_string_lossy().contains(".damaged-") {
            fs::remove_file(entry.path()).expect("its removal");
        }
    }
    doctor(&home).complains_of(&[]);
    mode(&directory, 0o755);
    doctor(&home).complains_of(&[("state", "warn", "mode 0755")]);
}

#[test]
fn collections_that_cannot_be_read() {
    let plant: [(Plant, &[Complaint]); 4] = [
        (
            |home| {
                let text = read(&home.manifest("default")).replace("description = \"", "description = ");
                save(&home.manifest("default"), &text);
            },
            &[("collection", "fail", "collections/default/collection.toml:")],
        ),
        (|home| save(&home.manifest("default"), ""), &[("collection", "fail", "is empty")]),
        (
            |home| fs::remove_file(home.manifest("default")).expect("its removal"),
            &[("collection", "fail", "is missing")],
        ),
        (
            |home| fs::remove_dir_all(home.skillmeat()).expect("its removal"),
            &[("home", "fail", "there is no"), ("database", "warn", "there is no")],
        ),
    ];
    for (plant, expected) in plant {
        let home = at_rest(&["pdf"]);
        plant(&home);
        doctor(&home).complains_of(&[&[NO_DAEMON][..], expected].concat());
    }
}

#[test]
fn a_second_directory() {
    let home = at_rest(&["pdf"]);
    save(&home.manifest("default"), &manifest("work", &[entry("pdf", &first_words("pdf"))]));
    doctor(&home).complains_of(&[
        NO_DAEMON,
        ("collection", "warn", "calls itself `work`, so SkillMeat will save it to that directory"),
    ]);
    scene::collection(&home, "default", &["pdf"]);
    scene::collection(&home, "work", &["pdf"]);
    doctor(&home).complains_of(&[NO_DAEMON, ("collection", "warn", "skill:pdf in default and work")]);
}

#[test]
fn a_collection_that_cannot_be_written() {
    let home = at_rest(&["pdf"]);
    mode(&home.manifest("default"), 0o444);
    let checkup = if rustix::process::geteuid().is_root() {
        // Root may write everything, until it gives that right up.
        let mut command = home.command("setpriv");
        command.args(["--bounding-set=-dac_override,-dac_read_search"]);
        command.arg(binary()).args(["doctor", "--json"]);
        command
    } else {
        command(&home)
    };
    let report = Report::of(&finish(checkup, "", CHECKUP));
    report.complains_of(&[NO_DAEMON, ("collection", "warn", "cannot be written")]);
}

#[test]
fn somebody_holds_the_lock_of_a_manifest() {
    let home = at_rest(&["pdf"]);
    let lock =
        File::create(home.collection("default").join(".collection.toml.skillmeat-lock")).expect("the lock");
    lock.lock().expect("its lock");
    doctor(&home)
        .complains_of(&[NO_DAEMON, ("collection", "warn", &format!("(pid {})", std::process::id()))]);
}

#[test]
fn the_service() {
    let home = home(&["pdf"]);
    let mut scene = at_work(&home);
    let pid = scene.daemon.pid();
    says(&home, "loginctl", "no");
    doctor(&home).complains_of(&[("linger", "warn", "log out")]);
    says(&home, "loginctl", "yes");
    service(&home, "active", "loaded", std::process::id());
    let words = format!("the daemon that answers is {pid}");
    doctor(&home).complains_of(&[("service", "warn", &words)]);
    service(&home, "active", "loaded", pid);
    // It is alive and does not answer.
    scene.daemon.process().pause();
    doctor(&home).complains_of(&[("daemon", "fail", &format!("skillmeatd (pid {pid}) is running"))]);
    scene.daemon.process().signal(Signal::CONT);
    scene.daemon.process().stop();
    service(&home, "failed", "loaded", 0);
    doctor(&home).complains_of(&[("daemon", "fail", "no daemon runs"), ("service", "fail", "it has failed")]);
}

#[test]
fn programs_that_never_answer_are_not_waited_for() {
    let home = at_rest(&["pdf"]);
    for program in ["systemctl", "loginctl", "python3-stand-in"] {
        executable(&home.path().join("bin").join(program), "#!/bin/sh\nexec sleep 600\n");
    }
    let report = doctor(&home);
    report.complains_of(&[NO_DAEMON]);
    for (check, words) in
        [("SkillMeat", "did not answer within 20 s"), ("service", "systemctl does not answer")]
    {
        let said = report.with("skip").into_iter().find(|finding| finding["check"] == check);
        let found = said.and_then(|finding| finding["found"].as_str()).unwrap_or_default();
        assert!(found.contains(words), "{check}: {report:?}");
    }
}

#[test]
fn a_watcher_that_has_died() {
    let home = home(&["pdf"]);
    let scene = at_work(&home);
    let Some(frozen) = Frozen::thread(&home, scene.daemon.pid(), "watch") else { return };
    doctor(&home).complains_of(&[("round trip", "fail", "no event came")]);
    drop(frozen);
    doctor(&home).complains_of(&[]);
}

#[test]
fn too_few_watches() {
    let names: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    let home = home(&names.iter().map(String::as_str).collect::<Vec<_>>());
    home.configure("database.create = \"standalone\"\nwatch.poll_interval = \"500ms\"\n");
    let script = "echo 12 >/proc/sys/user/max_inotify_watches && exec \"$@\"";
    let inside = |program: &[&str]| {
        let mut command = home.command("unshare");
        command.args(["-Ur", "sh", "-c", script, "sh"]).args(program);
        command
    };
    if !inside(&["true"]).output().is_ok_and(|ran| ran.status.success()) {
        eprintln!("NOT TESTED: no user namespace may be made here, so the watches cannot be made few.");
        return;
    }
    let program = binary().into_string().expect("UTF-8");
    let scene = Scene { daemon: Daemon::launch(&home, inside(&[&program, "run"])), home: Arc::clone(&home) };
    scene.equal("the first look");
    doctor(&home).complains_of(&[("watching", "warn", "directories are watched and the rest is polled")]);
    drop(scene);
    // Where the limit holds for the checkup too, it says so before any daemon does.
    let report = Report::of(&finish(inside(&[&program, "doctor", "--json"]), "", CHECKUP));
    report.complains_of(&[NO_DAEMON, ("watch limit", "fail", "the limit is 12")]);
}

#[test]
fn a_directory_without_a_watch() {
    let home = home(&["pdf"]);
    let _scene = at_work(&home);
    // A file system that was put over a directory: the watch is on what is below it. Seen by the checkup alone.
    let directory = home.collection("default").join("skills/pdf/scripts");
    let mut command = home.command("unshare");
    command.args(["-m", "sh", "-c", "mount -t tmpfs none \"$1\" && shift && exec \"$@\"", "sh"]);
    command.arg(&directory).arg(binary()).args(["doctor", "--json"]);
    let finished = finish(command, "", CHECKUP);
    if !finished.stdout.starts_with('{') {
        eprintln!("NOT TESTED: no mount may be made here: {}", finished.stderr);
        return;
    }
    Report::of(&finished).complains_of(&[
        ("watching", "fail", &directory.display().to_string()),
        ("drift", "fail", "skill:pdf has another artifact_content_hash"),
    ]);
}

#[test]
fn a_disk_that_is_full() {
    let home = at_rest(&["pdf"]);
    let mut command = home.command("unshare");
    command.args(["-Urm", "sh", "-c", "mount -t tmpfs -o size=4m none \"$1\" && shift && exec \"$@\"", "sh"]);
    command.arg(home.path().join("state")).arg(binary()).args(["doctor", "--json"]);
    let finished = finish(command, "", CHECKUP);
    if !finished.stdout.starts_with('{') {
        eprintln!("NOT TESTED: no mount may be made here: {}", finished.stderr);
        return;
    }
    Report::of(&finished).complains_of(&[NO_DAEMON, ("disk space", "fail", "4 MiB free")]);
}

#[test]
fn a_backend_that_uses_another_database() {
    let secret = "postgresql://u:secret@h/d";
    let home = at_rest(&["pdf"]);
    let mut checkup = command(&home);
    checkup.env("DATABASE_URL", secret);
    let finished = finish(checkup, "", CHECKUP);
    assert!(!finished.stdout.contains("secret"), "{finished:?}");
    Report::of(&finished).complains_of(&[NO_DAEMON, ("DATABASE_URL", "warn", "this environment")]);
    let mut checkup = command(&home);
    checkup.env("DATABASE_URL", "sqlite:///x.db");
    Report::of(&finish(checkup, "", CHECKUP)).complains_of(&[NO_DAEMON]);

    // That of another home is none of this one's business.
    let backend = |home: &Path| {
        let mut command = Command::new("sleep");
        command.arg("600").env("SKILLMEAT_DATABASE_URL", secret).env("HOME", home);
        std::os::unix::process::CommandExt::arg0(&mut command, "skillmeat-stand-in");
        Keeper(command.spawn().expect("sleep"))
    };
    let (_other, backend) = (backend(Path::new("/nowhere")), backend(home.path()));
    let words = format!("(pid {}, SKILLMEAT_DATABASE_URL)", backend.0.id());
    doctor(&home).complains_of(&[NO_DAEMON, ("DATABASE_URL", "warn", &words)]);
}

#[test]
fn an_exposed_sqlite_and_a_wrong_configuration() {
    let home = at_rest(&["pdf"]);
    skillmeat(&home, "0.74.0 3.11.7 3.40.1");
    doctor(&home)
        .complains_of(&[NO_DAEMON, ("SQLite", "warn", "SkillMeat's Python 3.11.7 uses SQLite 3.40.1")]);
    skillmeat(&home, "0.74.0 3.11.7 3.44.6");
    home.configure("remove_grce = \"1s\"\n");
    doctor(&home).complains_of(&[NO_DAEMON, ("configuration", "fail", "remove_grce")]);
}

#[test]
fn what_is_halted_is_told_and_is_no_drift() {
    let home = home(&["pdf", "other"]);
    let scene = at_work(&home);
    fs::remove_file(home.manifest("default")).expect("its removal");
    eventually(SEEN, "the collection is halted", || {
        let status = scene.daemon.status()?;
        if status["state"] == "halted" { Ok(()) } else { Err(status.to_string()) }
    });
    doctor(&home)
        .complains_of(&[("collection", "fail", "is missing"), ("waiting for you", "warn", "resume default")]);
}
