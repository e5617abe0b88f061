//! What has to change in the cache so that it says what the files say.
//!
//! [`plan`] compares [`Desired`] (the files) with [`Actual`] (the rows) and returns the difference as values.
//! It leaves nothing to choose for whoever applies it, and a plan for two equal sides is empty.
//!
//! What this module does not do: read either side, invent identifiers or times, or wait. Two steps that need them
//! (`uuid4` of a new row, `synced_at`) belong to the writer.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{ArtifactId, Row};

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
    pub row: Row,
    /// Whether every mirrored column could be taken as it is: false for malformed JSON or a value of the wrong type,
    /// which makes the row differ from any desired one.
    pub sound: bool,
    /// Whether `synced_at` is set.
    pub synced: bool,
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

/// The steps from [`Actual`] to [`super::model::Desired`], in the order they are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Insert the sentinel project row (SkillMeat's id and values; skipped if its path is taken).
    pub sentinel: bool,
    /// Insert the `default` collection row.
    pub default_collection: bool,
    /// `artifacts` rows to insert if the id is still free.
    pub new_artifacts: Vec<NewArtifact>,
    /// `tags` rows to insert.
    pub new_tags: Vec<NewTag>,
    /// `collection_artifacts` rows to insert or update, with `synced_at` = now.
    pub upserts: Vec<Upsert>,
    /// `artifact_tags` rows to insert.
    pub tag: Vec<Assignment>,
    /// `artifact_tags` rows to delete.
    pub untag: Vec<Assignment>,
    /// `collection_artifacts` rows to delete.
    pub removals: Vec<Removal>,
}

impl Plan {
    /// Whether there is nothing to do; then the database is not written to at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Number of rows the plan touches.
    #[must_use]
    pub fn rows(&self) -> usize {
        usize::from(self.sentinel)
            + usize::from(self.default_collection)
            + self.new_artifacts.len()
            + self.new_tags.len()
            + self.upserts.len()
            + self.tag.len()
            + self.untag.len()
            + self.removals.len()
    }
}

/// An `artifacts` row to insert, with the columns SkillMeat's own population fills
/// (`skillmeat.api.routers.user_collections`: `source` = upstream, `deployed_version` = the metadata's version).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewArtifact {
    /// The primary key.
    pub id: ArtifactId,
    /// `source`
    pub source: Option<String>,
    /// `deployed_version`
    pub deployed_version: Option<String>,
}

/// A `tags` row to insert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewTag {
    /// 1 to 100 characters.
    pub name: String,
    /// 1 to 100 characters.
    pub slug: String,
}

/// A `collection_artifacts` row to insert or update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upsert {
    /// The DB collection.
    pub collection: String,
    /// The artifact; its uuid is looked up after `new_artifacts` are in.
    pub artifact: ArtifactId,
    /// What the row shall say.
    pub row: Row,
}

/// An `artifact_tags` row. The tag is named by slug, because its row may be one of `new_tags`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assignment {
    /// The artifact.
    pub artifact: ArtifactId,
    /// The tag's slug.
    pub slug: String,
}

/// A `collection_artifacts` row to delete.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Removal {
    /// The DB collection.
    pub collection: String,
    /// The artifact.
    pub artifact: ArtifactId,
}
