//! Setting and removing one key of one table in the text of a section.
//!
//! The section is parsed for the spans of its keys and values; the text is then changed at those spans alone. A table may
//! be written as `[header]`, as dotted keys, or inline; each keeps its form.

use std::ops::Range;

use toml_edit::{Document, Item, Key, Table, TableLike, Value};

use super::EditError;
use super::scan::{Token, comments, indent, line_end, line_start, newline, token};
use super::value::{NewValue, Style, rewrite_array};

/// One step from a document's root towards a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Key(&'static str),
    Index(usize),
}

/// A table in a parsed text.
pub(super) struct Place<'d> {
    table: &'d dyn TableLike,
    kind: Kind,
}

enum Kind {
    /// Keys on lines of their own. `header` is the end of the header's line.
    Lines { header: usize, prefix: String },
    /// Keys between the braces at `braces`.
    Braces { braces: Range<usize>, prefix: String },
}

/// Parses a section (or a whole document).
pub(super) fn parse(text: &str) -> Result<Document<&str>, EditError> {
    Document::parse(text)
        .map_err(|error| EditError::at(text, error.span().map_or(0, |span| span.start), error.message()))
}

/// The table at the end of `path`. `None` when there is nothing; an error when there is something else than a table.
pub(super) fn place<'d>(document: &'d Document<&str>, path: &[Step]) -> Result<Option<Place<'d>>, EditError> {
    let text = document.raw();
    let mut node = Node::Table(document.as_table());
    let mut kind = Kind::Lines { header: 0, prefix: String::new() };
    for step in path {
        let next = match (step, &node) {
            (Step::Key(key), Node::Table(table)) => table.get(key).map(Node::of),
            (Step::Key(key), Node::Value(Value::InlineTable(table))) => table.get(key).map(Node::Value),
            (Step::Index(index), Node::Tables(tables)) => tables.get(*index).map(Node::Table),
            (Step::Index(index), Node::Value(Value::Array(array))) => array.get(*index).map(Node::Value),
            _ => return Err(EditError::Shape { path: spelled(path) }),
        };
        let Some(next) = next else { return Ok(None) };
        let dotted = |prefix: &String| match step {
            Step::Key(key) => format!("{prefix}{key}."),
            Step::Index(_) => prefix.clone(),
        };
        kind = match (&next, kind) {
            (Node::Table(table), Kind::Lines { header, prefix }) if table.is_dotted() => {
                Kind::Lines { header, prefix: dotted(&prefix) }
            }
            (Node::Table(table), _) => {
                let header = table.span().filter(|_| !table.is_implicit());
                Kind::Lines {
                    header: header.map_or(0, |span| line_end(text, span.start)),
                    prefix: String::new(),
                }
            }
            (Node::Value(Value::InlineTable(table)), Kind::Braces { braces, prefix })
                if table.is_dotted() =>
            {
                Kind::Braces { braces, prefix: dotted(&prefix) }
            }
            (Node::Value(value), _) => {
                Kind::Braces { braces: value.span().unwrap_or_default(), prefix: String::new() }
            }
            (Node::Tables(_), kind) => kind,
            (Node::None, _) => return Ok(None),
        };
        node = next;
    }
    match node {
        Node::Table(table) => Ok(Some(Place { table, kind })),
        Node::Value(Value::InlineTable(table)) => Ok(Some(Place { table, kind })),
        _ => Err(EditError::Shape { path: spelled(path) }),
    }
}

enum Node<'d> {
    Table(&'d Table),
    Tables(&'d toml_edit::ArrayOfTables),
    Value(&'d Value),
    None,
}

impl<'d> Node<'d> {
    fn of(item: &'d Item) -> Self {
        match item {
            Item::Table(table) => Self::Table(table),
            Item::ArrayOfTables(tables) => Self::Tables(tables),
            Item::Value(value) => Self::Value(value),
            Item::None => Self::None,
        }
    }
}

fn spelled(path: &[Step]) -> String {
    let steps: Vec<_> = path
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(*key),
            Step::Index(_) => None,
        })
        .collect();
    steps.join(".")
}

