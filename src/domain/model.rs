//! The nouns everything else is written in: artifacts, manifests, rows, problems.
//!
//! What this module does not do: read or write any format. It holds values and the rules that belong to a
//! single value (an identifier's spelling, a kind's name).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::compact::{PackedEntry, Sha256Hex};

/// What an artifact is. The spellings are SkillMeat's `ArtifactType` values
/// (`skillmeat.core.artifact_detection.ArtifactType`), matched exactly and case-sensitively.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is named as SkillMeat names it; there is nothing to add")]
pub enum Kind {
    Skill,
    Command,
    Agent,
    Hook,
    Mcp,
    Workflow,
    Composite,
    ContextModule,
    Template,
    Group,
    DeploymentSet,
    ContextPack,
    Bundle,
    ReviewerRole,
    Council,
    Orchestration,
    Soul,
    ProjectConfig,
    SpecFile,
    RuleFile,
    ContextFile,
    ProgressTemplate,
}

impl Kind {
    /// Every kind, in SkillMeat's order.
    pub const ALL: [Self; 22] = [
        Self::Skill,
        Self::Command,
        Self::Agent,
        Self::Hook,
        Self::Mcp,
        Self::Workflow,
        Self::Composite,
        Self::ContextModule,
        Self::Template,
        Self::Group,
        Self::DeploymentSet,
        Self::ContextPack,
        Self::Bundle,
        Self::ReviewerRole,
        Self::Council,
        Self::Orchestration,
        Self::Soul,
        Self::ProjectConfig,
        Self::SpecFile,
        Self::RuleFile,
        Self::ContextFile,
        Self::ProgressTemplate,
    ];

    /// The spelling used in `collection.toml`, in artifact ids and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::Command => "command",
            Self::Agent => "agent",
            Self::Hook => "hook",
            Self::Mcp => "mcp",
            Self::Workflow => "workflow",
            Self::Composite => "composite",
            Self::ContextModule => "context_module",
            Self::Template => "template",
            Self::Group => "group",
            Self::DeploymentSet => "deployment_set",
            Self::ContextPack => "context_pack",
            Self::Bundle => "bundle",
            Self::ReviewerRole => "reviewer_role",
            Self::Council => "council",
            Self::Orchestration => "orchestration",
            Self::Soul => "soul",
            Self::ProjectConfig => "project_config",
            Self::SpecFile => "spec_file",
            Self::RuleFile => "rule_file",
            Self::ContextFile => "context_file",
            Self::ProgressTemplate => "progress_template",
        }
    }

    /// Whether SkillMeat reads metadata from the frontmatter of this kind's entry file
    /// (`skillmeat.utils.metadata.find_metadata_file`); the others keep what `collection.toml` says.
    #[must_use]
    pub fn has_frontmatter(self) -> bool {
        matches!(self, Self::Skill | Self::Command | Self::Agent | Self::Soul)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is not an artifact type of SkillMeat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an artifact type")]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| UnknownKind(word.to_owned()))
    }
}

/// An artifact's identity across collections: `type:name`, the primary key of SkillMeat's `artifacts` table.
/// The same id in two collection directories is one artifact row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactId {
    /// What it is.
    pub kind: Kind,
    /// What it is called; any text, so `:` may occur in it. Shared by all copies of an id, of which there are many: every
    /// list of artifacts has one.
    pub name: Arc<str>,
}

impl ArtifactId {
    /// An id from its two parts.
    pub fn new(kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

/// A text that is not of the form `type:name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an artifact id: write it as type:name, for example skill:pdf")]
pub struct BadArtifactId(pub String);

impl FromStr for ArtifactId {
    type Err = BadArtifactId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadArtifactId(text.to_owned());
        let (kind, name) = text.split_once(':').ok_or_else(bad)?;
        if name.is_empty() {
            return Err(bad());
        }
        Ok(Self::new(kind.parse().map_err(|_| bad())?, name))
    }
}

/// Where an artifact came from (`origin` in `collection.toml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "SkillMeat's own three words")]
pub enum Origin {
    Local,
    Github,
    Marketplace,
}

impl Origin {
    /// SkillMeat's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Github => "github",
            Self::Marketplace => "marketplace",
        }
    }
}

