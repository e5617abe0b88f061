//! Reading groups and tag definitions.
//!
//! A group comes as one result row and its members as one more: through the driver a row costs more than what is in it.
//!
//! What this module does not do: judge a value. What SQLite holds in place of a text or a number makes the collection
//! one that cannot be told, and then nothing of it is merged.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::ConnectionTrait;

use super::super::error::Result;
use super::super::format::parse_list;
use super::super::load::{Cells, all, json_array};
use super::super::schema::Capabilities;
use super::{Colors, Owned};
use crate::domain::mapping;
use crate::domain::owned::{DbSide, Epoch, GroupValue, Groups, TagValue, Tags};
use crate::domain::rows::{DEFAULT_COLLECTION, SENTINEL_PROJECT};

/// Reads the side of every collection directory. `named` are members that manifests and
/// bases name; each side tells the uuids of these artifacts, of others of the same bare name, and of its own members.
pub(super) async fn load(
    db: &impl ConnectionTrait,
    capabilities: &Capabilities,
    directories: &BTreeSet<String>,
    named: &BTreeSet<String>,
) -> Result<Owned> {
    let rows = super::super::load::collections(db, capabilities).await?;
    let mapping = mapping::map(directories, &rows);
    let (tags, odd_tags) = tags(db).await?;
    let assigned = assigned(db).await?;
    let births = births(db).await?;
    let (mut groups, odd_groups) = groups(db, capabilities).await?;
    let (members, mut uuids) = members(db).await?;
    uuids.extend(named_uuids(db, named).await?);
    let colors = colors(db, capabilities).await?;
    let mut owned = Owned { collections: rows, colors, ..Owned::default() };
    for directory in directories {
        let collection = mapping.by_directory.get(directory);
        if odd_tags || collection.is_some_and(|collection| odd_groups.contains(collection)) {
            owned.odd.insert(directory.clone());
            continue;
        }
        let mut side = DbSide {
            tags: tags.clone(),
            uuids: uuids.clone(),
            assigned: assigned.clone(),
            epoch: births.epoch(collection),
            ..DbSide::default()
        };
        if let Some(collection) = collection {
            let mut found = Groups::default();
            for Loaded { id, name, mut value } in groups.remove(collection).unwrap_or_default() {
                value.members = members.get(&id).cloned().unwrap_or_default();
                found.push(&name, value);
                side.group_ids.insert(name, id);
            }
            side.groups = Some(found);
        }
        owned.sides.insert(directory.clone(), side);
    }
    // A collection with a group that cannot be told has that one beside those that can.
    let count = |id: &String| groups.get(id).map_or(0, Vec::len) + usize::from(odd_groups.contains(id));
    let counted = mapping.unmapped.keys().map(|id| (id.clone(), count(id))).filter(|(_, count)| *count > 0);
    owned.unmapped_groups = counted.collect();
    owned.mapping = mapping;
    Ok(owned)
}

struct Loaded {
    id: String,
    name: String,
    value: GroupValue,
}

type ByCollection = BTreeMap<String, Vec<Loaded>>;

/// The groups of each collection in SkillMeat's order (`skillmeat.core.repositories.local_group`), and the collections
/// of which a group cannot be told.
async fn groups(
    db: &impl ConnectionTrait,
    capabilities: &Capabilities,
) -> Result<(ByCollection, BTreeSet<String>)> {
    let column = |name: &'static str| if capabilities.has("groups", name) { name } else { "NULL" };
    let sql = format!(
        "SELECT id, collection_id, name, description, color, icon, position, {}, {}
            FROM groups ORDER BY collection_id, position, rowid",
        column("tags_json"),
        column("visibility")
    );
    let (mut found, mut odd) = (ByCollection::new(), BTreeSet::new());
    for row in all(db, &sql, vec![]).await? {
        let mut row = Cells::new(&row);
        let (id, collection, name) = (row.cell(), row.cell::<String>(), row.cell());
        let Some(collection) = collection else { continue };
        let mut value = GroupValue {
            description: row.cell().unwrap_or_default(),
            color: row.cell().unwrap_or_default(),
            icon: row.cell().unwrap_or_default(),
            position: row.number(),
            ..GroupValue::default()
        };
        // SkillMeat reads anything that is no list of texts as no tags.
        let tags = parse_list(row.cell::<String>().as_deref()).unwrap_or_default();
        value.tags = capabilities.has("groups", "tags_json").then_some(tags);
        value.visibility = row.cell();
        match (id, name) {
            (Some(id), Some(name)) if row.is_sound() => {
                found.entry(collection).or_default().push(Loaded { id, name, value });
            }
            _ => drop(odd.insert(collection)),
        }
    }
    Ok((found, odd))
}

