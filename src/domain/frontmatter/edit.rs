//! Edits the frontmatter of an entry file and leaves every other byte alone: the body, other keys and their order,
//! comments, quoting, line ends, a byte order mark.
//!
//! A field is changed where it stands and in the way it is written there: quoted as it was, a list in brackets stays
//! one, the items of a block list that remain keep their lines. For each field there are a few spellings, best first;
//! the one is taken that [`super::extract`] reads back as wanted with nothing else changed. If none does, nothing is
//! changed at all. That is also what guards against YAML that is stranger than this module knows.
//!
//! What this module does not do: edit frontmatter that SkillMeat cannot read in full (a person has to mend it first),
//! or the `name` key. Permission rules among the tools (`Bash(git:*)`, `mcp__…`) are no tools to SkillMeat: they stay.

mod layout;
mod spell;
#[cfg(test)]
mod tests;

use super::text::{self, Block};
use super::{Extracted, extract, tools};
use crate::domain::edit::{FieldEdit, ListField, TextField};
use crate::domain::model::{Kind, Problem};
use layout::{Entry, Layout};

/// Why a frontmatter could not be edited. The bytes are then unchanged as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrontmatterError {
    /// SkillMeat reads no metadata from files of this kind.
    #[error("a {0} has no frontmatter")]
    NoFrontmatter(Kind),
    /// The frontmatter cannot be read in full as it is.
    #[error("the frontmatter has to be mended first: {}", problem.message)]
    Unsound {
        /// What is wrong, with its line and column; the path is empty.
        problem: Problem,
    },
    /// No spelling of the new value read back as wanted in the place where it has to go.
    #[error("`{0}` cannot be set in the way the frontmatter is written")]
    NotKept(&'static str),
}

/// The bytes of the entry file of an artifact of this kind with the edits made, in order. Edits that change nothing give
/// the same bytes back. A file without frontmatter gets one when there is something to put into it.
///
/// Removing the description uncovers the one SkillMeat takes from the body.
///
/// # Errors
/// See [`FrontmatterError`]. All edits are made or none.
pub fn edit(kind: Kind, bytes: &[u8], edits: &[FieldEdit]) -> Result<Vec<u8>, FrontmatterError> {
    if !kind.has_frontmatter() {
        return Err(FrontmatterError::NoFrontmatter(kind));
    }
    let mut bytes = bytes.to_vec();
    let mut now = sound(kind, &bytes)?;
    for edit in edits {
        let mut wanted = now.metadata.clone();
        edit.apply(&mut wanted);
        if wanted == now.metadata {
            continue;
        }
        let uncovers = match edit {
            FieldEdit::Text(TextField::Description, text) => text.as_deref().unwrap_or("").is_empty(),
            _ => false,
        };
        let found = candidates(kind, &bytes, edit).into_iter().find_map(|candidate| {
            let mut read = extract(kind, &candidate);
            if uncovers {
                wanted.description.clone_from(&read.metadata.description);
            }
            read.problems.clear();
            (read.sound && read.metadata == wanted).then_some((candidate, read))
        });
        (bytes, now) = found.ok_or(FrontmatterError::NotKept(key_of(edit)))?;
    }
    Ok(bytes)
}

fn sound(kind: Kind, bytes: &[u8]) -> Result<Extracted, FrontmatterError> {
    let read = extract(kind, bytes);
    if read.sound {
        return Ok(read);
    }
    Err(FrontmatterError::Unsound { problem: read.problems.into_iter().next().unwrap_or_default() })
}

fn key_of(edit: &FieldEdit) -> &'static str {
    match edit {
        FieldEdit::Text(field, _) => field.key(),
        FieldEdit::List(field, _) => field.key(),
    }
}

/// The whole file in each spelling of the edit, best first.
fn candidates(kind: Kind, bytes: &[u8], edit: &FieldEdit) -> Vec<Vec<u8>> {
    let Ok(content) = text::decode(bytes) else { return Vec::new() };
    match content.block() {
        Block::Found(block) => {
            let old = content.text.get(block.clone()).unwrap_or("");
            let news = blocks(kind, old, edit).into_iter();
            news.map(|new| splice(bytes, block.start, old, &new)).collect()
        }
        Block::None => blocks(kind, "", edit).into_iter().map(|block| with_block(bytes, &block)).collect(),
        Block::Open(_) | Block::TooLong(_) => Vec::new(),
    }
}

