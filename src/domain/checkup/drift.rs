//! Whether the rows say what the files say: a comparison of everything with everything.
//!
//! It shares no code with [`crate::domain::plan`], and nothing the daemon remembers goes into it, so it can find what
//! the daemon does wrong. What belongs into a row is [`Row::new`]'s business; which rows there have to be is stated here
//! once more.
//!
//! What this module does not do: say how the difference is to be removed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, count, some};
use crate::domain::mapping;
use crate::domain::model::{Artifact, ArtifactId, Desired, Row};
use crate::domain::rows::{Actual, DEFAULT_COLLECTION};
use crate::domain::tags;

/// A row of `collection_artifacts`: the DB collection, and the artifact.
pub type Place = (String, ArtifactId);

/// How rows and files differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// Rows that were compared.
    pub compared: usize,
    /// Rows there should be.
    pub missing: BTreeSet<Place>,
    /// Rows that say something else, with the columns.
    pub differing: BTreeMap<Place, Vec<&'static str>>,
    /// Rows of artifacts that no file names.
    pub surplus: BTreeSet<Place>,
    /// Artifacts whose rows in `artifact_tags` are not those of their tags.
    pub tags: BTreeSet<ArtifactId>,
    /// Number of rows that no file names, but may be named by a manifest that cannot be read.
    pub in_doubt: usize,
}

impl Drift {
    /// Whether rows and files agree.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.rows() == 0
    }

    /// Number of rows that differ in any way.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.missing.len() + self.differing.len() + self.surplus.len() + self.tags.len()
    }

    /// What differs here and differed in `before` too. What differs in one of two looks only was being put right.
    #[must_use]
    pub fn lasting(mut self, before: &Self) -> Self {
        self.missing.retain(|place| before.missing.contains(place));
        self.differing.retain(|place, _| before.differing.contains_key(place));
        self.surplus.retain(|place| before.surplus.contains(place));
        self.tags.retain(|id| before.tags.contains(id));
        self
    }

    /// Without the surplus rows of these artifacts, which wait for a person's word.
    #[must_use]
    pub fn without(mut self, halted: &BTreeSet<ArtifactId>) -> Self {
        self.surplus.retain(|(_, id)| !halted.contains(id));
        self
    }
}

/// Compare everything. `accepts` tells whether the database can hold an artifact.
#[must_use]
pub fn drift(desired: &Desired, actual: &Actual, accepts: impl Fn(&ArtifactId) -> bool) -> Drift {
    let mut drift = Drift::default();
    let expected = expected(desired, actual);
    for ((collection, id), artifact) in expected.iter().filter(|((_, id), _)| accepts(id)) {
        drift.compared += 1;
        let place = (collection.clone(), (*id).clone());
        match actual.memberships.get(collection).and_then(|rows| rows.get(id)) {
            None => {
                drift.missing.insert(place);
                continue;
            }
            Some(found) => {
                let want = Row::new(artifact.entry.unpack(), artifact.fingerprint.as_deref());
                let mut columns = columns(&want, &found.row.unpack());
                if !found.synced {
                    columns.push("synced_at");
                }
                if columns.is_empty() && !found.sound {
                    columns.push("a value of another type");
                }
                if !columns.is_empty() {
                    drift.differing.insert(place, columns);
                }
            }
        }
        if collection == DEFAULT_COLLECTION && !tags_agree(artifact, id, actual) {
            drift.tags.insert((*id).clone());
        }
    }
    let named = |id: &ArtifactId| {
        desired.collections.values().any(|c| c.artifacts.contains_key(id) || c.held.contains(id))
    };
    let doubt = desired.collections.values().any(|collection| collection.doubt.is_some());
    let mirrored: BTreeSet<&String> = expected.keys().map(|(collection, _)| collection).collect();
    let all_mirrored = mirrored_collections(desired, actual);
    for (collection, rows) in &actual.memberships {
        if !all_mirrored.contains(collection) && !mirrored.contains(collection) {
            continue;
        }
        for id in rows.keys() {
            let mirrors_files = actual.artifacts.get(id).is_some_and(|artifact| artifact.mirrors_files);
            if !mirrors_files || named(id) {
                continue;
            }
            if doubt {
                drift.in_doubt += 1;
            } else {
                drift.surplus.insert((collection.clone(), id.clone()));
            }
        }
    }
    drift
}

/// The row of `default` and those of the DB collections that stand for a directory.
fn mirrored_collections(desired: &Desired, actual: &Actual) -> BTreeSet<String> {
    let directories = desired.collections.keys().cloned().collect();
    let mapping = mapping::map(&directories, &actual.collections);
    mapping.by_directory.into_values().chain([DEFAULT_COLLECTION.to_owned()]).collect()
}

