//! What is refused: texts above the limits, and what the parser takes and PyYAML does not.

use super::compose::Refused;

/// Nested collections at most. PyYAML gives up just below 500, with an exception that is no YAML error.
pub(super) const MAX_DEPTH: usize = 64;

/// Scalars and collections at most.
pub(super) const MAX_NODES: usize = 10_000;

/// Aliases at most, and anchors.
pub(super) const MAX_ALIASES: usize = 1_000;

/// Aliases for each anchor at most, from so many aliases on: a bomb has many of few.
pub(super) const ALIASES_AN_ANCHOR: usize = 50;
pub(super) const FEW_ALIASES: usize = 100;

/// Merge keys at most.
pub(super) const MAX_MERGE_KEYS: usize = 100;

/// PyYAML takes no control characters but tab and line ends, no surrogates and no `U+FFFE`, `U+FFFF`.
pub(super) fn printable(text: &str) -> Result<(), Refused> {
    let bad = |c: char| !matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
    match text.chars().position(bad) {
        Some(at) => Err(Refused::yaml(at, "a control character is not allowed in YAML")),
        None => Ok(()),
    }
}

/// The refusal of too deep a text.
pub(super) fn too_deep(at: usize) -> Refused {
    Refused::lost(at, format!("collections nest more than {MAX_DEPTH} deep"))
}

/// PyYAML takes `...` for the end of a document only after the start of one.
pub(super) fn empty_document(text: &str) -> Result<(), Refused> {
    let first = text.lines().find(|line| {
        let line = line.trim_start_matches(' ');
        !line.is_empty() && !line.starts_with('#')
    });
    match first.and_then(|line| line.strip_prefix("...")) {
        Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t']) => {
            Err(Refused::yaml(0, "a document ends that has not begun"))
        }
        _ => Ok(()),
    }
}

/// PyYAML ends a plain scalar at a tab, and in brackets at a `?`, where nothing good can follow; in brackets none
/// begins with `:` either.
pub(super) fn plain(text: &str, at: usize, flow: bool) -> Result<(), Refused> {
    for (i, c) in text.chars().enumerate() {
        match c {
            '\t' => return Err(tab(at + i)),
            '?' if flow => return Err(Refused::yaml(at + i, "an unquoted `?` in brackets")),
            ':' if flow && i == 0 => return Err(Refused::yaml(at, "a `:` without a key")),
            _ => {}
        }
    }
    Ok(())
}

/// PyYAML takes no tab in the line of the `|` or `>`, and no text without indentation under it, not even at the top.
/// Some spans begin with that line and others after it, so `text` begins somewhere before.
pub(super) fn block(text: &str, at: usize, top: bool) -> Result<(), Refused> {
    let indicator = text.find(['|', '>']).unwrap_or(0);
    let (header, body) = text[indicator..].split_once('\n').unwrap_or((&text[indicator..], ""));
    if header.chars().take_while(|c| *c != '#').any(|c| c == '\t') {
        return Err(tab(at));
    }
    if top && body.lines().any(|line| !line.is_empty() && !line.starts_with(' ')) {
        return Err(Refused::yaml(at, "a block of text must be indented"));
    }
    Ok(())
}

/// The refusal of a tab.
pub(super) fn tab(at: usize) -> Refused {
    Refused::yaml(at, "a tab is not allowed here")
}

/// PyYAML's anchors are ASCII letters, digits, `-` and `_`.
pub(super) fn plain_name(name: &str, at: usize) -> Result<(), Refused> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        Ok(())
    } else {
        Err(Refused::yaml(at, "anchors are made of letters, digits, `-` and `_`"))
    }
}
