//! From the groups both sides shall have to what each side lacks of them.
//!
//! What this module does not do: decide anything; it only compares, and keeps each side's spelling where the meaning is
//! the same.

use std::collections::BTreeMap;

use super::groups::{ByName, same_in_file};
use super::sides::{Members, Sides, is_storable};
use super::{Input, spelling};
use crate::domain::owned::{Agreed, DbEdits, GroupEdit, GroupValue, Groups};

/// The members that can be in the database.
fn storable(list: &[String], members: &Members<'_>) -> Vec<String> {
    list.iter().filter(|member| members.is_known(member)).cloned().collect()
}

/// Puts the steps that make the database's groups the merged ones into `edits`.
pub(super) fn edit_db(
    edits: &mut DbEdits,
    merged: &ByName,
    order: &[String],
    sides: &Sides,
    db: &Groups,
    members: &Members<'_>,
) {
    edits.rename_groups = sides.renamed_in_file.clone();
    let old_names: BTreeMap<&String, &String> =
        sides.renamed_in_file.iter().map(|(old, new)| (new, old)).collect();
    for name in db.by_name.keys() {
        let name = sides.renamed_in_file.get(name).unwrap_or(name);
        if is_storable(name) && !merged.contains_key(name) {
            edits.delete_groups.insert(name.clone());
        }
    }
    for name in order {
        let Some(value) = merged.get(name) else { continue };
        let wanted = GroupValue { members: storable(&value.members, members), ..value.clone() };
        match db.by_name.get(old_names.get(name).copied().unwrap_or(name)) {
            None => edits.create_groups.push((name.clone(), wanted)),
            Some(actual) => {
                let edit = difference(actual, &wanted);
                if edit != GroupEdit::default() {
                    edits.update_groups.insert(name.clone(), edit);
                }
            }
        }
    }
}

fn difference(actual: &GroupValue, wanted: &GroupValue) -> GroupEdit {
    let same = spelling::group(actual);
    let text = |actual: &String, wanted: &String| if actual == wanted { None } else { Some(wanted.clone()) };
    GroupEdit {
        description: text(&same.description, &wanted.description),
        color: text(&same.color, &wanted.color),
        icon: text(&same.icon, &wanted.icon),
        position: (same.position != wanted.position).then_some(wanted.position),
        members: (same.members != wanted.members).then(|| wanted.members.clone()),
        tags: if same.tags == wanted.tags { None } else { wanted.tags.clone() },
        visibility: if same.visibility == wanted.visibility { None } else { wanted.visibility.clone() },
    }
}

/// The section as it shall be, if it is not that already. What is the same in meaning keeps its spelling, and what no
/// table takes stays as it is.
pub(super) fn edit_file(
    merged: &ByName,
    order: &[String],
    input: &Input<'_>,
    sides: &Sides,
    members: &Members<'_>,
) -> Option<Groups> {
    let file = &input.file.groups;
    let old_names: BTreeMap<&String, &String> =
        sides.renamed_in_db.iter().map(|(old, new)| (new, old)).collect();
    let written = |name: &String| {
        file.by_name.get(name).or_else(|| old_names.get(name).and_then(|old| file.by_name.get(*old)))
    };
    let mut wanted = Groups::default();
    for name in order {
        if let Some(value) = merged.get(name) {
            wanted.push(name, spelled(value, written(name), members));
        }
    }
    for (name, value) in file.iter().filter(|(name, _)| !is_storable(name)) {
        wanted.push(name, value.clone());
    }
    (wanted.by_name != file.by_name).then_some(wanted)
}

fn spelled(value: &GroupValue, file: Option<&GroupValue>, members: &Members<'_>) -> GroupValue {
    let value = GroupValue { tags: None, visibility: None, ..value.clone() };
    let Some(file) = file else { return value };
    let same = spelling::group(file);
    let as_written: BTreeMap<String, &String> =
        file.members.iter().rev().map(|member| (members.resolve(member), member)).collect();
    let list = value.members.iter().map(|m| as_written.get(m).map_or(m, |m| *m).clone()).collect();
    let pick = |wanted: String, same: &String, written: &String| {
        if &wanted == same { written.clone() } else { wanted }
    };
    GroupValue {
        color: pick(value.color, &same.color, &file.color),
        icon: pick(value.icon, &same.icon, &file.icon),
        position: if value.position == same.position { file.position } else { value.position },
        members: list,
        ..value
    }
}

/// The order both sides show groups in: by position, then as the database has them, then as the file does.
pub(super) fn order(merged: &ByName, db: &Groups, sides: &Sides, file: &Groups) -> Vec<String> {
    let mut place: BTreeMap<&str, usize> = BTreeMap::new();
    for name in db.order.iter().chain(&file.order) {
        let name = sides.renamed_in_file.get(name).or_else(|| sides.renamed_in_db.get(name)).unwrap_or(name);
        let next = place.len();
        place.entry(name).or_insert(next);
    }
    let mut order: Vec<&String> = merged.keys().collect();
    order.sort_by_key(|name| {
        let position = merged.get(*name).map_or(0, |value| value.position);
        (position, place.get(name.as_str()).copied().unwrap_or(usize::MAX))
    });
    order.into_iter().cloned().collect()
}

/// Writes into `agreed` what both sides have when the edits are made. While the section may not be written, that is
/// only what the file says already.
pub(super) fn agree(
    agreed: &mut Agreed,
    merged: &ByName,
    order: &[String],
    sides: &Sides,
    input: &Input<'_>,
    is_held: bool,
) {
    agreed.groups = Groups::default();
    let ids_before = std::mem::take(&mut agreed.group_ids);
    let before = std::mem::take(&mut agreed.member_uuids);
    let stands = |name: &String| {
        let value = merged.get(name);
        let in_file = sides.file.get(name);
        let is_written = value.zip(in_file).is_some_and(|(value, in_file)| same_in_file(value, in_file));
        if is_held && !is_written { sides.base.get(name) } else { value }
    };
    let left: Vec<&String> =
        sides.base.keys().filter(|name| is_held && !merged.contains_key(*name)).collect();
    for name in order.iter().chain(left) {
        let Some(value) = stands(name) else { continue };
        for member in &value.members {
            // Without a row it cannot be in the database; the row it was there with is still the one to compare with.
            let uuid = input.db.uuids.get(member).or_else(|| before.get(member));
            if let Some(uuid) = uuid {
                agreed.member_uuids.insert(member.clone(), uuid.clone());
            }
        }
        let old_name =
            sides.renamed_in_file.iter().find(|(_, new)| *new == name).map_or(name, |(old, _)| old);
        if let Some(id) = input.db.group_ids.get(old_name).or_else(|| ids_before.get(name)) {
            agreed.group_ids.insert(name.clone(), id.clone());
        }
        agreed.groups.push(name, value.clone());
    }
}
