//! Where the entries of a list stand in the text, and which comments are theirs.

use std::ops::Range;

use toml_edit::Item as Node;

use crate::domain::edit::EditError;
use crate::domain::edit::place::parse;
use crate::domain::edit::scan::{Section, Token, line_end, line_start, token};

/// The lists SkillMeat writes, in the order it writes them.
const ORDER: [&str; 5] = ["collection", "artifacts", "mcp_servers", "tag_definitions", "groups"];

/// How a list is written.
#[derive(Debug)]
pub(super) enum Form {
    /// There is no such key.
    Absent,
    /// As an array of inline tables, perhaps none.
    Inline(Vec<Item>),
    /// As `[[…]]` tables, at least one.
    Tables(Vec<Item>),
}

/// An entry, as ranges of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// The entry alone: from its header's line to its last key's, or from brace to brace.
    pub(super) body: Range<usize>,
    /// With the comments directly above, and whole lines where it has lines of its own.
    pub(super) whole: Range<usize>,
    /// What goes when the entry goes: the above, and the blanks or the comma that part it from its neighbours.
    pub(super) cut: Range<usize>,
    /// Where another entry behind this one begins.
    pub(super) behind: usize,
    /// Whether it stands on lines of its own.
    pub(super) own_lines: bool,
    /// Whether a comma must follow before another entry can. Never for `[[…]]` tables.
    pub(super) lacks_comma: bool,
    /// Its sub-tables that stand apart from it, behind other tables.
    pub(super) apart: Vec<Range<usize>>,
}

