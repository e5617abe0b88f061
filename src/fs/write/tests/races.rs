//! Others who write at the same moment.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::*;

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("not this one")]
struct No;

/// Runs `other` at the first `times` exchanges, right before they are made.
fn before_exchanges(times: u32, mut other: impl FnMut(u32)) -> impl FnMut(Stage) -> io::Result<()> {
    let mut n = 0;
    move |stage| {
        if stage == Stage::Exchange && n < times {
            n += 1;
            other(n);
        }
        Ok(())
    }
}

#[test]
fn an_update_between_reading_and_exchanging_is_taken_up() {
    for times in [1, 2, 5, MAX_ROUNDS - 1] {
        let place = Place::new();
        let step = before_exchanges(times, |n| place.write_as_skillmeat(&format!("{OLD}theirs = {n}\n")));
        let outcome = place.rewrite_at(step).unwrap();
        let before = format!("{OLD}theirs = {times}\n");
        assert_eq!(place.text(), format!("{before}ours = 1\n"));
        assert_eq!(outcome, Outcome::Written { rounds: times + 1 });
        place.assert_tidy();
    }
}

#[test]
fn an_update_while_another_is_given_back_is_not_lost() {
    let place = Place::new();
    let mut gives = 0;
    let outcome = place.rewrite_at(|stage| {
        match stage {
            Stage::Exchange if gives == 0 => place.write_as_skillmeat(&format!("{OLD}theirs = 0\n")),
            Stage::GiveBack if gives < 7 => {
                gives += 1;
                place.write_as_skillmeat(&format!("{OLD}theirs = {gives}\n"));
            }
            _ => {}
        }
        Ok(())
    });
    assert_eq!(rounds(&outcome.unwrap()), 2);
    assert_eq!(place.text(), format!("{OLD}theirs = 7\nours = 1\n"));
    place.assert_tidy();
}

#[test]
fn others_who_never_stop_win() {
    let place = Place::new();
    let step = before_exchanges(u32::MAX, |n| place.write_as_skillmeat(&format!("theirs = {n}\n")));
    let error = place.rewrite_at(step).unwrap_err();
    assert!(matches!(error, WriteError::Contended { .. }) && error.is_transient(), "{error:?}");
    assert_eq!(place.text(), format!("theirs = {MAX_ROUNDS}\n"));
    place.assert_tidy();
}

#[test]
fn an_update_that_cannot_be_patched_stays() {
    let place = Place::new();
    let mut patch = |text: &str| if text == OLD { Ok(NEW.to_owned()) } else { Err(No) };
    let mut step = before_exchanges(1, |_| place.write_as_skillmeat("theirs"));
    let result = rewrite_in_steps(&place.path, &mut patch, &mut |_| {}, Some(LOCK_WAIT), &mut step);
    assert!(matches!(result, Err(WriteError::Patch(No))), "{result:?}");
    assert_eq!(place.text(), "theirs");
    place.assert_tidy();
}

#[test]
fn an_update_that_needs_no_patch_stays_the_file_it_is() {
    let place = Place::new();
    let mut theirs = 0;
    let step = before_exchanges(1, |_| {
        place.write_as_skillmeat(&format!("theirs = 1\n{NEW}"));
        theirs = fs::metadata(&place.path).unwrap().ino();
    });
    assert_eq!(place.rewrite_at(step).unwrap(), Outcome::Unchanged);
    assert_eq!(fs::metadata(&place.path).unwrap().ino(), theirs);
    place.assert_tidy();
}

#[test]
fn a_manifest_that_is_removed_stays_removed() {
    let place = Place::new();
    let error = place.rewrite_at(before_exchanges(1, |_| fs::remove_file(&place.path).unwrap())).unwrap_err();
    assert!(
        matches!(&error, WriteError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound),
        "{error:?}"
    );
    assert_eq!(place.names(), [".collection.toml.skillmeat-lock"]);
}

