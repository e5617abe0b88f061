//! Where things are in a TOML text, as byte ranges: its sections, and the tokens inside a piece of it.
//!
//! One pass over the bytes that knows just enough TOML (strings, comments, brackets) never to take a `[` or `#` inside a
//! value for something else. It does not parse values and does not check a document: a text this module can divide may
//! still be wrong TOML. Whoever edits a section parses that section.

use std::borrow::Cow;
use std::ops::Range;

use super::EditError;

/// A header and what belongs to it, up to the next header. The part before the first header is a section as well,
/// with an empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section<'t> {
    /// The header's keys, unquoted.
    pub(super) path: Vec<Cow<'t, str>>,
    /// Whether the header is a `[[double]]` one.
    pub(super) array: bool,
    /// From the start of the header's line to the start of the next header's line.
    pub(super) range: Range<usize>,
    /// End of the last line that holds a header or a key: what follows are blank lines and comments.
    pub(super) body_end: usize,
}

/// What a byte range of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A string of any of the four kinds, quotes included.
    Text,
    /// `#` to the end of the line, without the line ending.
    Comment,
    /// `[` or `{`.
    Open,
    /// `]` or `}`.
    Close,
    /// `,`
    Comma,
    /// `\n`, or `\r\n`.
    Newline,
    /// Anything else: one character.
    Other,
}

/// The token at `at`, with its end. `at` must be below `text.len()`.
pub(super) fn token(text: &str, at: usize) -> Result<(Token, usize), EditError> {
    let bytes = text.as_bytes();
    let one = |token| Ok((token, at + 1));
    match bytes[at] {
        b'"' | b'\'' => Ok((Token::Text, string_end(text, at)?)),
        b'#' => Ok((Token::Comment, line_content_end(text, at))),
        b'[' | b'{' => one(Token::Open),
        b']' | b'}' => one(Token::Close),
        b',' => one(Token::Comma),
        b'\n' => one(Token::Newline),
        b'\r' if bytes.get(at + 1) == Some(&b'\n') => Ok((Token::Newline, at + 2)),
        _ => Ok((Token::Other, at + text[at..].chars().next().map_or(1, char::len_utf8))),
    }
}

/// Divides a text into its sections, in order.
///
/// # Errors
///
/// `Syntax` for an unfinished string, a bracket without its partner, or a header that is not one.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, EditError> {
    let bytes = text.as_bytes();
    let mut found = vec![Section { path: Vec::new(), array: false, range: 0..text.len(), body_end: 0 }];
    let mut at = 0;
    while at < bytes.len() {
        let line = at;
        while matches!(bytes.get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        let header = bytes.get(at) == Some(&b'[');
        let start = at;
        let (end, blank) = statement_end(text, at)?;
        if header {
            let (path, array) = header_path(text, start, end)?;
            if let Some(last) = found.last_mut() {
                last.range.end = line;
            }
            found.push(Section { path, array, range: line..text.len(), body_end: end });
        } else if !blank && let Some(last) = found.last_mut() {
            last.body_end = end;
        }
        at = end;
    }
    Ok(found)
}

/// The end of the statement that starts at `at`, its line ending included, and whether it was nothing but space and
/// comment.
fn statement_end(text: &str, mut at: usize) -> Result<(usize, bool), EditError> {
    let start = at;
    let mut depth = 0_usize;
    let mut blank = true;
    while at < text.len() {
        // Most of a text is neither a bracket nor a quote: step over such a stretch at once.
        let plain = plain_length(&text.as_bytes()[at..]);
        if plain > 0 {
            let stretch = &text.as_bytes()[at..at + plain];
            blank &= stretch.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
            at += plain;
            continue;
        }
        let (token, end) = token(text, at)?;
        at = end;
        match token {
            Token::Newline if depth == 0 => return Ok((at, blank)),
            Token::Newline | Token::Comment => continue,
            Token::Open => depth += 1,
            Token::Close => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| EditError::at(text, end - 1, "unexpected closing bracket"))?;
            }
            Token::Other if matches!(text.as_bytes()[end - 1], b' ' | b'\t' | b'\r') => continue,
            Token::Text | Token::Comma | Token::Other => {}
        }
        blank = false;
    }
    if depth > 0 {
        return Err(EditError::at(text, start, "a bracket is not closed"));
    }
    Ok((at, blank))
}