/// Every row there has to be. All directories are folded into `default`, where the active one's entry wins and then the
/// alphabet; besides, a directory has rows in the DB collection that stands for it.
fn expected<'d>(desired: &'d Desired, actual: &Actual) -> BTreeMap<(String, &'d ArtifactId), &'d Artifact> {
    let directories = desired.collections.keys().cloned().collect();
    let mapping = mapping::map(&directories, &actual.collections);
    let mut expected = BTreeMap::new();
    // Last come wins: the alphabet backwards, then the active one.
    let backwards = desired.collections.iter().rev().filter(|(name, _)| **name != desired.active);
    let active = desired.collections.get_key_value(&desired.active);
    for (_, collection) in backwards.chain(active) {
        for (id, artifact) in &collection.artifacts {
            expected.insert((DEFAULT_COLLECTION.to_owned(), id), artifact);
        }
    }
    for (directory, row) in mapping.by_directory.iter().filter(|(_, row)| *row != DEFAULT_COLLECTION) {
        for (id, artifact) in desired.collections.get(directory).into_iter().flat_map(|c| &c.artifacts) {
            expected.insert((row.clone(), id), artifact);
        }
    }
    expected
}

fn columns(want: &Row, found: &Row) -> Vec<&'static str> {
    [
        ("description", want.description == found.description),
        ("author", want.author == found.author),
        ("license", want.license == found.license),
        ("tags_json", want.tags == found.tags),
        ("tools_json", want.tools == found.tools),
        ("version", want.version == found.version),
        ("artifact_content_hash", want.content_hash == found.content_hash),
        ("artifact_structure_hash", want.structure_hash == found.structure_hash),
        ("artifact_file_count", want.file_count == found.file_count),
        ("artifact_total_size", want.total_size == found.total_size),
        ("source", want.source == found.source),
        ("origin", want.origin == found.origin),
        ("origin_source", want.origin_source == found.origin_source),
        ("resolved_sha", want.resolved_sha == found.resolved_sha),
        ("resolved_version", want.resolved_version == found.resolved_version),
    ]
    .into_iter()
    .filter_map(|(column, equal)| (!equal).then_some(column))
    .collect()
}

/// Whether the assigned tags are those the files list. A tag counts under its slug or under its exact name, because one
/// made on the web may have a slug of its own.
fn tags_agree(artifact: &Artifact, id: &ArtifactId, actual: &Actual) -> bool {
    let assigned: Vec<_> = actual
        .artifact_tags
        .get(id)
        .into_iter()
        .flatten()
        .filter_map(|tag_id| actual.tags.iter().find(|tag| tag.id == *tag_id))
        .collect();
    let wanted = tags::rows(&artifact.entry.unpack().metadata.tags);
    let stands_for =
        |row: &crate::domain::rows::DbTag, tag: &tags::FileTag| row.slug == tag.slug || row.name == tag.name;
    wanted.iter().all(|tag| assigned.iter().any(|row| stands_for(row, tag)))
        && assigned.iter().all(|row| wanted.iter().any(|tag| stands_for(row, tag)))
}

/// Judge the difference that lasts; `running`: a daemon does, and so should have removed it.
#[must_use]
pub fn judge(drift: &Drift, running: bool) -> Vec<Finding> {
    const CHECK: &str = "drift";
    let mut findings = Vec::new();
    if drift.is_none() {
        findings
            .push(Finding::ok(CHECK, format!("0 of {} differ from the files", count(drift.compared, "row"))));
    } else {
        let (name, fix) = if running {
            ("the daemon should have put right", "skillmeatd sync; if it comes back, please report it")
        } else {
            ("nobody has put right yet", "skillmeatd sync --once")
        };
        let found = format!("{} {name}: {}", count(drift.rows(), "difference"), some(&examples(drift)));
        findings.push(Finding::fail(CHECK, found, fix));
    }
    if drift.in_doubt > 0 {
        findings.push(Finding::skip(
            CHECK,
            format!(
                "{} of artifacts that no manifest names cannot be judged while a manifest cannot be read",
                count(drift.in_doubt, "row")
            ),
        ));
    }
    findings
}

fn examples(drift: &Drift) -> Vec<String> {
    let place = |(collection, id): &Place| match collection.as_str() {
        DEFAULT_COLLECTION => id.to_string(),
        other => format!("{id} in {other}"),
    };
    let missing = drift.missing.iter().map(|it| format!("{} has no row", place(it)));
    let differing = drift
        .differing
        .iter()
        .map(|(it, columns)| format!("{} has another {}", place(it), columns.join(", ")));
    let surplus = drift.surplus.iter().map(|it| format!("{} has a row and no file", place(it)));
    let tags = drift.tags.iter().map(|id| format!("{id} has other tags"));
    missing.chain(differing).chain(surplus).chain(tags).collect()
}
