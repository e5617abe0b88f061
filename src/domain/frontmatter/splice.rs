//! Edits the frontmatter of an entry file and leaves every other byte alone: key order, comments, quoting, blanks, line
//! endings, a byte order mark, the body.
//!
//! Only the places of the edited values change. A value keeps its style where that can hold the new text (a quoted one
//! stays quoted, a list in brackets stays in brackets), items of a list that stay keep their spelling and comments. What
//! comes out is read back with [`super::extract`] before it is given out: the edited fields must have the wanted values
//! and all others those they had.
//!
//! What this module does not do: edit a frontmatter that SkillMeat cannot read, or one that is not written as a block
//! mapping with a key a line.

mod render;
mod scan;

use std::ops::Range;

use super::text::{self, Block};
use super::{Extracted, extract, tools};
use crate::domain::edit::{FieldEdit, ListField, TextField};
use crate::domain::model::{Kind, Metadata};
use render::{Quoting, flow_list, scalar};
use scan::{Entry, Frontmatter, Shape};

/// Why a text was not edited. It is then unchanged as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// Artifacts of this kind have no frontmatter.
    #[error("a {0} has no frontmatter")]
    NoFrontmatter(Kind),
    /// SkillMeat cannot read what is there; it has to be mended first.
    #[error("the frontmatter has to be mended first: {0}")]
    Unsound(String),
    /// It is not written as a mapping with a key a line.
    #[error("the frontmatter is not written with one key a line")]
    Shape,
    /// The new text did not read back as wanted, so it was thrown away.
    #[error("`{0}` cannot be set in the way the frontmatter is written")]
    NotKept(&'static str),
}

/// The keys of a field in the order SkillMeat looks for them; the first is the one that is written.
fn keys(edit: &FieldEdit) -> &'static [&'static str] {
    match edit {
        FieldEdit::Text(field, _) => match field {
            TextField::Title => &["title"],
            TextField::Description => &["description"],
            TextField::Author => &["author"],
            TextField::License => &["license"],
            TextField::Version => &["version"],
        },
        FieldEdit::List(ListField::Tags, _) => &["tags"],
        FieldEdit::List(ListField::Tools, _) => &["tools", "allowed-tools", "allowedTools"],
    }
}

/// The text of an entry file with the edits made; a frontmatter is put at its start if it has none. Edits that change
/// nothing give the same text back, byte for byte.
///
/// # Errors
/// See [`SpliceError`]. All edits are made or none.
pub fn splice(kind: Kind, text: &str, edits: &[FieldEdit]) -> Result<String, SpliceError> {
    if !kind.has_frontmatter() {
        return Err(SpliceError::NoFrontmatter(kind));
    }
    let before = extract(kind, text.as_bytes());
    // An empty file says nothing yet, and nothing wrong.
    if !before.sound && !text.trim().is_empty() {
        let why = before.problems.first().map_or("it cannot be read", |problem| &problem.message);
        return Err(SpliceError::Unsound(why.to_owned()));
    }
    let changing: Vec<&FieldEdit> = edits.iter().filter(|edit| !holds(&before.metadata, edit)).collect();
    if changing.is_empty() {
        return Ok(text.to_owned());
    }
    let mut refused = SpliceError::Shape;
    for quoting in [Quoting::AsNeeded, Quoting::Always] {
        let new = attempt(text, &changing, quoting)?;
        match verify(kind, &before, &new, edits) {
            Ok(()) => return Ok(new),
            Err(field) => refused = SpliceError::NotKept(field),
        }
    }
    Err(refused)
}

fn holds(metadata: &Metadata, edit: &FieldEdit) -> bool {
    let mut wanted = metadata.clone();
    edit.apply(&mut wanted);
    wanted == *metadata
}

