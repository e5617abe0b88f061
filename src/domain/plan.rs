//! What has to change in the cache so that it says what the files say.
//!
//! [`plan`] compares [`Desired`] (the files) with [`Actual`] (the rows) and returns the difference as values.
//! It leaves nothing to choose for whoever applies it, and a plan for two equal sides is empty.
//!
//! What this module does not do: read either side, invent identifiers or times, or wait. Two steps that need them
//! (`uuid4` of a new row, `synced_at`) belong to the writer.

use std::collections::{BTreeMap, BTreeSet};

use super::compact::PackedRow;
use super::halves::Halves;
use super::mapping;
use super::model::{Artifact, ArtifactId, Desired, Problem, Row};
use super::removal::{self, Halt, Memory};
use super::rows::{Actual, DEFAULT_COLLECTION, DbTag, Scope};
use super::tags;

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
    /// `collection_artifacts` rows that are right and were last verified too long ago: only `synced_at` = now.
    pub verified: Vec<Verified>,
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

    /// The artifacts whose rows the plan touches.
    #[must_use]
    pub fn artifacts(&self) -> BTreeSet<&ArtifactId> {
        let new = self.new_artifacts.iter().map(|new| &new.id);
        let rows = self.upserts.iter().map(|upsert| &upsert.artifact);
        let tags = self.tag.iter().chain(&self.untag).map(|assignment| &assignment.artifact);
        let gone = self.removals.iter().map(|removal| &removal.artifact);
        new.chain(rows).chain(tags).chain(gone).collect()
    }

    /// Number of rows the plan touches.
    #[must_use]
    pub fn rows(&self) -> usize {
        usize::from(self.sentinel)
            + usize::from(self.default_collection)
            + self.new_artifacts.len()
            + self.new_tags.len()
            + self.upserts.len()
            + self.verified.len()
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
    pub row: PackedRow,
}

/// A `collection_artifacts` row that says what the files say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verified {
    /// The DB collection.
    pub collection: String,
    /// The artifact.
    pub artifact: ArtifactId,
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

/// A plan, and what was noticed on the way to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// The steps to apply.
    pub plan: Plan,
    /// Mirrored artifacts in scope that no manifest names any more, whether or not they may go yet.
    pub absent: BTreeSet<ArtifactId>,
    /// Collections whose removals wait for a person's word.
    pub halts: Vec<Halt>,
    /// Artifacts whose tags somebody may have changed in the database since the agreement in [`Memory::agreed_tags`]:
    /// their tags are left alone until that has been carried to the file.
    pub tags_waiting: BTreeSet<ArtifactId>,
    /// Artifacts whose tags somebody has changed in one of the two places alone, and may be about to change in the other:
    /// their tags are left alone, too.
    pub halves: Halves,
    /// What a person should know: an artifact in two directories, a directory claimed by two rows.
    pub problems: Vec<Problem>,
}

