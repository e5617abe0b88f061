//! Setting a database aside, and who keeps it from being done.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use rusqlite::Connection;
use rustix::fs::{FlockOperation, fcntl_lock};

use crate::db::aside::lock;
use crate::db::holders::by_lock;
use crate::db::{AsideError, holders, set_aside};

fn now() -> chrono::NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 1, 2).unwrap().and_hms_opt(3, 4, 5).unwrap()
}

fn make(path: &std::path::Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (c); INSERT INTO t VALUES (1)")
        .unwrap();
    connection
}

/// A process that keeps the file open, without any lock, until it is killed.
struct Keeper(Child);

impl Keeper {
    /// It has answered once: a process that has just been started has no command line yet.
    fn of(path: &std::path::Path) -> Self {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(fs::File::open(path).unwrap());
        let mut child = command.spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"?").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self(child)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn all_three_files_go_and_come_back_with_every_commit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let copy = dir.path().join("copy.db");
    let connection = make(&path);
    // What is only in the log has to come along: copy the files as they are while somebody works in them.
    for suffix in ["", "-wal", "-shm"] {
        fs::copy(dir.path().join(format!("x.db{suffix}")), dir.path().join(format!("copy.db{suffix}")))
            .unwrap();
    }
    drop(connection);
    let aside = set_aside(&copy, now()).unwrap().unwrap();
    assert_eq!(aside.path, dir.path().join("copy.db.aside-20260102T030405Z"));
    for suffix in ["", "-wal", "-shm"] {
        assert!(!dir.path().join(format!("copy.db{suffix}")).exists());
        assert!(dir.path().join(format!("copy.db.aside-20260102T030405Z{suffix}")).exists());
    }
    aside.put_back().unwrap();
    let rows: i64 =
        Connection::open(&copy).unwrap().query_row("SELECT COUNT(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn a_second_one_in_the_same_second_gets_a_name_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    for expected in ["x.db.aside-20260102T030405Z", "x.db.aside-20260102T030405Z.1"] {
        fs::write(&path, expected).unwrap();
        let aside = set_aside(&path, now()).unwrap().unwrap();
        assert_eq!(fs::read_to_string(&aside.path).unwrap(), expected);
        assert_eq!(aside.path, dir.path().join(expected));
    }
    assert_eq!(set_aside(&path, now()).unwrap(), None);
}

#[cfg(target_os = "linux")]
#[test]
fn who_has_it_open_is_named_and_keeps_it_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    drop(make(&path));
    assert_eq!(holders(&path), []);
    let keeper = Keeper::of(&path);
    let found = holders(&path);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].pid, found[0].name.as_str(), found[0].current), (keeper.0.id(), "cat", true));
    assert!(matches!(set_aside(&path, now()), Err(AsideError::Held(held)) if held == found));
    assert!(path.exists());

    fs::rename(&path, dir.path().join("y.db")).unwrap();
    fs::remove_file(dir.path().join("y.db")).unwrap();
    drop(make(&path));
    // It was renamed before it was deleted: nobody can say any more that it once was this one.
    assert_eq!(holders(&path), []);
    let other = Keeper::of(&path);
    fs::remove_file(&path).unwrap();
    drop(make(&path));
    let found = holders(&path);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].pid, found[0].current), (other.0.id(), false));
    drop(other);
    drop(keeper);
    assert_eq!(holders(&path), []);
}

/// In WAL mode every connection holds a shared lock; the kernel names its owner even where `/proc` would not.
#[test]
fn a_lock_keeps_it_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    drop(make(&path));
    let script = "import fcntl, sys
file = open(sys.argv[1], 'r+b')
fcntl.lockf(file, fcntl.LOCK_SH, 510, 0x40000002)
print('locked', flush=True)
sys.stdin.read()";
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut other = command.spawn().expect("python3, which the other tests need too");
    let mut line = [0; 7];
    Read::read_exact(other.stdout.as_mut().unwrap(), &mut line).unwrap();
    let locker = by_lock(&fs::File::open(&path).unwrap());
    assert_eq!(locker.map(|holder| holder.pid), Some(other.id()));
    assert!(matches!(set_aside(&path, now()), Err(AsideError::Held(held)) if held[0].pid == other.id()));
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(set_aside(&path, now()).unwrap().is_some());
}

/// A daemon that waits for a usable database looks at this one for an instant now and then.
#[test]
fn whoever_looks_for_an_instant_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    drop(make(&path));
    let script = "import fcntl, os, sys
file = open(sys.argv[1], 'r+b')
print('!', end='', flush=True)
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1000):
        fcntl.lockf(file, fcntl.LOCK_SH, 510, 0x40000002)
        fcntl.lockf(file, fcntl.LOCK_UN, 510, 0x40000002)";
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(&path).stdout(Stdio::piped());
    let mut other = Keeper(command.spawn().expect("python3, which the other tests need too"));
    other.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut locked, mut refusals) = (0, 0);
    while locked < 300 || refusals < 300 {
        assert!(Instant::now() < deadline, "locked {locked} times, refused {refusals} times");
        match lock(&path, &file) {
            Ok(()) => {
                fcntl_lock(&file, FlockOperation::NonBlockingUnlock).unwrap();
                locked += 1;
            }
            Err(AsideError::Held(held)) => {
                assert_eq!(held[0].pid, other.0.id());
                refusals += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}
