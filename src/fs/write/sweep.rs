//! Removes temporary files that a killed writer left behind.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::target::{Target, is_temp_name};

/// How old a temporary file must be to be taken for a stray: SkillMeat's live ones are renamed within a second.
pub const STRAY_AGE: Duration = Duration::from_secs(600);

/// A temporary file that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// What it was called.
    pub path: PathBuf,
    /// What was in it: an update that somebody was killed in the middle of. Worth keeping in the history.
    pub bytes: Vec<u8>,
}

/// Removes the stray temporary files of the manifest at `path`, ours and SkillMeat's, which are called alike. The age is
/// that of the file's last change of any kind, renames included, against `now`; a modification time would not do, because
/// SkillMeat's rollback restores old ones.
///
/// # Errors
///
/// When the manifest or its directory cannot be found or read. A single file that cannot be read or removed is left.
pub fn sweep(path: &Path, now: SystemTime) -> io::Result<Vec<Swept>> {
    let target = Target::resolve(path)?;
    let mut swept = Vec::new();
    for stray in strays_of(&target, now)? {
        let Some(name) = stray.file_name() else { continue };
        // What cannot be read cannot be handed out, so it is not removed either.
        let Ok(held) = target.read(name) else { continue };
        if std::fs::remove_file(&stray).is_ok() {
            swept.push(Swept { path: stray, bytes: held.bytes });
        }
    }
    Ok(swept)
}

/// The files that [`sweep`] would look into, in the order of their names.
///
/// # Errors
/// When the manifest or its directory cannot be found or read.
pub fn strays(path: &Path, now: SystemTime) -> io::Result<Vec<PathBuf>> {
    strays_of(&Target::resolve(path)?, now)
}

fn strays_of(target: &Target, now: SystemTime) -> io::Result<Vec<PathBuf>> {
    let mut strays = Vec::new();
    for entry in target.path().parent().unwrap_or(Path::new("/")).read_dir()? {
        let entry = entry?;
        if !is_temp_name(&entry.file_name(), target.name()) {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
        let changed = u64::try_from(metadata.ctime()).ok().map(|seconds| Duration::new(seconds, nanos));
        let age = changed.and_then(|changed| now.duration_since(SystemTime::UNIX_EPOCH + changed).ok());
        if metadata.is_file() && age.is_some_and(|age| age >= STRAY_AGE) {
            strays.push(entry.path());
        }
    }
    strays.sort();
    Ok(strays)
}