/// How many bytes there are before the next one that begins a string or comment, opens or closes something, or ends
/// the line.
fn plain_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| SPECIAL[usize::from(byte)]).unwrap_or(bytes.len())
}

/// As a table, because every byte of a manifest is looked up.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < b"\"'#[]{}\n".len() {
        table[b"\"'#[]{}\n"[at] as usize] = true;
        at += 1;
    }
    table
};

/// Reads the header between `start` (its first bracket) and `end`.
fn header_path(text: &str, start: usize, end: usize) -> Result<(Vec<Cow<'_, str>>, bool), EditError> {
    let wrong = |message: &str| EditError::at(text, start, message);
    let array = text[start..].starts_with("[[");
    let inner_start = start + if array { 2 } else { 1 };
    let mut at = inner_start;
    let inner_end = loop {
        if at >= end {
            return Err(wrong("a table header is not closed"));
        }
        let (token, next) = token(text, at)?;
        match token {
            Token::Close => break at,
            Token::Newline | Token::Open | Token::Comma | Token::Comment => {
                return Err(wrong("this is not a table header"));
            }
            Token::Text | Token::Other => at = next,
        }
    };
    if array && !text[inner_end..].starts_with("]]") {
        return Err(wrong("this is not a table header"));
    }
    let inner = &text[inner_start..inner_end];
    let is_bare = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
    if !inner.is_empty() && inner.bytes().all(is_bare) {
        return Ok((inner.split('.').map(Cow::Borrowed).collect(), array));
    }
    let keys = toml_edit::Key::parse(inner).map_err(|error| wrong(error.message()))?;
    Ok((keys.iter().map(|key| Cow::Owned(key.get().to_owned())).collect(), array))
}

/// The end of the string whose opening quote is at `at`.
fn string_end(text: &str, at: usize) -> Result<usize, EditError> {
    let bytes = text.as_bytes();
    let quote = bytes[at];
    let unfinished = || EditError::at(text, at, "a string is not closed");
    let long = bytes[at..].starts_with(&[quote; 3]);
    let mut next = at + if long { 3 } else { 1 };
    loop {
        let rest = bytes.get(next..).ok_or_else(unfinished)?;
        next += memchr::memchr3(quote, b'\\', b'\n', rest).ok_or_else(unfinished)?;
        match bytes[next] {
            b'\\' if quote == b'"' => next += 2,
            b'\n' if !long => return Err(unfinished()),
            c if c == quote && !long => return Ok(next + 1),
            c if c == quote && bytes[next..].starts_with(&[quote; 3]) => {
                // Up to two quotes may stand directly before the closing three.
                let run = bytes[next..].iter().take(5).take_while(|&&c| c == quote).count();
                return Ok(next + run);
            }
            _ => next += 1,
        }
    }
}

/// The start of the line that holds `at`.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The start of the line after the one that holds `at`, or the end of the text.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// The end of the line that holds `at`, before its line ending.
fn line_content_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    if text[at..end].ends_with('\r') { end - 1 } else { end }
}

/// The blanks the line of `at` starts with.
pub(super) fn indent(text: &str, at: usize) -> &str {
    let line = &text[line_start(text, at)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// The line ending that a text's first line has; `\n` when there is none to go by.
pub(super) fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The comments in a text, `#` included.
pub(super) fn comments(text: &str) -> Result<Vec<&str>, EditError> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (token, end) = token(text, at)?;
        if token == Token::Comment {
            found.push(&text[at..end]);
        }
        at = end;
    }
    Ok(found)
}