type Pairs = BTreeMap<String, String>;

/// The members of each group by group id, and their uuids. A group as a member (`group:…`) is known to the database
/// alone.
async fn members(db: &impl ConnectionTrait) -> Result<(BTreeMap<String, Vec<String>>, Pairs)> {
    let sql = "SELECT m.group_id, json_group_array(json_array(a.id, a.uuid) ORDER BY m.position, m.rowid)
        FROM group_artifacts m JOIN artifacts a ON a.uuid = m.artifact_uuid
        WHERE typeof(a.id) = 'text' AND typeof(a.uuid) = 'text' AND a.id NOT LIKE 'group:%'
        GROUP BY m.group_id";
    let (mut found, mut uuids) = (BTreeMap::new(), Pairs::new());
    for row in all(db, sql, vec![]).await? {
        let mut row = Cells::new(&row);
        let (Some(group), Some(members)) = (row.cell::<String>(), row.cell::<String>()) else { continue };
        let members: Vec<(String, String)> = serde_json::from_str(&members)?;
        uuids.extend(members.iter().cloned());
        found.insert(group, members.into_iter().map(|(id, _)| id).collect());
    }
    Ok((found, uuids))
}

async fn named_uuids(db: &impl ConnectionTrait, named: &BTreeSet<String>) -> Result<Pairs> {
    if named.is_empty() {
        return Ok(Pairs::new());
    }
    let sql = "SELECT id, uuid FROM artifacts WHERE type <> 'group'
        AND (id IN (SELECT value FROM json_each(?1)) OR name IN (SELECT value FROM json_each(?1)))";
    let mut found = Pairs::new();
    for row in all(db, sql, vec![json_array(named.iter().map(String::as_str)).into()]).await? {
        let mut row = Cells::new(&row);
        if let (Some(id), Some(uuid)) = (row.cell(), row.cell()) {
            found.insert(id, uuid);
        }
    }
    Ok(found)
}

/// Every tag by slug, and whether one cannot be told.
async fn tags(db: &impl ConnectionTrait) -> Result<(Tags, bool)> {
    let (mut found, mut odd) = (Tags::new(), false);
    for row in all(db, "SELECT slug, name, color FROM tags", vec![]).await? {
        let mut row = Cells::new(&row);
        let (slug, name, color) = (row.cell::<String>(), row.cell::<String>(), row.cell::<String>());
        match (slug, name) {
            (Some(slug), Some(name)) if row.is_sound() => {
                let value = TagValue { name, color: color.unwrap_or_default(), description: None };
                found.insert(slug, value);
            }
            _ => odd = true,
        }
    }
    Ok((found, odd))
}

/// The palette.
async fn colors(db: &impl ConnectionTrait, capabilities: &Capabilities) -> Result<Option<Colors>> {
    if !capabilities.has("custom_colors", "hex") {
        return Ok(None);
    }
    let rows = all(db, "SELECT hex, name FROM custom_colors", vec![]).await?;
    let color = |row| {
        let mut row = Cells::new(row);
        Some((row.cell()?, row.cell()))
    };
    Ok(Some(rows.iter().filter_map(color).collect()))
}

/// Slugs of the tags that an artifact has.
async fn assigned(db: &impl ConnectionTrait) -> Result<BTreeSet<String>> {
    let sql = "SELECT slug FROM tags WHERE id IN (SELECT tag_id FROM artifact_tags)";
    let rows = all(db, sql, vec![]).await?;
    Ok(rows.iter().filter_map(|row| Cells::new(row).cell()).collect())
}

/// When the rows were made that tell one database from another.
struct Births {
    collections: BTreeMap<String, String>,
    sentinel: Option<String>,
}

impl Births {
    fn epoch(&self, collection: Option<&String>) -> Epoch {
        Epoch {
            default_collection: self.collections.get(DEFAULT_COLLECTION).cloned(),
            sentinel: self.sentinel.clone(),
            collection: collection
                .and_then(|id| self.collections.get(id).map(|created| format!("{id} {created}"))),
        }
    }
}

async fn births(db: &impl ConnectionTrait) -> Result<Births> {
    let mut births = Births { collections: BTreeMap::new(), sentinel: None };
    for row in all(db, "SELECT id, created_at FROM collections", vec![]).await? {
        let mut row = Cells::new(&row);
        if let (Some(id), Some(created)) = (row.cell(), row.cell()) {
            births.collections.insert(id, created);
        }
    }
    let sql = "SELECT created_at FROM projects WHERE id = ?";
    for row in all(db, sql, vec![SENTINEL_PROJECT.into()]).await? {
        births.sentinel = Cells::new(&row).cell();
    }
    Ok(births)
}
