//! The tags of one artifact, between the web page and the artifact's entry.
//!
//! SkillMeat's endpoints disagree about where tags go. Those that write both tables but only the active directory's
//! manifest leave an assignment in the database alone (`POST` and `DELETE /artifacts/{id}/tags/{tag}` for an artifact of
//! another directory); those that write one table have written the manifest too. So a change counts as made on the web
//! only when it stands in both tables.
//!
//! What this module does not do: make rows out of a file's tags ([`super::super::plan`] does).

use std::collections::BTreeSet;

use crate::domain::tags::{self, FileTag};

/// What the database says about an artifact's tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbTags {
    /// `collection_artifacts.tags_json`, decoded.
    pub tags_json: Vec<String>,
    /// The `tags` rows that `artifact_tags` names.
    pub artifact_tags: Vec<FileTag>,
}

/// The tags the artifact's entry shall list, if those are not the ones it lists.
///
/// `base` is what file and database agreed on last; without it the file stands. What the file lists keeps its order and
/// its spelling; new tags come behind, spelled as their rows are. Two spellings with one slug are one tag. A tag that can
/// have no row is never taken off, since no row of it could have been.
#[must_use]
pub fn merge_tags(base: Option<&[String]>, db: &DbTags, file: &[String]) -> Option<Vec<String>> {
    let base: BTreeSet<String> = base?.iter().map(|name| tags::key(name)).collect();
    let in_file: BTreeSet<String> = file.iter().map(|name| tags::key(name)).collect();
    let in_json: BTreeSet<String> = db.tags_json.iter().map(|name| tags::key(name)).collect();
    let in_rows: BTreeSet<String> =
        db.artifact_tags.iter().flat_map(|tag| [tags::key(&tag.name), tag.slug.clone()]).collect();

    let can_have_a_row = |name: &String| !tags::rows(std::slice::from_ref(name)).is_empty();
    let is_taken_off = |name: &&String| {
        let key = tags::key(name);
        base.contains(&key) && !in_json.contains(&key) && !in_rows.contains(&key) && can_have_a_row(name)
    };
    let mut merged: Vec<String> = file.iter().filter(|name| !is_taken_off(name)).cloned().collect();
    // A row's name may say another slug than its own: it was renamed, or made with a slug of its own. The web page writes
    // the names of all rows into `tags_json` whenever one is put on or taken off; that is no new tag.
    let is_new = |tag: &&FileTag| {
        let keys = [tags::key(&tag.name), tag.slug.clone()];
        in_json.contains(&keys[0]) && !keys.iter().any(|key| base.contains(key) || in_file.contains(key))
    };
    merged.extend(db.artifact_tags.iter().filter(is_new).map(|tag| tag.name.clone()));
    (merged != file).then_some(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(names: &str) -> Vec<String> {
        names.split_whitespace().map(|name| name.replace('_', " ")).collect()
    }

    fn rows(names: &str) -> Vec<FileTag> {
        let row = |name: String| FileTag { slug: tags::slug(&name), name };
        list(names).into_iter().map(row).collect()
    }

    #[track_caller]
    fn check(base: &str, (json, assigned): (&str, &str), file: &str, expected: &str) {
        let db = DbTags { tags_json: list(json), artifact_tags: rows(assigned) };
        let merged = merge_tags(Some(&list(base)), &db, &list(file));
        assert_eq!(merged.clone().unwrap_or_else(|| list(file)), list(expected));
        assert_eq!(merged.is_some(), file != expected);
    }

    #[test]
    fn what_was_assigned_on_the_web_is_added_and_what_was_taken_off_is_taken_off() {
        check("b a", ("a b c", "a b c"), "b a", "b a c");
        check("b a c", ("a c", "a c"), "b a c", "a c");
        check("a", ("", ""), "a", "");
    }

    #[test]
    fn what_stands_in_one_table_alone_is_no_word_of_a_person() {
        check("a", ("a b", "a"), "a", "a");
        check("a", ("a", "a b"), "a", "a");
        check("a b", ("a", "a b"), "a b", "a b");
        check("a b", ("a b", "a"), "a b", "a b");
    }

    #[test]
    fn changes_of_both_sides_meet() {
        check("a b c", ("a c x", "a c x"), "y c b", "y c x");
    }

    #[test]
    fn spellings_of_one_slug_are_one_tag() {
        check(
            "Machine_Learning",
            ("machine_learning", "machine-learning"),
            "Machine_Learning",
            "Machine_Learning",
        );
        check("", ("foo_bar", "foo-bar"), "Foo_Bar", "Foo_Bar");
    }

    #[test]
    fn a_tag_with_a_slug_of_its_own_is_known_by_its_name() {
        let db = DbTags {
            tags_json: list("Machine_Learning"),
            artifact_tags: vec![FileTag { name: "Machine Learning".into(), slug: "ml".into() }],
        };
        assert_eq!(merge_tags(Some(&[]), &db, &[]), Some(list("Machine_Learning")));
        assert_eq!(merge_tags(Some(&list("Machine_Learning")), &db, &list("Machine_Learning")), None);
    }

    #[test]
    fn a_tag_that_was_renamed_in_the_database_is_the_one_the_file_lists() {
        let renamed = FileTag { name: "Renamed".into(), slug: "first".into() };
        let row = |name: &str| FileTag { name: name.into(), slug: name.into() };
        // Another tag is taken off, and put on: the page writes all names anew.
        let db = DbTags { tags_json: list("Renamed"), artifact_tags: vec![renamed.clone()] };
        assert_eq!(merge_tags(Some(&list("first x")), &db, &list("first x")), Some(list("first")));
        let db = DbTags { tags_json: list("Renamed y"), artifact_tags: vec![renamed, row("y")] };
        assert_eq!(merge_tags(Some(&list("first")), &db, &list("first")), Some(list("first y")));
        // It is taken off itself.
        let db = DbTags { tags_json: list("y"), artifact_tags: vec![row("y")] };
        assert_eq!(merge_tags(Some(&list("first y")), &db, &list("first y")), Some(list("y")));
    }

    #[test]
    fn a_tag_without_a_row_is_not_taken_off() {
        check("日本 a", ("a", "a"), "日本 a", "日本 a");
        let long = "x".repeat(101);
        check(&long, ("", ""), &long, &long);
    }

    #[test]
    fn without_a_base_the_file_stands() {
        let db = DbTags { tags_json: list("a"), artifact_tags: rows("a") };
        assert_eq!(merge_tags(None, &db, &list("b")), None);
    }

    fn names() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::btree_set("[a-e]|日", 0..5)
            .prop_map(|set| set.into_iter().collect::<Vec<_>>())
            .prop_shuffle()
    }

    proptest! {
        #[test]
        fn laws(base in names(), json in names(), assigned in names(), file in names()) {
            let with_rows = |names: &[String]| -> Vec<FileTag> { tags::rows(names) };
            let both = |names: &[String]| DbTags { tags_json: names.to_vec(), artifact_tags: with_rows(names) };
            prop_assert_eq!(merge_tags(Some(&base), &both(&base), &file), None, "only the file changed");
            prop_assert_eq!(merge_tags(Some(&base), &both(&file), &file), None, "both changed alike");

            let web = merge_tags(Some(&base), &both(&json), &base).unwrap_or_else(|| base.clone());
            let set = |names: &[String]| names.iter().filter(|n| *n != "日").cloned().collect::<BTreeSet<_>>();
            prop_assert_eq!(set(&web), set(&json), "only the web changed");

            let db = DbTags { tags_json: json, artifact_tags: with_rows(&assigned) };
            let merged = merge_tags(Some(&base), &db, &file).unwrap_or(file);
            prop_assert_eq!(merge_tags(Some(&base), &db, &merged), None, "a second merge changes nothing");
            if merge_tags(Some(&base), &db, &base).is_some() {
                prop_assert!(tags::may_differ(tags::digest(&base), &db.tags_json, assigned.iter()), "the plan waits for it");
            }
        }
    }
}
