//! One merge of all directories, carried out.
//!
//! What this module does not do: try again. It says that a side has moved, and everything begins anew.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, Utc};

use super::palette::PALETTE;
use super::{Exchange, PatchError, manifest_alone};
use crate::control::protocol::DatabaseOnly;
use crate::daemon::board;
use crate::daemon::engine::follow::manifest_of;
use crate::daemon::engine::{Engine, Stop};
use crate::db::format::timestamp;
use crate::db::{Cache, Colors, DbError, Edits, Owned};
use crate::domain::dirty::{Dirt, ScanScope};
use crate::domain::edit;
use crate::domain::manifest;
use crate::domain::mapping::Unmapped;
use crate::domain::merge::{self, Conflict, GROUPS, Merged, TAG_DEFINITIONS};
use crate::domain::model::Problem;
use crate::domain::owned::{DbSide, FileSide, Groups};
use crate::domain::reactor::Setback;
use crate::domain::rows::DEFAULT_COLLECTION;
use crate::domain::strays::strays;
use crate::fs::scan::Scanned;
use crate::fs::write::{self, Outcome, WriteError};
use crate::state::{Agreement, KeptConflict};

/// How a round ended.
pub(super) enum Round {
    /// Both sides are equal, as far as they can be.
    Done,
    /// A side has moved.
    Again,
}

impl Engine {
    pub(super) async fn round(
        &mut self,
        scanned: &mut Scanned,
        mut owned: Owned,
        theirs: &[Conflict],
    ) -> Result<Round, Stop> {
        let now = Utc::now().naive_utc();
        let new_collections = self.missing_collections(&owned);
        for directory in &new_collections {
            if let Some(side) = owned.sides.get_mut(directory) {
                side.groups = Some(Groups::default());
                side.epoch.collection = Some(format!("{directory} {}", timestamp(now)));
            }
        }
        let active = &scanned.desired.active;
        let strays = self.set_strays_aside(&mut owned, active, &new_collections);
        let merged: BTreeMap<String, Merged> = owned
            .sides
            .iter()
            .filter_map(|(directory, side)| {
                Some((directory.clone(), self.exchange.merge(directory, active, side, theirs)?))
            })
            .collect();
        self.announce(&merged).await;
        self.keep_what_gives_way(&merged).await;
        let written = self.write_manifests(&merged, now)?;
        if !written.touched.is_empty() {
            *scanned = self.scan(&ScanScope::Collections(written.touched))?;
            self.exchange.note(scanned);
        }
        if written.moved {
            return Ok(Round::Again);
        }
        let mut edits = Edits {
            by_directory: merged
                .iter()
                .map(|(directory, merged)| (directory.clone(), merged.db.clone()))
                .collect(),
            colors: self.exchange.palette.missing(&owned),
            new_collections,
        };
        if let Some(default) = edits.by_directory.get_mut(DEFAULT_COLLECTION) {
            default.delete_groups.extend(strays);
        }
        let Some(cache) = &mut self.cache else { return Ok(Round::Done) };
        match cache.write_owned(&owned, &edits, now).await {
            Ok(true) => {}
            Ok(false) => return Ok(Round::Again),
            Err(error) => return Err(self.give_up_cache(error)),
        }
        Self::tell(&edits);
        self.exchange.made_collection |= !edits.new_collections.is_empty();
        self.keep_palette(&owned, &edits.colors).await;
        self.exchange.problems.clear();
        for directory in &owned.odd {
            let why = "its groups or tags in the database hold values that are none; they are left alone";
            let problem = Problem::new(manifest_of(directory), why);
            self.exchange.problems.entry(directory.clone()).or_default().push(problem);
        }
        self.exchange.changed = written.failed.keys().cloned().collect();
        for (directory, mut merged) in merged {
            if let Some(why) = written.failed.get(&directory) {
                merged.problems.push(Problem::new(manifest_of(&directory), why));
            } else {
                self.agree(&directory, &merged).await;
            }
            self.exchange.problems.entry(directory).or_default().extend(merged.problems);
        }
        self.exchange.database_only = database_only(&owned);
        self.exchange.settled = owned.at;
        match written.held_up {
            Some(why) => Err(Stop::new(Setback::Transient, why)),
            None => Ok(Round::Done),
        }
    }

