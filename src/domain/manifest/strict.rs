//! Syntax of TOML 1.1 that the TOML 1.0 reader of Python 3.11 (`tomllib`) refuses.
//!
//! Our own reader takes it, so the file is mirrored, but SkillMeat cannot load it and a person should know.
//! The text has been parsed before: only well-formed input is looked at.

use std::ops::Range;

use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// The first such place: its byte offset and what it is.
pub(super) fn find(text: &str) -> Option<(usize, &'static str)> {
    if may_hold_any(text.as_bytes()) { find_in_tokens(text) } else { None }
}

/// Whether there is anything that could be such a place, in a string or a comment or not. In nearly all texts there is
/// nothing, and this takes a fraction of the time of taking them apart.
fn may_hold_any(text: &[u8]) -> bool {
    let digits =
        |range: Range<usize>| text.get(range).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit));
    let is_escape = |at: usize| matches!(text.get(at + 1), Some(b'e' | b'x'));
    let is_minute = |colon: usize| {
        // The second colon of `10:20:30` is none of an hour.
        let is_hour =
            colon >= 2 && digits(colon - 2..colon) && (colon < 3 || text.get(colon - 3) != Some(&b':'));
        is_hour && digits(colon + 1..colon + 3) && text.get(colon + 3) != Some(&b':')
    };
    memchr::memchr(b'{', text).is_some()
        || memchr::memchr_iter(b'\\', text).any(is_escape)
        || memchr::memchr_iter(b':', text).any(is_minute)
}

fn find_in_tokens(text: &str) -> Option<(usize, &'static str)> {
    // Open brackets; `true` for an inline table. Headers balance their own.
    let mut open: Vec<bool> = Vec::new();
    let mut after_comma = false;
    // The lexer cuts a number at its `.`: what follows is a fraction and perhaps an offset, never a time.
    let mut after_dot = false;
    for token in Source::new(text).lex() {
        let (start, end) = (token.span().start(), token.span().end());
        let in_table = open.last().copied().unwrap_or(false);
        match token.kind() {
            TokenKind::LeftSquareBracket => open.push(false),
            TokenKind::LeftCurlyBracket => open.push(true),
            TokenKind::RightSquareBracket => {
                open.pop();
            }
            TokenKind::RightCurlyBracket => {
                if after_comma {
                    return Some((start, "a comma before the end of an inline table"));
                }
                open.pop();
            }
            TokenKind::Newline if in_table => return Some((start, "a line break in an inline table")),
            TokenKind::BasicString | TokenKind::MlBasicString => {
                if let Some(at) = text.get(start..end).and_then(new_escape) {
                    return Some((start + at, "the escape `\\e` or `\\x`"));
                }
            }
            TokenKind::Atom if !after_dot && text.get(start..end).is_some_and(is_time_without_seconds) => {
                return Some((start, "a time without seconds"));
            }
            _ => {}
        }
        after_dot = token.kind() == TokenKind::Dot;
        match token.kind() {
            TokenKind::Comma => after_comma = in_table,
            TokenKind::Whitespace => {}
            _ => after_comma = false,
        }
    }
    None
}

fn new_escape(string: &str) -> Option<usize> {
    let mut bytes = string.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' && bytes.next().is_some_and(|(_, escaped)| matches!(escaped, b'e' | b'x')) {
            return Some(at);
        }
    }
    None
}

/// `10:20`, with a date before or an offset after it or without. A space between date and time cuts the token.
fn is_time_without_seconds(atom: &str) -> bool {
    let Some((before, after)) = atom.split_once(':') else { return false };
    let hour = before.len() >= 2 && before.bytes().rev().take(2).all(|byte| byte.is_ascii_digit());
    let minute = after.bytes().take(2).filter(u8::is_ascii_digit).count() == 2;
    // In `T10:20:30+01:00` the seconds follow the minute; in `T10:20+01:00` they do not.
    hour && minute && after.get(2..).is_some_and(|rest| !rest.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_tomllib_refuses_is_found() {
        for (text, at) in [
            ("a = \"\\e[0m\"", 5),
            ("a = \"ok \\\\ \\x41\"", 11),
            ("a = { b = 1,\n c = 2 }", 12),
            ("a = { b = 1, }", 13),
            ("a = [ { b = 1, }, ]", 15),
            ("a = 10:20", 4),
            ("a = 2026-01-01T10:20Z", 4),
            ("a = 2026-01-01 10:20+01:00", 15),
        ] {
            assert_eq!(find(text).map(|(offset, _)| offset), Some(at), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_the_tokens_hold_is_not_overlooked(text in "([a=\\[\\]{},\\\\\"' \n.ex]|1?[0-9]{1,2}|:[0-9]{2}|2026-01-01|[TZ]|[+-])*") {
            prop_assert_eq!(find(&text), find_in_tokens(&text));
        }
    }

    #[test]
    fn toml_1_0_is_left_alone() {
        for text in [
            "[x]\na = [\n 1,\n 2,\n]\n[[y]]\nb = { c = [\n 1,\n], d = \"\\\\e\" }\n",
            "a = 10:20:30\nb = 2026-01-01T10:20:30.5+01:00\nc = 2026-01-01 10:20:30\nd = 2026-01-01",
            "a = '\\e \\x'\nb = \"10:20\"\nc = '''\n{\n'''\n# { 10:20\n",
            "\"10:20\" = 1\na.b = {}",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
