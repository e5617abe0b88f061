//! Where the keys of a frontmatter stand in its text, and the text with one of them changed.
//!
//! What this module does not do: make sure that the new text means what was wanted. Its caller reads it back.

use std::ops::Range;

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use super::super::text::strip;
use super::spell::{self, Form};

/// A scalar in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    text: String,
    span: Range<usize>,
}

/// A key with its value. All places are bytes of the frontmatter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    key: String,
    pub(super) form: Form,
    /// Columns before the key.
    pub(super) indent: usize,
    /// The text of a scalar.
    text: String,
    /// The items of a list.
    items: Vec<Item>,
    /// Right after the colon.
    colon: usize,
    /// The value's own text, where what follows it in its line can stay.
    value: Option<Range<usize>>,
    /// From the start of the key's line to the end of the value's last line, its line end not included.
    lines: Range<usize>,
}

impl Entry {
    /// The items of a list, or the parts of a comma-separated text.
    pub(super) fn words(&self) -> Vec<String> {
        let words: Vec<&str> = match self.form {
            Form::Brackets | Form::Lines => self.items.iter().map(|item| item.text.as_str()).collect(),
            _ => self.text.split(',').collect(),
        };
        words.into_iter().map(strip).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }
}

/// A frontmatter whose root is a block mapping, or that is empty.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    block: &'a str,
    entries: Vec<Entry>,
    /// Columns before the keys.
    pub(super) indent: usize,
}

impl<'a> Layout<'a> {
    /// `None` for anything else.
    pub(super) fn of(block: &'a str) -> Option<Self> {
        let mut entries = Walk { block, depth: 0, entries: Vec::new(), key: None }.run()?;
        let starts: Vec<usize> = entries.iter().map(|entry| entry.lines.start).collect();
        for (i, entry) in entries.iter_mut().enumerate() {
            let end = starts.get(i + 1).map_or(block.len(), |next| next.saturating_sub(1));
            entry.lines.end = end_of_value(block, entry.lines.start..end, entry.indent);
        }
        let indent = entries.first().map_or(0, |entry| entry.indent);
        Some(Self { block, entries, indent })
    }

    /// The entry of this key that counts, which is the last one.
    pub(super) fn find(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.key == key)
    }

    /// The text without this key.
    pub(super) fn without(&self, key: &str) -> String {
        let mut text = self.block.to_owned();
        for entry in self.entries.iter().rev().filter(|entry| entry.key == key) {
            let mut lines = entry.lines.clone();
            if text[lines.end..].starts_with('\n') {
                lines.end += 1;
            } else if lines.start > 0 {
                lines.start -= 1;
            }
            text.replace_range(lines, "");
        }
        text
    }

    /// The text with this value, in place of that of `entry`, or as a new key after the last one.
    pub(super) fn with(&self, entry: Option<&Entry>, key: &str, value: &str) -> String {
        let Some(entry) = entry else {
            let at = self.entries.last().map_or(self.block.len(), |last| last.lines.end);
            let (before, after) = self.block.split_at(at);
            let gap = if before.is_empty() { "" } else { "\n" };
            return format!("{before}{gap}{:indent$}{key}: {value}{after}", "", indent = self.indent);
        };
        match &entry.value {
            Some(range) => self.replaced(range.clone(), value),
            None => self.replaced(entry.colon..entry.lines.end, &format!(" {value}")),
        }
    }

    fn replaced(&self, range: Range<usize>, with: &str) -> String {
        format!("{}{with}{}", &self.block[..range.start], &self.block[range.end..])
    }

    /// The text with these items in the list, if it is one. Items that stay keep their own text.
    pub(super) fn with_items(&self, entry: &Entry, items: &[String]) -> Option<String> {
        let (first, last) = (entry.items.first()?, entry.items.last()?);
        if entry.form == Form::Brackets {
            let between =
                entry.items.get(1).map_or(", ", |second| &self.block[first.span.end..second.span.start]);
            let texts =
                self.texts(entry, items, |item| self.block[item.span.clone()].to_owned(), spell::in_brackets);
            return Some(self.replaced(first.span.start..last.span.end, &texts.join(between)));
        }
        if entry.form != Form::Lines {
            return None;
        }
        let line = |at: usize| self.block[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let dash = &self.block[line(first.span.start)..first.span.start];
        let starts: Vec<usize> = entry.items.iter().map(|item| line(item.span.start)).collect();
        let whole = |item: &Item| {
            let start = line(item.span.start);
            let next = starts.iter().find(|next| **next > start).map_or(entry.lines.end, |next| next - 1);
            self.block[start..next].to_owned()
        };
        let texts = self.texts(entry, items, whole, |item| format!("{dash}{}", spell::in_line(item)));
        Some(self.replaced(line(first.span.start)..entry.lines.end, &texts.join("\n")))
    }

    /// The text of each item: that of an item that is there now and not used yet, else a new one.
    fn texts(
        &self,
        entry: &Entry,
        items: &[String],
        old: impl Fn(&Item) -> String,
        new: impl Fn(&str) -> String,
    ) -> Vec<String> {
        let mut there: Vec<&Item> = entry.items.iter().collect();
        let text = |wanted: &String| match there.iter().position(|item| strip(&item.text) == wanted.as_str())
        {
            Some(at) => old(there.remove(at)),
            None => new(wanted),
        };
        items.iter().map(text).collect()
    }
}