    /// Directories whose groups have no DB collection to be in, though nobody has deleted one: those whose manifest or
    /// agreement has groups, and whose row went with a database, or never was.
    fn missing_collections(&self, owned: &Owned) -> BTreeSet<String> {
        let has_groups = |directory: &String| {
            let file = self.exchange.files.get(directory).map(|seen| &seen.side.groups);
            let base = self.exchange.bases.get(directory).map(|base| &base.groups);
            file.into_iter().chain(base).any(|groups| !groups.is_empty())
        };
        let was_deleted = |directory: &String, side: &DbSide| {
            self.exchange
                .bases
                .get(directory)
                .is_some_and(|base| base.epoch.collection.is_some() && base.epoch.same_database(&side.epoch))
        };
        let is_missing = |(directory, side): &(&String, &DbSide)| {
            side.groups.is_none()
                && *directory != DEFAULT_COLLECTION
                && !directory.starts_with('.') // no row leads there
                && !owned.mapping.disputed.contains_key(*directory)
                && has_groups(directory)
                && !was_deleted(directory, side)
        };
        owned.sides.iter().filter(is_missing).map(|(directory, _)| directory.clone()).collect()
    }

    /// Take the groups that SkillMeat's recovery has put into `default` instead of the active directory's collection,
    /// which is only being made, out of the database's side; they are to be deleted there.
    fn set_strays_aside(
        &self,
        owned: &mut Owned,
        active: &str,
        new_collections: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        let Some(default) = owned.sides.get_mut(DEFAULT_COLLECTION) else { return BTreeSet::new() };
        let file = |directory: &str| self.exchange.files.get(directory).map(|seen| &seen.side);
        let (Some(default_file), Some(active_file)) = (file(DEFAULT_COLLECTION), file(active)) else {
            return BTreeSet::new();
        };
        if !new_collections.contains(active) {
            return BTreeSet::new();
        }
        let agreed = self.exchange.bases.get(DEFAULT_COLLECTION);
        let strays = strays(default, default_file, agreed, active_file);
        if let Some(groups) = &mut default.groups {
            groups.by_name.retain(|name, _| !strays.contains(name));
            groups.order.retain(|name| !strays.contains(name));
            default.group_ids.retain(|name, _| !strays.contains(name));
        }
        strays
    }

    /// Keep the palette, which has no place in any file.
    async fn keep_palette(&mut self, owned: &Owned, added: &Colors) {
        let Some(kept) = self.exchange.palette.after(owned, added) else { return };
        let outcome = self.state.save_value(PALETTE, Some(&kept)).await;
        self.state_trouble.note(outcome);
        self.exchange.palette = kept;
    }

    /// Know sections before they are written that say what the database says. If the database moves on before that is
    /// agreed on, or we are killed, they are old copies of ours and nobody's edit. Where a write carries an edit of the
    /// file on, it must not be known before the database has it, too.
    async fn announce(&mut self, merged: &BTreeMap<String, Merged>) {
        for (directory, merged) in merged.iter().filter(|(_, merged)| merged.db.is_empty()) {
            let groups = merged.file.groups.as_ref().map(|groups| (GROUPS, merge::digest_groups(groups)));
            let tags = merged.file.tags.as_ref().map(|tags| (TAG_DEFINITIONS, merge::digest_tags(tags)));
            let sections: Vec<_> = groups.into_iter().chain(tags).collect();
            let new = self.exchange.remember(directory, &sections);
            if new.is_empty() {
                continue;
            }
            let noted = self.state.save_seen_sections(directory, &new).await;
            self.state_trouble.note(noted);
        }
    }

    /// Keep the conflicts of manifests that are about to be written. The next merge would find nothing of what has been
    /// overwritten, if the database moves on before this one comes to its end, or we are killed.
    async fn keep_what_gives_way(&mut self, merged: &BTreeMap<String, Merged>) {
        let at_ms = Utc::now().timestamp_millis();
        for (directory, merged) in merged.iter().filter(|(_, merged)| !merged.file.is_empty()) {
            let new = self.new_conflicts(merged);
            if !new.is_empty() {
                let outcome = self.state.save_conflicts(directory, &new, at_ms).await;
                self.state_trouble.note(outcome);
                self.note_conflicts(directory, new, at_ms);
            }
        }
    }

    /// The conflicts that nobody has been told of, by id.
    fn new_conflicts(&self, merged: &Merged) -> BTreeMap<String, Conflict> {
        let known: BTreeSet<&str> = self.exchange.conflicts.iter().map(|kept| kept.id.as_str()).collect();
        let new = merged.conflicts.iter().filter(|conflict| !known.contains(conflict.id.as_str()));
        new.map(|conflict| (conflict.id.clone(), conflict.clone())).collect()
    }

    fn note_conflicts(&mut self, directory: &str, new: BTreeMap<String, Conflict>, at_ms: i64) {
        for (id, conflict) in new {
            tracing::warn!(
                collection = conflict.collection,
                id,
                "{} of {} was changed on both sides; the database's value was taken",
                conflict.field,
                conflict.subject
            );
            let collection = directory.to_owned();
            self.exchange.conflicts.push(KeptConflict { id, collection, conflict, at_ms });
        }
    }

