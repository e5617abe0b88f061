//! The side that touches SkillMeat's files.
//!
//! [`watch`] says where something may have changed; [`scan`] reads the tree and says what the cache should hold;
//! [`author`] writes artifacts themselves; [`mod@write`] replaces a manifest and loses nobody's update; [`inspect`] reads one artifact or manifest for a person.
//! Below them, [`open`] opens nothing but regular files, [`tree`] lists and stamps, [`artifact`] reads one artifact, and
//! [`stat_cache`] knows what need not be read again.
//!
//! What this module does not do: decide anything about rows, or know that there is a database.

pub mod artifact;
pub mod author;
pub mod inspect;
pub mod open;
pub mod scan;
pub mod settings;
pub mod stat_cache;
pub mod tree;
pub mod watch;
pub mod write;
