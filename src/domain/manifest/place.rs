//! Where in the text something is, and the list of what was wrong there.

use std::cell::OnceCell;
use std::ops::Range;

use crate::domain::model::Problem;

/// A column further into its line than this many bytes is not worked out, so that one endless line full of mistakes
/// cannot cost quadratic time.
const FAR_COLUMN: usize = 4096;

/// Collects problems of one piece of text, with lines and columns relative to that piece.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    text: &'a str,
    /// Offset of each line's first byte; built at the first problem, because most texts have none.
    lines: OnceCell<Vec<usize>>,
    problems: Vec<Problem>,
}

impl<'a> Notes<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, lines: OnceCell::new(), problems: Vec::new() }
    }

    /// Something is wrong at this byte offset.
    pub(super) fn add(&mut self, offset: usize, message: impl Into<String>) {
        let (line, column) = self.place(offset);
        self.problems.push(Problem {
            path: String::new(),
            line: Some(line),
            column,
            message: message.into(),
        });
    }

    /// Something at this byte offset makes SkillMeat refuse the whole collection, though it can be mirrored.
    pub(super) fn refused(&mut self, offset: usize, why: &str) {
        self.add(offset, format!("SkillMeat will refuse this collection: {why}"));
    }

    /// 1-based line and column (in characters) of a byte offset.
    pub(super) fn place(&self, offset: usize) -> (u32, Option<u32>) {
        if offset == 0 {
            return (1, Some(1)); // where most entries begin in their piece
        }
        let lines = self.lines.get_or_init(|| {
            std::iter::once(0).chain(self.text.match_indices('\n').map(|(newline, _)| newline + 1)).collect()
        });
        let offset = offset.min(self.text.len());
        let line = lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|index| lines.get(index)).copied().unwrap_or(0);
        let column = (offset - start <= FAR_COLUMN)
            .then(|| self.text.get(start..offset))
            .flatten()
            .map(|before| count(before.chars().count() + 1));
        (count(line), column)
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// Counts the lines of a text from one offset to the next, so that ascending questions cost one pass together.
#[derive(Debug)]
pub(super) struct LineCounter<'a> {
    text: &'a str,
    offset: usize,
    lines: u32,
}

impl<'a> LineCounter<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, lines: 0 }
    }

    /// Number of line ends before a byte offset.
    pub(super) fn before(&mut self, offset: usize) -> u32 {
        if offset < self.offset {
            (self.offset, self.lines) = (0, 0);
        }
        self.lines += self.in_range(self.offset..offset);
        self.offset = offset;
        self.lines
    }

    /// For ranges that were joined into one text: how many lines stand before each in that text, and in this one.
    pub(super) fn starts_of(&mut self, ranges: &[Range<usize>]) -> Vec<(u32, u32)> {
        let mut joined = 0;
        let mut start = |range: &Range<usize>| {
            let before = (joined, self.before(range.start));
            joined += self.in_range(range.clone());
            before
        };
        ranges.iter().map(&mut start).collect()
    }

    fn in_range(&self, range: Range<usize>) -> u32 {
        let bytes = self.text.as_bytes().get(range).unwrap_or_default();
        count(memchr::memchr_iter(b'\n', bytes).count())
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
