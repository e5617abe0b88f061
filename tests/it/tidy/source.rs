//! Just enough of a Rust reader for the rules: tokens without comments and strings, and the paths in them.
//!
//! What this module does not do: understand macros or resolve names. A path is a run of `a::b::{c, d}` as it
//! is written; `super` is counted from the file's own module, also inside an inline module.

use std::path::PathBuf;

/// A file of the repository.
pub(super) struct Source {
    /// Relative to the repository.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    pub(super) fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    /// The module path under `src/`: `["cli", "config"]` for `src/cli/config.rs`; `None` elsewhere.
    pub(super) fn module(&self) -> Option<Vec<String>> {
        let inside = self.path.strip_prefix("src").ok()?.with_extension("");
        let mut parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            parts.pop();
        }
        Some(parts)
    }

    /// The whole file is test code.
    pub(super) fn is_test(&self) -> bool {
        self.path.iter().any(|part| part == "tests" || part == "tests.rs" || part == "benches")
    }

    /// The lines that are not in a `#[cfg(test)]` module of this file.
    pub(super) fn production(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        let mut kept = Vec::new();
        let mut lines = self.text.lines().peekable();
        while let Some(line) = lines.next() {
            let opens = |next: &&str| next.contains("mod ") && next.ends_with('{');
            if line == "#[cfg(test)]" && lines.peek().is_some_and(opens) {
                // rustfmt puts the brace that closes a top-level module at the start of a line, and no other.
                lines.by_ref().find(|line| *line == "}");
            } else {
                kept.push(line);
            }
        }
        kept.join("\n")
    }

    /// Every path in the production code, with `crate`, `self` and `super` resolved: a path inside this crate
    /// begins with `crate`.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let module = self.module().unwrap_or_default();
        paths(&tokens(&self.production()))
            .into_iter()
            .map(|path| {
                let supers = path.iter().take_while(|part| *part == "super").count();
                let from = match path.first().map(String::as_str) {
                    Some("super") => &module[..module.len().saturating_sub(supers)],
                    Some("self") => &module[..],
                    _ => return path,
                };
                let rest = path.iter().skip(supers.max(1)).cloned();
                ["crate".to_owned()].into_iter().chain(from.iter().cloned()).chain(rest).collect()
            })
            .collect()
    }
}

/// Identifiers and punctuation; `::` is one token, comments, strings, characters and lifetimes are none.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut found = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            i = end_of_comment(&chars, i);
        } else if c == '"' {
            i = end_of_string(&chars, i);
        } else if c == '\'' {
            i = end_of_quote(&chars, i);
        } else if c.is_alphabetic() || c == '_' {
            let start = i;
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            let word: String = chars[start..i].iter().collect();
            let hashes = (i..).take_while(|j| at(*j) == '#').count();
            if ["r", "br", "cr"].contains(&word.as_str()) && at(i + hashes) == '"' {
                i = end_of_raw_string(&chars, i + hashes + 1, hashes);
            } else {
                found.push(word);
            }
        } else if c == ':' && at(i + 1) == ':' {
            found.push("::".to_owned());
            i += 2;
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            i += 1;
        }
    }
    found
}

fn end_of_comment(chars: &[char], mut i: usize) -> usize {
    let mut depth = 0;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => {
                (depth, i) = (depth - 1, i + 2);
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    i
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn end_of_raw_string(chars: &[char], mut i: usize, hashes: usize) -> usize {
    while i < chars.len() {
        if chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    i
}

/// A character, or a lifetime, of which only the quote is passed over.
fn end_of_quote(chars: &[char], start: usize) -> usize {
    match (chars.get(start + 1), chars.get(start + 2)) {
        (Some('\\'), _) => {
            let mut i = start + 3;
            while i < chars.len() && chars[i] != '\'' {
                i += 1;
            }
            i + 1
        }
        (Some(_), Some('\'')) => start + 3,
        _ => start + 1,
    }
}

/// Every path of two or more parts, and every single name that is imported.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let imported = i > 0 && tokens[i - 1] == "use";
        // A leading `::` would otherwise join the keyword and the crate's name.
        if (is_name(&tokens[i]) && tokens[i] != "use") || (imported && tokens[i] == "::") {
            let mut tree = Vec::new();
            i = walk(tokens, i, &[], &mut tree);
            found.extend(tree.into_iter().filter(|path| path.len() > 1 || imported));
        } else {
            i += 1;
        }
    }
    found
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads one tree `a::b::{c, d as e}` and returns the index behind it.
fn walk(tokens: &[String], mut i: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let at = |i: usize| tokens.get(i).map_or("", String::as_str);
    if at(i) == "::" {
        i += 1;
    }
    loop {
        match at(i) {
            "{" => {
                i += 1;
                while !["}", ""].contains(&at(i)) {
                    let next = walk(tokens, i, &path, found);
                    // Whatever is no tree (`,`, `as e`, a macro's own grammar) is passed over.
                    i = if next == i { i + 1 } else { next };
                }
                return i + 1;
            }
            "*" if !path.is_empty() => {
                found.push(path);
                return i + 1;
            }
            name if is_name(name) => {
                path.push(name.to_owned());
                i += 1;
                if at(i) != "::" {
                    found.push(path);
                    // `as e` is a name of its own, not a tree.
                    return if at(i) == "as" { i + 2 } else { i };
                }
                i += 1;
            }
            // `Vec::<u8>` and the like: the path ends before the arguments.
            _ => {
                if path.len() > prefix.len() {
                    found.push(path);
                }
                return i;
            }
        }
    }
}
