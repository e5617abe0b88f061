//! Both sides of the groups and their base, made comparable: one spelling, members as `type:name`, a stale copy
//! replaced by what it is a copy of, a renamed group under its new name.
//!
//! What this module does not do: decide between the sides.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::groups::{ByName, same_in_file};
use super::spelling;
use super::{Input, ordered};
use crate::domain::model::ArtifactId;
use crate::domain::owned::{Agreed, DbSide, GroupValue, Groups};

/// The longest group name the table takes, in characters.
const MAX_NAME: usize = 255;

/// What the two sides stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Footing {
    /// They have agreed before.
    Agreed,
    /// They have, but with another database or another row of it: what is not here was not deleted here.
    NewDatabase,
    /// They have never agreed, or nobody remembers.
    Nothing,
}

/// The sides, comparable.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) footing: Footing,
    pub(super) base: ByName,
    /// With the memberships that went with an artifact's row put back.
    pub(super) db: ByName,
    pub(super) file: ByName,
    /// New name by old name: the groups that were renamed in the database.
    pub(super) renamed_in_db: BTreeMap<String, String>,
    /// New name by old name: the groups that were renamed in the file.
    pub(super) renamed_in_file: BTreeMap<String, String>,
}

/// The artifacts a member of a group may name.
pub(super) struct Members<'a> {
    uuids: &'a BTreeMap<String, String>,
    by_name: OnceCell<BTreeMap<&'a str, Vec<&'a str>>>,
}

/// What a member's text in a manifest names.
pub(super) enum Named {
    /// An artifact with a row.
    Known(String),
    /// One of several artifacts of that name.
    Ambiguous,
    /// No artifact with a row.
    Unknown,
}

impl<'a> Members<'a> {
    pub(super) fn new(db: &'a DbSide) -> Self {
        Self { uuids: &db.uuids, by_name: OnceCell::new() }
    }

    /// Whether the artifact has a row, without which it can be in no group.
    pub(super) fn is_known(&self, member: &str) -> bool {
        self.uuids.contains_key(member)
    }

    /// SkillMeat writes `type:name`; a person may have written the name alone.
    pub(super) fn named(&self, member: &str) -> Named {
        if self.is_known(member) {
            return Named::Known(member.to_owned());
        }
        if member.parse::<ArtifactId>().is_ok() {
            return Named::Unknown;
        }
        let by_name = self.by_name.get_or_init(|| {
            let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for id in self.uuids.keys() {
                let name = id.split_once(':').map_or(id.as_str(), |(_, name)| name);
                by_name.entry(name).or_default().push(id);
            }
            by_name
        });
        match by_name.get(member).map(Vec::as_slice) {
            Some([id]) => Named::Known((*id).to_owned()),
            Some(_) => Named::Ambiguous,
            None => Named::Unknown,
        }
    }

    /// The member as it is compared: `type:name` if it can be told, else as written.
    pub(super) fn resolve(&self, member: &str) -> String {
        match self.named(member) {
            Named::Known(id) => id,
            Named::Ambiguous | Named::Unknown => member.to_owned(),
        }
    }

    fn resolve_all(&self, members: &[String]) -> Vec<String> {
        let mut seen = BTreeSet::new();
        members.iter().map(|m| self.resolve(m)).filter(|m| seen.insert(m.clone())).collect()
    }

    /// Whether a membership that the database does not have (any more) was never taken back there by anybody: the
    /// artifact's row is gone, or another one, or never was in the group.
    fn went_with_its_row(&self, member: &str, base: &Agreed) -> bool {
        match (self.uuids.get(member), base.member_uuids.get(member)) {
            (Some(now), Some(then)) => now != then,
            (None, _) | (_, None) => true,
        }
    }
}

/// Whether a group of this name fits into the table.
pub(super) fn is_storable(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.chars().count())
}