/// Finds the list `key`.
///
/// # Errors
///
/// `Shape` when there is something else at that key, or both forms.
pub(super) fn find(text: &str, sections: &[Section<'_>], key: &'static str) -> Result<Form, EditError> {
    let shape = || EditError::Shape { path: key.to_owned() };
    let tables = tables(text, sections, key).ok_or_else(shape)?;
    let root = &text[sections[0].range.clone()];
    let document = if root.contains(key) { Some(parse(root)?) } else { None };
    match document.as_ref().and_then(|document| document.as_table().get(key)) {
        None if tables.is_empty() => Ok(Form::Absent),
        None => Ok(Form::Tables(tables)),
        Some(Node::Value(toml_edit::Value::Array(array))) if tables.is_empty() => {
            let span = array.span().ok_or_else(shape)?;
            let elements: Option<Vec<_>> = array.iter().map(toml_edit::Value::span).collect();
            let items =
                elements.map(|elements| inline(text, span.clone(), &elements)).ok_or_else(shape)??;
            Ok(Form::Inline(items))
        }
        Some(_) => Err(shape()),
    }
}

/// The `[[key]]` tables with the tables below them. `None` when a header is not a list's.
fn tables(text: &str, sections: &[Section<'_>], key: &str) -> Option<Vec<Item>> {
    let mut items: Vec<Item> = Vec::new();
    let mut last = 0;
    for (index, section) in sections.iter().enumerate() {
        let Some((first, below)) = section.path.split_first() else { continue };
        if first != key {
            continue;
        }
        let lead = lead(text, sections, index);
        let behind = end_of_part(text, sections, index);
        if below.is_empty() {
            if !section.array {
                return None;
            }
            items.push(Item {
                body: section.range.start..section.body_end,
                whole: lead..section.body_end,
                // Its end comes later; this is how far up it may reach.
                cut: index.checked_sub(1).map_or(0, |above| sections[above].body_end)..section.body_end,
                behind,
                own_lines: true,
                lacks_comma: false,
                apart: Vec::new(),
            });
        } else {
            let item = items.last_mut()?;
            item.behind = behind;
            if last + 1 == index && item.apart.is_empty() {
                item.body.end = section.body_end;
                item.whole.end = section.body_end;
            } else {
                item.apart.push(lead..section.body_end);
            }
        }
        last = index;
    }
    for item in &mut items {
        item.cut = cut(text, &item.whole, item.cut.start);
    }
    Some(items)
}

/// Where the comments directly above a header begin.
fn lead(text: &str, sections: &[Section<'_>], index: usize) -> usize {
    let floor = index.checked_sub(1).map_or(0, |above| sections[above].body_end);
    comments_above(text, sections[index].range.start, floor)
}

/// The start of the comment lines that end at `at`, where a line starts; not before `floor`.
fn comments_above(text: &str, at: usize, floor: usize) -> usize {
    let mut start = at;
    while start > floor {
        let line = line_start(text, start - 1);
        if line < floor || !text[line..start].trim_start_matches([' ', '\t']).starts_with('#') {
            break;
        }
        start = line;
    }
    start
}

/// A table, and the blank lines above it. Where none follows, they stay: what stands above them, a comment perhaps, is
/// not to be moved to what stands below.
fn cut(text: &str, whole: &Range<usize>, floor: usize) -> Range<usize> {
    let below = blank_lines(&text[whole.end..]);
    let mut start = whole.start;
    while start > floor {
        let line = line_start(text, start - 1);
        if line < floor || !text[line..start].trim().is_empty() {
            break;
        }
        start = line;
    }
    if start == 0 {
        // At the top there is nothing above to be parted from.
        return 0..whole.end + below;
    }
    if below > 0 || whole.end == text.len() { start..whole.end } else { whole.clone() }
}

/// How many bytes of blank lines a text begins with.
fn blank_lines(text: &str) -> usize {
    let mut end = 0;
    while let Some(line) = text[end..].split_inclusive('\n').next() {
        if !line.trim().is_empty() {
            break;
        }
        end += line.len();
    }
    end
}

/// Where a section's part of the text ends: before the blank lines and the comments that belong to the next header.
fn end_of_part(text: &str, sections: &[Section<'_>], index: usize) -> usize {
    let from = sections[index].body_end;
    let until = if index + 1 < sections.len() { lead(text, sections, index + 1) } else { text.len() };
    let rest = text[from..until].trim_end();
    if rest.is_empty() { from } else { line_end(text, from + rest.len()) }
}

/// The entries of an inline array.
fn inline(text: &str, array: Range<usize>, elements: &[Range<usize>]) -> Result<Vec<Item>, EditError> {
    let close = array.end - 1;
    let mut items: Vec<Item> = Vec::with_capacity(elements.len());
    for (index, body) in elements.iter().enumerate() {
        let until = elements.get(index + 1).map_or(close, |next| next.start);
        let comma = comma(text, body.end..until)?;
        let line = line_start(text, body.start);
        let end = comma.map_or(body.end, |comma| comma + 1);
        let after = line_end(text, end);
        let rest = text[end..after].trim_start_matches([' ', '\t', '\r', '\n']);
        let own_lines = text[line..body.start].trim().is_empty()
            && after <= until.max(end)
            && line_end(text, body.end) == after
            && (rest.is_empty() || rest.starts_with('#'));
        let item = if own_lines {
            let floor = index.checked_sub(1).map_or(array.start, |above| elements[above].end);
            let whole = comments_above(text, line, floor)..after;
            Item {
                body: body.clone(),
                whole: whole.clone(),
                cut: whole,
                behind: after,
                own_lines,
                lacks_comma: comma.is_none(),
                apart: Vec::new(),
            }
        } else {
            let cut = match (comma, index.checked_sub(1).map(|above| elements[above].end)) {
                (Some(_), _) => body.start..end + blanks(&text[end..]),
                // The last one takes the comma before it along.
                (None, Some(above))
                    if text[above..body.start].chars().all(|c| matches!(c, ' ' | '\t' | ',')) =>
                {
                    above..body.end
                }
                (None, _) => body.clone(),
            };
            Item {
                body: body.clone(),
                whole: body.clone(),
                cut,
                behind: body.end,
                own_lines,
                lacks_comma: false,
                apart: Vec::new(),
            }
        };
        items.push(item);
    }
    Ok(items)
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t']).len()
}

/// The comma in a stretch between two entries.
fn comma(text: &str, range: Range<usize>) -> Result<Option<usize>, EditError> {
    let mut at = range.start;
    while at < range.end {
        let (kind, end) = token(text, at)?;
        if kind == Token::Comma {
            return Ok(Some(at));
        }
        at = end;
    }
    Ok(None)
}

/// Where a list goes that the text does not have yet and that is to be written as `[[…]]` tables.
pub(super) fn place_of_tables(text: &str, sections: &[Section<'_>], key: &str) -> usize {
    let earlier = before(key);
    let last = sections.iter().rposition(|section| {
        section.path.first().is_some_and(|first| earlier.iter().any(|earlier| first == earlier))
    });
    end_of_part(text, sections, last.unwrap_or(0))
}

/// Where a list goes that is to be written as one array: among the keys before the first header.
pub(super) fn place_of_array(text: &str, sections: &[Section<'_>], key: &str) -> Result<usize, EditError> {
    let document = parse(&text[sections[0].range.clone()])?;
    let spans = |keys: &[&str]| -> Vec<Range<usize>> {
        let span = |key: &&str| {
            let (name, value) = document.as_table().get_key_value(key)?;
            Some(name.span()?.start..value.as_value()?.span()?.end)
        };
        keys.iter().filter_map(span).collect()
    };
    if let Some(end) = spans(before(key)).iter().map(|span| span.end).max() {
        return Ok(line_end(text, end));
    }
    let later = &ORDER[(before(key).len() + 1).min(ORDER.len())..];
    if let Some(start) = spans(later).iter().map(|span| span.start).min() {
        return Ok(comments_above(text, line_start(text, start), 0));
    }
    if sections[0].body_end > 0 || sections.len() == 1 {
        return Ok(end_of_part(text, sections, 0));
    }
    Ok(lead(text, sections, 1))
}

fn before(key: &str) -> &'static [&'static str] {
    &ORDER[..ORDER.iter().position(|name| *name == key).unwrap_or(ORDER.len())]
}