/// The steps that make the rows in `scope` say what the files say.
///
/// `memory` is what earlier reconciles know about absences; see [`removal`]. The result is a pure function of the
/// arguments, and planning again after applying it gives an empty plan.
#[must_use]
pub fn plan(desired: &Desired, actual: &Actual, scope: &Scope, memory: &Memory) -> Decision {
    let desired = &*removal::released(desired, memory);
    let directories = desired.collections.keys().cloned().collect();
    let mapping = mapping::map(&directories, &actual.collections);
    let (winners, mut problems) = winners(desired, scope);
    for (directory, rows) in &mapping.disputed {
        problems.push(Problem::new(
            format!("collections/{directory}"),
            format!(
                "the DB collections {} claim this directory equally; none of them is mirrored",
                rows.join(", ")
            ),
        ));
    }

    let in_scope = |id: &ArtifactId| scope.contains(id);
    let mut plan = Plan {
        sentinel: !actual.sentinel && desired.collections.values().any(|c| !c.artifacts.is_empty()),
        default_collection: !actual.collections.contains_key(DEFAULT_COLLECTION),
        ..Plan::default()
    };
    let mut new_tags: BTreeMap<String, String> = BTreeMap::new();
    let by_slug: BTreeMap<&str, &str> =
        actual.tags.iter().map(|tag| (tag.slug.as_str(), tag.id.as_str())).collect();
    let by_name: BTreeMap<&str, &DbTag> = actual.tags.iter().map(|tag| (tag.name.as_str(), tag)).collect();
    let by_id: BTreeMap<&str, &DbTag> = actual.tags.iter().map(|tag| (tag.id.as_str(), tag)).collect();

    let (mut tags_waiting, mut halves) = (BTreeSet::new(), Halves::new());
    let mut held = BTreeSet::new();
    for (id, (_, artifact)) in &winners {
        let entry = artifact.entry.unpack();
        if !actual.artifacts.contains_key(id) {
            plan.new_artifacts.push(NewArtifact {
                id: (*id).clone(),
                source: entry.upstream.clone(),
                deployed_version: entry.metadata.version.clone(),
            });
        }
        let assigned = actual.artifact_tags.get(*id);
        let names = assigned.into_iter().flatten().filter_map(|tag_id| by_id.get(tag_id.as_str()));
        let row = Row::new(entry, artifact.fingerprint.as_deref());
        let names: Vec<&String> = names.map(|row| &row.name).collect();
        let changed = tags_changed(id, &row.tags, actual, memory, &names);
        if let Changed::Half(digest) = changed {
            halves.insert((*id).clone(), digest);
        }
        let is_left = memory.left_halves.get(*id) == halves.get(*id);
        let is_held = changed == Changed::Both || halves.contains_key(*id) && !is_left;
        upsert(&mut plan, actual, DEFAULT_COLLECTION, id, &row, is_held);
        if changed == Changed::Both {
            tags_waiting.insert((*id).clone());
        }
        if is_held {
            held.insert((*id).clone());
            continue;
        }

        let mut wanted = BTreeSet::new();
        for tag in tags::rows(&row.tags) {
            // By slug, else by exact name: a tag made on the web may have a slug of its own.
            let known = by_slug
                .get(tag.slug.as_str())
                .copied()
                .or_else(|| by_name.get(tag.name.as_str()).map(|row| row.id.as_str()));
            let slug = match known {
                Some(tag_id) if assigned.is_some_and(|ids| ids.contains(tag_id)) => {
                    wanted.insert(tag_id);
                    continue;
                }
                Some(tag_id) => by_id.get(tag_id).map_or_else(|| tag.slug.clone(), |row| row.slug.clone()),
                None => {
                    new_tags.entry(tag.slug.clone()).or_insert(tag.name);
                    tag.slug
                }
            };
            plan.tag.push(Assignment { artifact: (*id).clone(), slug });
        }
        for tag_id in assigned.into_iter().flatten().filter(|tag_id| !wanted.contains(tag_id.as_str())) {
            if let Some(row) = by_id.get(tag_id.as_str()) {
                plan.untag.push(Assignment { artifact: (*id).clone(), slug: row.slug.clone() });
            }
        }
    }
    plan.new_tags = new_tags.into_iter().map(|(slug, name)| NewTag { name, slug }).collect();

    for (directory, collection) in &desired.collections {
        match mapping.by_directory.get(directory) {
            Some(row) if row != DEFAULT_COLLECTION => {
                for (id, artifact) in collection.artifacts.iter().filter(|(id, _)| in_scope(id)) {
                    let is_held = held.contains(id);
                    let wanted = Row::new(artifact.entry.unpack(), artifact.fingerprint.as_deref());
                    upsert(&mut plan, actual, row, id, &wanted, is_held);
                }
            }
            _ => {}
        }
    }

    let mirrored: BTreeSet<&str> =
        mapping.by_directory.values().map(String::as_str).chain([DEFAULT_COLLECTION]).collect();
    let removal::Verdict { absent, allowed, halts } =
        removal::judge(desired, actual, scope, &mirrored, memory);
    for collection in mirrored {
        let rows = actual.memberships.get(collection).into_iter().flatten();
        plan.removals.extend(
            rows.filter(|(id, _)| allowed.contains(*id))
                .map(|(id, _)| Removal { collection: collection.to_owned(), artifact: id.clone() }),
        );
    }
    Decision { plan, absent, halts, tags_waiting, halves, problems }
}