impl Sides {
    pub(super) fn new(input: &Input<'_>, db_groups: &Groups, members: &Members<'_>, is_stale: bool) -> Self {
        let comparable = |groups: &Groups| -> ByName {
            let one = |(name, value): (&String, &GroupValue)| {
                let members = members.resolve_all(&value.members);
                (name.clone(), GroupValue { members, ..spelling::group(value) })
            };
            groups.by_name.iter().filter(|(name, _)| is_storable(name)).map(one).collect()
        };
        let footing = match input.base {
            None => Footing::Nothing,
            // What was agreed on then was the tags.
            Some(base) if base.epoch.collection.is_none() => Footing::Nothing,
            Some(base) if base.epoch.same_collection(&input.db.epoch) => Footing::Agreed,
            Some(_) => Footing::NewDatabase,
        };
        let mut sides = Self {
            footing,
            base: input.base.map(|base| comparable(&base.groups)).unwrap_or_default(),
            db: comparable(db_groups),
            file: comparable(&input.file.groups),
            renamed_in_db: BTreeMap::new(),
            renamed_in_file: BTreeMap::new(),
        };
        if is_stale {
            sides.file = sides.base.clone();
        } else if input.file.groups_incomplete {
            // What cannot be read has not been changed.
            for (name, value) in &sides.base {
                sides.file.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        if let Some(base) = input.base.filter(|_| footing == Footing::Agreed) {
            // An entry that cannot be rewritten cannot get another name.
            if !input.file.groups_incomplete {
                sides.follow_renames(base, input.db);
            }
            sides.restore_memberships(base, members, input.by_hand);
        }
        sides
    }

    /// Gives a renamed group one name everywhere, so that its fields are merged instead of deleted and made anew.
    fn follow_renames(&mut self, base: &Agreed, db: &DbSide) {
        let names: BTreeMap<&str, &str> =
            db.group_ids.iter().map(|(name, id)| (id.as_str(), name.as_str())).collect();
        for (old, id) in &base.group_ids {
            let Some(&new) = names.get(id.as_str()) else { continue };
            let is_renamed = self.base.contains_key(old)
                && !self.db.contains_key(old)
                && self.db.contains_key(new)
                && !self.base.contains_key(new)
                && !(self.file.contains_key(old) && self.file.contains_key(new));
            if is_renamed {
                rename(&mut self.base, old, new);
                rename(&mut self.file, old, new);
                self.renamed_in_db.insert(old.clone(), new.to_owned());
            }
        }

        // A file has no ids: a group that went while exactly one like it came has been renamed. Two empty ones are
        // alike by chance.
        let gone = |name: &&String| self.db.contains_key(*name) && !self.file.contains_key(*name);
        let gone: Vec<&String> = self.base.keys().filter(gone).collect();
        let new = |name: &&String| !self.base.contains_key(*name) && !self.db.contains_key(*name);
        let new: Vec<&String> = self.file.keys().filter(new).collect();
        let alike = |old: &str, new: &str| match (self.base.get(old), self.file.get(new)) {
            (Some(old), Some(new)) => !old.members.is_empty() && same_in_file(old, new),
            _ => false,
        };
        let mut renamed = BTreeMap::new();
        for &old in &gone {
            let candidates: Vec<&String> = new.iter().copied().filter(|new| alike(old, new)).collect();
            if let [candidate] = candidates.as_slice()
                && gone.iter().filter(|other| alike(other, candidate)).count() == 1
            {
                renamed.insert(old.clone(), (*candidate).clone());
            }
        }
        for (old, new) in &renamed {
            rename(&mut self.base, old, new);
            rename(&mut self.db, old, new);
        }
        self.renamed_in_file = renamed;
    }

    fn restore_memberships(&mut self, base: &Agreed, members: &Members<'_>, by_hand: bool) {
        let mut restored: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, was) in &self.base {
            let Some(db) = self.db.get(name) else { continue };
            let in_db: BTreeSet<&String> = db.members.iter().collect();
            let stays = |m: &&String| in_db.contains(m) || members.went_with_its_row(m, base);
            let known: Vec<String> = was.members.iter().filter(stays).cloned().collect();
            let list = ordered::weave(&db.members, &known);
            if list != db.members {
                restored.insert(name.clone(), list);
            }
        }
        // Where SkillMeat writes groups into the file itself, it leaves out what has no row. A file that lacks just that,
        // and is not known to have been edited by hand, has lost it in this way.
        for (name, list) in restored {
            let Some(db) = self.db.get_mut(&name) else { continue };
            if let Some(file) = self.file.get_mut(&name)
                && !by_hand
                && file.members == db.members
            {
                file.members.clone_from(&list);
            }
            db.members = list;
        }
    }
}

fn rename(groups: &mut ByName, old: &str, new: &str) {
    if let Some(value) = groups.remove(old) {
        groups.insert(new.to_owned(), value);
    }
}