/// Whether the new text says what is wanted; else the name of a field that it does not.
fn verify(kind: Kind, before: &Extracted, new: &str, edits: &[FieldEdit]) -> Result<(), &'static str> {
    let after = extract(kind, new.as_bytes());
    let mut wanted = before.metadata.clone();
    for edit in edits {
        edit.apply(&mut wanted);
    }
    // Without a description in the frontmatter SkillMeat takes the first line of the body.
    let edited = edits.iter().any(|edit| matches!(edit, FieldEdit::Text(TextField::Description, Some(_))));
    if !edited && !has_key(new, "description") {
        wanted.description.clone_from(&after.metadata.description);
    }
    let text = TextField::ALL.into_iter().find(|field| field.of(&wanted) != field.of(&after.metadata));
    let list = ListField::ALL.into_iter().find(|field| field.of(&wanted) != field.of(&after.metadata));
    match (text, list) {
        (Some(field), _) => Err(field.key()),
        (None, Some(field)) => Err(field.key()),
        (None, None) if !after.sound => Err("frontmatter"),
        (None, None) => Ok(()),
    }
}

fn has_key(text: &str, key: &str) -> bool {
    let Ok(content) = text::decode(text.as_bytes()) else { return true };
    let Block::Found(range) = content.block() else { return false };
    scan::scan(&content.text[range]).is_none_or(|found| found.entries.iter().any(|entry| entry.key == key))
}

/// Replacements of parts of the frontmatter, from front to back.
type Splices = Vec<(Range<usize>, String)>;

fn attempt(text: &str, edits: &[&FieldEdit], quoting: Quoting) -> Result<String, SpliceError> {
    let content = text::decode(text.as_bytes()).map_err(|_| SpliceError::Shape)?;
    let block = match content.block() {
        Block::Found(range) => range,
        Block::None => return Ok(with_frontmatter(text, edits, quoting)),
        Block::Open(_) | Block::TooLong(_) => return Err(SpliceError::Shape),
    };
    let source = &content.text[block.clone()];
    let found = scan::scan(source).ok_or(SpliceError::Shape)?;
    let mut splices = Splices::new();
    let mut added = String::new();
    for edit in edits {
        plan(&found, source, edit, quoting, &mut splices, &mut added)?;
    }
    if !added.is_empty() {
        // The block ends before the line end of its last line.
        let lead = if source.is_empty() { "" } else { "\n" };
        let end = source.len();
        splices.push((end..end, format!("{lead}{}", added.trim_end_matches('\n'))));
    }
    splices.sort_by_key(|(range, _)| (range.start, range.end));
    close_gap(&mut splices, source.len());
    let newline = newline(text);
    let places = Places::new(text);
    let mut out = String::with_capacity(text.len() + 256);
    let mut done = 0;
    for (range, replacement) in splices {
        let range = places.original(block.start + range.start)..places.original(block.start + range.end);
        if range.start < done {
            return Err(SpliceError::Shape);
        }
        out.push_str(&text[done..range.start]);
        out.push_str(&replacement.replace('\n', newline));
        done = range.end;
    }
    out.push_str(&text[done..]);
    Ok(out)
}

/// The text behind a frontmatter of its own.
fn with_frontmatter(text: &str, edits: &[&FieldEdit], quoting: Quoting) -> String {
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let mut lines = String::from("---\n");
    for edit in edits {
        lines.push_str(&new_entry("", edit, quoting));
    }
    lines.push_str("---\n");
    format!("{mark}{}{body}", lines.replace('\n', newline(text)))
}

/// The first line ending in use.
fn newline(text: &str) -> &'static str {
    match text.find(['\r', '\n']) {
        Some(at) if text[at..].starts_with("\r\n") => "\r\n",
        Some(at) if text[at..].starts_with('\r') => "\r",
        _ => "\n",
    }
}

/// From offsets in a text whose line endings are all `\n` to those in the text as it is.
struct Places {
    /// The start of each line in both.
    lines: Vec<(usize, usize)>,
}

impl Places {
    fn new(text: &str) -> Self {
        let mut lines = vec![(0, 0)];
        let bytes = text.as_bytes();
        let (mut at, mut plain) = (0, 0);
        while at < bytes.len() {
            let width = match bytes[at] {
                b'\r' if bytes.get(at + 1) == Some(&b'\n') => 2,
                _ => 1,
            };
            plain += 1;
            if matches!(bytes[at], b'\r' | b'\n') {
                lines.push((plain, at + width));
            }
            at += width;
        }
        Self { lines }
    }

