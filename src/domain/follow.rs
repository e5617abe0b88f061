//! What a hand edit of an artifact's entry file asks of its manifest entry.
//!
//! SkillMeat reads an artifact's metadata from `collection.toml` alone and copies it there from the frontmatter only on
//! `add` and `update` (`skillmeat.core.artifact.ArtifactManager`), tags only on `add`. Following closes that gap: what
//! the frontmatter said when it was last looked at is the base, and a field is touched only when the frontmatter itself
//! has changed since. A value that a person, the CLI or the web backend put into the manifest stays as long as the
//! frontmatter stays.
//!
//! What this module does not do: read frontmatter, remember bases or write manifests.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::domain::edit::{FieldEdit, ListField, TextField};
use crate::domain::model::Metadata;

/// The digest of what an artifact's frontmatter said: which is enough to see whether it still does.
pub type Base = [u8; 16];

/// The base that this frontmatter is.
#[must_use]
pub fn base_of(metadata: &Metadata) -> Base {
    let mut base = [0; 16];
    // What a `Metadata` is written as can always be written, and is the same for the same values.
    let text = serde_json::to_vec(metadata).unwrap_or_default();
    base.copy_from_slice(&Sha256::digest(text)[..16]);
    base
}

/// The fields that changed in the frontmatter between `base` and `now`, with their new values, text fields first.
/// Without a base (the artifact is seen for the first time) there is nothing to compare with, so nothing changes.
#[must_use]
pub fn follow(base: Option<&Metadata>, now: &Metadata) -> Vec<FieldEdit> {
    let Some(base) = base else { return Vec::new() };
    let texts = TextField::ALL
        .into_iter()
        .filter(|field| field.of(base) != field.of(now))
        .map(|field| FieldEdit::Text(field, field.of(now).clone()));
    let lists = ListField::ALL
        .into_iter()
        .filter(|field| field.of(base) != field.of(now))
        .map(|field| FieldEdit::List(field, field.of(now).clone()));
    texts.chain(lists).collect()
}

/// Metadata as an entry holds it: of equal tags only the first stays, which SkillMeat sees to between extracting the
/// frontmatter and writing the manifest (`skillmeat.core.artifact.Artifact.__post_init__`).
#[must_use]
pub fn as_entry(metadata: &Metadata) -> Metadata {
    let mut seen = BTreeSet::new();
    let mut metadata = metadata.clone();
    metadata.tags.retain(|tag| seen.insert(tag.clone()));
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Option<String>> {
        proptest::option::of("[ab]{0,2}")
    }

    fn list() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[ab]{1,2}", 0..4)
    }

    fn metadata() -> impl Strategy<Value = Metadata> {
        (text(), text(), text(), text(), text(), list(), list()).prop_map(
            |(title, description, author, license, version, tags, tools)| Metadata {
                title,
                description,
                author,
                license,
                version,
                tags,
                tools,
            },
        )
    }

    fn applied(edits: &[FieldEdit], to: &Metadata) -> Metadata {
        let mut to = to.clone();
        for edit in edits {
            edit.apply(&mut to);
        }
        to
    }

    #[test]
    fn first_sight_changes_nothing() {
        let now = Metadata { title: Some("t".into()), tags: vec!["x".into()], ..Metadata::default() };
        assert_eq!(follow(None, &now), []);
    }

    #[test]
    fn a_key_taken_out_of_the_frontmatter_is_taken_out_of_the_entry() {
        let base =
            Metadata { license: Some("MIT".into()), tools: vec!["Bash".into()], ..Metadata::default() };
        let edits = follow(Some(&base), &Metadata::default());
        assert_eq!(
            edits,
            [FieldEdit::Text(TextField::License, None), FieldEdit::List(ListField::Tools, Vec::new())]
        );
    }

    proptest! {
        #[test]
        fn nothing_follows_from_nothing(base in metadata()) {
            prop_assert_eq!(follow(Some(&base), &base), []);
        }

        #[test]
        fn an_entry_that_equals_the_base_becomes_the_frontmatter(base in metadata(), now in metadata()) {
            prop_assert_eq!(applied(&follow(Some(&base), &now), &base), now);
        }

        /// Whatever the entry holds: changed fields take the frontmatter's value, the others keep their own.
        #[test]
        fn only_changed_fields_are_touched(base in metadata(), now in metadata(), entry in metadata()) {
            let result = applied(&follow(Some(&base), &now), &entry);
            for field in TextField::ALL {
                let kept = field.of(&base) == field.of(&now);
                prop_assert_eq!(field.of(&result), if kept { field.of(&entry) } else { field.of(&now) });
            }
            for field in ListField::ALL {
                let kept = field.of(&base) == field.of(&now);
                prop_assert_eq!(field.of(&result), if kept { field.of(&entry) } else { field.of(&now) });
            }
        }
    }
}
