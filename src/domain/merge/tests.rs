mod groups;
mod laws;
mod simulator;
mod tag_definitions;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::domain::owned::{Epoch, Groups, TagValue, Tags};

/// Groups, one a line: `name field=value … : members`. A member without a kind is a skill.
fn groups(text: &str) -> Groups {
    let mut groups = Groups::default();
    for (name, value) in lines(text) {
        groups.push(&name, value);
    }
    groups
}

fn lines(text: &str) -> Vec<(String, GroupValue)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (head, members) = line.split_once(" :").unwrap_or((line, ""));
            let mut words = head.split_whitespace();
            let name = words.next().unwrap().to_owned();
            let mut value =
                GroupValue { members: members.split_whitespace().map(skill).collect(), ..plain() };
            for word in words {
                let (key, text) = word.split_once('=').unwrap();
                match key {
                    "description" => value.description = text.into(),
                    "color" => value.color = text.into(),
                    "icon" => value.icon = text.into(),
                    "position" => value.position = text.parse().unwrap(),
                    "tags" => value.tags = Some(text.split('+').map(Into::into).collect()),
                    "visibility" => value.visibility = Some(text.into()),
                    _ => panic!("{key}"),
                }
            }
            (name, value)
        })
        .collect()
}

fn plain() -> GroupValue {
    GroupValue { color: "slate".into(), icon: "layers".into(), ..GroupValue::default() }
}

fn skill(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("skill:{name}") }
}

/// Tags, one a line: `slug Name #colour description`; `-` is nothing.
fn tags(text: &str) -> Tags {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let slug = words.next().unwrap().to_owned();
            let mut text = || words.next().filter(|word| *word != "-").unwrap_or_default().replace('_', " ");
            (slug, TagValue { name: text(), color: text(), description: Some(text()) })
        })
        .collect()
}

/// Two sides, what they have agreed on, and what is known: everything a daemon has.
#[derive(Debug, Clone)]
struct World {
    base: Option<Agreed>,
    db: DbSide,
    file: FileSide,
    seen_groups: Vec<String>,
    seen_tags: Vec<String>,
    is_active: bool,
    by_hand: bool,
}

impl World {
    /// Nothing on either side, nothing agreed; the skills `a` to `h` have rows.
    fn new() -> Self {
        let uuids = ('a'..='h').map(|name| (skill(&name.to_string()), format!("uuid of {name}")));
        let mut db = DbSide { groups: Some(Groups::default()), uuids: uuids.collect(), ..DbSide::default() };
        db.epoch = epoch("first");
        Self {
            base: None,
            db,
            file: FileSide::default(),
            seen_groups: Vec::new(),
            seen_tags: Vec::new(),
            is_active: true,
            by_hand: false,
        }
    }

    /// Both sides have these groups and have agreed on them.
    fn agreed(text: &str) -> Self {
        Self::agreed_with(text, "")
    }

    fn agreed_with(text: &str, definitions: &str) -> Self {
        let mut world = Self::new();
        world.set_db(text);
        world.set_file(text);
        world.db.tags = tags(definitions);
        world.file.tags = tags(definitions);
        world.settle();
        world
    }

    fn set_db(&mut self, text: &str) {
        let groups = groups(text);
        self.db.group_ids =
            groups.by_name.keys().map(|name| (name.clone(), format!("id of {name}"))).collect();
        self.db.groups = Some(groups);
    }

    fn set_file(&mut self, text: &str) {
        self.file.groups = groups(text);
        for value in self.file.groups.by_name.values_mut() {
            (value.tags, value.visibility) = (None, None);
        }
    }

    fn merge(&self) -> Merged {
        merge(&self.input())
    }