    fn original(&self, plain: usize) -> usize {
        let line = self.lines.partition_point(|(start, _)| *start <= plain).saturating_sub(1);
        let (start, original) = self.lines[line];
        original + (plain - start)
    }
}

/// What one edit does to the frontmatter.
fn plan(
    found: &Frontmatter,
    source: &str,
    edit: &FieldEdit,
    quoting: Quoting,
    splices: &mut Splices,
    added: &mut String,
) -> Result<(), SpliceError> {
    let name = keys(edit)[0];
    // Of a key that stands there twice the later one counts for PyYAML, and the earlier one must not come back.
    let all: Vec<&Entry> =
        found.entries.iter().filter(|entry| keys(edit).contains(&entry.key.as_str())).collect();
    let empty = match edit {
        FieldEdit::Text(_, value) => value.is_none(),
        FieldEdit::List(_, list) => list.is_empty(),
    };
    if empty {
        splices.extend(all.iter().map(|entry| (removal(source, entry), String::new())));
        return Ok(());
    }
    let used = keys(edit).iter().find_map(|key| {
        all.iter().rev().find(|entry| entry.key == *key && !matches!(entry.value, Shape::Null(_)))
    });
    let Some(entry) = used.or(all.last()) else {
        added.push_str(&new_entry(&found.indent, edit, quoting));
        return Ok(());
    };
    let (range, text) = match edit {
        FieldEdit::Text(_, Some(value)) => replaced_text(source, &found.indent, entry, value, quoting),
        FieldEdit::List(field, list) => replaced_list(source, entry, *field, list, quoting),
        FieldEdit::Text(_, None) => None,
    }
    .ok_or(SpliceError::NotKept(name))?;
    splices.push((range, text));
    Ok(())
}

/// The lines of an entry, from the one its key is on to the end of the one its value ends on.
fn removal(source: &str, entry: &Entry) -> Range<usize> {
    let end = source[entry.end..].find('\n').map_or(source.len(), |at| entry.end + at + 1);
    entry.start..end
}

/// Removed lines at the end take the line ending before them along.
fn close_gap(splices: &mut Splices, end: usize) {
    let mut at = end;
    for (range, replacement) in splices.iter_mut().rev() {
        if range.start == range.end {
            continue;
        }
        if range.end != at || !replacement.is_empty() {
            break;
        }
        at = range.start;
    }
    if let Some((range, _)) = splices.iter_mut().find(|(range, _)| range.start == at && range.end > at) {
        range.start = range.start.saturating_sub(1);
    }
}

fn new_entry(indent: &str, edit: &FieldEdit, quoting: Quoting) -> String {
    let key = keys(edit)[0];
    let value = match edit {
        FieldEdit::Text(_, Some(text)) => scalar(text, None, indent, quoting),
        FieldEdit::List(_, list) if !list.is_empty() => flow_list(list, quoting),
        FieldEdit::Text(_, None) | FieldEdit::List(..) => return String::new(),
    };
    format!("{indent}{key}: {value}\n")
}

fn replaced_text(
    source: &str,
    indent: &str,
    entry: &Entry,
    value: &str,
    quoting: Quoting,
) -> Option<(Range<usize>, String)> {
    match &entry.value {
        Shape::Null(at) => Some((*at..*at, format!(" {}", scalar(value, None, indent, quoting)))),
        Shape::Scalar(range, style) => {
            // On a line of its own it is not at the key's indentation, where a block would go wrong.
            let own_line = source[entry.colon..range.start].contains('\n');
            let quoting = if own_line && value.contains('\n') { Quoting::Always } else { quoting };
            Some((range.clone(), scalar(value, Some(*style), indent, quoting)))
        }
        Shape::Flow(..) | Shape::Block(..) | Shape::Other => None,
    }
}

