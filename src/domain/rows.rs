//! The cache's rows as values: what a load gives and a plan is made from.
//!
//! What this module does not do: read a database. [`super::plan`] compares these with the files; the database layer
//! fills them.

use std::collections::{BTreeMap, BTreeSet};

use super::compact::PackedRow;
use super::model::ArtifactId;

/// Id of the DB collection that SkillMeat folds every directory into
/// (`skillmeat.cache.models.DEFAULT_COLLECTION_ID`).
pub const DEFAULT_COLLECTION: &str = "default";

/// Id of the project row that owns every collection artifact
/// (`skillmeat.api.routers.user_collections.COLLECTION_ARTIFACTS_PROJECT_ID`).
pub const SENTINEL_PROJECT: &str = "collection_artifacts_global";

/// Which artifacts a load, a plan or a scan is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything; the only scope in which an absence can be noticed for ids nobody mentioned.
    All,
    /// Exactly these ids.
    Artifacts(BTreeSet<ArtifactId>),
}

impl Scope {
    /// Whether `id` is inside.
    #[must_use]
    pub fn contains(&self, id: &ArtifactId) -> bool {
        match self {
            Self::All => true,
            Self::Artifacts(ids) => ids.contains(id),
        }
    }

    /// Whether nothing is inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Artifacts(ids) if ids.is_empty())
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Artifacts(mut ids), Self::Artifacts(more)) => {
                ids.extend(more);
                Self::Artifacts(ids)
            }
            _ => Self::All,
        }
    }
}

/// What the cache holds now, as far as the scope reaches. `collections`, `tags` and `totals` are always whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// Whether the sentinel project row exists.
    pub sentinel: bool,
    /// Every row of `collections`, by id.
    pub collections: BTreeMap<String, DbCollection>,
    /// Rows of `artifacts` in scope whose id is `type:name` of a known type; `group:` rows are left out.
    pub artifacts: BTreeMap<ArtifactId, DbArtifact>,
    /// Rows of `collection_artifacts` in scope, by collection id.
    pub memberships: BTreeMap<String, BTreeMap<ArtifactId, DbRow>>,
    /// Number of `collection_artifacts` rows by collection id, whatever the scope.
    pub totals: BTreeMap<String, usize>,
    /// Every row of `tags`.
    pub tags: Vec<DbTag>,
    /// Tag ids assigned to an artifact in scope.
    pub artifact_tags: BTreeMap<ArtifactId, BTreeSet<String>>,
}

/// A row of `collections`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbCollection {
    /// `id`: `default`, or a uuid without dashes.
    pub id: String,
    /// `name`: any text, not unique.
    pub name: String,
    /// `slug`: NULL in most databases.
    pub slug: Option<String>,
    /// `collection_type`
    pub collection_type: Option<String>,
}

/// A row of `artifacts`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbArtifact {
    /// `uuid`; kept for ever, memberships and history hang on it.
    pub uuid: String,
    /// Whether the row mirrors files: owned by the sentinel project (or by none) and not the identity of a group or of
    /// a composite made on the web. Other rows live in the database alone and their memberships are never ours to remove.
    pub mirrors_files: bool,
}

/// A row of `collection_artifacts`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbRow {
    /// The mirrored columns. A `tags_json` or `tools_json` that is not a JSON list of strings is read as empty.
    pub row: PackedRow,
    /// Whether every mirrored column could be taken as it is: false for malformed JSON or a value of the wrong type,
    /// which makes the row differ from any desired one.
    pub sound: bool,
    /// Whether `synced_at` is set.
    pub synced: bool,
    /// Whether it is set, but to a time before the one asked about; false when nobody asked.
    pub stale: bool,
}

/// A row of `tags`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DbTag {
    /// `id`: a uuid without dashes.
    pub id: String,
    /// `name`, unique, compared byte by byte.
    pub name: String,
    /// `slug`, unique.
    pub slug: String,
}
