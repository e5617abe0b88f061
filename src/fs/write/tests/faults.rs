//! Errors and kills at every step.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use rustix::io::Errno;

use super::*;

/// The steps of a rewrite that nobody disturbs.
const STEPS: [Stage; 9] = [
    Stage::Lock,
    Stage::Open,
    Stage::Create,
    Stage::Write,
    Stage::Sync,
    Stage::Exchange,
    Stage::Compare,
    Stage::SyncDirectory,
    Stage::Remove,
];

#[test]
fn an_undisturbed_rewrite_takes_these_steps() {
    let place = Place::new();
    let mut steps = Vec::new();
    place
        .rewrite_at(|stage| {
            steps.push(stage);
            Ok(())
        })
        .unwrap();
    assert_eq!(steps, STEPS);
}

#[test]
fn an_error_at_any_step_leaves_the_old_file_or_the_new_one() {
    for errno in [Errno::NOSPC, Errno::IO, Errno::ROFS, Errno::DQUOT] {
        for failing in STEPS {
            let place = Place::new();
            let inode = fs::metadata(&place.path).unwrap().ino();
            let error = place
                .rewrite_at(|stage| if stage == failing { Err(errno.into()) } else { Ok(()) })
                .unwrap_err();
            assert!(error.is_transient(), "{error:?}");
            assert!(
                matches!(&error, WriteError::Io { source, .. } if Errno::from_io_error(source) == Some(errno))
            );
            if failing >= Stage::SyncDirectory {
                assert_eq!(place.text(), NEW, "{failing:?}");
            } else {
                assert_eq!(place.text(), OLD, "{failing:?}");
                assert_eq!(fs::metadata(&place.path).unwrap().ino(), inode, "{failing:?}");
            }
            if failing != Stage::Remove {
                place.assert_tidy();
            }
            // What failed can be done again.
            place.rewrite().unwrap();
            assert_eq!(place.text(), NEW);
        }
    }
}

#[test]
fn a_rename_that_fails_leaves_the_old_file() {
    let place = Place::new();
    let error = place.rewrite_at(|stage| match stage {
        Stage::Exchange => Err(Errno::NOSYS.into()),
        Stage::Rename => Err(Errno::NOSPC.into()),
        _ => Ok(()),
    });
    assert!(error.unwrap_err().is_transient());
    assert_eq!(place.text(), OLD);
    place.assert_tidy();
}

#[test]
fn lasting_errors_are_told_from_passing_ones() {
    let error = |errno: Errno| WriteError::<Infallible>::io(Path::new("x"), "read", errno.into());
    for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::BUSY, Errno::STALE, Errno::AGAIN] {
        assert!(error(errno).is_transient(), "{errno:?}");
    }
    for errno in [Errno::ACCESS, Errno::PERM, Errno::NOENT, Errno::NOTDIR, Errno::NAMETOOLONG] {
        assert!(!error(errno).is_transient(), "{errno:?}");
    }
    assert_eq!(error(Errno::ACCESS).to_string(), "cannot read x");
}

/// This test binary again, to run the one test `name` with `value` in the environment.
fn again(name: &str, value: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("fs::write::tests::faults::{name}"), "--exact", "--nocapture"]);
    command.env("SKILLMEATD_TEST_CHILD", value);
    command
}

fn child_value() -> Option<String> {
    std::env::var("SKILLMEATD_TEST_CHILD").ok()
}

#[test]
fn kill_at_any_step_leaves_the_old_file_or_the_new_one() {
    if let Some(value) = child_value() {
        let (stage, path) = value.split_once(' ').unwrap();
        let _ = rewrite_in_steps(Path::new(path), &mut add_ours, &mut |_| {}, Some(LOCK_WAIT), &mut |at| {
            if format!("{at:?}") == stage {
                let me = rustix::process::getpid();
                rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
            }
            Ok(())
        });
        return;
    }
    for stage in STEPS {
        let place = Place::new();
        let value = format!("{stage:?} {}", place.path.display());
        let output = again("kill_at_any_step_leaves_the_old_file_or_the_new_one", &value).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{stage:?}: {output:?}");
        assert_eq!(place.text(), if stage > Stage::Exchange { NEW } else { OLD }, "{stage:?}");
        // Whatever it left, the next start finds.
        let later = SystemTime::now() + STRAY_AGE + Duration::from_secs(1);
        let swept = sweep(&place.path, later).unwrap();
        let left = (Stage::Write..=Stage::Remove).contains(&stage);
        assert_eq!(swept.len(), usize::from(left), "{stage:?}");
        if stage > Stage::Exchange {
            assert_eq!(swept[0].bytes, OLD.as_bytes(), "{stage:?}");
        }
        place.assert_tidy();
        place.rewrite().unwrap();
        assert_eq!(place.text(), NEW);
    }
}

/// Runs `f` with the rights of an ordinary user, which root's threads can give up one by one (capabilities(7)).
fn without_privileges<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let run = || {
            #[cfg(target_os = "linux")]
            {
                use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
                let none = CapabilitySet::empty();
                set_capabilities(
                    None,
                    CapabilitySets { effective: none, permitted: none, inheritable: none },
                )
                .unwrap();
            }
            f()
        };
        scope.spawn(run).join().unwrap()
    })
}

#[test]
fn without_rights_nothing_changes() {
    let place = Place::new();
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let refused = |name: &str| {
        let error = without_privileges(|| place.rewrite()).unwrap_err();
        let denied = matches!(&error, WriteError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied);
        assert!(denied && !error.is_transient(), "{name}: {error:?}");
        assert_eq!(place.text(), OLD, "{name}");
        error.to_string()
    };
    set(place.dir.path(), 0o555);
    assert!(refused("no lock file can be made").starts_with("cannot open the lock "));
    set(place.dir.path(), 0o755);
    place.rewrite_at(|stage| if stage == Stage::Open { Err(Errno::IO.into()) } else { Ok(()) }).unwrap_err();
    set(place.dir.path(), 0o555);
    assert!(refused("no temporary file can be made").starts_with("cannot write a new version of "));
    set(place.dir.path(), 0o755);
    place.assert_tidy();
    without_privileges(|| place.rewrite()).unwrap();
    assert_eq!(place.text(), NEW);
}

#[test]
fn the_owner_is_kept_or_the_file_is_left_alone() {
    use std::os::unix::fs::chown;
    let place = Place::new();
    if chown(&place.path, Some(65_534), Some(65_534)).is_err() {
        return eprintln!("only root can give files away");
    }
    without_privileges(|| place.rewrite()).unwrap_err();
    assert_eq!(place.text(), OLD);
    place.rewrite().unwrap();
    let metadata = fs::metadata(&place.path).unwrap();
    assert_eq!((place.text().as_str(), metadata.uid(), metadata.gid()), (NEW, 65_534, 65_534));
    // A group that cannot be given is not replaced by one of ours.
    chown(&place.path, Some(0), Some(65_534)).unwrap();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o664)).unwrap();
    fs::write(&place.path, OLD).unwrap();
    without_privileges(|| place.rewrite()).unwrap();
    let metadata = fs::metadata(&place.path).unwrap();
    assert_eq!((place.text().as_str(), metadata.gid(), metadata.mode() & 0o777), (NEW, 0, 0o604));
    place.assert_tidy();
}