impl Place<'_> {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Item> {
        self.table.get(key)
    }

    /// The text with `key` set to `value`. A key that is new goes behind the last of `order` that stands before it there.
    pub(super) fn set(
        &self,
        text: &str,
        key: &str,
        order: &[&str],
        value: NewValue<'_>,
    ) -> Result<String, EditError> {
        if let Some((span, old)) = self.table.get(key).and_then(|item| Some((item.span()?, item.as_value()?)))
        {
            let indent = self.is_lines().then(|| indent(text, span.start));
            let style = Style { newline: newline(text), indent };
            let rendered = match (value, old) {
                (NewValue::List(new), Value::Array(array)) => {
                    let values: Vec<_> = array.iter().map(Value::as_str).collect();
                    rewrite_array(&text[span.clone()], &values, new, style)?
                }
                _ => value.render(style),
            };
            return Ok(splice(text, span, &rendered));
        }
        if self.table.contains_key(key) {
            return Err(EditError::Shape { path: key.to_owned() });
        }
        let before = order.iter().take_while(|name| **name != key);
        let after = before.filter_map(|name| self.value_span(name)).max_by_key(|span| span.end);
        match &self.kind {
            Kind::Lines { header, prefix } => {
                let (at, indent) = match after {
                    Some(span) => (line_end(text, span.end), indent(text, span.start)),
                    None => self.first_line(text, *header, !prefix.is_empty()),
                };
                let newline = newline(text);
                let lead = if at > 0 && !text[..at].ends_with('\n') { newline } else { "" };
                let value = value.render(Style { newline, indent: Some(indent) });
                Ok(splice(text, at..at, &format!("{lead}{indent}{prefix}{key} = {value}{newline}")))
            }
            Kind::Braces { braces, prefix } => {
                let value = value.render(Style { newline: newline(text), indent: None });
                let pair = format!("{prefix}{key} = {value}");
                let items = items(text, braces.clone())?;
                let behind = after.and_then(|span| items.iter().find(|item| item.end >= span.end));
                // Dotted keys stay together; the keys of the table around them are none of theirs.
                let first = self.first_key().filter(|_| !prefix.is_empty());
                let front =
                    first.and_then(|at| items.iter().find(|item| item.contains(&at))).or(items.first());
                Ok(match (behind, front) {
                    (Some(item), _) => splice(text, item.end..item.end, &format!(", {pair}")),
                    (None, Some(front)) => splice(text, front.start..front.start, &format!("{pair}, ")),
                    (None, None) => splice(text, braces.clone(), &format!("{{ {pair} }}")),
                })
            }
        }
    }

    /// The text without `key`; its comments stay. Without the key the text stays as it is.
    pub(super) fn remove(&self, text: &str, key: &str) -> Result<String, EditError> {
        let Some((name, item)) = self.table.get_key_value(key) else { return Ok(text.to_owned()) };
        let (Some(name), Some(value)) = (name.span(), item.as_value().and_then(Value::span)) else {
            return Err(EditError::Shape { path: key.to_owned() });
        };
        match &self.kind {
            Kind::Lines { .. } => {
                let line = line_start(text, name.start)..line_end(text, value.end);
                let indent = indent(text, name.start);
                let newline = newline(text);
                let mut kept = String::new();
                for comment in comments(&text[line.clone()])? {
                    kept.push_str(&format!("{indent}{comment}{newline}"));
                }
                Ok(splice(text, line, &kept))
            }
            Kind::Braces { braces, .. } => {
                let items = items(text, braces.clone())?;
                let Some(at) = items.iter().position(|item| item.contains(&name.start)) else {
                    return Err(EditError::Shape { path: key.to_owned() });
                };
                let range = match (at.checked_sub(1), items.get(at + 1)) {
                    (Some(previous), _) => items[previous].end..items[at].end,
                    (None, Some(next)) => items[at].start..next.start,
                    (None, None) => return Ok(splice(text, braces.clone(), "{}")),
                };
                Ok(splice(text, range, ""))
            }
        }
    }

    fn is_lines(&self) -> bool {
        matches!(self.kind, Kind::Lines { .. })
    }

    /// Where a key's value stands, if it is written as one value.
    fn value_span(&self, key: &str) -> Option<Range<usize>> {
        let value = self.table.get(key)?.as_value()?;
        let name = self.table.key(key).and_then(Key::span)?;
        Some(name.start..value.span()?.end)
    }

    /// Where the first of the table's keys stands.
    fn first_key(&self) -> Option<usize> {
        self.table.iter().filter_map(|(key, _)| self.value_span(key)).map(|span| span.start).min()
    }

    /// Where a key goes that none of the present ones precedes, and the blanks before it: behind the header, or, for
    /// dotted keys, before the first of their kind.
    fn first_line<'t>(&self, text: &'t str, header: usize, dotted: bool) -> (usize, &'t str) {
        let first = self.first_key();
        let indent = first.map_or("", |at| indent(text, at));
        match first {
            Some(at) if dotted => (line_start(text, at), indent),
            _ => (header, indent),
        }
    }
}

/// The pairs between the braces of an inline table, without the blanks around them.
fn items(text: &str, braces: Range<usize>) -> Result<Vec<Range<usize>>, EditError> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut at = braces.start;
    let mut start = braces.start + 1;
    let close = braces.end.saturating_sub(1);
    let mut add = |start: usize, end: usize| {
        let piece = &text[start..end];
        let from = start + (piece.len() - piece.trim_start().len());
        let until = start + piece.trim_end().len();
        if from < until {
            found.push(from..until);
        }
    };
    while at < close {
        let (kind, end) = token(text, at)?;
        match kind {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Comma if depth == 1 => {
                add(start, at);
                start = end;
            }
            Token::Comma | Token::Text | Token::Comment | Token::Newline | Token::Other => {}
        }
        at = end;
    }
    add(start, close);
    Ok(found)
}

/// The text with `range` replaced.
pub(super) fn splice(text: &str, range: Range<usize>, by: &str) -> String {
    let mut out = String::with_capacity(text.len() + by.len());
    out.push_str(&text[..range.start]);
    out.push_str(by);
    out.push_str(&text[range.end..]);
    out
}
