//! Where PyYAML takes what the parser refuses: the text is changed to mean the same to both, and parsed again.
//!
//! Two such places matter in practice. A quoted value may go on in lines of any indentation, even none, which editors
//! that wrap lines produce; here such lines are indented. And a `#` begins a comment right after a quoted value or a
//! bracket; here it gets a space. Changes only ever insert spaces, and every place in the changed text has one in the
//! original.

use serde_yaml::granit_parser::{ErrorKind, ScanError};

/// Changes at most: one for each multi-line quoted value or comment.
const MAX_CHANGES: usize = 16;

/// Spaces put in at most, all together.
const MAX_SPACES: usize = 128 * 1024;

/// A text and what has been put into it.
pub(super) struct Patched {
    pub(super) text: String,
    changes: Vec<Change>,
}

/// The same number of spaces before each of some characters, which are given as places in the text before the change,
/// in order.
struct Change {
    before: Vec<usize>,
    spaces: usize,
}

impl Patched {
    pub(super) fn new(text: String) -> Self {
        Self { text, changes: Vec::new() }
    }

    /// The place in the original text of a place in this one; both in characters.
    pub(super) fn original(&self, at: usize) -> usize {
        self.changes.iter().rev().fold(at, |at, change| {
            // The i-th of the places has moved by i + 1 times the spaces.
            let (mut low, mut high) = (0, change.before.len());
            while low < high {
                let middle = usize::midpoint(low, high);
                if change.before[middle] + middle * change.spaces < at {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            let moved = at.saturating_sub(low * change.spaces);
            // A place among the spaces stands for the character after them.
            if low > 0 { moved.max(change.before[low - 1]) } else { moved }
        })
    }

    /// Makes up for an error, if it is one PyYAML would not have made. `seen` is the byte up to which the parser had
    /// read finished scalars. False if there is nothing to be done.
    pub(super) fn mend(&mut self, error: &ScanError, seen: usize) -> bool {
        if self.changes.len() >= MAX_CHANGES {
            return false;
        }
        let change = match error.kind() {
            ErrorKind::InvalidQuotedScalarIndent | ErrorKind::TabInIndentation => self.indent_quoted(seen),
            ErrorKind::CommentNotSeparated => {
                let at = error.marker().index();
                let mut around = self.text.chars().skip(at.saturating_sub(1));
                let closed = matches!(around.next(), Some('"' | '\'' | ']' | '}'));
                (closed && around.next() == Some('#')).then(|| Change { before: vec![at], spaces: 1 })
            }
            _ => None,
        };
        let Some(change) = change else { return false };
        let spaces: usize = self.changes.iter().chain([&change]).map(|c| c.before.len() * c.spaces).sum();
        if spaces > MAX_SPACES {
            return false;
        }
        let mut places = change.before.iter().copied().peekable();
        let mut text = String::with_capacity(self.text.len() + spaces);
        for (i, c) in self.text.chars().enumerate() {
            if places.next_if_eq(&i).is_some() {
                text.extend(std::iter::repeat_n(' ', change.spaces));
            }
            text.push(c);
        }
        self.text = text;
        self.changes.push(change);
        true
    }

    /// Indents the lines of the first quoted value after this byte, deeper than any line of the text is now.
    fn indent_quoted(&self, seen: usize) -> Option<Change> {
        let rest = self.text.get(seen..)?;
        let mut characters = rest.chars().enumerate().peekable();
        let mut comment = false;
        let quote = characters.find_map(|(_, c)| {
            match c {
                '\n' => comment = false,
                '#' => comment = true,
                '"' | '\'' if !comment => return Some(c),
                _ => {}
            }
            None
        })?;
        let from = self.text[..seen].chars().count();
        let mut before = Vec::new();
        while let Some((i, c)) = characters.next() {
            match c {
                '\n' => before.push(from + i + 1),
                '\\' if quote == '"' => {
                    if let Some((i, _)) = characters.next_if(|(_, c)| *c == '\n') {
                        before.push(from + i + 1);
                    } else {
                        characters.next();
                    }
                }
                // Two single quotes in a row are a quote in the text.
                _ if c == quote && (quote == '"' || characters.next_if(|(_, c)| *c == '\'').is_none()) => {
                    break;
                }
                _ => {}
            }
        }
        let deepest = self.text.lines().map(|line| line.len() - line.trim_start_matches(' ').len()).max();
        (!before.is_empty()).then(|| Change { before, spaces: deepest.unwrap_or(0) + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back() {
        let mut patched = Patched::new("abcd".to_owned());
        patched.changes.push(Change { before: vec![1, 3], spaces: 2 });
        // a__bc__d
        let back: Vec<usize> = (0..8).map(|at| patched.original(at)).collect();
        assert_eq!(back, [0, 1, 1, 1, 2, 3, 3, 3]);
    }
}
