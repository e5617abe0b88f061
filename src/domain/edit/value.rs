//! Values as `tomli_w` writes them, because that is what SkillMeat writes the file with: basic strings only, and arrays
//! with one element per line. An array that is there already keeps its shape, its comments and the spelling of the
//! elements that stay.

use super::EditError;
use super::scan::{Token, newline, token};

/// A value to be written.
#[derive(Debug, Clone, Copy)]
pub(super) enum NewValue<'v> {
    Text(&'v str),
    List(&'v [String]),
    Integer(i64),
    EmptyTable,
}

/// How the place a value goes to looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'s> {
    /// The line ending in use.
    pub(super) newline: &'s str,
    /// The blanks before the key; `None` inside an inline table, which has to stay on one line.
    pub(super) indent: Option<&'s str>,
}

impl NewValue<'_> {
    /// The value's text.
    pub(super) fn render(self, style: Style<'_>) -> String {
        match (self, style.indent) {
            (Self::Text(text), _) => basic_string(text),
            (Self::Integer(number), _) => number.to_string(),
            (Self::EmptyTable, _) => "{}".to_owned(),
            (Self::List([]), _) => "[]".to_owned(),
            (Self::List(list), None) => {
                let items: Vec<_> = list.iter().map(|item| basic_string(item)).collect();
                format!("[{}]", items.join(", "))
            }
            (Self::List(list), Some(indent)) => {
                let mut lines = Lines::new("[", style.newline);
                for item in list {
                    lines.push(&format!("{indent}    {},", basic_string(item)));
                }
                lines.close(indent)
            }
        }
    }
}

/// A text as a TOML basic string, with the escapes `tomli_w._writer.format_string` uses.
pub(super) fn basic_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{8}' => out.push_str("\\b"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push('\t'),
            c if c.is_ascii_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// An element or a comment of an array, as written.
struct Piece<'t> {
    text: &'t str,
    start: usize,
    end: usize,
}

/// What stands in an array: its elements, and the comments with the element each belongs to.
struct Parts<'t> {
    elements: Vec<Piece<'t>>,
    /// The comment behind `[`, with the blanks before it.
    opening: Option<&'t str>,
    /// Comments on lines of their own, by the index of the element they stand before; the last slot is the array's end.
    before: Vec<Vec<&'t str>>,
    /// The comment at the end of an element's line, with the blanks before it.
    behind: Vec<Option<&'t str>>,
    ends_with_comma: bool,
}

impl Parts<'_> {
    fn has_comments(&self) -> bool {
        self.opening.is_some()
            || self.before.iter().any(|comments| !comments.is_empty())
            || self.behind.iter().any(Option::is_some)
    }
}

/// An existing array (`old`, brackets included) with new elements. `values` are the old elements' values in order, `None`
/// for what is not a string.
pub(super) fn rewrite_array(
    old: &str,
    values: &[Option<&str>],
    new: &[String],
    style: Style<'_>,
) -> Result<String, EditError> {
    let parts = parts(old)?;
    if parts.elements.len() != values.len() || new.is_empty() && !parts.has_comments() {
        return Ok(NewValue::List(new).render(style));
    }
    let mut free: Vec<bool> = vec![true; values.len()];
    let mut old_index = |item: &str| {
        let index = (0..values.len()).find(|&i| free[i] && values[i] == Some(item))?;
        free[index] = false;
        Some(index)
    };
    let kept: Vec<Option<usize>> = new.iter().map(|item| old_index(item)).collect();
    let spelling = |item: &String, index: Option<usize>| match index {
        Some(index) => parts.elements[index].text.to_owned(),
        None => basic_string(item),
    };
    if !old.contains('\n') {
        if values.is_empty() {
            return Ok(NewValue::List(new).render(style));
        }
        let items: Vec<_> = new.iter().zip(&kept).map(|(item, index)| spelling(item, *index)).collect();
        let inner = &old[1..old.len() - 1];
        let left = &inner[..inner.len() - inner.trim_start().len()];
        let right = &inner[inner.trim_end().len()..];
        let comma = if parts.ends_with_comma { "," } else { "" };
        return Ok(format!("[{left}{}{comma}{right}]", items.join(", ")));
    }
    Ok(many_lines(old, &parts, new, &kept, spelling, style))
}

