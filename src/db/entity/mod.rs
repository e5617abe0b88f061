//! SkillMeat's tables, as far as the daemon writes them: one file a table, one field a written column.
//!
//! The structs name the columns and spell the INSERTs. They are never read whole: a guest database may lack the
//! optional columns and may hold values of any type in any column, so reading is done column by column in
//! [`super::load`]. `enforce_override` is a number here and not a `bool`: its column default is the text `'false'`.

#![allow(
    unreachable_pub,
    reason = "the derive makes its items `pub`; the modules are private to the database layer"
)]

pub mod artifact_tags;
pub mod artifacts;
pub mod collection_artifacts;
pub mod collections;
pub mod custom_colors;
pub mod group_artifacts;
pub mod groups;
pub mod projects;
pub mod tags;
