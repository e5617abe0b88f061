//! Which tag definitions a file shall have, and what the database shall know of them.
//!
//! Tags belong to no collection: every directory's file may define them, one table holds them. The active directory's
//! file takes what the files could not bring back by themselves; another's keeps what it has.
//!
//! What this module does not do: the tags of artifacts ([`super::assignments`]).

use std::collections::{BTreeMap, BTreeSet};

use super::conflict::{Conflict, Field, Subject, Value};
use super::{Input, spelling};
use crate::domain::owned::{DbEdits, TagEdit, TagValue, Tags};
use crate::domain::tags;

/// `tags.name` and `tags.slug` hold at most this many characters (CHECK constraints of the table).
const MAX_CHARS: usize = 100;

/// What is to be done about tag definitions.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The section as it shall be, if it is not that already.
    pub(super) file: Option<Tags>,
    /// New slug by the slug in the file, where it is the same entry.
    pub(super) renamed: BTreeMap<String, String>,
    /// What both sides have when the edits are made.
    pub(super) agreed: Tags,
}

/// What one tag shall be on either side.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    file: Option<TagValue>,
    db: Option<TagValue>,
}

/// Merges the definitions of one directory. Steps for the database go into `edits`.
pub(super) fn merge(
    input: &Input<'_>,
    is_stale: bool,
    overrides: &[&Conflict],
    edits: &mut DbEdits,
    conflicts: &mut Vec<Conflict>,
    problems: &mut Vec<String>,
) -> Outcome {
    let mut sides = Sides::new(input, is_stale, problems);
    let mut verdicts: BTreeMap<String, Verdict> = BTreeMap::new();
    let slugs: BTreeSet<&String> =
        sides.base.keys().chain(sides.db.keys()).chain(sides.file.keys()).collect();
    for slug in slugs {
        let mut decider = Decider { input, slug, conflicts };
        let (base, db, file) = (sides.base.get(slug), sides.db.get(slug), sides.file.get(slug));
        let verdict = if sides.is_new_database {
            decider.recover(db, file.or(base))
        } else {
            decider.three_way(base, db, file)
        };
        verdicts.insert(slug.clone(), verdict);
    }
    for conflict in overrides {
        override_with(conflict, &mut verdicts);
    }

    let mut names: BTreeMap<String, String> =
        sides.db.iter().map(|(slug, tag)| (tag.name.clone(), slug.clone())).collect();
    for (slug, verdict) in &mut verdicts {
        let Some(wanted) = &mut verdict.db else { continue };
        if names.get(&wanted.name).is_none_or(|owner| owner == slug) {
            names.insert(wanted.name.clone(), slug.clone());
            continue;
        }
        problems.push(format!("tag `{slug}`: another tag is called `{}` already", wanted.name));
        match sides.db.get(slug) {
            // The name stays, and everything else is as decided.
            Some(db) => {
                wanted.name.clone_from(&db.name);
                if let Some(file) = &mut verdict.file {
                    file.name.clone_from(&db.name);
                }
            }
            None => {
                *verdict = Verdict::default();
                if let Some(raw) = input.file.tags.get(slug) {
                    sides.unstorable.insert(slug.clone(), raw.clone());
                }
            }
        }
    }

    edit_db(edits, &verdicts, &sides);
    let mut wanted = sides.unstorable.clone();
    for (slug, verdict) in &verdicts {
        if let Some(value) = &verdict.file {
            let renamed = || sides.renamed.iter().find(|(_, new)| *new == slug).map(|(old, _)| old);
            let written = input.file.tags.get(slug).or_else(|| input.file.tags.get(renamed()?));
            wanted.insert(slug.clone(), spelled(value, written));
        }
    }
    let is_held = input.file.tags_incomplete;
    let is_due = wanted != input.file.tags;
    if is_due && is_held {
        problems.push(
            "tag_definitions has an entry that cannot be read; until it is mended nothing is written into that section"
                .to_owned(),
        );
    }
    let mut agreed = Tags::new();
    for (slug, verdict) in verdicts {
        let is_written = verdict.file.as_ref() == sides.file.get(&slug);
        let stands = if is_held && !is_written { sides.base.remove(&slug) } else { verdict.file };
        if let Some(value) = stands {
            agreed.insert(slug, value);
        }
    }
    let file = (is_due && !is_held).then_some(wanted);
    let mut renamed = sides.renamed;
    renamed.retain(|_, new| file.as_ref().is_some_and(|wanted| wanted.contains_key(new)));
    Outcome { file, renamed, agreed }
}

