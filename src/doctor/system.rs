//! Measuring the ground: free space, permissions, our own state.
//!
//! What this module does not do: tighten a permission; the daemon does that when it starts.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use crate::domain::checkup::system::{Private, Socket, Space, State, StateDatabase};
use crate::paths::Paths;
use crate::state::{self, Integrity};

/// Room for SkillMeat's files and for ours.
pub(super) fn space(paths: &Paths) -> Vec<Space> {
    [&paths.root, &paths.state_dir].into_iter().filter_map(|directory| space_at(directory)).collect()
}

fn space_at(directory: &Path) -> Option<Space> {
    // What does not exist yet will be made on the file system of what it will be in.
    let existing = directory.ancestors().find(|directory| directory.is_dir())?;
    let found = statvfs(existing).ok()?;
    Some(Space {
        directory: directory.display().to_string(),
        bytes: found.f_bavail.saturating_mul(found.f_frsize),
        files: (found.f_files > 0).then_some(found.f_favail),
        device: existing.metadata().ok()?.dev(),
    })
}

/// How private a file or directory is; `is_right_kind` looks at what it is.
fn private(path: &Path, is_right_kind: impl Fn(&std::fs::FileType) -> bool) -> Private {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Private::Absent,
        Err(_) => Private::Foreign,
        Ok(found) if found.uid() != rustix::process::getuid().as_raw() => Private::OfUser(found.uid()),
        Ok(found) if !is_right_kind(&found.file_type()) => Private::Foreign,
        Ok(found) => Private::Mode(found.mode() & 0o777),
    }
}

/// The control socket; `answers`: somebody does.
pub(super) fn socket(paths: &Paths, answers: bool) -> Socket {
    Socket {
        path: paths.socket.display().to_string(),
        directory: paths.runtime_dir.display().to_string(),
        around: private(&paths.runtime_dir, std::fs::FileType::is_dir),
        access: private(&paths.socket, FileTypeExt::is_socket),
        answers,
    }
}

/// Our own state.
pub(super) async fn state(paths: &Paths) -> State {
    let directory = &paths.state_dir;
    let names = directory.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_aside = |name: &OsStr| {
        let name = name.to_string_lossy();
        let damaged = name.strip_prefix(state::FILE).is_some_and(|rest| rest.starts_with(".damaged"));
        damaged && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    let mut aside: Vec<String> =
        names.filter(|name| is_aside(name)).map(|name| name.to_string_lossy().into_owned()).collect();
    aside.sort();
    State {
        directory: directory.display().to_string(),
        access: private(directory, |kind| kind.is_dir() || kind.is_symlink()),
        writable: access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
        database: match state::integrity(directory).await {
            Integrity::Absent => StateDatabase::Absent,
            Integrity::Sound => StateDatabase::Sound,
            Integrity::Damaged(why) => StateDatabase::Damaged(why),
            Integrity::Unknown(why) => StateDatabase::Unknown(why),
        },
        aside,
    }
}