/// What the daemon mirrors of an artifact's descriptive metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Metadata {
    /// A heading for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// Under which licence.
    pub license: Option<String>,
    /// The author's version, any text.
    pub version: Option<String>,
    /// In file order, as SkillMeat reads them.
    pub tags: Vec<String>,
    /// The names SkillMeat's `Tool` enum knows, in file order; others are not tools.
    pub tools: Vec<String>,
}

/// One readable `[[artifacts]]` entry of a `collection.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// `type:name`.
    pub id: ArtifactId,
    /// The artifact's place below the collection directory, as written. SkillMeat does not check it, so it may be
    /// absolute, hold `..` or be empty: whoever follows it must refuse that.
    pub path: String,
    /// Where it came from.
    pub origin: Origin,
    /// The platform behind a marketplace artifact.
    pub origin_source: Option<String>,
    /// The upstream address of an artifact that was not made here.
    pub upstream: Option<String>,
    /// The commit that was fetched.
    pub resolved_sha: Option<String>,
    /// The version that was fetched.
    pub resolved_version: Option<String>,
    /// `[artifacts.metadata]`, with the legacy `metadata.tags` merged into the entry's own `tags` as SkillMeat does.
    pub metadata: Metadata,
}

/// A group of artifacts, as a `[[groups]]` entry keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Group {
    /// Unique in its collection, case-sensitively.
    pub name: String,
    /// For people; empty when there is none.
    pub description: String,
    /// A colour token or `#rrggbb`; empty means SkillMeat's default.
    pub color: String,
    /// An icon name; empty means SkillMeat's default.
    pub icon: String,
    /// Ascending display order; ties keep file order.
    pub position: i64,
    /// Members as `type:name`, in order.
    pub members: Vec<String>,
}

/// A tag's definition, as a `[[tag_definitions]]` entry keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TagDefinition {
    /// The spelling shown to people.
    pub name: String,
    /// The key: lower case, digits and single dashes.
    pub slug: String,
    /// `#rrggbb`, or empty.
    pub color: String,
    /// For people; empty when there is none.
    pub description: String,
}

/// A `collection.toml`, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// `[collection].name`. SkillMeat *saves* to the directory of this name, so it should equal the directory's.
    pub name: String,
    /// `[collection].updated` as written, if it is a text. Every writer of SkillMeat sets it anew.
    pub updated: Option<String>,
    /// The readable entries in file order. Of two with the same id SkillMeat lets the later one win.
    pub entries: Vec<Arc<PackedEntry>>,
    /// Entries whose id is known but which could not be read: a problem is not an absence.
    pub unreadable: BTreeSet<ArtifactId>,
    /// How many entries could not even be named. While there are any, nothing may be taken for removed.
    pub unnamed: usize,
    /// `groups`, in file order.
    pub groups: Vec<Group>,
    /// Whether an entry of `groups` could not be read: then a group that is not in the list may still be in the file.
    pub groups_incomplete: bool,
    /// `tag_definitions`, in file order.
    pub tag_definitions: Vec<TagDefinition>,
    /// Whether an entry of `tag_definitions` could not be read.
    pub tag_definitions_incomplete: bool,
    /// What was wrong, place by place. Paths are left empty; whoever opened the file fills them in.
    pub problems: Vec<Problem>,
}

/// What the files of one artifact add up to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// As `collection.lock` keeps it (`skillmeat.utils.filesystem.compute_content_hash`).
    pub lock_content_hash: Sha256Hex,
    /// As the cache keeps it (`skillmeat.core.hashing.compute_artifact_fingerprint`): equal to the lock's for a
    /// directory, but a single file is hashed with its name.
    pub artifact_fingerprint: Sha256Hex,
    /// Of the relative paths alone.
    pub structure_hash: Sha256Hex,
    /// Number of files.
    pub file_count: u64,
    /// Bytes.
    pub total_size: u64,
}