    fn write_manifests(
        &mut self,
        merged: &BTreeMap<String, Merged>,
        now: NaiveDateTime,
    ) -> Result<Written, Stop> {
        let mut written = Written::default();
        for (directory, merged) in merged.iter().filter(|(_, merged)| !merged.file.is_empty()) {
            // A database that is gone says nothing any more, and an empty one in its place is not read yet.
            if self.cache.as_ref().is_none_or(Cache::replaced) {
                return Err(self.give_up_cache(DbError::Replaced));
            }
            written.touched.insert(directory.clone(), manifest_alone());
            match self.write_sections(directory, merged, now) {
                Ok(()) => {}
                Err(WriteError::Patch(PatchError::Moved)) => written.moved = true,
                Err(error) => {
                    let why = format!("groups and tags cannot be written: {}", board::chain(&error));
                    if error.is_transient() {
                        written.held_up = Some(why.clone());
                    }
                    written.failed.insert(directory.clone(), why);
                }
            }
        }
        Ok(written)
    }

    fn write_sections(
        &mut self,
        directory: &str,
        wanted: &Merged,
        now: NaiveDateTime,
    ) -> Result<(), WriteError<PatchError>> {
        let edits = &wanted.file;
        let Exchange { files, replaced, .. } = &mut self.exchange;
        let merged = files.get(directory).map(|seen| &seen.side);
        let manifest = self.paths.root.join(manifest_of(directory));
        let outcome = write::rewrite(
            &manifest,
            &mut |text| {
                let in_place = manifest::parse_sections(text).map_err(|_| PatchError::Moved)?;
                if Some(&FileSide::from(&in_place)) != merged {
                    return Err(PatchError::Moved);
                }
                Ok(edit::edit_sections(text, edits, now)?)
            },
            &mut |previous| replaced.push((directory.to_owned(), previous.to_vec())),
        )?;
        if let Outcome::Written { rounds, .. } = outcome {
            self.writes.add(true, rounds);
            self.writes.repaired += u64::from(wanted.repairs);
            let (groups, tags) = (edits.groups.is_some(), edits.tags.is_some());
            tracing::info!(collection = directory, groups, tags, rounds, "manifest written");
        }
        Ok(())
    }

    fn tell(edits: &Edits) {
        for directory in &edits.new_collections {
            tracing::info!(collection = directory, "made a DB collection for the groups of this directory");
        }
        for (directory, edits) in edits.by_directory.iter().filter(|(_, edits)| !edits.is_empty()) {
            tracing::info!(
                collection = directory,
                groups_made = edits.create_groups.len(),
                groups_changed = edits.update_groups.len() + edits.rename_groups.len(),
                groups_deleted = edits.delete_groups.len(),
                tags = edits.create_tags.len() + edits.update_tags.len() + edits.delete_tags.len(),
                "groups and tags written to the database"
            );
        }
    }

    /// Write down what both sides agree on now. Without it the next merge would take what it finds for what was agreed,
    /// so a failure costs the knowledge of who changed what until then, and no value.
    async fn agree(&mut self, directory: &str, merged: &Merged) {
        let at_ms = Utc::now().timestamp_millis();
        if let Some(seen) = self.exchange.files.get_mut(directory) {
            seen.by_hand = false;
        }
        let seen = self.exchange.remember(directory, &merged.seen);
        let conflicts = self.new_conflicts(merged);
        let is_new = self.exchange.bases.get(directory) != Some(&merged.agreed);
        if !is_new && seen.is_empty() && conflicts.is_empty() {
            return;
        }
        self.exchange.bases.insert(directory.to_owned(), merged.agreed.clone());
        let agreement =
            Agreement { collection: directory, base: &merged.agreed, seen: &seen, conflicts: &conflicts };
        let outcome = self.state.save_agreement(&agreement, at_ms).await;
        self.state_trouble.note(outcome);
        self.note_conflicts(directory, conflicts, at_ms);
    }
}

/// What became of the manifests that were to be written.
#[derive(Default)]
struct Written {
    /// Those that have to be read again.
    touched: BTreeMap<String, Dirt>,
    /// Whether one is not what was merged any more.
    moved: bool,
    /// Those that could not be written, and why.
    failed: BTreeMap<String, String>,
    /// Why one was not, if that passes by itself.
    held_up: Option<String>,
}

/// DB collections that no directory belongs to. SkillMeat makes `default` in every database; without a directory and
/// without groups it is worth no word.
fn database_only(owned: &Owned) -> Vec<DatabaseOnly> {
    let told = |(id, why): (&String, &Unmapped)| {
        let groups = owned.unmapped_groups.get(id).copied().unwrap_or(0);
        let name = owned.collections.get(id).map(|row| row.name.clone()).unwrap_or_default();
        let only = DatabaseOnly { id: id.clone(), name, reason: why.to_string(), groups };
        (groups > 0 || id != DEFAULT_COLLECTION).then_some(only)
    };
    owned.mapping.unmapped.iter().filter_map(told).collect()
}
