mod faults;
mod races;

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

const OLD: &str = "[collection]\nname = \"default\"\n";
const NEW: &str = "[collection]\nname = \"default\"\nours = 1\n";

/// A directory with a manifest.
struct Place {
    dir: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("collection.toml");
        fs::write(&path, OLD).unwrap();
        Self { dir, path }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .dir
            .path()
            .read_dir()
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Nothing is in the directory but the manifest and, maybe, the lock.
    #[track_caller]
    fn assert_tidy(&self) {
        let names: Vec<_> =
            self.names().into_iter().filter(|n| n != ".collection.toml.skillmeat-lock").collect();
        assert_eq!(names, ["collection.toml"]);
    }

    /// What SkillMeat does: a temporary file of its own, and a rename.
    fn write_as_skillmeat(&self, text: &str) {
        write_as_skillmeat(&self.path, text);
    }

    fn rewrite(&self) -> Result<Outcome, WriteError<Infallible>> {
        rewrite(&self.path, &mut add_ours, &mut |_| {})
    }

    fn rewrite_at(
        &self,
        step: impl FnMut(Stage) -> io::Result<()>,
    ) -> Result<Outcome, WriteError<Infallible>> {
        let mut step = step;
        rewrite_in_steps(&self.path, &mut add_ours, &mut |_| {}, Some(LOCK_WAIT), &mut step)
    }
}

fn write_as_skillmeat(path: &Path, text: &str) {
    let temp = path.with_file_name(".collection.toml.abcd_123.tmp");
    fs::write(&temp, text).unwrap();
    fs::rename(&temp, path).unwrap();
}

/// Adds a line, once.
fn add_ours(text: &str) -> Result<String, Infallible> {
    Ok(if text.contains("ours = 1\n") { text.to_owned() } else { format!("{text}ours = 1\n") })
}

fn rounds(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::Written { rounds, .. } => *rounds,
        Outcome::Unchanged => 0,
    }
}

#[test]
fn the_new_text_takes_the_place_of_the_old() {
    let place = Place::new();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o640)).unwrap();
    let mut history = Vec::new();
    let outcome = rewrite(&place.path, &mut add_ours, &mut |text| history.push(text.to_owned())).unwrap();
    assert_eq!(outcome, Outcome::Written { rounds: 1 });
    assert_eq!(place.text(), NEW);
    assert_eq!(history, [OLD.as_bytes()]);
    assert_eq!(fs::metadata(&place.path).unwrap().mode() & 0o7777, 0o640);
    place.assert_tidy();
    let lock = place.path.with_file_name(".collection.toml.skillmeat-lock");
    assert_eq!(fs::metadata(lock).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn a_patch_that_changes_nothing_writes_nothing() {
    let place = Place::new();
    fs::write(&place.path, NEW).unwrap();
    let before = fs::metadata(&place.path).unwrap();
    let mut history = 0;
    let outcome = rewrite(&place.path, &mut add_ours, &mut |_| history += 1).unwrap();
    let after = fs::metadata(&place.path).unwrap();
    assert_eq!((outcome, history), (Outcome::Unchanged, 0));
    assert_eq!(
        (after.ino(), after.ctime(), after.ctime_nsec()),
        (before.ino(), before.ctime(), before.ctime_nsec())
    );
    place.assert_tidy();
}

#[test]
fn the_modification_time_grows_even_from_the_future() {
    let place = Place::new();
    for ahead in [0, 3_600] {
        let old = SystemTime::now() + Duration::from_secs(ahead);
        fs::write(&place.path, OLD).unwrap();
        fs::File::open(&place.path).unwrap().set_modified(old).unwrap();
        place.rewrite().unwrap();
        let new = fs::metadata(&place.path).unwrap().modified().unwrap();
        assert!(new >= old + Duration::from_micros(1), "{new:?} is not after {old:?}");
    }
}

#[test]
fn a_symlink_is_written_through() {
    let place = Place::new();
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("collection.toml");
    symlink(&place.path, &link).unwrap();
    rewrite(&link, &mut add_ours, &mut |_| {}).unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), place.path);
    assert_eq!(place.text(), NEW);
    place.assert_tidy();
    assert_eq!(links.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_symlink_that_is_replaced_meanwhile_is_noticed() {
    let place = Place::new();
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("collection.toml");
    symlink(&place.path, &link).unwrap();
    let mut replaced = false;
    let mut step = |stage| {
        if stage == Stage::Remove && !std::mem::replace(&mut replaced, true) {
            write_as_skillmeat(&link, "theirs = 1\n");
        }
        Ok(())
    };
    rewrite_in_steps(&link, &mut add_ours, &mut |_| {}, Some(LOCK_WAIT), &mut step).unwrap();
    assert_eq!(fs::read_to_string(&link).unwrap(), "theirs = 1\nours = 1\n");
}

#[test]
fn a_dangling_symlink_is_an_error() {
    let place = Place::new();
    fs::remove_file(&place.path).unwrap();
    symlink("nowhere", &place.path).unwrap();
    let error = place.rewrite().unwrap_err();
    assert!(
        matches!(&error, WriteError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound),
        "{error:?}"
    );
    assert!(!error.is_transient());
    assert_eq!(place.names(), ["collection.toml"]);
}

#[track_caller]
fn assert_refused(place: &Place, wanted: Refusal) {
    let before = fs::symlink_metadata(&place.path).unwrap();
    let mut history = 0;
    match rewrite(&place.path, &mut add_ours, &mut |_| history += 1) {
        Err(WriteError::Refused { why, .. }) => assert_eq!(why, wanted),
        other => panic!("{other:?}"),
    }
    let after = fs::symlink_metadata(&place.path).unwrap();
    assert_eq!((after.ino(), after.ctime(), history), (before.ino(), before.ctime(), 0));
}

#[test]
fn files_that_are_not_to_be_replaced_are_left_alone() {
    let place = Place::new();
    let other = place.dir.path().join("other");
    fs::hard_link(&place.path, &other).unwrap();
    assert_refused(&place, Refusal::HardLinked { links: 2 });
    fs::remove_file(&other).unwrap();

    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o444)).unwrap();
    assert_refused(&place, Refusal::ReadOnly);
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o600)).unwrap();

    fs::write(&place.path, b"a = '\xff'\n").unwrap();
    assert_refused(&place, Refusal::NotUtf8);

    fs::File::create(&place.path).unwrap().set_len(MAX_SIZE + 1).unwrap();
    assert_refused(&place, Refusal::TooLarge { size: MAX_SIZE + 1 });

    fs::remove_file(&place.path).unwrap();
    fs::create_dir(&place.path).unwrap();
    assert_refused(&place, Refusal::NotRegular);
    fs::remove_dir(&place.path).unwrap();

    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &place.path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_refused(&place, Refusal::NotRegular);
    place.assert_tidy();
}

