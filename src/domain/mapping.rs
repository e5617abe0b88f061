//! Which directory a DB collection stands for.
//!
//! SkillMeat's own code paths disagree on this (one joins the row's *name* to a path, unchecked), so the rule here is
//! the safe one: a row maps only to a directory that was actually listed, compared as whole names. A name such as
//! `../work` therefore maps to nothing.
//!
//! What this module does not do: look at the file system, or create anything.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{DEFAULT_COLLECTION, DbCollection};

/// Why a row stands for no directory: its groups stay in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmapped {
    /// Its name could not be a collection directory's: it has a `/`, begins with a dot, or is empty.
    NoName,
    /// There is no directory of exactly this name.
    NoDirectory,
    /// The directory it names belongs to the row of this id.
    Taken(String),
    /// Several rows claim the directory it names with the same right.
    Disputed,
}

impl std::fmt::Display for Unmapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoName => {
                f.write_str("its name is refused, for no collection directory may be called that")
            }
            Self::NoDirectory => f.write_str("no directory is called exactly that"),
            Self::Taken(id) => write!(f, "the directory belongs to collection {id}"),
            Self::Disputed => f.write_str("other collections claim the same directory, so none has it"),
        }
    }
}

/// How a row came to a directory, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Default,
    Id,
    Slug,
    Name,
}

/// The rows that stand for a directory, and the directories that several rows claim equally well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// DB collection id by directory name. One row a directory, one directory a row.
    pub by_directory: BTreeMap<String, String>,
    /// Directories no row was given, because these rows claim it with the same right.
    pub disputed: BTreeMap<String, Vec<String>>,
    /// The other rows, by id. `default` is among them where there is no such directory.
    pub unmapped: BTreeMap<String, Unmapped>,
}

/// Map the rows of `collections` to the listed directory names.
///
/// The row `default` stands for the directory `default` (so does a row of `collection_type` `default` in a database
/// that has no row `default`, as releases up to 0.45 made it). Any other row stands for the directory that equals its
/// id, else its name, else its slug, and is not hidden. Where two rows claim one directory, the default row wins, then id, slug, name;
/// a remaining tie is disputed and maps to nothing.
#[must_use]
pub fn map(directories: &BTreeSet<String>, rows: &BTreeMap<String, DbCollection>) -> Mapping {
    let has_default = rows.contains_key(DEFAULT_COLLECTION);
    let mut claims: BTreeMap<&str, Vec<(Claim, &str)>> = BTreeMap::new();
    let mut mapping = Mapping::default();
    for row in rows.values() {
        if let Some((claim, directory)) = claim(row, has_default, directories) {
            claims.entry(directory).or_default().push((claim, &row.id));
        } else {
            let why = if is_name(&row.name) { Unmapped::NoDirectory } else { Unmapped::NoName };
            mapping.unmapped.insert(row.id.clone(), why);
        }
    }
    for (directory, mut claimants) in claims {
        claimants.sort_unstable();
        match claimants.as_slice() {
            [(first, _), (second, _), ..] if first == second => {
                let rows: Vec<String> = claimants.iter().map(|(_, id)| (*id).to_owned()).collect();
                mapping.unmapped.extend(rows.iter().map(|id| (id.clone(), Unmapped::Disputed)));
                mapping.disputed.insert(directory.to_owned(), rows);
            }
            [(_, first), others @ ..] => {
                let taken =
                    |(_, id): &(Claim, &str)| ((*id).to_owned(), Unmapped::Taken((*first).to_owned()));
                mapping.unmapped.extend(others.iter().map(taken));
                mapping.by_directory.insert(directory.to_owned(), (*first).to_owned());
            }
            [] => {}
        }
    }
    mapping
}

fn claim<'a>(
    row: &DbCollection,
    has_default: bool,
    directories: &'a BTreeSet<String>,
) -> Option<(Claim, &'a str)> {
    let legacy_default = !has_default && row.collection_type.as_deref() == Some(DEFAULT_COLLECTION);
    if row.id == DEFAULT_COLLECTION || legacy_default {
        return directories.get(DEFAULT_COLLECTION).map(|d| (Claim::Default, d.as_str()));
    }
    // A dot hides: what a person keeps there (a backup, a checkout) is not to be written to on a row's word.
    let listed = |name: &str| directories.get(name).map(String::as_str).filter(|name| !name.starts_with('.'));
    listed(&row.id)
        .map(|d| (Claim::Id, d))
        .or_else(|| listed(&row.name).map(|d| (Claim::Name, d)))
        .or_else(|| row.slug.as_deref().and_then(listed).map(|d| (Claim::Slug, d)))
}

