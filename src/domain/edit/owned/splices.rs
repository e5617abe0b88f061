//! Changes at several places of one text, made at once.

use std::ops::Range;

use crate::domain::edit::EditError;

/// The changes so far. Offsets are those of the text before any of them.
#[derive(Debug)]
pub(super) struct Splices<'t> {
    text: &'t str,
    changes: Vec<(Range<usize>, String)>,
    cuts: Vec<Range<usize>>,
}

impl<'t> Splices<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, changes: Vec::new(), cuts: Vec::new() }
    }

    pub(super) fn replace(&mut self, range: Range<usize>, by: impl Into<String>) {
        self.changes.push((range, by.into()));
    }

    pub(super) fn insert(&mut self, at: usize, what: impl Into<String>) {
        self.replace(at..at, what);
    }

    /// Takes a stretch out. Stretches that overlap go as one.
    pub(super) fn cut(&mut self, range: Range<usize>) {
        self.cuts.push(range);
    }

    /// The changed text.
    ///
    /// # Errors
    ///
    /// `SectionNotKept` when two changes meet in the same place.
    pub(super) fn finish(mut self, key: &'static str) -> Result<String, EditError> {
        self.cuts.sort_by_key(|cut| (cut.start, cut.end));
        let mut cuts: Vec<Range<usize>> = Vec::new();
        for cut in self.cuts {
            match cuts.last_mut() {
                Some(last) if cut.start <= last.end => last.end = last.end.max(cut.end),
                _ => cuts.push(cut),
            }
        }
        self.changes.extend(cuts.into_iter().map(|cut| (cut, String::new())));
        // What is put in at a place comes before what is changed from there on.
        self.changes.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(self.text.len() + 1024);
        let mut done = 0;
        for (range, by) in &self.changes {
            let kept = self.text.get(done..range.start).ok_or(EditError::SectionNotKept { section: key })?;
            out.push_str(kept);
            out.push_str(by);
            done = range.end;
        }
        out.push_str(&self.text[done..]);
        Ok(out)
    }
}
