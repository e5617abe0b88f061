//! Whether groups and tag definitions say the same in the database and in a manifest.
//!
//! Only what both sides can tell is compared, by rules of its own and not by those of [`crate::domain::merge`]: a
//! member without a row, a group whose name does not fit into the table and a tag that one side alone has are no fault.
//!
//! What this module does not do: say which side is right.

use std::collections::BTreeSet;

use super::{Finding, count, some};
use crate::domain::owned::{DbSide, FileSide, GroupValue};

/// What differs in the manifest of one directory, in words.
#[must_use]
pub fn differences(directory: &str, db: &DbSide, file: &FileSide) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut say = |what: String| found.insert(format!("{what} (collection {directory})"));
    if let Some(groups) = &db.groups {
        let names = groups.by_name.keys().chain(file.groups.by_name.keys()).collect::<BTreeSet<_>>();
        for name in names {
            match (groups.by_name.get(name), file.groups.by_name.get(name)) {
                (Some(ours), Some(theirs)) => {
                    for field in fields(ours, theirs, db) {
                        say(format!("{field} of group {name}"));
                    }
                }
                (Some(_), None) if !file.groups_incomplete => {
                    say(format!("group {name} is in the database alone"));
                }
                (None, Some(_)) if (1..=255).contains(&name.chars().count()) => {
                    say(format!("group {name} is in the file alone"));
                }
                _ => {}
            }
        }
    }
    for (slug, ours) in &db.tags {
        let Some(theirs) = file.tags.get(slug) else { continue };
        if ours.name != theirs.name {
            say(format!("name of tag {slug}"));
        }
        if !ours.color.eq_ignore_ascii_case(&theirs.color) {
            say(format!("colour of tag {slug}"));
        }
    }
    found
}

fn fields(ours: &GroupValue, theirs: &GroupValue, db: &DbSide) -> Vec<&'static str> {
    let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    // A person may have written a member's name alone; that is understood where it is merged, and left out here.
    let bare: BTreeSet<&str> =
        theirs.members.iter().map(String::as_str).filter(|member| !db.uuids.contains_key(*member)).collect();
    let known = |members: &[String]| -> Vec<String> {
        let comparable = members.iter().filter(|member| {
            let name = member.split_once(':').map_or(member.as_str(), |(_, name)| name);
            db.uuids.contains_key(*member) && !bare.contains(name)
        });
        comparable.cloned().collect()
    };
    [
        ("description", ours.description == theirs.description),
        ("colour", or(&ours.color, "slate") == or(&theirs.color, "slate")),
        ("icon", or(&ours.icon, "layers") == or(&theirs.icon, "layers")),
        ("position", ours.position == theirs.position),
        ("members", known(&ours.members) == known(&theirs.members)),
    ]
    .into_iter()
    .filter_map(|(field, equal)| (!equal).then_some(field))
    .collect()
}

/// Judge the differences that last; `running`: a daemon does, and so should have settled them. `collections` is how many
/// were compared.
#[must_use]
pub fn judge(differences: &BTreeSet<String>, collections: usize, running: bool) -> Finding {
    const CHECK: &str = "groups and tags";
    if differences.is_empty() {
        return Finding::ok(
            CHECK,
            format!("the same in database and files, in {}", count(collections, "collection")),
        );
    }
    let list: Vec<String> = differences.iter().cloned().collect();
    let (name, fix) = if running {
        ("the daemon should have settled", "skillmeatd sync; if it comes back, please report it")
    } else {
        ("nobody has settled yet", "skillmeatd sync --once")
    };
    Finding::fail(CHECK, format!("{} {name}: {}", count(list.len(), "difference"), some(&list)), fix)
}

/// Judge the groups of DB collections that no directory belongs to, each named.
#[must_use]
pub fn database_only(names: &[String]) -> Option<Finding> {
    (!names.is_empty()).then(|| {
        Finding::skip(
            "groups and tags",
            format!("groups of {} stay in the database alone, for no directory belongs to it", some(names)),
        )
    })
}