/// The sides, comparable: one spelling of colours, one key for a tag whose slug was changed.
#[derive(Debug)]
struct Sides {
    is_new_database: bool,
    base: Tags,
    db: Tags,
    file: Tags,
    /// Entries no table takes; they stay as they are.
    unstorable: Tags,
    /// New slug by old slug, where the database says so and the file does not yet.
    renamed: BTreeMap<String, String>,
    /// New slug by old slug, where a file says so.
    reslugged: BTreeMap<String, String>,
}

impl Sides {
    fn new(input: &Input<'_>, is_stale: bool, problems: &mut Vec<String>) -> Self {
        let comparable = |tags: &Tags| -> Tags {
            tags.iter().map(|(slug, tag)| (slug.clone(), spelling::tag(tag))).collect()
        };
        let mut sides = Self {
            is_new_database: input.base.is_none_or(|base| !base.epoch.same_database(&input.db.epoch)),
            base: input.base.map(|base| comparable(&base.tags)).unwrap_or_default(),
            db: comparable(&input.db.tags),
            file: Tags::new(),
            unstorable: Tags::new(),
            renamed: BTreeMap::new(),
            reslugged: BTreeMap::new(),
        };
        for (slug, tag) in &input.file.tags {
            let fits = |text: &str| (1..=MAX_CHARS).contains(&text.chars().count());
            if fits(slug) && fits(&tag.name) {
                if !tag.color.is_empty() && spelling::tag_color(&tag.color).is_empty() {
                    problems
                        .push(format!("tag `{slug}`: `{}` is not a colour of the form #rrggbb", tag.color));
                }
                sides.file.insert(slug.clone(), spelling::tag(tag));
            } else {
                problems.push(format!("tag `{slug}`: name and slug must have 1 to {MAX_CHARS} characters"));
                sides.unstorable.insert(slug.clone(), tag.clone());
            }
        }
        if is_stale {
            for (slug, tag) in std::mem::replace(&mut sides.file, sides.base.clone()) {
                let is_taken = |(other, db): (&String, &TagValue)| other != &slug && db.name == tag.name;
                if !sides.file.contains_key(&slug) && sides.db.iter().any(is_taken) {
                    sides.unstorable.insert(slug, tag);
                }
            }
        } else if input.file.tags_incomplete {
            for (slug, tag) in &sides.base {
                sides.file.entry(slug.clone()).or_insert_with(|| tag.clone());
            }
        }
        sides.keep_descriptions(input);
        sides.follow_slugs();
        sides
    }

    /// SkillMeat writes every tag of the database into the file and every description empty, for it has no column for
    /// them. Such a section says nothing about descriptions.
    fn keep_descriptions(&mut self, input: &Input<'_>) {
        let is_snapshot = !input.by_hand
            && self.file.len() == self.db.len()
            && self.file.keys().all(|slug| self.db.contains_key(slug))
            && self.file.values().all(|tag| tag.description.as_deref().unwrap_or("").is_empty());
        if is_snapshot {
            for (slug, tag) in &mut self.file {
                if let Some(base) = self.base.get(slug) {
                    tag.description.clone_from(&base.description);
                }
            }
        }
    }

