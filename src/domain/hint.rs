//! From a path below `~/.skillmeat` to what it is a hint of.
//!
//! Events are hints, never facts: a hint says where to look, and the scan says what is there. So a hint may be doubled,
//! late or wrong without harm, and only a path that can never matter is dropped here.

/// Where something may have changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hint {
    /// Anywhere: the list of collections, the settings, or the whole tree.
    Everything,
    /// Anywhere in one collection, its manifest included.
    Collection(String),
    /// A collection's manifest.
    Manifest {
        /// The directory's name.
        collection: String,
        /// Whether it arrived by rename, and so is whole.
        renamed: bool,
    },
    /// A file or directory of a collection, given by the first two components below it.
    Path {
        /// The directory's name.
        collection: String,
        /// `/`-separated, for example `skills/pdf`.
        path: String,
    },
    /// The cache database or its write-ahead log.
    Cache,
}

/// What the path with these components below `~/.skillmeat` is a hint of; `None` when it can never matter.
///
/// Left out are SkillMeat's other files (snapshots, analytics, audit, …) and the names its writers and ours use while
/// they work: whatever begins with a dot directly in a collection or in one of its containers.
#[must_use]
pub fn classify(components: &[&str], renamed: bool) -> Option<Hint> {
    match components {
        [] | ["config.toml" | "collections"] => Some(Hint::Everything),
        ["cache", file] if file.starts_with("cache.db") && !file.ends_with("-shm") => Some(Hint::Cache),
        ["cache"] => Some(Hint::Cache),
        ["collections", collection] => Some(Hint::Collection((*collection).to_owned())),
        ["collections", collection, "collection.toml"] => {
            Some(Hint::Manifest { collection: (*collection).to_owned(), renamed })
        }
        ["collections", _, "collection.lock"] => None,
        ["collections", _, name] | ["collections", _, _, name, ..] if is_temporary(name) => None,
        ["collections", collection, name] => path(collection, name),
        ["collections", _, container, ..] if is_temporary(container) => None,
        ["collections", collection, container, name, ..] => path(collection, &format!("{container}/{name}")),
        _ => None,
    }
}

/// Whether a name directly in a collection or a container is one that writers use while they work
/// (`skillmeat.utils.filesystem.atomic_write`, `skillmeat.core.write_transaction`).
#[must_use]
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.')
}

fn path(collection: &str, path: &str) -> Option<Hint> {
    Some(Hint::Path { collection: collection.to_owned(), path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Option<Hint> {
        let components: Vec<&str> = path.split('/').filter(|c| !c.is_empty()).collect();
        classify(&components, true)
    }

    #[test]
    fn paths_are_hints_of_the_artifact_they_belong_to() {
        assert_eq!(of(""), Some(Hint::Everything));
        assert_eq!(of("collections"), Some(Hint::Everything));
        assert_eq!(of("config.toml"), Some(Hint::Everything));
        assert_eq!(of("collections/work"), Some(Hint::Collection("work".into())));
        assert_eq!(
            of("collections/work/collection.toml"),
            Some(Hint::Manifest { collection: "work".into(), renamed: true })
        );
        for deep in ["skills/pdf", "skills/pdf/SKILL.md", "skills/pdf/a/.hidden/b"] {
            assert_eq!(
                of(&format!("collections/work/{deep}")),
                Some(Hint::Path { collection: "work".into(), path: "skills/pdf".into() })
            );
        }
        assert_eq!(
            of("collections/work/skills"),
            Some(Hint::Path { collection: "work".into(), path: "skills".into() })
        );
        assert_eq!(of("cache/cache.db-wal"), Some(Hint::Cache));
    }

    #[test]
    fn what_never_matters_is_dropped() {
        for noise in [
            "analytics.db-wal",
            "snapshots/default/x.tar.gz",
            "cache/cache.db-shm",
            "cache/license.json",
            "collections/work/collection.lock",
            "collections/work/.collection.toml.ab12cd_9.tmp",
            "collections/work/.collection.toml.skillmeat-lock",
            "collections/work/skills/.pdf.txn-01234567",
            "collections/work/skills/.pdf.skillmeat-swap-aside-01234567/SKILL.md",
            "collections/work/.staging/x",
            ".config.toml.tmp",
        ] {
            assert_eq!(of(noise), None, "{noise}");
        }
    }
}
