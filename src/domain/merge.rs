//! The three-way merge of what the database owns and a manifest keeps a copy of: groups, tag definitions, and the tags
//! of artifacts.
//!
//! [`merge`] takes both sides of one collection directory and what they agreed on last, and returns what to write into
//! either, what they agree on then, and what gave way. The rules, per field of a group and per tag; members are ordered
//! sets:
//!
//! | agreed → database | agreed → file | result |
//! |---|---|---|
//! | changed | same | into the file |
//! | same | changed, and the section is one that was seen before | a copy that was read earlier has been written back (SkillMeat's commands do that): our state goes into the file again |
//! | same | changed otherwise | somebody's edit: into the database |
//! | changed | changed, other fields | both |
//! | changed | changed, the same field | the database's; the file's is kept as a [`Conflict`] |
//! | nothing agreed, the database has groups | any | the database's; what only the file has is kept as a conflict |
//! | nothing agreed, the database has none | has some | into the database |
//! | another database than agreed | any | everything is put back from file and agreement; what the new database has of its own stands |
//!
//! What is not a deletion: a membership that vanished with its artifact's row; an entry of a section that cannot be read
//! whole; groups whose DB collection is gone or is another one. What cannot be stored (a name too long, a member without
//! a row) stays in the file and is told as a problem.
//!
//! The functions are pure, a merge of what it has brought about changes nothing, and whatever either side had is in the
//! result, was taken back by the other side, or is in a conflict.
//!
//! What this module does not do: read or write a side, remember anything, or look at artifacts' own entries.

mod assignments;
mod conflict;
mod definitions;
mod groups;
mod ordered;
mod outcome;
mod sides;
mod spelling;

pub use assignments::{DbTags, merge_tags};
pub use conflict::{Conflict, Field, Subject, Value};
pub use spelling::{digest_groups, digest_tags};

use self::groups::ByName;
use self::sides::{Members, Named, Sides, is_storable};
use super::model::Problem;
use super::owned::{Agreed, DbEdits, DbSide, FileSide, GroupValue, SectionEdits};

/// The name of the section of groups, in manifests and in [`Merged::seen`].
pub const GROUPS: &str = "groups";
/// The name of the section of tag definitions.
pub const TAG_DEFINITIONS: &str = "tag_definitions";

/// Everything a merge looks at.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The collection directory's name.
    pub directory: &'a str,
    /// Whether it is the active collection's: only there tags are defined that were not before.
    pub is_active: bool,
    /// What both sides agreed on last, if anything is known.
    pub base: Option<&'a Agreed>,
    /// The database's side.
    pub db: &'a DbSide,
    /// The file's side.
    pub file: &'a FileSide,
    /// Digests of the `groups` sections that are known, in any order: see [`Merged::seen`].
    pub seen_groups: &'a [String],
    /// Digests of the `tag_definitions` sections that are known.
    pub seen_tags: &'a [String],
    /// Whether the file is known to have been edited by hand since it was last read: `[collection].updated` is what it
    /// was, and every writer of SkillMeat's sets it. An edit by hand is never a stale copy. `false` when in doubt.
    pub by_hand: bool,
}

/// What a merge comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// What to write into the manifest.
    pub file: SectionEdits,
    /// What to write into the database.
    pub db: DbEdits,
    /// What both sides agree on when both are written: the next base. To be kept only then.
    pub agreed: Agreed,
    /// Sections to be known from now on, the oldest first: the section's name and its digest. To be kept together with
    /// `agreed`, not before: a section that is known and not agreed on counts as stale. A section that is about to be
    /// written may be known before, if there is nothing to write into the database.
    pub seen: Vec<(&'static str, String)>,
    /// Whether a section of `file` undoes somebody's return to an older state.
    pub repairs: bool,
    /// What gave way.
    pub conflicts: Vec<Conflict>,
    /// What a person should know. The paths are those of the manifest.
    pub problems: Vec<Problem>,
}

impl Merged {
    /// Whether both sides are as they shall be.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.file.is_empty() && self.db.is_empty()
    }
}

/// Merge both sides of one directory. See the module's text for the rules.
#[must_use]
pub fn merge(input: &Input<'_>) -> Merged {
    resolve(input, &[])
}

/// The same, and of these conflicts the value that gave way is put in force on both sides. A conflict about a field of
/// a group or tag that is gone meanwhile has no effect.
#[must_use]
pub fn resolve(input: &Input<'_>, theirs: &[&Conflict]) -> Merged {
    let (groups_digest, tags_digest) = spelling::digests(input.file);
    let is_stale = |digest: &String, agreed: fn(&Agreed) -> &String, seen: &[String]| {
        let is_other = |base| !agreed(base).is_empty() && agreed(base) != digest;
        !input.by_hand && input.base.is_some_and(is_other) && seen.contains(digest)
    };
    let is_stale_groups = is_stale(&groups_digest, |base| &base.groups_digest, input.seen_groups);
    let is_stale_tags = is_stale(&tags_digest, |base| &base.tags_digest, input.seen_tags);
    let mut merged = Merged { agreed: input.base.cloned().unwrap_or_default(), ..Merged::default() };
    merged.agreed.epoch = input.db.epoch.clone();
    let mut problems = Vec::new();

    let tags = definitions::merge(
        input,
        is_stale_tags,
        theirs,
        &mut merged.db,
        &mut merged.conflicts,
        &mut problems,
    );
    merged.file.tags = tags.file;
    merged.file.renamed_tags = tags.renamed;
    merged.agreed.tags = tags.agreed;

    if input.db.groups.is_some() {
        merge_groups(input, is_stale_groups, theirs, &mut merged, &mut problems);
    } else {
        // Nothing is known about the groups now, so the agreement about them stays as it was.
        merged.agreed.epoch.collection = input.base.and_then(|base| base.epoch.collection.clone());
    }

    merged.repairs =
        is_stale_groups && merged.file.groups.is_some() || is_stale_tags && merged.file.tags.is_some();
    for (section, read, written, agreed) in [
        (
            GROUPS,
            groups_digest,
            merged.file.groups.as_ref().map(digest_groups),
            &mut merged.agreed.groups_digest,
        ),
        (
            TAG_DEFINITIONS,
            tags_digest,
            merged.file.tags.as_ref().map(digest_tags),
            &mut merged.agreed.tags_digest,
        ),
    ] {
        if section != GROUPS || input.db.groups.is_some() {
            agreed.clone_from(written.as_ref().unwrap_or(&read));
        }
        merged.seen.push((section, read));
        merged.seen.extend(written.map(|digest| (section, digest)));
    }
    let path = format!("collections/{}/collection.toml", input.directory);
    merged.problems = problems.into_iter().map(|message| Problem::new(path.clone(), message)).collect();
    merged
}