fn replaced_list(
    source: &str,
    entry: &Entry,
    field: ListField,
    list: &[String],
    quoting: Quoting,
) -> Option<(Range<usize>, String)> {
    match &entry.value {
        Shape::Null(at) => Some((*at..*at, format!(" {}", flow_list(list, quoting)))),
        Shape::Scalar(range, style) => {
            let old: Vec<String> = entry.text.split(',').map(|word| text::strip(word).to_owned()).collect();
            let texts: Vec<&str> = old.iter().map(String::as_str).collect();
            let words: Vec<String> = merge(field, &texts, list)
                .into_iter()
                .map(|item| item.map_or_else(|n| old[n].clone(), str::to_owned))
                .collect();
            let joinable = words.iter().all(|word| !word.contains(',') && text::strip(word) == word);
            let text = if joinable && entry.text.contains(|c: char| !text::is_space(c)) {
                scalar(&words.join(", "), Some(*style), "", quoting)
            } else {
                flow_list(list, quoting)
            };
            Some((range.clone(), text))
        }
        Shape::Flow(range, items) => {
            let inner = &source[range.start + 1..range.end - 1];
            // Comments and lines between the items would not survive.
            if inner.contains(['#', '\n']) {
                return None;
            }
            let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
            let words = merge(field, &texts, list).into_iter().map(|item| match item {
                Err(n) => source[items[n].range.clone()].to_owned(),
                Ok(word) => render::item(word, quoting),
            });
            let left = &inner[..inner.len() - inner.trim_start().len()];
            let right = if inner.trim().is_empty() { "" } else { &inner[inner.trim_end().len()..] };
            Some((range.clone(), format!("[{left}{}{right}]", words.collect::<Vec<_>>().join(", "))))
        }
        Shape::Block(items) => {
            let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
            let first = items.first()?;
            let start = source[..first.range.start].rfind('\n')? + 1;
            let dash = source[start..].find('-')? + start;
            let prefix = source[start..dash].to_owned() + "- ";
            // Each item with the lines before it that belong to no other: its comments.
            let mut chunks = Vec::new();
            let mut from = source[..first.range.start].rfind('\n').map_or(0, |at| at + 1);
            for item in items {
                let end = source[item.range.end..].find('\n').map_or(source.len(), |at| item.range.end + at);
                chunks.push(source.get(from..end)?.to_owned());
                from = (end + 1).min(source.len());
            }
            let last = items.last()?;
            let end = source[last.range.end..].find('\n').map_or(source.len(), |at| last.range.end + at);
            let lines = merge(field, &texts, list).into_iter().map(|item| match item {
                Err(n) => chunks[n].clone(),
                Ok(word) => format!("{prefix}{}", render::item(word, quoting)),
            });
            Some((start..end, lines.collect::<Vec<_>>().join("\n")))
        }
        Shape::Other => None,
    }
}

/// The new list: `Err(n)` is the old item n, kept as it is written; `Ok` a new one. Of tools, words that are none of
/// SkillMeat's stay.
fn merge<'l>(field: ListField, old: &[&str], list: &'l [String]) -> Vec<Result<&'l str, usize>> {
    let meaning = |text: &str| match field {
        ListField::Tags => Some(text.to_owned()),
        ListField::Tools => tools::canonical(text).map(str::to_owned),
    };
    let meanings: Vec<Option<String>> = old.iter().map(|text| meaning(text)).collect();
    let mut free: Vec<bool> = meanings.iter().map(Option::is_some).collect();
    let mut out: Vec<Result<&str, usize>> = Vec::new();
    let mut told = vec![false; old.len()];
    for word in list {
        let kept = (0..old.len()).find(|&n| free[n] && meanings[n].as_deref() == Some(word));
        if let Some(n) = kept {
            free[n] = false;
            // What is no tool stays where it was, before the tool that followed it.
            for other in (0..n).filter(|&other| meanings[other].is_none()) {
                if !std::mem::replace(&mut told[other], true) {
                    out.push(Err(other));
                }
            }
            out.push(Err(n));
        } else {
            out.push(Ok(word));
        }
    }
    out.extend((0..old.len()).filter(|&n| meanings[n].is_none() && !told[n]).map(Err));
    out
}

#[cfg(test)]
mod tests;
