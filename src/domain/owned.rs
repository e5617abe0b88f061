//! What the database owns and a `collection.toml` keeps a copy of: groups, tag definitions, and the tags of artifacts.
//!
//! The values here stand between the two sides: [`super::merge`] compares them, the database side loads and writes
//! them, the edit of the manifest spells them. Names, not row ids, are the keys, because ids die with a database.
//!
//! What this module does not do: read or write either side, or decide anything.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::model::{ArtifactId, Group, Manifest, TagDefinition};

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
#[serde(default)]
pub struct Agreed {
    /// The groups.
    pub groups: Groups,
    /// `groups.id` by name, which tells a group that was renamed from two that were deleted and made.
    pub group_ids: BTreeMap<String, String>,
    /// The tag definitions.
    pub tags: Tags,
    /// `artifacts.uuid` of each member of a group, by `type:name`, as it was when the membership last stood in the
    /// database. A membership that vanished while its artifact has another uuid, or none, went with the artifact's row:
    /// nobody took the artifact out of the group.
    pub member_uuids: BTreeMap<String, String>,
    /// [`super::merge::digest_groups`] of the file's section when this was agreed. The section may say more than
    /// `groups`, for some of what stands there has no place in the database.
    pub groups_digest: String,
    /// [`super::merge::digest_tags`] likewise.
    pub tags_digest: String,
    /// Which database this was agreed with.
    pub epoch: Epoch,
}

/// Tells one cache database from the next one at the same path: a copy of a database has the same epoch, a new one
/// never has.
///
/// `skillmeat cache clear` makes a new sentinel in the same database, and a deleted collection takes its groups along,
/// so no single row tells: tags live as long as the database ([`Self::same_database`]), groups as long as their
/// collection's row ([`Self::same_collection`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Epoch {
    /// `collections.created_at` of the `default` row, as text.
    pub default_collection: Option<String>,
    /// `projects.created_at` of the sentinel row, as text.
    pub sentinel: Option<String>,
    /// `id` and `created_at` of the row that maps to the directory, as one text; `None` when no row does.
    pub collection: Option<String>,
}

impl Epoch {
    /// Whether both were taken from one database. What is not known proves nothing.
    #[must_use]
    pub fn same_database(&self, other: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        same(&self.default_collection, &other.default_collection) || same(&self.sentinel, &other.sentinel)
    }

    /// Whether the directory's row is the same one: then a group that is missing was deleted by somebody.
    #[must_use]
    pub fn same_collection(&self, other: &Self) -> bool {
        self.collection.is_some() && self.collection == other.collection
    }
}

/// The database's side of one collection directory, read in one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbSide {
    /// The groups of the DB collection that maps to the directory. `None` when no row maps to it, or the tables are not
    /// there (yet): that is no statement about groups at all.
    pub groups: Option<Groups>,
    /// `groups.id` by name.
    pub group_ids: BTreeMap<String, String>,
    /// Every tag of the database, by slug; they belong to no collection.
    pub tags: Tags,
    /// `artifacts.uuid` by `type:name`, for every artifact row there is but those of groups.
    pub uuids: BTreeMap<String, String>,
    /// Slugs of the tags that an artifact of the files has (these come back from the files by themselves) or an
    /// `artifact_tags` row names.
    pub assigned: BTreeSet<String>,
    /// Which database this is.
    pub epoch: Epoch,
}

/// The file's side: the sections as parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSide {
    /// The groups that could be read, without `group:` members and repeated members.
    pub groups: Groups,
    /// Groups whose name an earlier one in the file has already.
    pub repeated: Vec<(String, GroupValue)>,
    /// Whether a group could not be read: then one that is not in `groups` may be in the file all the same.
    pub groups_incomplete: bool,
    /// The definitions that could be read. Of two with one slug the first counts, as in SkillMeat's recovery.
    pub tags: Tags,
    /// Whether a definition could not be read.
    pub tags_incomplete: bool,
}

