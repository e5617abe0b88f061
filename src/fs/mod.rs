//! Files: reading what is there, and replacing what may be changed.
//!
//! Nothing here knows the database or decides anything; values come in and go out.

pub mod write;
