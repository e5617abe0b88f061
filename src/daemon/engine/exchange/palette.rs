//! The colours that people have put on their palette. They live in the database alone, so we keep them for the day it is
//! lost.
//!
//! What this module does not do: read or write anything.

use serde::{Deserialize, Serialize};

use crate::db::{Colors, Owned};
use crate::domain::owned::Epoch;

/// Under which key our state has it.
pub(super) const PALETTE: &str = "palette";

/// The palette as it was last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Palette {
    epoch: Epoch,
    colors: Colors,
}

impl Palette {
    /// What a new database lacks of it. In the same one, somebody has taken it off.
    pub(super) fn missing(&self, owned: &Owned) -> Colors {
        let Some((colors, epoch)) = now(owned) else { return Colors::new() };
        if self.epoch.same_database(epoch) {
            return Colors::new();
        }
        self.colors.iter().filter(|(hex, _)| !colors.contains_key(*hex)).map(own).collect()
    }

    /// What to keep when `added` has been written, if that is something else.
    pub(super) fn after(&self, owned: &Owned, added: &Colors) -> Option<Self> {
        let (colors, epoch) = now(owned)?;
        let colors = colors.iter().chain(added).map(own).collect();
        let kept = Self { epoch: Epoch { collection: None, ..epoch.clone() }, colors };
        (kept != *self).then_some(kept)
    }
}

fn own((hex, name): (&String, &Option<String>)) -> (String, Option<String>) {
    (hex.clone(), name.clone())
}

fn now(owned: &Owned) -> Option<(&Colors, &Epoch)> {
    Some((owned.colors.as_ref()?, &owned.sides.values().next()?.epoch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::owned::DbSide;

    fn owned(database: &str, colors: &[&str]) -> Owned {
        let epoch = Epoch { default_collection: Some(database.into()), ..Epoch::default() };
        Owned {
            sides: [("default".to_owned(), DbSide { epoch, ..DbSide::default() })].into(),
            colors: Some(colors.iter().map(|hex| ((*hex).to_owned(), None)).collect()),
            ..Owned::default()
        }
    }

    #[test]
    fn a_new_database_gets_what_it_lacks_and_the_same_one_nothing() {
        let none = Colors::new();
        let kept = Palette::default().after(&owned("one", &["#a", "#b"]), &none).unwrap();
        assert_eq!(kept.after(&owned("one", &["#a", "#b"]), &none), None);
        assert!(kept.missing(&owned("one", &["#a"])).is_empty());
        let missing = kept.missing(&owned("two", &["#a", "#c"]));
        assert_eq!(missing.keys().collect::<Vec<_>>(), ["#b"]);
        let next = kept.after(&owned("two", &["#a", "#c"]), &missing).unwrap();
        assert_eq!(next.colors.len(), 3);
        assert!(next.missing(&owned("two", &[])).is_empty());
    }
}