#[test]
fn a_lock_that_is_held_is_waited_for_and_told() {
    let place = Place::new();
    let name = place.path.with_file_name(".collection.toml.skillmeat-lock");
    let holder = fs::File::create(&name).unwrap();
    holder.lock().unwrap();
    let wait = Duration::from_millis(50);
    let error =
        rewrite_in_steps(&place.path, &mut add_ours, &mut |_| {}, Some(wait), &mut |_| Ok(())).unwrap_err();
    assert!(
        matches!(&error, WriteError::Locked { path } if *path == name.canonicalize().unwrap()),
        "{error:?}"
    );
    assert!(error.is_transient());
    assert_eq!(place.text(), OLD);
    // Released while somebody waits.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| place.rewrite());
        drop(holder);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(place.text(), NEW);
    assert!(name.exists(), "the lock file stays");
}

#[test]
fn extended_attributes_stay_and_defaults_of_the_directory_give_no_rights() {
    use rustix::fs::{XattrFlags, getxattr, listxattr, setxattr};
    let place = Place::new();
    let flags = XattrFlags::empty();
    match setxattr(&place.path, "user.skillmeatd.test", b"kept", flags) {
        Err(rustix::io::Errno::NOTSUP) => return eprintln!("no extended attributes here"),
        result => result.unwrap(),
    }
    // acl(5) as it is stored: user::rw-, user:12345:rw-, group::r--, mask::rw-, other::---
    let mut acl: Vec<u8> = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in
        [(1_u16, 6_u16, u32::MAX), (2, 6, 12_345), (4, 4, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)]
    {
        acl.extend(tag.to_le_bytes().iter().chain(&rights.to_le_bytes()).chain(&id.to_le_bytes()));
    }
    let with_acl = setxattr(place.dir.path(), "system.posix_acl_default", &acl, flags).is_ok();
    place.rewrite().unwrap();
    let attribute = |name: &str| {
        let mut value = vec![0; 256];
        getxattr(&place.path, name, value.as_mut_slice()).map(|size| value[..size].to_vec())
    };
    assert_eq!(attribute("user.skillmeatd.test").unwrap(), b"kept");
    let mut names = vec![0; 256];
    let size = listxattr(&place.path, names.as_mut_slice()).unwrap();
    assert!(
        !String::from_utf8_lossy(&names[..size]).contains("posix_acl"),
        "rights that the old file did not give"
    );
    if with_acl {
        setxattr(&place.path, "system.posix_acl_access", &acl, flags).unwrap();
        fs::write(&place.path, OLD).unwrap();
        place.rewrite().unwrap();
        assert_eq!(attribute("system.posix_acl_access").unwrap(), acl);
    }
}

#[test]
fn old_temporary_files_are_swept_and_handed_out() {
    let place = Place::new();
    let stray = ".collection.toml.abcd_123.tmp";
    for name in [
        stray,
        ".collection.toml.abcd_12.tmp",
        ".collection.toml.ABCD_123.tmp",
        ".collection.lock.abcd_123.tmp",
        "x.tmp",
    ] {
        fs::write(place.dir.path().join(name), "theirs\n").unwrap();
    }
    fs::create_dir(place.dir.path().join(".collection.toml.abcd_456.tmp")).unwrap();
    let names = place.names();
    // A restored modification time makes no live file a stray.
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::open(place.dir.path().join(stray)).unwrap().set_modified(old).unwrap();
    assert_eq!(sweep(&place.path, SystemTime::now()).unwrap(), []);
    assert_eq!(sweep(&place.path, SystemTime::UNIX_EPOCH).unwrap(), []);
    assert_eq!(place.names(), names);
    let later = SystemTime::now() + STRAY_AGE + Duration::from_secs(1);
    let path = place.path.canonicalize().unwrap().with_file_name(stray);
    assert_eq!(sweep(&place.path, later).unwrap(), [Swept { path, bytes: b"theirs\n".to_vec() }]);
    assert_eq!(place.names(), names.into_iter().filter(|name| name != stray).collect::<Vec<_>>());
}