    /// A tag is known by its slug, but a name is unique too: the same name under another slug is the same tag.
    fn follow_slugs(&mut self) {
        let by_name = |tags: &Tags, name: &str| {
            tags.iter().find(|(_, tag)| tag.name == name).map(|(slug, _)| slug.clone())
        };
        if !self.is_new_database {
            for (old, tag) in self.base.clone() {
                let new = if self.db.contains_key(&old) { None } else { by_name(&self.db, &tag.name) };
                if let Some(new) = new.filter(|new| !self.base.contains_key(new)) {
                    rekey(&mut self.base, &old, &new);
                    if self.file.contains_key(&old) && !self.file.contains_key(&new) {
                        rekey(&mut self.file, &old, &new);
                        self.renamed.insert(old, new);
                    }
                }
            }
        }
        for (new, tag) in self.file.clone() {
            let is_new = !self.db.contains_key(&new) && !self.base.contains_key(&new);
            let old = if is_new { by_name(&self.db, &tag.name) } else { None };
            if let Some(old) = old.filter(|old| !self.file.contains_key(old)) {
                rekey(&mut self.base, &old, &new);
                rekey(&mut self.db, &old, &new);
                self.reslugged.insert(old, new);
            }
        }
    }
}

fn rekey(tags: &mut Tags, old: &str, new: &str) {
    if let Some(tag) = tags.remove(old) {
        tags.insert(new.to_owned(), tag);
    }
}

struct Decider<'a, 'i> {
    input: &'a Input<'i>,
    slug: &'a str,
    conflicts: &'a mut Vec<Conflict>,
}

impl Decider<'_, '_> {
    fn three_way(
        &mut self,
        base: Option<&TagValue>,
        db: Option<&TagValue>,
        file: Option<&TagValue>,
    ) -> Verdict {
        match (base, db, file) {
            (_, None, None) => Verdict::default(),
            (None, Some(db), None) => self.database_only(db),
            (None, None, Some(file)) => both(file.clone()),
            (None, Some(db), Some(file)) => both(self.meet(db, file)),
            (Some(base), None, Some(file)) => {
                if base != file {
                    self.dispute_whole(None, Some(file));
                }
                Verdict::default()
            }
            (Some(base), Some(db), None) => self.undefined(base, db),
            (Some(base), Some(db), Some(file)) => both(self.fields(base, db, file)),
        }
    }

    fn recover(&mut self, db: Option<&TagValue>, known: Option<&TagValue>) -> Verdict {
        match (db, known) {
            (None, None) => Verdict::default(),
            (Some(db), None) => self.database_only(db),
            (None, Some(known)) => both(known.clone()),
            (Some(db), Some(known)) => both(self.meet(db, known)),
        }
    }

    fn database_only(&self, db: &TagValue) -> Verdict {
        let file = self.must_be_defined(db).then(|| described(db, None));
        Verdict { file, db: Some(db.clone()) }
    }

    /// Whether the files could not bring this tag back by themselves.
    fn must_be_defined(&self, tag: &TagValue) -> bool {
        let comes_back = self.input.db.assigned.contains(self.slug) && tags::slug(&tag.name) == self.slug;
        self.input.is_active && !(tag.color.is_empty() && comes_back)
    }

    /// Somebody took the definition out of the file.
    fn undefined(&mut self, base: &TagValue, db: &TagValue) -> Verdict {
        if !self.input.is_active {
            return Verdict { file: None, db: Some(db.clone()) };
        }
        if (&db.name, &db.color) != (&base.name, &base.color) {
            self.dispute_whole(Some(db), None);
            return both(described(db, base.description.as_ref()));
        }
        if !self.input.db.assigned.contains(self.slug) {
            return Verdict::default();
        }
        // Artifacts have the tag, so the tag stays; what only the definition said goes.
        let plain = TagValue { color: String::new(), ..db.clone() };
        let file = self.must_be_defined(&plain).then(|| described(&plain, None));
        Verdict { file, db: Some(plain) }
    }