/// Comments and blank lines under a value belong to what follows, unless they are indented deeper than its key.
fn end_of_value(block: &str, lines: Range<usize>, indent: usize) -> usize {
    let mut end = lines.end;
    while let Some(newline) = block[lines.start..end].rfind('\n') {
        let line = &block[lines.start + newline + 1..end];
        let text = line.trim_start_matches(' ');
        let comment = text.starts_with('#') && line.len() - text.len() <= indent;
        if !(comment || text.trim().is_empty()) {
            break;
        }
        end = lines.start + newline;
    }
    end
}

/// One pass over the parser's events.
struct Walk<'a> {
    block: &'a str,
    depth: usize,
    entries: Vec<Entry>,
    /// The key whose value comes next.
    key: Option<Entry>,
}

impl Walk<'_> {
    fn run(mut self) -> Option<Vec<Entry>> {
        for item in Parser::new_from_str(self.block) {
            let (event, span) = item.ok()?;
            self.event(event, span)?;
        }
        Some(self.entries)
    }

    /// `None` if this is no text to edit key by key.
    fn event(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let bare = anchor == 0 && tag.is_none();
                match (self.depth, &self.key) {
                    (0, _) => return span.is_empty().then_some(()), // an empty document
                    (1, None) => self.key = Some(self.entry(text.into_owned(), span)?),
                    (1, Some(_)) => {
                        let form = if bare && !span.is_empty() { form(style) } else { Form::Other };
                        let value = form.is_inline().then(|| span.byte_range()).flatten();
                        self.finish(form, text.into_owned(), value);
                    }
                    (2, Some(_)) => self.item(bare.then(|| text.into_owned()), span),
                    _ => {}
                }
            }
            Event::Alias(_) => match (self.depth, &self.key) {
                (1, Some(_)) => self.finish(Form::Other, String::new(), None),
                (2, Some(_)) => self.item(None, span),
                (1, None) => return None,
                _ => {}
            },
            Event::MappingStart(style, ..) => {
                match self.depth {
                    0 if style == StructureStyle::Flow => return None,
                    1 => self.key.as_ref().map(|_| ())?, // else a mapping is a key
                    2 => self.item(None, span),
                    _ => {}
                }
                self.depth += 1;
            }
            Event::SequenceStart(style, anchor, tag) => {
                match (self.depth, &mut self.key) {
                    (0, _) | (1, None) => return None,
                    (1, Some(key)) if anchor == 0 && tag.is_none() => {
                        key.form = if style == StructureStyle::Flow { Form::Brackets } else { Form::Lines };
                        key.value = span.byte_range();
                    }
                    (2, Some(_)) => self.item(None, span),
                    _ => {}
                }
                self.depth += 1;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.depth -= 1;
                if let (1, Some(key)) = (self.depth, &self.key) {
                    let end = span.byte_range().map(|range| range.end);
                    let start = key.value.as_ref().map(|range| range.start);
                    let value = (key.form == Form::Brackets).then(|| Some(start?..end?)).flatten();
                    self.finish(key.form, String::new(), value);
                }
            }
            _ => {}
        }
        Some(())
    }

    fn entry(&self, key: String, span: Span) -> Option<Entry> {
        let range = span.byte_range()?;
        let start = self.block[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
        let before = &self.block[start..range.start];
        let rest = &self.block[range.end..];
        let colon = range.end + rest.len() - rest.trim_start_matches(' ').len() + 1;
        let simple = before.bytes().all(|byte| byte == b' ') && self.block[..colon].ends_with(':');
        simple.then(|| Entry {
            key,
            form: Form::Other,
            indent: before.len(),
            text: String::new(),
            items: Vec::new(),
            colon,
            value: None,
            lines: start..range.end,
        })
    }

    /// An item of the list under the key, `None` if it is not a simple one.
    fn item(&mut self, text: Option<String>, span: Span) {
        let Some(key) = &mut self.key else { return };
        match (text, span.byte_range().filter(|range| !range.is_empty())) {
            (Some(text), Some(span)) => key.items.push(Item { text, span }),
            _ => key.form = Form::Other,
        }
    }

    fn finish(&mut self, form: Form, text: String, value: Option<Range<usize>>) {
        if let Some(mut entry) = self.key.take() {
            entry.form = form;
            entry.text = text;
            entry.value = value;
            self.entries.push(entry);
        }
    }
}

fn form(style: ScalarStyle) -> Form {
    match style {
        ScalarStyle::Plain => Form::Plain,
        ScalarStyle::SingleQuoted => Form::Single,
        ScalarStyle::DoubleQuoted => Form::Double,
        ScalarStyle::Literal => Form::Literal,
        ScalarStyle::Folded => Form::Folded,
    }
}
