//! Which sections an edit of a few entries has to look at: dividing a manifest of a megabyte into all of them takes most of
//! the time of such an edit.
//!
//! What this module does not do: tell whether a section is the one that is looked for; [`super::entry::locate`] does.

use std::collections::BTreeSet;
use std::ops::Range;

use memchr::memmem::Finder;

use super::EditError;
use super::scan::{Section, sections};
use crate::domain::manifest::split::Piece;
use crate::domain::manifest::{has_indented_header, has_long_string, split};
use crate::domain::model::ArtifactId;

/// Up to how many entries are searched for by their names; of more, every entry is looked at.
const SEARCHED: usize = 16;

/// A search for entries by what their text must hold.
pub(super) struct Search<'w> {
    /// `None`: any text may be theirs.
    names: Option<Vec<Finder<'w>>>,
}

impl<'w> Search<'w> {
    /// For these artifacts.
    pub(super) fn new(wanted: &BTreeSet<&'w ArtifactId>) -> Self {
        let finder = |id: &&'w ArtifactId| Finder::new(id.name.as_bytes());
        Self { names: (wanted.len() <= SEARCHED).then(|| wanted.iter().map(finder).collect()) }
    }

    /// Whether the entry of one of them may be in this text. A name is written as it is unless it needs an escape, or is in
    /// a string that may drop line endings.
    pub(super) fn may_find(&self, text: &str) -> bool {
        let Some(names) = &self.names else { return true };
        names.iter().any(|name| name.find(text.as_bytes()).is_some())
            || memchr::memchr(b'\\', text.as_bytes()).is_some()
            || has_long_string(text)
    }
}

/// The sections of a text in order, with or without those of artifacts that are none of the wanted ones.
///
/// # Errors
/// As [`sections`], for what is looked at.
pub(super) fn sections_about<'t>(
    text: &'t str,
    wanted: &BTreeSet<&ArtifactId>,
) -> Result<Vec<Section<'t>>, EditError> {
    match some(text, &Search::new(wanted)) {
        Some(some) => Ok(some),
        None => sections(text),
    }
}

/// `None` where it cannot be told which stretch of the text is which artifact, and where one that is looked at is wrong.
fn some<'t>(text: &'t str, search: &Search<'_>) -> Option<Vec<Section<'t>>> {
    let names = search.names.as_ref()?;
    if has_long_string(text) || has_indented_header(text) {
        return None;
    }
    // As `may_find` for each artifact, in fewer searches.
    let named = names.iter().flat_map(|name| name.find_iter(text.as_bytes()));
    let mut hits: Vec<usize> = named.chain(memchr::memchr_iter(b'\\', text.as_bytes())).collect();
    hits.sort_unstable();
    let may_find = |range: &Range<usize>| {
        hits.get(hits.partition_point(|hit| *hit < range.start)).is_some_and(|hit| *hit < range.end)
    };
    let mut found = vec![Section { path: Vec::new(), array: false, range: 0..0, body_end: 0 }];
    for piece in split::split(text)? {
        let range = match piece {
            Piece::Artifact(range) if !may_find(&range) => continue,
            Piece::Artifact(range) | Piece::Rest(range) => range,
        };
        let start = range.start;
        let mut below = sections(text.get(range)?).ok()?;
        for section in &mut below {
            section.range = section.range.start + start..section.range.end + start;
            section.body_end += start;
        }
        let mut below = below.into_iter();
        // What is before the first header: only the first piece has any.
        let root = below.next()?;
        if start == 0 {
            found[0] = root;
        }
        found.extend(below);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\nx = [\n  1,\n]\n[collection]\nname = \"d\"\n\n[[artifacts]]\nname = \"pdf\"\ntags = [\n    \"a\",\n]\n\n\
                        [artifacts.metadata]\nd = 1\n# end\n\n[[artifacts]]\nname = \"other\"\n\n[[groups]]\nname = \"g\"\n\n\
                        [[artifacts]]\nname = \"esc\\u0061ped\"\n[last]\n";

    fn about<'t>(text: &'t str, names: &[&str]) -> Vec<Section<'t>> {
        let ids: Vec<ArtifactId> =
            names.iter().map(|name| format!("skill:{name}").parse().unwrap()).collect();
        sections_about(text, &ids.iter().collect()).unwrap()
    }

    #[test]
    fn sections_are_those_of_the_whole_text_without_other_artifacts() {
        let all = sections(TEXT).unwrap();
        assert_eq!(all.len(), 8);
        let without = |left_out: &[usize]| {
            let kept = all.iter().enumerate().filter(|(index, _)| !left_out.contains(index));
            kept.map(|(_, section)| section.clone()).collect::<Vec<_>>()
        };
        // 2 and 3 are pdf, 4 is other, 6 holds an escape.
        assert_eq!(about(TEXT, &["pdf"]), without(&[4]));
        assert_eq!(about(TEXT, &["other"]), without(&[2, 3]));
        assert_eq!(about(TEXT, &[]), without(&[2, 3, 4]));
        let many: Vec<String> = (0..=SEARCHED).map(|n| format!("n{n}")).collect();
        assert_eq!(about(TEXT, &many.iter().map(String::as_str).collect::<Vec<_>>()), all);
        let text = "[[artifacts]]\nname = \"z\"\n";
        assert_eq!(about(text, &["z"]), sections(text).unwrap());
        assert_eq!(about("", &["z"]), sections("").unwrap());
    }

    #[test]
    fn where_a_stretch_may_hold_something_else_all_are_looked_at() {
        for odd in [
            "[[artifacts]]\nname = \"x\"\n  [collection]\n",
            "[[artifacts]]\nname = '''\nx\n[[artifacts]]\nname = \"pdf\"\n'''\n",
            "[[artifacts]]\nname = \"x\"\n[\"collection\"]\nname = 1\n",
            "[[artifacts]]\nname = \"x\"\nmine = [\n[1],\n]\n[[artifacts]]\nname = \"pdf\"\n",
        ] {
            assert_eq!(about(odd, &["y"]), sections(odd).unwrap(), "{odd}");
        }
        // A cut in the middle of what is looked at shows.
        let cut = "[[artifacts]]\nname = \"pdf\"\nmine = [\n[a],\n]\n";
        assert_eq!(about(cut, &["pdf"]), sections(cut).unwrap());
    }
}
