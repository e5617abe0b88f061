//! From the bytes of an entry file to the texts SkillMeat looks at: decoding, line ends, the `---` block, the body.
//!
//! Follows `skillmeat.utils.metadata`: `_FRONTMATTER_PATTERN`, the pattern inside `extract_yaml_frontmatter`, and
//! `extract_description_from_content`. Does not look inside the frontmatter.

use std::borrow::Cow;
use std::ops::Range;

/// Bytes of frontmatter that are parsed at most. Real ones are shorter by far.
pub(super) const FRONTMATTER_LIMIT: usize = 64 * 1024;

/// Bytes of a file that are looked at: where a frontmatter may end and a description may be found.
pub(super) const WINDOW: usize = 512 * 1024;

/// Characters of a description taken from the body.
const BODY_DESCRIPTION: usize = 200;

/// Python's `str.isspace` for one character, which is also `\s` of its `re` module. Unlike
/// [`char::is_whitespace`] it holds for the four ASCII information separators.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `str.strip()`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The part of a file that is looked at, decoded and with every line end as `\n`.
pub(super) struct Content<'a> {
    pub(super) text: Cow<'a, str>,
    /// Whether the file goes on after the window.
    pub(super) cut: bool,
}

/// Python's universal newlines over strict UTF-8. `Err` holds the byte offset of the first byte that is not UTF-8.
pub(super) fn decode(bytes: &[u8]) -> Result<Content<'_>, usize> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.valid_up_to())?;
    let cut = text.len() > WINDOW;
    let text = if cut { &text[..text.floor_char_boundary(WINDOW)] } else { text };
    Ok(Content { text: newlines(text), cut })
}

/// `\r\n` and `\r` become `\n`.
pub(super) fn newlines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Where the frontmatter is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// The file does not start with a `---` line.
    None,
    /// It does, at this byte, but no `---` line follows.
    Open(usize),
    /// More than [`FRONTMATTER_LIMIT`] bytes from here on, or no end in the window.
    TooLong(usize),
    /// The bytes between the two lines.
    Found(Range<usize>),
}

impl Content<'_> {
    /// The frontmatter as `extract_frontmatter` finds it: an optional byte order mark, `---`, blanks, and everything
    /// up to the next line that is `---` and blanks; white space may precede it, but not between the mark and `---`.
    pub(super) fn block(&self) -> Block {
        let text = self.text.as_ref();
        let stripped = text.len() - text.trim_start_matches(is_space).len();
        match self.block_at(0) {
            Block::None | Block::Open(_) if stripped > 0 => self.block_at(stripped),
            found => found,
        }
    }

    fn block_at(&self, at: usize) -> Block {
        let rest = &self.text[at..];
        let line = rest.strip_prefix('\u{feff}').unwrap_or(rest);
        let Some(after) = line.strip_prefix("---") else { return Block::None };
        let after = after.trim_start_matches([' ', '\t']);
        let Some(inner) = after.strip_prefix('\n') else {
            return if after.is_empty() { Block::Open(at) } else { Block::None };
        };
        let start = self.text.len() - inner.len();
        let end = inner.match_indices("\n---").map(|(i, _)| i).find(|i| {
            let tail = inner[i + 4..].trim_start_matches([' ', '\t']);
            tail.starts_with('\n') || (tail.is_empty() && !self.cut)
        });
        match end {
            Some(length) if length <= FRONTMATTER_LIMIT => Block::Found(start..start + length),
            Some(_) => Block::TooLong(start),
            None if self.cut => Block::TooLong(start),
            None => Block::Open(at),
        }
    }

    /// The frontmatter as the second reading, `extract_yaml_frontmatter`, finds it: `---` at the very start, a line
    /// end after any white space, and a closing `---` that is followed by white space with a line end in it. Blank
    /// lines at the top are not part of what it finds, where another reading is not forced.
    pub(super) fn second_block(&self) -> Option<Range<usize>> {
        let text = self.text.as_ref();
        let after = text.strip_prefix("---")?;
        let white = after.len() - after.trim_start_matches(is_space).len();
        // The opening line may end at any line end within the white space; the last one is tried first.
        let starts: Vec<usize> = after[..white].match_indices('\n').map(|(i, _)| 3 + i + 1).collect();
        let last = *starts.last()?;
        let closes = |at: usize| {
            let tail = &text[at + 4..];
            let white = tail.len() - tail.trim_start_matches(is_space).len();
            tail[..white].contains('\n')
        };
        let after_last = text[last..].match_indices("\n---").map(|(i, _)| last + i).find(|&at| closes(at));
        let found = match after_last {
            Some(end) => last..end,
            // The only other closing line can be the one right after the white space.
            None if text[last - 1..].starts_with("\n---") && closes(last - 1) => {
                starts.iter().rev().copied().find(|&start| start < last)?..last - 1
            }
            None => return None,
        };
        (found.len() <= FRONTMATTER_LIMIT).then_some(found)
    }

    /// The description SkillMeat takes from the body: the first line that is neither blank nor a heading, at most 200
    /// characters of it. The frontmatter is skipped only if the file starts with `---` and some later line is `---`
    /// apart from white space.
    pub(super) fn body_description(&self) -> Option<String> {
        let text = self.text.as_ref();
        let mut body = text;
        if text.starts_with("---") {
            let mut at = text.find('\n').map_or(text.len(), |i| i + 1);
            for line in text[at..].split('\n') {
                at += line.len() + 1;
                if strip(line) == "---" {
                    body = text.get(at..).unwrap_or("");
                    break;
                }
            }
        }
        body.split('\n')
            .map(strip)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.chars().take(BODY_DESCRIPTION).collect())
    }

    /// The 1-based line and column, in characters, of a byte offset.
    pub(super) fn place(&self, offset: usize) -> (u32, u32) {
        place(&self.text, offset)
    }
}

/// The 1-based line and column, in characters, of a byte offset of a text whose lines end in `\n`.
pub(super) fn place(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..text.floor_char_boundary(offset.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let lines = before.bytes().filter(|&b| b == b'\n').count();
    let columns = before[line_start..].chars().count();
    (count(lines).saturating_add(1), count(columns).saturating_add(1))
}
