//! The lock that keeps rewrites by this program apart. It has the name that SkillMeat's own lock for a file would have
//! (`skillmeat.core.write_transaction`), although SkillMeat does not take it for manifests.

use std::error::Error;
use std::fs::File;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::WriteError;
use super::target::Target;

/// The pause between two attempts.
const RETRY: Duration = Duration::from_millis(2);

/// Takes the lock beside the target, waiting up to `wait`. It is released when the file is dropped; the lock file stays,
/// because removing it would let a waiting process lock a file that no longer has a name.
pub(super) fn take<E: Error + 'static>(target: &Target, wait: Duration) -> Result<File, WriteError<E>> {
    let name = target.beside(".skillmeat-lock");
    let path = target.path().with_file_name(&name);
    let flags = OFlags::RDWR | OFlags::CREATE;
    let file = target
        .open_at(&name, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| WriteError::io(&path, "open the lock", error))?;
    let start = Instant::now();
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Without locks (some network file systems) the exchange still protects everybody's updates.
            Ok(()) | Err(Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK) => return Ok(file),
            Err(Errno::WOULDBLOCK | Errno::INTR) if start.elapsed() < wait => std::thread::sleep(RETRY),
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Err(WriteError::Locked { path }),
            Err(error) => return Err(WriteError::io(&path, "lock", error.into())),
        }
    }
}
