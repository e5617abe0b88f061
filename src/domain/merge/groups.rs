//! Which groups both sides shall have.
//!
//! What this module does not do: read or spell either side ([`super::sides`] and [`super::outcome`] do), or write.

use std::collections::{BTreeMap, BTreeSet};

use super::conflict::{Conflict, Field, Subject, Value};
use super::ordered;
use super::sides::{Footing, Members, Sides};
use super::spelling::{DEFAULT_COLOR, DEFAULT_ICON, DEFAULT_VISIBILITY};
use crate::domain::owned::GroupValue;

/// Groups by name, each in the one spelling of its meaning.
pub(super) type ByName = BTreeMap<String, GroupValue>;

/// What is wanted of two values without a common base.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meeting {
    /// The database's stands, and everything else of the file's is kept as a conflict.
    DatabaseWins,
    /// Where the database says nothing of its own (a default), the other's is taken.
    FillGaps,
}

/// The groups both sides shall have, and the values that gave way.
pub(super) fn decide(
    collection: &str,
    sides: &Sides,
    members: &Members<'_>,
    conflicts: &mut Vec<Conflict>,
) -> ByName {
    let mut decider = Decider { collection, members, conflicts, name: "" };
    let names: BTreeSet<&String> =
        sides.base.keys().chain(sides.db.keys()).chain(sides.file.keys()).collect();
    let mut merged = ByName::new();
    for name in names {
        decider.name = name;
        let (base, db, file) = (sides.base.get(name), sides.db.get(name), sides.file.get(name));
        let value = match sides.footing {
            Footing::Agreed => decider.three_way(base, db, file),
            Footing::NewDatabase => decider.recover(db, united(base, file).as_ref()),
            Footing::Nothing if sides.db.is_empty() => file.cloned(),
            Footing::Nothing => decider.first_sight(db, file),
        };
        if let Some(value) = value {
            merged.insert(name.clone(), value);
        }
    }
    merged
}

/// What file and state know of a group together: the file's is newer, the state holds what a file has no place for.
fn united(base: Option<&GroupValue>, file: Option<&GroupValue>) -> Option<GroupValue> {
    match (base, file) {
        (base, None) => base.cloned(),
        (None, Some(file)) => Some(file.clone()),
        (Some(base), Some(file)) => {
            Some(GroupValue { tags: base.tags.clone(), visibility: base.visibility.clone(), ..file.clone() })
        }
    }
}

struct Decider<'a, 'm> {
    collection: &'a str,
    members: &'a Members<'m>,
    conflicts: &'a mut Vec<Conflict>,
    name: &'a str,
}

impl Decider<'_, '_> {
    fn three_way(
        &mut self,
        base: Option<&GroupValue>,
        db: Option<&GroupValue>,
        file: Option<&GroupValue>,
    ) -> Option<GroupValue> {
        match (base, db, file) {
            (_, None, None) => None,
            (None, db, None) => db.cloned(),
            (None, None, file) => file.cloned(),
            (None, Some(db), Some(file)) => Some(self.meet(db, file, Meeting::FillGaps)),
            (Some(base), None, Some(file)) => {
                if !same_in_file(base, file) {
                    self.dispute_whole(None, Some(file));
                }
                None
            }
            (Some(base), Some(db), None) => {
                if db == base {
                    return None;
                }
                self.dispute_whole(Some(db), None);
                Some(db.clone())
            }
            (Some(base), Some(db), Some(file)) => Some(self.fields(base, db, file)),
        }
    }

    fn recover(&mut self, db: Option<&GroupValue>, known: Option<&GroupValue>) -> Option<GroupValue> {
        match (db, known) {
            (Some(db), Some(known)) => Some(self.meet(db, known, Meeting::FillGaps)),
            (db, known) => db.or(known).cloned(),
        }
    }

    fn first_sight(&mut self, db: Option<&GroupValue>, file: Option<&GroupValue>) -> Option<GroupValue> {
        match (db, file) {
            (Some(db), Some(file)) => Some(self.meet(db, file, Meeting::DatabaseWins)),
            (None, Some(file)) => {
                self.dispute_whole(None, Some(file));
                None
            }
            (db, None) => db.cloned(),
        }
    }