    fn input(&self) -> Input<'_> {
        Input {
            directory: "default",
            is_active: self.is_active,
            base: self.base.as_ref(),
            db: &self.db,
            file: &self.file,
            seen_groups: &self.seen_groups,
            seen_tags: &self.seen_tags,
            by_hand: self.by_hand,
        }
    }

    /// What the writers do.
    fn apply(&mut self, merged: &Merged) {
        self.apply_to_file(merged);
        apply_to_db(&merged.db, &mut self.db);
        self.remember(merged);
    }

    fn apply_to_file(&mut self, merged: &Merged) {
        if let Some(groups) = &merged.file.groups {
            assert!(!self.file.groups_incomplete, "an entry that could not be read would be lost");
            self.file.groups = groups.clone();
            self.file.repeated.clear();
        }
        if let Some(tags) = &merged.file.tags {
            assert!(!self.file.tags_incomplete, "an entry that could not be read would be lost");
            self.file.tags = tags.clone();
        }
    }

    fn remember(&mut self, merged: &Merged) {
        self.base = Some(merged.agreed.clone());
        for (section, digest) in &merged.seen {
            match *section {
                GROUPS => self.seen_groups.push(digest.clone()),
                TAG_DEFINITIONS => self.seen_tags.push(digest.clone()),
                other => panic!("{other}"),
            }
        }
        self.by_hand = false;
    }

    /// Merge, apply, and see that this was the end of it.
    #[track_caller]
    fn settle(&mut self) -> Merged {
        let merged = self.merge();
        self.apply(&merged);
        let again = self.merge();
        assert!(again.is_quiet(), "a second merge is not quiet: {:#?} {:#?}", again.file, again.db);
        self.remember(&again);
        assert_eq!(self.merge().agreed, again.agreed);
        merged
    }

    #[track_caller]
    fn check(&mut self, db: &str, file: &str) -> Merged {
        let merged = self.settle();
        self.look(db, file);
        merged
    }

    #[track_caller]
    fn look(&self, db: &str, file: &str) {
        assert_eq!(self.db.groups.as_ref().unwrap().by_name, groups(db).by_name, "in the database");
        assert_eq!(self.file.groups.by_name, groups(file).by_name, "in the file");
    }

    /// Another database at the same path, with nothing in it but the artifacts' rows.
    fn reset(&mut self) {
        for uuid in self.db.uuids.values_mut() {
            uuid.push_str(" anew");
        }
        self.db.groups = Some(Groups::default());
        self.db.group_ids.clear();
        self.db.tags.clear();
        self.db.epoch = epoch(&format!("{:?} later", self.db.epoch));
    }
}

fn epoch(of: &str) -> Epoch {
    let text = |what: &str| Some(format!("{what} of {of}"));
    Epoch { default_collection: text("default"), sentinel: text("sentinel"), collection: text("collection") }
}

/// What the writer of the database does, on values, with the table's constraints.
fn apply_to_db(edits: &DbEdits, db: &mut DbSide) {
    if let Some(groups) = &mut db.groups {
        for (old, new) in &edits.rename_groups {
            let value = groups.by_name.remove(old).unwrap();
            assert!(groups.by_name.insert(new.clone(), value).is_none(), "the name {new} is taken");
            groups.order.iter_mut().filter(|name| *name == old).for_each(|name| name.clone_from(new));
            let id = db.group_ids.remove(old).unwrap();
            db.group_ids.insert(new.clone(), id);
        }
        for name in &edits.delete_groups {
            groups.by_name.remove(name).unwrap();
            groups.order.retain(|other| other != name);
            db.group_ids.remove(name);
        }
        for (name, value) in &edits.create_groups {
            assert!(!groups.by_name.contains_key(name), "the name {name} is taken");
            groups.push(name, value.clone());
            db.group_ids.insert(name.clone(), format!("id of {name}"));
        }
        for (name, edit) in &edits.update_groups {
            let value = groups.by_name.get_mut(name).unwrap();
            let set = |field: &mut String, new: &Option<String>| {
                if let Some(new) = new {
                    field.clone_from(new);
                }
            };
            set(&mut value.description, &edit.description);
            set(&mut value.color, &edit.color);
            set(&mut value.icon, &edit.icon);
            value.position = edit.position.unwrap_or(value.position);
            if let Some(members) = &edit.members {
                value.members.clone_from(members);
            }
            value.tags = edit.tags.clone().or(value.tags.take());
            value.visibility = edit.visibility.clone().or(value.visibility.take());
        }
        for (name, value) in &groups.by_name {
            assert!((1..=255).contains(&name.chars().count()) && value.position >= 0);
            assert!(!value.color.is_empty() && !value.icon.is_empty());
            assert!(value.members.iter().all(|member| db.uuids.contains_key(member)), "no row: {value:?}");
            let distinct: BTreeSet<&String> = value.members.iter().collect();
            assert_eq!(distinct.len(), value.members.len());
        }
    } else {
        let none = DbEdits::default();
        assert_eq!((&edits.create_groups, &edits.update_groups), (&none.create_groups, &none.update_groups));
    }
    for slug in &edits.delete_tags {
        assert!(!db.assigned.contains(slug), "{slug} is assigned");
        db.tags.remove(slug).unwrap();
    }
    for (slug, edit) in &edits.update_tags {
        let mut value = db.tags.remove(slug).unwrap();
        value.name = edit.name.clone().unwrap_or(value.name);
        value.color = edit.color.clone().unwrap_or(value.color);
        let slug = edit.slug.as_ref().unwrap_or(slug);
        assert!(db.tags.insert(slug.clone(), value).is_none(), "the slug {slug} is taken");
    }
    for (slug, value) in &edits.create_tags {
        assert!(db.tags.insert(slug.clone(), value.clone()).is_none(), "the slug {slug} is taken");
    }
    let names: BTreeMap<&String, &String> = db.tags.iter().map(|(slug, tag)| (&tag.name, slug)).collect();
    assert_eq!(names.len(), db.tags.len(), "a name is taken: {:?}", db.tags);
    for tag in db.tags.values() {
        assert!(tag.color.is_empty() || tag.color.starts_with('#') && tag.color.len() == 7);
        assert!((1..=100).contains(&tag.name.chars().count()));
    }
}
