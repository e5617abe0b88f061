//! The pure core: every decision the daemon makes, as functions of values.
//!
//! Nothing here reads a file, a clock, the environment or a database, and nothing here knows the runtime
//! (clippy's `disallowed_*` lists hold in this module alone, and `tests/it/tidy.rs` checks the imports).
//! Time comes in as an argument; results go out as values that a thin shell performs.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod authoring;
pub mod catalog;
pub mod checkup;
pub mod compact;
pub mod dirty;
pub mod edit;
pub mod fingerprint;
pub mod follow;
pub mod frontmatter;
pub mod halves;
pub mod hint;
pub mod manifest;
pub mod mapping;
pub mod merge;
pub mod model;
pub mod owned;
pub mod plan;
pub mod reactor;
pub mod removal;
pub mod rows;
pub mod staleness;
pub mod strays;
pub mod tags;
pub mod telling;
