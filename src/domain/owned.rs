//! What the database owns and a `collection.toml` keeps a copy of: groups, tag definitions, and the tags of artifacts.
//!
//! The values here stand between the two sides: [`super::merge`] compares them, the database side loads and writes
//! them, the edit of the manifest spells them. Names, not row ids, are the keys, because ids die with a database.
//!
//! What this module does not do: read or write either side, or decide anything.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::model::ArtifactId;

/// A group as both sides can tell it. The manifest has no place for `tags` and `visibility`; they come from the
/// database and are kept in our state for the day the database is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupValue {
    /// For people; empty when there is none (NULL in the database).
    pub description: String,
    /// A colour token or a hex colour, as stored; empty in a manifest means SkillMeat's default, `slate`.
    pub color: String,
    /// An icon name, as stored; empty in a manifest means SkillMeat's default, `layers`.
    pub icon: String,
    /// Ascending display order.
    pub position: i64,
    /// Members as `type:name`, in order, without repetitions and without `group:` members.
    pub members: Vec<String>,
    /// `groups.tags_json`, decoded. `None` where the side cannot tell (a manifest).
    pub tags: Option<Vec<String>>,
    /// `groups.visibility`. `None` where the side cannot tell (a manifest).
    pub visibility: Option<String>,
}

/// A tag's definition as both sides can tell it. Its key is the slug.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagValue {
    /// The spelling shown to people.
    pub name: String,
    /// `#rrggbb`, or empty (NULL in the database).
    pub color: String,
    /// For people. The database has no column for it: `None` there, and the manifest's text is kept.
    pub description: Option<String>,
}

/// The groups of one collection, by name, and in the order both sides show them (position, then first come).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// By name, which is unique in a collection and case-sensitive.
    pub by_name: BTreeMap<String, GroupValue>,
    /// Every name once; ties of `position` keep this order.
    pub order: Vec<String>,
}

/// Definitions by slug.
pub type Tags = BTreeMap<String, TagValue>;

/// What database and file agreed on for one collection directory when they were last equal: the base of the three-way
/// merge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The groups.
    pub groups: Groups,
    /// The tag definitions.
    pub tags: Tags,
    /// `artifacts.uuid` of each member of a group, by `type:name`. A membership that vanished while its artifact has
    /// another uuid, or none, went with the artifact's row: nobody took the artifact out of the group.
    pub member_uuids: BTreeMap<String, String>,
    /// Which database this was agreed with.
    pub epoch: Epoch,
}

/// Tells one cache database from the next one at the same path: a copy of a database has the same epoch, a new one
/// never has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// `collections.created_at` of the `default` row, as text.
    pub default_collection: Option<String>,
    /// `projects.created_at` of the sentinel row, as text.
    pub sentinel: Option<String>,
}

/// The database's side of one collection directory, read in one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbSide {
    /// The groups of the DB collection that maps to the directory.
    pub groups: Groups,
    /// Every tag of the database, by slug; they belong to no collection.
    pub tags: Tags,
    /// `artifacts.uuid` by `type:name`, for every artifact row there is.
    pub uuids: BTreeMap<String, String>,
    /// Slugs of the tags that at least one artifact of the files has: these come back from the files by themselves.
    pub assigned: BTreeSet<String>,
    /// Which database this is.
    pub epoch: Epoch,
}

/// The file's side: the sections as parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSide {
    /// The groups that could be read.
    pub groups: Groups,
    /// Whether a group could not be read: then one that is not in `groups` may be in the file all the same.
    pub groups_incomplete: bool,
    /// The definitions that could be read.
    pub tags: Tags,
    /// Whether a definition could not be read.
    pub tags_incomplete: bool,
}

/// What to write into a manifest. `None` leaves the section as it is, byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SectionEdits {
    /// The groups the section shall have.
    pub groups: Option<Groups>,
    /// The definitions the section shall have.
    pub tags: Option<Tags>,
    /// New `tags` of single artifacts (whole lists, in order).
    pub artifact_tags: BTreeMap<ArtifactId, Vec<String>>,
}