fn merge_groups(
    input: &Input<'_>,
    is_stale: bool,
    theirs: &[&Conflict],
    merged: &mut Merged,
    problems: &mut Vec<String>,
) {
    let Some(db) = &input.db.groups else { return };
    let members = Members::new(input.db);
    judge_file(input, &members, problems);
    let sides = Sides::new(input, db, &members, is_stale);
    let mut groups = groups::decide(input.directory, &sides, &members, &mut merged.conflicts);
    for conflict in theirs {
        override_with(conflict, &mut groups);
    }
    let order = outcome::order(&groups, db, &sides, &input.file.groups);
    outcome::edit_db(&mut merged.db, &groups, &order, &sides, db, &members);

    let is_held = input.file.groups_incomplete;
    let wanted = outcome::edit_file(&groups, &order, input, &sides, &members);
    if wanted.is_some() {
        if is_held {
            problems.push(
                "groups has an entry that cannot be read; until it is mended nothing is written into that section"
                    .to_owned(),
            );
        }
        for (name, second) in input.file.repeated.iter().filter(|_| !is_held) {
            let first = input.file.groups.by_name.get(name);
            if first != Some(second) {
                let value = |value: &GroupValue| Some(Value::Group(value.clone()));
                let subject = Subject::Group(name.clone());
                let conflict = Conflict::new(
                    input.directory,
                    subject,
                    Field::Whole,
                    first.and_then(value),
                    value(second),
                );
                merged.conflicts.push(conflict);
            }
        }
    }
    merged.file.groups = wanted.filter(|_| !is_held);
    if let Some(wanted) = &merged.file.groups {
        let file = &input.file.groups.by_name;
        let is_there = |(old, new): &(&String, &String)| {
            file.contains_key(*old) && !file.contains_key(*new) && wanted.by_name.contains_key(*new)
        };
        let renamed = sides.renamed_in_db.iter().filter(is_there);
        merged.file.renamed_groups = renamed.map(|(old, new)| (old.clone(), new.clone())).collect();
    }
    outcome::agree(&mut merged.agreed, &groups, &order, &sides, input, is_held);
}

/// Says what of the file's groups the database cannot take.
fn judge_file(input: &Input<'_>, members: &Members<'_>, problems: &mut Vec<String>) {
    for (name, _) in &input.file.repeated {
        problems.push(format!("group `{name}` is listed twice; the first one counts"));
    }
    for (name, value) in input.file.groups.iter() {
        if !is_storable(name) {
            problems.push(format!(
                "a group's name must have 1 to 255 characters, which `{name}` has not; the group stays in the file alone"
            ));
            continue;
        }
        if value.position < 0 {
            problems.push(format!("group `{name}`: position {} is negative and counts as 0", value.position));
        }
        let color = spelling::group_color(&value.color);
        if !spelling::is_group_color(&color) {
            problems.push(format!("group `{name}`: SkillMeat knows no colour `{}`", value.color));
        }
        for member in &value.members {
            let why = match members.named(member) {
                Named::Known(_) => continue,
                Named::Ambiguous => "several artifacts are called that: write it as type:name",
                Named::Unknown => {
                    "there is no such artifact; it stays in the file, and joins the group when there is one"
                }
            };
            problems.push(format!("group `{name}`, member `{member}`: {why}"));
        }
    }
}

/// Puts the value that gave way into force.
fn override_with(conflict: &Conflict, groups: &mut ByName) {
    let Subject::Group(name) = &conflict.subject else { return };
    if conflict.field == Field::Whole {
        match &conflict.theirs {
            Some(Value::Group(theirs)) => {
                let standing = groups.get(name);
                let tags = theirs.tags.clone().or_else(|| standing.and_then(|value| value.tags.clone()));
                let visibility =
                    theirs.visibility.clone().or_else(|| standing.and_then(|value| value.visibility.clone()));
                let value = GroupValue { tags, visibility, ..spelling::group(theirs) };
                groups.insert(name.clone(), value);
            }
            _ => {
                groups.remove(name);
            }
        }
        return;
    }
    let Some(value) = groups.get_mut(name) else { return };
    match (conflict.field, &conflict.theirs) {
        (Field::Description, Some(Value::Text(text))) => value.description.clone_from(text),
        (Field::Color, Some(Value::Text(text))) => value.color.clone_from(text),
        (Field::Icon, Some(Value::Text(text))) => value.icon.clone_from(text),
        (Field::Position, Some(Value::Number(number))) => value.position = *number,
        (Field::Members, Some(Value::List(list))) => value.members.clone_from(list),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