/// The mirrored columns of one `collection_artifacts` row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// `description`
    pub description: Option<String>,
    /// `author`
    pub author: Option<String>,
    /// `license`
    pub license: Option<String>,
    /// `tags_json`, decoded; NULL and `[]` are the same value.
    pub tags: Vec<String>,
    /// `tools_json`, decoded; NULL and `[]` are the same value.
    pub tools: Vec<String>,
    /// `version`
    pub version: Option<String>,
    /// `artifact_content_hash`
    pub content_hash: Option<String>,
    /// `artifact_structure_hash`
    pub structure_hash: Option<String>,
    /// `artifact_file_count`
    pub file_count: i64,
    /// `artifact_total_size`, bytes
    pub total_size: i64,
    /// `source`; never empty in what we write, because SkillMeat's list page looks the manifest up once per row
    /// whose source is empty.
    pub source: Option<String>,
    /// `origin`
    pub origin: Option<String>,
    /// `origin_source`
    pub origin_source: Option<String>,
    /// `resolved_sha`
    pub resolved_sha: Option<String>,
    /// `resolved_version`
    pub resolved_version: Option<String>,
}

impl Row {
    /// The row that an entry and the files at its path stand for. A missing fingerprint (files unreadable or gone)
    /// leaves the four fingerprint columns at SkillMeat's "unknown": NULL, NULL, 0, 0.
    #[must_use]
    pub fn new(entry: Entry, fingerprint: Option<&Fingerprint>) -> Self {
        let saturate = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let Metadata { title: _, description, author, license, version, tags, tools } = entry.metadata;
        Self {
            description,
            author,
            license,
            tags,
            tools,
            version,
            content_hash: fingerprint.map(|f| f.artifact_fingerprint.to_string()),
            structure_hash: fingerprint.map(|f| f.structure_hash.to_string()),
            file_count: fingerprint.map_or(0, |f| saturate(f.file_count)),
            total_size: fingerprint.map_or(0, |f| saturate(f.total_size)),
            source: Some(entry.upstream.filter(|u| !u.is_empty()).unwrap_or_else(|| "local".to_owned())),
            origin: Some(entry.origin.as_str().to_owned()),
            origin_source: entry.origin_source,
            resolved_sha: entry.resolved_sha,
            resolved_version: entry.resolved_version,
        }
    }
}

/// One artifact as the files have it: its entry, and what the files at its path add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The manifest's entry.
    pub entry: Arc<PackedEntry>,
    /// `None` when the files are missing or could not be read.
    pub fingerprint: Option<Arc<Fingerprint>>,
}

/// One collection directory as the last scan saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collection {
    /// What could be read, by id.
    pub artifacts: BTreeMap<ArtifactId, Artifact>,
    /// Ids that are there but could not be read now; their rows stay as they are.
    pub held: BTreeSet<ArtifactId>,
    /// Why nothing may be taken for removed from this collection, if so.
    pub doubt: Option<Doubt>,
}

/// Why the entries of a collection cannot be told for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// The directory has no `collection.toml`.
    Missing,
    /// `collection.toml` has no bytes.
    Empty,
    /// `collection.toml` cannot be read or is not a manifest; the problem list says where.
    Unreadable,
    /// An entry could not even be named.
    Unnamed,
}

/// What the files say the cache should hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The active collection's directory name (`settings.default-collection`, else `default`). Its entry wins where two
    /// directories name the same artifact.
    pub active: String,
    /// By directory name.
    pub collections: BTreeMap<String, Collection>,
}

/// Something that could not be taken at face value, told so that a person can mend it. A problem never stops the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// The file or directory concerned; below `~/.skillmeat` it is relative to it.
    pub path: String,
    /// 1-based line, where one can be named.
    pub line: Option<u32>,
    /// 1-based column in characters, where one can be named.
    pub column: Option<u32>,
    /// What is wrong, and what was done about it.
    pub message: String,
}

impl Problem {
    /// A problem with no place inside its file.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, column: None, message: message.into() }
    }

    /// A problem at a 1-based line and column of a file whose path is filled in later.
    pub fn at(line: u32, column: u32, message: impl Into<String>) -> Self {
        Self { path: String::new(), line: Some(line), column: Some(column), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {}", self.message)
    }
}