#[test]
fn a_directory_that_is_removed_and_made_again_keeps_what_is_new_in_it() {
    let place = Place::new();
    let dir = place.dir.path().join("default");
    let path = dir.join("collection.toml");
    fs::create_dir(&dir).unwrap();
    fs::write(&path, OLD).unwrap();
    let mut step = before_exchanges(1, |_| {
        // As SkillMeat's rollback does.
        fs::remove_dir_all(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        fs::write(&path, "theirs = 1\n").unwrap();
    });
    rewrite_in_steps(&path, &mut add_ours, &mut |_| {}, Some(LOCK_WAIT), &mut step).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs = 1\n");
    assert_eq!(dir.read_dir().unwrap().count(), 1);
}

#[test]
fn a_writer_in_place_is_not_parted_from_the_file() {
    let place = Place::new();
    let mut open = fs::OpenOptions::new().append(true).open(&place.path).unwrap();
    let mut written = false;
    let outcome = place.rewrite_at(|stage| {
        if stage == Stage::SyncDirectory && !std::mem::replace(&mut written, true) {
            open.write_all(b"theirs = 1\n")?;
        }
        Ok(())
    });
    assert_eq!(rounds(&outcome.unwrap()), 2);
    assert_eq!(place.text(), format!("{OLD}theirs = 1\nours = 1\n"));
    place.assert_tidy();
}

#[test]
fn without_exchange_an_update_is_seen_before_the_rename() {
    for times in [0, 1, 3] {
        let place = Place::new();
        let mut n = 0;
        let outcome = place.rewrite_at(|stage| match stage {
            Stage::Exchange => Err(rustix::io::Errno::INVAL.into()),
            Stage::Compare if n < times => {
                n += 1;
                place.write_as_skillmeat(&format!("{OLD}theirs = {n}\n"));
                Ok(())
            }
            _ => Ok(()),
        });
        assert_eq!(rounds(&outcome.unwrap()), times + 1);
        let theirs = if times > 0 { format!("theirs = {times}\n") } else { String::new() };
        assert_eq!(place.text(), format!("{OLD}{theirs}ours = 1\n"));
        place.assert_tidy();
    }
}

#[test]
fn rewrites_of_our_own_wait_for_each_other() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &place.path;
            scope.spawn(move || {
                for n in 0..25 {
                    let mut patch =
                        |text: &str| Ok::<_, Infallible>(format!("{text}line_{thread}_{n} = 1\n"));
                    let outcome = rewrite(path, &mut patch, &mut |_| {}).unwrap();
                    assert_eq!(rounds(&outcome), 1);
                }
            });
        }
    });
    for thread in 0..4 {
        for n in 0..25 {
            assert!(place.text().contains(&format!("line_{thread}_{n} = 1\n")));
        }
    }
    place.assert_tidy();
}

/// Ends the other thread when the test fails, too.
struct SetOnDrop<'f>(&'f AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A writer who does what SkillMeat does, as fast as it can, from a copy that does not know our lines: after each
/// rewrite of ours the file holds at least what it had published before.
#[test]
fn no_update_of_a_writer_without_lock_is_lost() {
    let place = Place::new();
    let (published, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let theirs = || -> u64 {
        let text = place.text();
        let line = text.lines().find_map(|line| line.strip_prefix("theirs = ")).unwrap();
        line.parse().unwrap()
    };
    place.write_as_skillmeat("theirs = 0\n");
    let mut overtaken = 0;
    std::thread::scope(|scope| {
        let stopper = SetOnDrop(&stop);
        let writer = scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::SeqCst) {
                n += 1;
                place.write_as_skillmeat(&format!("theirs = {n}\n"));
                published.store(n, Ordering::SeqCst);
                // Now and then with the time it takes to be overtaken by us.
                if n % 7 != 0 {
                    let until = Instant::now() + Duration::from_micros(n % 5 * 400);
                    while Instant::now() < until {
                        std::hint::spin_loop();
                    }
                }
            }
        });
        for k in 0..60 {
            let before = published.load(Ordering::SeqCst);
            let mut patch = |text: &str| {
                let kept = text.lines().filter(|line| !line.starts_with("ours"));
                Ok::<_, Infallible>(
                    kept.map(|line| format!("{line}\n")).collect::<String>() + &format!("ours = {k}\n"),
                )
            };
            match rewrite(&place.path, &mut patch, &mut |_| {}) {
                Ok(outcome) => overtaken += u32::from(rounds(&outcome) > 1),
                Err(WriteError::Contended { .. }) => overtaken += 1,
                Err(error) => panic!("{error:?}"),
            }
            assert!(theirs() >= before, "an update went missing in rewrite {k}");
        }
        drop(stopper);
        writer.join().unwrap();
    });
    assert_eq!(theirs(), published.load(Ordering::SeqCst));
    assert!(overtaken > 0, "the writer never came in between, so nothing was tried");
    place.assert_tidy();
}
