//! Tests of the lock and of the signals. What ends a process is tested in a child: this test binary starts
//! itself again, told by a variable to play the daemon.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::time::Duration;

use signal_hook::low_level::raise;

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);
const CHILD: &str = "LIFECYCLE_TEST_CHILD";

#[test]
fn the_second_is_told_who_is_first() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("state/skillmeatd.lock");
    let first = InstanceLock::acquire(&path).unwrap();
    let error = InstanceLock::acquire(&path).unwrap_err();
    let LockError::Held { holder, .. } = &error else { panic!("{error:?}") };
    assert_eq!(holder.pid, Some(std::process::id()));
    let since = chrono::DateTime::parse_from_rfc3339(holder.since.as_deref().unwrap()).unwrap();
    assert!((Local::now() - since.with_timezone(&Local)).num_seconds().abs() < 60);
    let message = error.to_string();
    assert!(message.contains(&format!("pid {} (since 20", std::process::id())), "{message}");
    assert!(message.contains(&path.display().to_string()), "{message}");

    drop(first);
    assert!(path.exists(), "the lock file is never unlinked");
    InstanceLock::acquire(&path).unwrap();
}

#[test]
fn of_many_that_start_together_one_runs() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("skillmeatd.lock");
    for _ in 0..20 {
        let barrier = Barrier::new(8);
        let results: Vec<_> = std::thread::scope(|scope| {
            let start = || {
                barrier.wait();
                InstanceLock::acquire(&path)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(LockError::Held { .. }))));
    }
}

#[test]
fn text_left_by_a_dead_holder_means_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("skillmeatd.lock");
    std::fs::write(&path, "pid 1\nsince the beginning, and a much longer text than ours will ever be\n")
        .unwrap();
    let lock = InstanceLock::acquire(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with(&format!("pid {}\n", std::process::id())) && !text.contains("beginning"),
        "{text}"
    );
    drop(lock);
}

#[test]
fn a_holder_that_has_not_written_yet_is_no_riddle() {
    assert_eq!(Holder::parse("").to_string(), "a process that is just starting");
    assert_eq!(Holder::parse("pid 7\n").to_string(), "pid 7");
    assert_eq!(Holder::parse("pid x\nsince now").to_string(), "a process that is just starting");
}

#[test]
fn a_lock_that_cannot_be_had_names_its_path() {
    let temp = tempfile::tempdir().unwrap();
    let error = InstanceLock::acquire(temp.path()).unwrap_err();
    assert!(matches!(&error, LockError::Io { path, .. } if path == temp.path()), "{error:?}");
    let file = temp.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(InstanceLock::acquire(&file.join("lock")), Err(LockError::Directory(_))));
}

/// Starts `test` of this binary again with `CHILD` set, and waits until it says it is ready.
fn child(test: &str, argument: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("daemon::lifecycle::tests::{test}"), "--nocapture"])
        .env(CHILD, argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ready =
        BufReader::new(child.stdout.as_mut().unwrap()).lines().any(|line| line.unwrap().ends_with("ready"));
    assert!(ready, "{:?}", child.wait());
    child
}

/// In the child: says so, and waits to be ended by a signal or by the test going away.
fn play() {
    println!("\nready");
    let _ = io::stdin().read(&mut [0]);
}

#[test]
fn a_killed_holder_leaves_the_lock_free() {
    if let Some(path) = std::env::var_os(CHILD) {
        let _lock = InstanceLock::acquire(Path::new(&path)).unwrap();
        return play();
    }
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("skillmeatd.lock");
    let mut holder = child("a_killed_holder_leaves_the_lock_free", &path);
    let error = InstanceLock::acquire(&path).unwrap_err();
    assert!(error.to_string().contains(&format!("pid {} ", holder.id())), "{error}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    InstanceLock::acquire(&path).unwrap();
}

#[test]
fn a_second_request_to_end_is_not_a_request() {
    if std::env::var_os(CHILD).is_some() {
        let (first, delivered) = channel();
        // A daemon that hangs in the delivery itself.
        let _signals = signals(move |signal| {
            first.send(signal).unwrap();
            std::thread::park_timeout(DEADLINE);
        });
        raise(SIGTERM).unwrap();
        assert_eq!(delivered.recv_timeout(DEADLINE), Ok(Signal::Terminate));
        return play();
    }
    for (signal, code) in [(rustix::process::Signal::TERM, SIGTERM), (rustix::process::Signal::INT, SIGINT)] {
        let mut daemon = child("a_second_request_to_end_is_not_a_request", Path::new("-"));
        let pid = rustix::process::Pid::from_child(&daemon);
        rustix::process::kill_process(pid, signal).unwrap();
        assert_eq!(daemon.wait().unwrap().signal(), Some(code));
    }
}

#[test]
fn signals_arrive_as_values() {
    if std::env::var_os(CHILD).is_none() {
        // In a child, because the handlers stay for the life of a process.
        let mut daemon = child("signals_arrive_as_values", Path::new("-"));
        drop(daemon.stdin.take());
        assert!(daemon.wait().unwrap().success());
        return;
    }
    let (sender, received) = channel();
    let thread = signals(move |signal| sender.send(signal).unwrap()).unwrap();
    for (signal, expected) in [
        (SIGHUP, Signal::Reload),
        (SIGHUP, Signal::Reload),
        (SIGINT, Signal::Terminate),
        (SIGHUP, Signal::Reload),
    ] {
        raise(signal).unwrap();
        assert_eq!(received.recv_timeout(DEADLINE), Ok(expected));
    }
    // Dropping ends the thread, and with it the closure and its sender.
    drop(thread);
    assert!(received.recv().is_err());
    play();
}
