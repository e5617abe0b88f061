//! One artifact: what it says about itself, and how that is changed.

use serde::{Deserialize, Serialize};

use crate::domain::authoring::Fields;
use crate::domain::model::Metadata;

/// An artifact as its files have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// [`super::VERSION`].
    pub schema: u32,
    /// `type:name`
    pub id: String,
    /// The collection's directory.
    pub collection: String,
    /// Its place below that, as the manifest has it.
    pub path: String,
    /// Its entry file, below the collection; of kinds that have one.
    pub entry_file: Option<String>,
    /// What the manifest says about it, which is what SkillMeat shows.
    pub metadata: Metadata,
    /// Stands for all of this in `If-Match`; the `ETag` header has it in quotes.
    pub etag: String,
    /// Whether the database says the same already. If not, the daemon is at it.
    pub mirrored: bool,
}

/// A new artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// `skill`, `command`, `agent` or `soul`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name, and its file's.
    pub name: String,
    /// The entry file, frontmatter and all.
    pub content: String,
    /// The collection's directory; the active one if there is none.
    #[serde(default)]
    pub collection: Option<String>,
    /// Set in the frontmatter before it is written.
    #[serde(default)]
    pub metadata: Fields,
}