    fn fields(&mut self, base: &GroupValue, db: &GroupValue, file: &GroupValue) -> GroupValue {
        let woven = ordered::merge(&base.members, &db.members, &file.members);
        if woven.order_disputed {
            self.dispute(Field::Members, Value::List(woven.list.clone()), Value::List(file.members.clone()));
        }
        let mut text = |field, base: &String, db: &String, file: &String| {
            if file == base || file == db {
                return db.clone();
            }
            if db == base {
                return file.clone();
            }
            self.dispute(field, Value::Text(db.clone()), Value::Text(file.clone()));
            db.clone()
        };
        GroupValue {
            description: text(Field::Description, &base.description, &db.description, &file.description),
            color: text(Field::Color, &base.color, &db.color, &file.color),
            icon: text(Field::Icon, &base.icon, &db.icon, &file.icon),
            position: if db.position == base.position {
                file.position
            } else {
                if file.position != base.position && file.position != db.position {
                    self.dispute(Field::Position, Value::Number(db.position), Value::Number(file.position));
                }
                db.position
            },
            members: woven.list,
            tags: db.tags.clone(),
            visibility: db.visibility.clone(),
        }
    }

    /// Two values of one group that have no base in common.
    fn meet(&mut self, db: &GroupValue, other: &GroupValue, meeting: Meeting) -> GroupValue {
        let fill = meeting == Meeting::FillGaps;
        let mut text = |field, db: &String, other: &String, default: &str| {
            if db == other || other == default {
                return db.clone();
            }
            if fill && db == default {
                return other.clone();
            }
            self.dispute(field, Value::Text(db.clone()), Value::Text(other.clone()));
            db.clone()
        };
        let description = text(Field::Description, &db.description, &other.description, "");
        let color = text(Field::Color, &db.color, &other.color, DEFAULT_COLOR);
        let icon = text(Field::Icon, &db.icon, &other.icon, DEFAULT_ICON);
        let position = if fill && db.position == 0 { other.position } else { db.position };
        if position != other.position && other.position != 0 {
            self.dispute(Field::Position, Value::Number(position), Value::Number(other.position));
        }
        let none = |tags: &Option<Vec<String>>| tags.as_ref().is_none_or(Vec::is_empty);
        let private =
            |visibility: &Option<String>| visibility.as_deref().is_none_or(|v| v == DEFAULT_VISIBILITY);
        GroupValue {
            description,
            color,
            icon,
            position,
            members: self.meet_members(&db.members, &other.members, meeting),
            tags: if none(&db.tags) { other.tags.clone().or(db.tags.clone()) } else { db.tags.clone() },
            visibility: if private(&db.visibility) {
                other.visibility.clone().or(db.visibility.clone())
            } else {
                db.visibility.clone()
            },
        }
    }

    fn meet_members(&mut self, db: &[String], other: &[String], meeting: Meeting) -> Vec<String> {
        let taken: Vec<String> = match meeting {
            Meeting::FillGaps => other.to_vec(),
            // The database has nothing to say about an artifact it does not know.
            Meeting::DatabaseWins => {
                other.iter().filter(|m| db.contains(m) || !self.members.is_known(m)).cloned().collect()
            }
        };
        let woven = ordered::weave(db, &taken);
        let kept: Vec<&String> = woven.iter().filter(|member| other.contains(member)).collect();
        if !kept.into_iter().eq(other) {
            self.dispute(Field::Members, Value::List(woven.clone()), Value::List(other.to_vec()));
        }
        woven
    }

    fn dispute(&mut self, field: Field, ours: Value, theirs: Value) {
        let subject = Subject::Group(self.name.to_owned());
        self.conflicts.push(Conflict::new(self.collection, subject, field, Some(ours), Some(theirs)));
    }

    fn dispute_whole(&mut self, ours: Option<&GroupValue>, theirs: Option<&GroupValue>) {
        let subject = Subject::Group(self.name.to_owned());
        let value = |value: Option<&GroupValue>| value.cloned().map(Value::Group);
        let conflict = Conflict::new(self.collection, subject, Field::Whole, value(ours), value(theirs));
        self.conflicts.push(conflict);
    }
}

/// Whether two values are equal as far as a file can tell.
pub(super) fn same_in_file(a: &GroupValue, b: &GroupValue) -> bool {
    let told = |value: &GroupValue| GroupValue { tags: None, visibility: None, ..value.clone() };
    told(a) == told(b)
}