/// Whether a directory below `collections` could be called so and be one of ours.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, name: &str, slug: Option<&str>, kind: Option<&str>) -> DbCollection {
        DbCollection {
            id: id.into(),
            name: name.into(),
            slug: slug.map(Into::into),
            collection_type: kind.map(Into::into),
        }
    }

    fn check(directories: &[&str], rows: &[DbCollection], expected: &[(&str, &str)]) -> Mapping {
        let directories = directories.iter().map(|d| (*d).to_owned()).collect();
        let rows = rows.iter().map(|r| (r.id.clone(), r.clone())).collect();
        let mapping = map(&directories, &rows);
        let expected: BTreeMap<String, String> =
            expected.iter().map(|(d, r)| ((*d).to_owned(), (*r).to_owned())).collect();
        assert_eq!(mapping.by_directory, expected);
        mapping
    }

    #[test]
    fn no_row_leads_to_a_hidden_directory() {
        check(&[".hidden", "work"], &[row(".hidden", ".hidden", Some(".hidden"), None)], &[]);
    }

    #[test]
    fn the_default_row_stands_for_the_default_directory_whatever_its_name() {
        check(
            &["default", "work"],
            &[row("default", "work", None, Some("default"))],
            &[("default", "default")],
        );
    }

    #[test]
    fn a_legacy_default_row_counts_only_without_a_row_called_default() {
        let legacy = row("abc", "Default Collection", None, Some("default"));
        check(&["default"], std::slice::from_ref(&legacy), &[("default", "abc")]);
        check(&["default"], &[legacy, row("default", "x", None, None)], &[("default", "default")]);
    }

    #[test]
    fn a_row_matches_by_id_then_name_then_slug() {
        check(&["work"], &[row("work", "other", None, None)], &[("work", "work")]);
        check(&["work"], &[row("abc", "work", None, None)], &[("work", "abc")]);
        check(&["work"], &[row("abc", "Work!", Some("work"), None)], &[("work", "abc")]);
        check(&["work"], &[row("abc", "Work", Some("wörk"), None)], &[]);
    }

    #[test]
    fn a_hostile_name_matches_nothing() {
        for name in ["../work", "/work", "work/", "work/../work", "work ", "", ".", ".."] {
            check(&["work"], &[row("abc", name, Some(name), None)], &[]);
        }
    }

    #[test]
    fn a_row_that_stands_for_nothing_says_why() {
        let rows = [
            row("a", "../work", None, None),
            row("b", "work ", None, None),
            row("c", "work", None, None),
            row("d", ".work", None, None),
            row("work", "x", None, None),
            row("default", "Default Collection", None, None),
            row("e", "two", None, None),
            row("f", "two", None, None),
        ];
        let mapping = check(&["two", "work"], &rows, &[("work", "work")]);
        let why = [
            ("a", Unmapped::NoName),
            ("b", Unmapped::NoDirectory),
            ("c", Unmapped::Taken("work".into())),
            ("d", Unmapped::NoName),
            ("default", Unmapped::NoDirectory),
            ("e", Unmapped::Disputed),
            ("f", Unmapped::Disputed),
        ];
        assert_eq!(mapping.unmapped, why.map(|(id, why)| (id.to_owned(), why)).into());
    }

    #[test]
    fn of_two_claims_the_better_wins_and_equal_ones_are_disputed() {
        check(
            &["work"],
            &[row("work", "x", None, None), row("abc", "work", None, None)],
            &[("work", "work")],
        );
        check(
            &["work"],
            &[row("a", "work", None, None), row("b", "?", Some("work"), None)],
            &[("work", "b")],
        );
        let mapping = check(&["work"], &[row("a", "work", None, None), row("b", "work", None, None)], &[]);
        assert_eq!(mapping.disputed["work"], ["a", "b"]);
    }
}