/// The frontmatter (what stands between the two `---` lines) in each spelling of the edit.
fn blocks(kind: Kind, block: &str, edit: &FieldEdit) -> Vec<String> {
    let Some(layout) = Layout::of(block) else { return Vec::new() };
    match edit {
        FieldEdit::Text(field, value) => {
            let found = layout.find(field.key());
            match (found, value) {
                (Some(_), None) => vec![layout.without(field.key())],
                // What is to go is the body's description, which is not there to be removed.
                (None, None) => vec![block.to_owned()],
                (found, Some(value)) => {
                    let spellings = spellings(&layout, found, value).into_iter();
                    spellings.map(|spelling| layout.with(found, field.key(), &spelling)).collect()
                }
            }
        }
        FieldEdit::List(ListField::Tags, tags) => list(&layout, "tags", vec![tags.clone()]),
        FieldEdit::List(ListField::Tools, wanted) => {
            let key = ["tools", "allowed-tools", "allowedTools"]
                .into_iter()
                .find(|key| layout.find(key).is_some_and(|entry| !entry.words().is_empty()))
                .unwrap_or(if kind == Kind::Agent { "tools" } else { "allowed-tools" });
            let words = layout.find(key).map(Entry::words).unwrap_or_default();
            list(&layout, key, tool_lists(&words, wanted))
        }
    }
}

fn spellings(layout: &Layout<'_>, entry: Option<&Entry>, text: &str) -> Vec<String> {
    spell::text(text, entry.map(|entry| entry.form), entry.map_or(layout.indent, |entry| entry.indent))
}

/// A list in each spelling of each of its orders.
fn list(layout: &Layout<'_>, key: &str, orders: Vec<Vec<String>>) -> Vec<String> {
    let found = layout.find(key);
    let mut blocks = Vec::new();
    for items in orders {
        if items.is_empty() {
            blocks.push(layout.without(key));
            continue;
        }
        let mut ways = Vec::new();
        if let Some(entry) = found {
            blocks.extend(layout.with_items(entry, &items));
            if entry.form.is_inline() && items.iter().all(|item| !item.contains(',')) {
                ways = spellings(layout, found, &items.join(", "));
            }
        }
        ways.push(spell::brackets(&items));
        blocks.extend(ways.iter().map(|way| layout.with(found, key, way)));
    }
    blocks
}

/// The words for these tools, the words that are no tools among them: in the order they have now, or, if that is not
/// the order that is wanted, with the tools first.
fn tool_lists(now: &[String], wanted: &[String]) -> Vec<Vec<String>> {
    let is_tool = |word: &&String| tools::canonical(word).is_some();
    let spelling = |tool: &String| {
        let same = |word: &&String| tools::canonical(word) == Some(tool.as_str());
        now.iter().find(same).unwrap_or(tool).clone()
    };
    let stays = |word: &&String| tools::canonical(word).is_none_or(|tool| wanted.iter().any(|w| w == tool));
    let known: Vec<_> = now.iter().filter_map(|word| tools::canonical(word)).collect();
    let mut in_place: Vec<String> = now.iter().filter(stays).cloned().collect();
    in_place.extend(wanted.iter().filter(|tool| !known.contains(&tool.as_str())).cloned());
    let mut tools_first: Vec<String> = wanted.iter().map(spelling).collect();
    tools_first.extend(now.iter().filter(|word| !is_tool(word)).cloned());
    vec![in_place, tools_first]
}

/// Replaces what differs between two frontmatters in the bytes they came from, where `start` is the place of the old
/// one in the text with its line ends made `\n`. What is the same at both ends keeps its own line ends.
fn splice(bytes: &[u8], start: usize, old: &str, new: &str) -> Vec<u8> {
    let same = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
    let prefix = old.floor_char_boundary(same);
    let (old_rest, new_rest) = (&old[prefix..], &new[new.floor_char_boundary(prefix)..]);
    let same = old_rest.bytes().rev().zip(new_rest.bytes().rev()).take_while(|(a, b)| a == b).count();
    let suffix = old_rest.len() - old_rest.ceil_char_boundary(old_rest.len() - same);
    let middle = &new_rest[..new_rest.len() - suffix];
    let from = raw_offset(bytes, start + prefix);
    let to = raw_offset(bytes, start + old.len() - suffix);
    let middle = middle.replace('\n', line_end(bytes));
    [&bytes[..from], middle.as_bytes(), &bytes[to..]].concat()
}

/// The place in the file of a place in its text with the line ends made `\n`.
fn raw_offset(bytes: &[u8], offset: usize) -> usize {
    let mut raw = 0;
    for _ in 0..offset {
        raw += if bytes[raw..].starts_with(b"\r\n") { 2 } else { 1 };
    }
    raw
}

/// The line end the file uses first.
fn line_end(bytes: &[u8]) -> &'static str {
    match bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(at) if bytes[at..].starts_with(b"\r\n") => "\r\n",
        Some(at) if bytes[at] == b'\r' => "\r",
        _ => "\n",
    }
}

/// The file with a frontmatter in front, if there is anything in it.
fn with_block(bytes: &[u8], block: &str) -> Vec<u8> {
    if block.is_empty() {
        return bytes.to_vec();
    }
    let mark = "\u{feff}".as_bytes();
    let (mark, body) = bytes.strip_prefix(mark).map_or((&b""[..], bytes), |body| (mark, body));
    let gap = if body.is_empty() || body.starts_with(b"\n") || body.starts_with(b"\r") { "" } else { "\n" };
    let block = format!("---\n{block}\n---\n{gap}").replace('\n', line_end(bytes));
    [mark, block.as_bytes(), body].concat()
}
