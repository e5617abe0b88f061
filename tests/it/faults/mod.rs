//! The daemon under fault: the real binary, the kernel's own events, the real SQLite, and something going wrong.
//!
//! Each test does harm, and then asks the same question: once all is quiet, do the rows say what the manifests and the
//! files say, as read by somebody who shares no code with the daemon? Nobody asks the daemon to look; what it missed
//! stays missed.
//!
//! What these tests do not do: run SkillMeat (see [`crate::interop`]), or wait by sleeping. Where a test has to see that
//! something does *not* happen, it watches for a stated time.

pub(crate) mod oracle;
pub(crate) mod scene;

mod database;
mod files;
mod lifecycle;
mod rebuild;
mod removal;
mod roots;
mod saves;

#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod log;
#[cfg(target_os = "linux")]
pub(crate) mod overflow;
#[cfg(target_os = "linux")]
mod quiet;