fn many_lines(
    old: &str,
    parts: &Parts<'_>,
    new: &[String],
    kept: &[Option<usize>],
    spelling: impl Fn(&String, Option<usize>) -> String,
    style: Style<'_>,
) -> String {
    let outer = style.indent.unwrap_or_default();
    let own_line = |at: usize| {
        let start = old[..at].rfind('\n')? + 1;
        old[start..at].trim_matches([' ', '\t']).is_empty().then(|| &old[start..at])
    };
    let inner = parts
        .elements
        .first()
        .and_then(|first| own_line(first.start))
        .map_or_else(|| format!("{outer}    "), str::to_owned);
    let mut lines = Lines::new(&format!("[{}", parts.opening.unwrap_or_default()), newline(old));
    let mut told = vec![false; parts.elements.len()];
    // The comments of an element that goes are told where the element was.
    let tell_gone = |lines: &mut Lines<'_>, told: &mut [bool], until: usize| {
        for (gone, told) in told.iter_mut().enumerate().take(until) {
            if !*told && !kept.contains(&Some(gone)) {
                *told = true;
                for comment in parts.before[gone].iter().copied().chain(parts.behind[gone]) {
                    lines.push(&format!("{inner}{}", comment.trim_start()));
                }
            }
        }
    };
    for (item, index) in new.iter().zip(kept) {
        let mut behind = "";
        if let Some(index) = *index {
            tell_gone(&mut lines, &mut told, index);
            for comment in &parts.before[index] {
                lines.push(&format!("{inner}{comment}"));
            }
            behind = parts.behind[index].unwrap_or_default();
        }
        lines.push(&format!("{inner}{},{behind}", spelling(item, *index)));
    }
    tell_gone(&mut lines, &mut told, parts.elements.len());
    for comment in parts.before.last().into_iter().flatten() {
        lines.push(&format!("{inner}{comment}"));
    }
    lines.close(own_line(old.len() - 1).unwrap_or(outer))
}

fn parts(old: &str) -> Result<Parts<'_>, EditError> {
    let mut elements: Vec<Piece<'_>> = Vec::new();
    let mut comments: Vec<Piece<'_>> = Vec::new();
    let mut current: Option<Piece<'_>> = None;
    let mut ends_with_comma = false;
    let mut depth = 0_usize;
    let mut at = 0;
    while at < old.len() {
        let (kind, end) = token(old, at)?;
        match kind {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Comment | Token::Newline | Token::Text | Token::Comma | Token::Other => {}
        }
        let blank = kind == Token::Newline || old[at..end].trim_matches([' ', '\t', '\r']).is_empty();
        match kind {
            Token::Comment => comments.push(Piece { text: &old[at..end], start: at, end }),
            Token::Open if depth == 1 => {}
            Token::Comma if depth == 1 => {
                elements.extend(current.take());
                ends_with_comma = true;
            }
            Token::Close if depth == 0 => elements.extend(current.take()),
            _ if blank => {}
            _ => {
                let start = current.as_ref().map_or(at, |piece| piece.start);
                current = Some(Piece { text: &old[start..end], start, end });
                ends_with_comma = false;
            }
        }
        at = end;
    }
    let mut parts = Parts {
        opening: None,
        before: vec![Vec::new(); elements.len() + 1],
        behind: vec![None; elements.len()],
        ends_with_comma,
        elements,
    };
    for comment in comments {
        let next = parts.elements.iter().position(|element| element.end > comment.start);
        let next = next.unwrap_or(parts.elements.len());
        let line = old[..comment.start].rfind('\n').map_or(0, |newline| newline + 1);
        let spaced = old[..comment.start].trim_end_matches([' ', '\t']).len();
        match next.checked_sub(1) {
            // A comment inside an element (an array in the array) would be lost with it, so it counts as standing before.
            _ if parts.elements.get(next).is_some_and(|element| element.start < comment.start) => {
                parts.before[next].push(comment.text);
            }
            Some(previous) if parts.elements[previous].end > line && parts.behind[previous].is_none() => {
                parts.behind[previous] = Some(&old[spaced..comment.end]);
            }
            None if line == 0 => parts.opening = Some(&old[spaced..comment.end]),
            _ => parts.before[next].push(comment.text),
        }
    }
    Ok(parts)
}

/// Lines of an array being written.
struct Lines<'n> {
    out: String,
    newline: &'n str,
}

impl<'n> Lines<'n> {
    fn new(first: &str, newline: &'n str) -> Self {
        Self { out: first.to_owned(), newline }
    }

    fn push(&mut self, line: &str) {
        self.out.push_str(self.newline);
        self.out.push_str(line);
    }

    fn close(mut self, indent: &str) -> String {
        self.push(indent);
        self.out.push(']');
        self.out
    }
}
