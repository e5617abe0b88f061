//! Files: watching, reading, replacing.

pub mod watch;
