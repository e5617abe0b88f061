//! What a person looks through and decides: conflicts, and the previous texts of manifests.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What waits for a person's decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflicts {
    /// [`VERSION`](super::VERSION).
    pub schema: u32,
    /// By collection, the oldest first.
    pub conflicts: Vec<Conflict>,
}

/// Database and manifest were both changed at the same place. The database's value was taken; the manifest's is kept
/// here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Names it in `resolve`; the same as long as it is the same conflict.
    pub id: String,
    /// The collection directory's name.
    pub collection: String,
    /// RFC 3339, UTC: when it was first noticed.
    pub noticed_at: String,
    /// What it is about, for people: for example `color of group Auth`.
    pub about: String,
    /// The database's value, which was taken; `null` when the database has none.
    pub ours: Value,
    /// The manifest's value, which gave way; `null` when the manifest had none.
    pub theirs: Value,
}

/// Which side a conflict is decided for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What the database has: it stays as it is.
    Ours,
    /// What the manifest had: it is put into database and manifest.
    Theirs,
}

/// The body of `POST /v1/conflicts/resolve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// Which conflicts; every one there is when left out.
    #[serde(default)]
    pub ids: Option<Vec<String>>,
    /// For which side.
    pub side: Side,
}

/// Conflicts were decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// [`VERSION`](super::VERSION).
    pub schema: u32,
    /// The conflicts that are gone now.
    pub resolved: Vec<String>,
}

/// The previous texts of manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// [`VERSION`](super::VERSION).
    pub schema: u32,
    /// By collection, the newest first.
    pub versions: Vec<Version>,
}

/// A previous text of a manifest, without the text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The collection directory's name.
    pub collection: String,
    /// Names it: the SHA-256 of the text, in hexadecimal. Everywhere else its first eight digits or more will do.
    pub version: String,
    /// RFC 3339, UTC: when it was replaced.
    pub replaced_at: String,
    /// Length of the text.
    pub bytes: u64,
}

/// A previous text of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionText {
    /// [`VERSION`](super::VERSION).
    pub schema: u32,
    /// The collection directory's name.
    pub collection: String,
    /// As in [`Version`].
    pub version: String,
    /// The text; what is not UTF-8 in it is replaced by U+FFFD.
    pub text: String,
}

/// The body of `POST /v1/history/restore`, and what `GET /v1/history/show` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// The collection directory's name.
    pub collection: String,
    /// As in [`Version`], or its beginning.
    pub version: String,
}

/// A previous text is in place again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// [`VERSION`](super::VERSION).
    pub schema: u32,
    /// The collection directory's name.
    pub collection: String,
    /// As in [`Version`].
    pub version: String,
    /// Whether the manifest was written; not when it has this text already.
    pub changed: bool,
}
