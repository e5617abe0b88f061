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

/// A search for entries by what their text must hold: their name, which is written as it is unless it needs an escape, or
/// is in a string that may drop line endings.
pub(super) struct Search<'w> {
    /// One of them must be there. `None`: any text may be theirs.
    needles: Option<Vec<Finder<'w>>>,
}

impl<'w> Search<'w> {
    /// For these artifacts.
    pub(super) fn new(wanted: &BTreeSet<&'w ArtifactId>) -> Self {
        let names = wanted.iter().map(|id| Finder::new(id.name.as_bytes()));
        let needles = || names.chain([Finder::new(b"\\")]).collect();
        Self { needles: (wanted.len() <= SEARCHED).then(needles) }
    }

    /// Whether the entry of one of them may be in this text.
    pub(super) fn may_find(&self, text: &str) -> bool {
        let Some(needles) = &self.needles else { return true };
        needles.iter().any(|needle| needle.find(text.as_bytes()).is_some()) || has_long_string(text)
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
    let needles = search.needles.as_ref()?;
    if has_long_string(text) || has_indented_header(text) {
        return None;
    }
    // `may_find` for one artifact after the other: each needle is looked for from where it was last found.
    let mut places: Vec<Option<usize>> = vec![None; needles.len()];
    let mut may_find = |range: &Range<usize>| {
        needles.iter().zip(&mut places).any(|(needle, place)| {
            let at = match *place {
                Some(at) if at >= range.start => at,
                _ => {
                    let found = needle.find(text.as_bytes().get(range.start..).unwrap_or_default());
                    *place.insert(found.map_or(text.len(), |found| range.start + found))
                }
            };
            at < range.end
        })
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
    use proptest::prelude::*;

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

    /// Lines that make TOML more often than not, and every way to be cut in the wrong place.
    const LINES: [&str; 20] = [
        "[[artifacts]]",
        "[[artifacts]]",
        "[[artifacts]] # more",
        "[artifacts.metadata]",
        "[collection]",
        "[[groups]]",
        "  [groups.x]",
        "[\"quoted\"]",
        "name = \"pdf\"",
        "name = \"other\"",
        "key = \"\\u0070df\"",
        "list = [",
        "[1],",
        "[\"pdf\"],",
        "]",
        "long = '''",
        "'''",
        "# [[artifacts]] pdf",
        "text = \"[[artifacts]] ] #\"",
        "",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_048, max_global_rejects: 100_000, ..ProptestConfig::default() })]
        #[test]
        fn what_is_left_out_of_a_good_text_is_artifacts_that_hold_no_name(
            lines in proptest::collection::vec(proptest::sample::select(&LINES[..]), 0..12),
        ) {
            // Keys of one table must differ for it to be TOML.
            let number = |(at, line): (usize, &&str)| match line.split_once(" = ") {
                Some((key, value)) if key != "name" && !key.starts_with('#') => format!("{key}{at} = {value}\n"),
                _ => format!("{line}\n"),
            };
            let text: String = lines.iter().enumerate().map(number).collect();
            prop_assume!(toml::from_str::<toml::Table>(&text).is_ok());
            let (all, some) = (sections(&text).unwrap(), about(&text, &["pdf"]));
            let mut some = some.into_iter().peekable();
            for section in all {
                if some.next_if_eq(&section).is_none() {
                    let left_out = &text[section.range.clone()];
                    prop_assert_eq!(section.path.first().map(AsRef::as_ref), Some("artifacts"), "{}", &text);
                    prop_assert!(!left_out.contains("\"pdf\"") && !left_out.contains('\\'), "{}", &text);
                }
            }
            prop_assert_eq!(some.next(), None, "{}", &text);
        }
    }
}