impl From<&Manifest> for FileSide {
    fn from(manifest: &Manifest) -> Self {
        let mut side = Self {
            groups_incomplete: manifest.groups_incomplete,
            tags_incomplete: manifest.tag_definitions_incomplete,
            ..Self::default()
        };
        for group in &manifest.groups {
            let value = GroupValue::from(group);
            if side.groups.by_name.contains_key(&group.name) {
                side.repeated.push((group.name.clone(), value));
            } else {
                side.groups.push(&group.name, value);
            }
        }
        for tag in &manifest.tag_definitions {
            side.tags.entry(tag.slug.clone()).or_insert_with(|| TagValue::from(tag));
        }
        side
    }
}

impl From<&Group> for GroupValue {
    fn from(group: &Group) -> Self {
        let mut seen = BTreeSet::new();
        let members = group.members.iter().filter(|member| !is_group(member) && seen.insert(*member));
        Self {
            description: group.description.clone(),
            color: group.color.clone(),
            icon: group.icon.clone(),
            position: group.position,
            members: members.cloned().collect(),
            tags: None,
            visibility: None,
        }
    }
}

impl From<&TagDefinition> for TagValue {
    fn from(tag: &TagDefinition) -> Self {
        Self { name: tag.name.clone(), color: tag.color.clone(), description: Some(tag.description.clone()) }
    }
}

/// Whether a member is a group inside a group. SkillMeat writes such members, but the id in them dies with the
/// database, so they are left where they are and never carried.
fn is_group(member: &str) -> bool {
    member.starts_with("group:")
}

impl Groups {
    /// Add a group after the others. One of the same name is replaced and keeps its place.
    pub fn push(&mut self, name: &str, value: GroupValue) {
        if self.by_name.insert(name.to_owned(), value).is_none() {
            self.order.push(name.to_owned());
        }
    }

    /// The groups in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &GroupValue)> {
        self.order.iter().filter_map(|name| Some((name.as_str(), self.by_name.get(name)?)))
    }

    /// Whether there is no group.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// What to write into a manifest. `None` leaves the section as it is, byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SectionEdits {
    /// The groups the section shall have; of several entries of one name one stays.
    pub groups: Option<Groups>,
    /// The definitions the section shall have.
    pub tags: Option<Tags>,
    /// New name by the name in the file: the same entry, with all that is in it and around it. Nothing without `groups`.
    pub renamed_groups: BTreeMap<String, String>,
    /// New slug by the slug in the file, likewise. Nothing without `tags`.
    pub renamed_tags: BTreeMap<String, String>,
    /// New `tags` of single artifacts (whole lists, in order).
    pub artifact_tags: BTreeMap<ArtifactId, Vec<String>>,
}

impl SectionEdits {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// What to write into the database for one directory, in the order it is to be applied: groups of the directory's DB
/// collection are renamed, deleted, made, changed; then tags are deleted, changed, made.
///
/// Values are as the tables take them: colours and icons are never empty, an empty description is NULL, every member
/// has an `artifacts` row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbEdits {
    /// New name by old name.
    pub rename_groups: BTreeMap<String, String>,
    /// By name.
    pub delete_groups: BTreeSet<String>,
    /// In the order they are to be inserted.
    pub create_groups: Vec<(String, GroupValue)>,
    /// By name (the new one, if it is renamed).
    pub update_groups: BTreeMap<String, GroupEdit>,
    /// By slug. Whoever applies it makes sure that no `artifact_tags` row names the tag.
    pub delete_tags: BTreeSet<String>,
    /// By slug.
    pub update_tags: BTreeMap<String, TagEdit>,
    /// By slug; descriptions have no place in the database.
    pub create_tags: Tags,
}

impl DbEdits {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// The columns of one `groups` row to change; `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupEdit {
    /// `description`; empty means NULL.
    pub description: Option<String>,
    /// `color`
    pub color: Option<String>,
    /// `icon`
    pub icon: Option<String>,
    /// `position`
    pub position: Option<i64>,
    /// All members, in order, as `type:name`. `group:` members that the row has stay with it.
    pub members: Option<Vec<String>>,
    /// `tags_json`, decoded.
    pub tags: Option<Vec<String>>,
    /// `visibility`
    pub visibility: Option<String>,
}

/// The columns of one `tags` row to change; `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagEdit {
    /// `name`
    pub name: Option<String>,
    /// `color`; empty means NULL.
    pub color: Option<String>,
    /// `slug`: a file gives the tag of this name another one.
    pub slug: Option<String>,
}