    fn fields(&mut self, base: &TagValue, db: &TagValue, file: &TagValue) -> TagValue {
        let mut text = |field, base: &String, db: &String, file: &String| {
            if file == base || file == db {
                return db.clone();
            }
            if db == base {
                return file.clone();
            }
            self.dispute(field, db, file);
            db.clone()
        };
        TagValue {
            name: text(Field::Name, &base.name, &db.name, &file.name),
            color: text(Field::Color, &base.color, &db.color, &file.color),
            description: file.description.clone(),
        }
    }

    /// Two values that have no base in common: the database's stands, and the file fills what it lacks.
    fn meet(&mut self, db: &TagValue, other: &TagValue) -> TagValue {
        if db.name != other.name {
            self.dispute(Field::Name, &db.name, &other.name);
        }
        let color = if db.color.is_empty() { &other.color } else { &db.color };
        if !other.color.is_empty() && color != &other.color {
            self.dispute(Field::Color, color, &other.color);
        }
        TagValue { name: db.name.clone(), color: color.clone(), description: other.description.clone() }
    }

    fn dispute(&mut self, field: Field, ours: &str, theirs: &str) {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let subject = Subject::Tag(self.slug.to_owned());
        let conflict = Conflict::new(self.input.directory, subject, field, text(ours), text(theirs));
        self.conflicts.push(conflict);
    }

    fn dispute_whole(&mut self, ours: Option<&TagValue>, theirs: Option<&TagValue>) {
        let value = |value: Option<&TagValue>| value.cloned().map(Value::Tag);
        let subject = Subject::Tag(self.slug.to_owned());
        let (ours, theirs) = (value(ours), value(theirs));
        self.conflicts.push(Conflict::new(self.input.directory, subject, Field::Whole, ours, theirs));
    }
}

fn both(value: TagValue) -> Verdict {
    Verdict { file: Some(described(&value, value.description.as_ref())), db: Some(value) }
}

fn described(value: &TagValue, description: Option<&String>) -> TagValue {
    TagValue { description: Some(description.cloned().unwrap_or_default()), ..value.clone() }
}

/// Puts the value that gave way into force.
fn override_with(conflict: &Conflict, verdicts: &mut BTreeMap<String, Verdict>) {
    let Subject::Tag(slug) = &conflict.subject else { return };
    let verdict = verdicts.entry(slug.clone()).or_default();
    match (conflict.field, &conflict.theirs) {
        (Field::Whole, Some(Value::Tag(value))) => *verdict = both(value.clone()),
        (Field::Whole, None) => *verdict = Verdict::default(),
        (field, Some(Value::Text(text))) => {
            for value in [&mut verdict.file, &mut verdict.db].into_iter().flatten() {
                match field {
                    Field::Name => value.name.clone_from(text),
                    Field::Color => value.color.clone_from(text),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn edit_db(edits: &mut DbEdits, verdicts: &BTreeMap<String, Verdict>, sides: &Sides) {
    let old_slugs: BTreeMap<&String, &String> = sides.reslugged.iter().map(|(old, new)| (new, old)).collect();
    for (slug, verdict) in verdicts {
        let row = old_slugs.get(slug).copied().unwrap_or(slug);
        match (sides.db.get(slug), &verdict.db) {
            (None, Some(wanted)) => {
                edits.create_tags.insert(slug.clone(), TagValue { description: None, ..wanted.clone() });
            }
            (Some(_), None) => {
                edits.delete_tags.insert(row.clone());
            }
            (Some(actual), Some(wanted)) => {
                let edit = TagEdit {
                    name: (actual.name != wanted.name).then(|| wanted.name.clone()),
                    color: (actual.color != wanted.color).then(|| wanted.color.clone()),
                    slug: (row != slug).then(|| slug.clone()),
                };
                if edit != TagEdit::default() {
                    edits.update_tags.insert(row.clone(), edit);
                }
            }
            (None, None) => {}
        }
    }
}

fn spelled(value: &TagValue, file: Option<&TagValue>) -> TagValue {
    let same = file.filter(|file| spelling::tag_color(&file.color) == value.color);
    TagValue { color: same.map_or_else(|| value.color.clone(), |file| file.color.clone()), ..value.clone() }
}
