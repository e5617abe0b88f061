//! Groups that SkillMeat's recovery has put into the wrong DB collection.
//!
//! When the web backend starts on a new database it makes the groups of the active directory's manifest again, in the DB
//! collection of that *name*, and if there is none in `default`
//! (`skillmeat.core.services.artifact_cache_service.recover_collection_metadata`). There they would look like groups
//! that somebody has made in `default`, and go into that directory's manifest.
//!
//! What this module does not do: put them right. It only tells which they are.

use std::collections::BTreeSet;

use super::owned::{Agreed, DbSide, FileSide, GroupValue, Groups};

/// Groups of the DB collection `default` that are copies of the active directory's. `default_file` and `agreed` are the
/// manifest and the agreement of the directory `default`: what either has is no stray.
#[must_use]
pub fn strays(
    default: &DbSide,
    default_file: &FileSide,
    agreed: Option<&Agreed>,
    active_file: &FileSide,
) -> BTreeSet<String> {
    let is_own = |name: &str| {
        default_file.groups.by_name.contains_key(name)
            || agreed.is_some_and(|agreed| agreed.groups.by_name.contains_key(name))
    };
    let is_copy = |name: &str, group: &GroupValue| {
        active_file.groups.by_name.get(name).is_some_and(|original| *group == recovered(original, default))
    };
    let groups = default.groups.iter().flat_map(Groups::iter);
    groups
        .filter(|(name, group)| !is_own(name) && is_copy(name, &untagged(group)))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// What the recovery makes of a group: defaults for what is empty, and the members that have a row.
fn recovered(group: &GroupValue, db: &DbSide) -> GroupValue {
    let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
    GroupValue {
        color: or(&group.color, "slate"),
        icon: or(&group.icon, "layers"),
        members: group.members.iter().filter(|member| db.uuids.contains_key(*member)).cloned().collect(),
        tags: None,
        visibility: None,
        ..group.clone()
    }
}

/// Without what a manifest cannot tell; a group that has tags was made by somebody.
fn untagged(group: &GroupValue) -> GroupValue {
    let tags = group.tags.clone().filter(|tags| !tags.is_empty());
    GroupValue { tags, visibility: None, ..group.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(members: &[&str]) -> GroupValue {
        GroupValue {
            color: "rose".into(),
            icon: "layers".into(),
            members: members.iter().map(|member| (*member).to_owned()).collect(),
            tags: Some(Vec::new()),
            visibility: Some("private".into()),
            ..GroupValue::default()
        }
    }

    fn groups(of: &[(&str, GroupValue)]) -> Groups {
        let mut groups = Groups::default();
        for (name, value) in of {
            groups.push(name, value.clone());
        }
        groups
    }

    fn file(of: &[(&str, GroupValue)]) -> FileSide {
        let in_file = |value: &GroupValue| GroupValue { tags: None, visibility: None, ..value.clone() };
        let of: Vec<_> = of.iter().map(|(name, value)| (*name, in_file(value))).collect();
        FileSide { groups: groups(&of), ..FileSide::default() }
    }

    #[test]
    fn a_copy_is_a_stray_and_what_is_like_it_is_none() {
        let db = |of: &[(&str, GroupValue)]| DbSide {
            groups: Some(groups(of)),
            uuids: [("skill:a".to_owned(), "u".to_owned())].into(),
            ..DbSide::default()
        };
        let active = file(&[
            ("Copy", GroupValue { icon: String::new(), ..group(&["skill:a", "skill:gone"]) }),
            ("Own", group(&[])),
            ("Other", group(&["skill:a"])),
            ("Tagged", group(&[])),
        ]);
        let default = db(&[
            ("Copy", group(&["skill:a"])),
            ("Own", group(&[])),
            ("Other", group(&[])),
            ("Tagged", GroupValue { tags: Some(vec!["x".into()]), ..group(&[]) }),
            ("New", group(&[])),
        ]);
        let own = file(&[("Own", group(&[]))]);
        assert_eq!(strays(&default, &own, None, &active), BTreeSet::from(["Copy".to_owned()]));
        let agreed = Agreed { groups: groups(&[("Copy", group(&[]))]), ..Agreed::default() };
        assert!(strays(&default, &own, Some(&agreed), &active).is_empty());
        assert!(strays(&DbSide::default(), &own, None, &active).is_empty());
    }
}
