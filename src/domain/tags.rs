//! From the tags a file lists to the tag rows they stand for.
//!
//! The rules are SkillMeat's (`skillmeat.core.services.tag_service`): names are trimmed, equal names (ignoring case)
//! count once with the first spelling, and the key of a tag is its slug.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

/// `tags.name` and `tags.slug` hold at most this many characters (CHECK constraints of the table).
const MAX_CHARS: usize = 100;

/// A tag as a file names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileTag {
    /// Trimmed.
    pub name: String,
    /// See [`slug`].
    pub slug: String,
}

/// The tag's key: lower case, every run of other characters than `a-z0-9` a single dash, none at the ends. Empty when
/// nothing is left, and then the tag has no row.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.trim().chars().flat_map(char::to_lowercase) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    if slug.ends_with('-') {
        slug.pop();
    }
    slug
}

/// The tags of a file that can have a row, in file order, one per slug.
///
/// A name without a slug or longer than the table's columns has none; SkillMeat keeps it in the file and in
/// `tags_json` all the same.
#[must_use]
pub fn rows(names: &[String]) -> Vec<FileTag> {
    let mut seen = BTreeSet::new();
    let mut tags = Vec::new();
    for name in names {
        let name = name.trim();
        let slug = slug(name);
        let fits = !slug.is_empty() && slug.chars().count() <= MAX_CHARS && name.chars().count() <= MAX_CHARS;
        if fits && seen.insert(slug.clone()) {
            tags.push(FileTag { name: name.to_owned(), slug });
        }
    }
    tags
}

/// What makes two spellings one tag: the slug, or the name itself where that has none.
#[must_use]
pub fn key(name: &str) -> String {
    let slug = slug(name);
    if slug.is_empty() { name.trim().to_owned() } else { slug }
}

/// A number that is the same for the same tags in whatever order and spelling, to notice changes with. Two different
/// lists share one by chance only, once in 2⁶⁴.
pub fn digest<'a>(names: impl IntoIterator<Item = &'a String>) -> u64 {
    let keys: BTreeSet<String> =
        names.into_iter().map(|name| key(name)).filter(|key| !key.is_empty()).collect();
    let mut hash = Sha256::new();
    for key in keys {
        hash.update(key.as_bytes());
        hash.update([0]);
    }
    let bytes = hash.finalize();
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_skillmeats() {
        for (name, expected) in [
            ("C++", "c"),
            ("C#", "c"),
            ("foo_bar", "foo-bar"),
            ("  Machine  Learning ", "machine-learning"),
            ("Ünïcode", "n-code"),
            ("İstanbul", "i-stanbul"),
            ("node.js", "node-js"),
            ("\u{212A}", "k"),
            ("日本", ""),
            ("ß", ""),
            ("１２", ""),
            ("--a--b--", "a-b"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
    }

    #[test]
    fn digests_see_tags_and_not_their_spelling() {
        let of = |names: &[&str]| digest(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["Foo Bar", "x"]), of(&["x", "foo_bar", "FOO-BAR", " "]));
        for other in [&["x"][..], &["foo", "bar", "x"], &["foo-bar x"], &["foo-bar", "x", "日本"], &[]] {
            assert_ne!(of(&["Foo Bar", "x"]), of(other), "{other:?}");
        }
    }

    #[test]
    fn rows_are_one_per_slug_with_the_first_spelling() {
        let names: Vec<String> = ["Backend", "backend", " backend ", "日本", "x"].map(Into::into).into();
        let rows = rows(&names);
        assert_eq!(rows.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["Backend", "x"]);
    }

    #[test]
    fn names_or_slugs_too_long_for_the_table_have_no_row() {
        assert!(rows(&["a".repeat(101)]).is_empty());
        assert_eq!(rows(&["a".repeat(100)]).len(), 1);
        // 100 characters, but each lowers to two, with a dash between.
        assert!(rows(&["İ".repeat(100)]).is_empty());
    }
}