/// The artifact that stands for each id in scope: the active collection's, else that of the first directory in
/// alphabetical order. The problems are of all, whatever the scope.
fn winners<'d>(
    desired: &'d Desired,
    scope: &Scope,
) -> (BTreeMap<&'d ArtifactId, (&'d str, &'d Artifact)>, Vec<Problem>) {
    // Nobody to win against: then a small scope costs nothing that grows with the collection.
    if let (Scope::Artifacts(ids), Some((directory, collection)), 1) =
        (scope, desired.collections.first_key_value(), desired.collections.len())
    {
        let named = ids.iter().filter_map(|id| collection.artifacts.get_key_value(id));
        return (named.map(|(id, artifact)| (id, (directory.as_str(), artifact))).collect(), Vec::new());
    }
    let mut winners: BTreeMap<&ArtifactId, (&str, &Artifact)> = BTreeMap::new();
    let mut problems = Vec::new();
    let active_first = desired
        .collections
        .get_key_value(&desired.active)
        .into_iter()
        .chain(desired.collections.iter().filter(|(directory, _)| **directory != desired.active));
    for (directory, collection) in active_first {
        for (id, artifact) in &collection.artifacts {
            match winners.get(id) {
                None => {
                    winners.insert(id, (directory, artifact));
                }
                Some((winner, _)) => problems.push(Problem::new(
                    format!("collections/{directory}/collection.toml"),
                    format!("{id} is in collection {winner} too; SkillMeat has one row for both, and {winner}'s is the one mirrored"),
                )),
            }
        }
    }
    winners.retain(|id, _| scope.contains(id));
    (winners, problems)
}

/// Who may have changed an artifact's tags in the database since file and database last agreed on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    /// Nobody, or it comes to the same as the file.
    No,
    /// Somebody, in one of the two places; with a digest of what stands in both.
    Half(u64),
    /// Somebody, in both.
    Both,
}

/// `assigned` are the names of the tags that `artifact_tags` names. Where both places say what the file says there is
/// nothing to carry there.
fn tags_changed(
    id: &ArtifactId,
    in_file: &[String],
    actual: &Actual,
    memory: &Memory,
    assigned: &[&String],
) -> Changed {
    let Some(agreed) = memory.agreed_tags.get(id) else { return Changed::No };
    let Some(current) = actual.memberships.get(DEFAULT_COLLECTION).and_then(|rows| rows.get(id)) else {
        return Changed::No;
    };
    let tags_json = current.row.unpack().tags;
    let is_plain = assigned.len() == in_file.len()
        && in_file.iter().all(|name| assigned.contains(&name))
        && tags_json == in_file;
    if !current.sound || is_plain {
        return Changed::No; // most of them, and without a digest
    }
    let rows = tags::digest(assigned.iter().copied());
    match (tags::digest(&tags_json) != *agreed, rows != *agreed) {
        (true, true) if tags_json != in_file => Changed::Both,
        // A file that has changed as well says what shall stand.
        (true, false) | (false, true) if tags::digest(in_file) == *agreed => {
            Changed::Half(tags::digest(&tags_json).rotate_left(1) ^ rows)
        }
        _ => Changed::No,
    }
}

fn upsert(plan: &mut Plan, actual: &Actual, collection: &str, id: &ArtifactId, row: &Row, tags_wait: bool) {
    let current = actual.memberships.get(collection).and_then(|rows| rows.get(id));
    let row = match current {
        Some(current) if tags_wait => Row { tags: current.row.unpack().tags, ..row.clone() }.into(),
        _ => PackedRow::new(row),
    };
    match current.filter(|current| current.sound && current.synced && current.row == row) {
        None => plan.upserts.push(Upsert { collection: collection.to_owned(), artifact: id.clone(), row }),
        Some(current) if current.stale => {
            plan.verified.push(Verified { collection: collection.to_owned(), artifact: id.clone() });
        }
        Some(_) => {}
    }
}

#[cfg(test)]
pub(super) mod tests;
