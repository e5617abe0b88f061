//! Texts and lists as YAML that YAML 1.1 and 1.2 read alike.

use serde_yaml::granit_parser::ScalarStyle;

use super::super::resolve::{Type, resolve};

/// Whether a text may stand without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// Where it is certain to be read as the same text.
    AsNeeded,
    /// In double quotes, always.
    Always,
}

/// A text as a value, in the style of the value it replaces if that can hold it. `indent` are the blanks before the key.
pub(super) fn scalar(text: &str, old: Option<ScalarStyle>, indent: &str, quoting: Quoting) -> String {
    if quoting == Quoting::Always {
        return double(text);
    }
    if text.contains('\n') && fits_block(text) {
        return literal(text, indent);
    }
    match old {
        Some(ScalarStyle::SingleQuoted) if fits_single(text) => format!("'{}'", text.replace('\'', "''")),
        Some(ScalarStyle::DoubleQuoted) => double(text),
        _ if is_plain(text) => text.to_owned(),
        _ => double(text),
    }
}

/// A text as an item of a list.
pub(super) fn item(text: &str, quoting: Quoting) -> String {
    if quoting == Quoting::AsNeeded && is_plain(text) && !text.contains([',', '[', ']', '{', '}']) {
        text.to_owned()
    } else {
        double(text)
    }
}

/// A list in brackets.
pub(super) fn flow_list(list: &[String], quoting: Quoting) -> String {
    let items: Vec<String> = list.iter().map(|text| item(text, quoting)).collect();
    format!("[{}]", items.join(", "))
}

/// Whether the text without quotes is that very text for every reader of YAML.
fn is_plain(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '(' | '/'));
    first
        && text.chars().all(|c| c.is_alphanumeric() || " -_./()+,;:'!?=@%&*\"$<>".contains(c))
        && text.len() == text.trim_end().len()
        && !text.ends_with(':')
        && !text.contains(": ")
        && resolve(text) == Type::Str
}

fn fits_single(text: &str) -> bool {
    text.chars().all(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
}

fn fits_block(text: &str) -> bool {
    let sound =
        |c: char| c == '\n' || (!c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'));
    text.chars().all(sound)
        && text.starts_with(|c: char| !c.is_whitespace())
        && text.lines().all(|line| line.trim_end() == line)
}

/// A block with its line breaks kept.
fn literal(text: &str, indent: &str) -> String {
    let body = text.trim_end_matches('\n');
    let head = match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    };
    let mut out = head.to_owned();
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(indent);
            out.push_str("  ");
            out.push_str(line);
        }
    }
    out.push_str(&"\n".repeat((text.len() - body.len()).saturating_sub(1)));
    out
}

/// Double quotes, with an escape for everything that is not plainly printable.
fn double(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}'
                if !matches!(c, '\u{2028}' | '\u{2029}') =>
            {
                out.push(c);
            }
            '\u{10000}'.. => out.push(c),
            c if u32::from(c) <= 0xff => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}
