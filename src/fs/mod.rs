//! Files: watching, reading, replacing.

pub mod watch;
pub mod write;
