//! How a value is written as YAML 1.1, in several ways.
//!
//! What this module does not do: know every rule of plain scalars. What it calls plain is plain for sure.

/// How a value is written now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Single,
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
    /// `[a, b]`
    Brackets,
    /// One `- item` a line.
    Lines,
    /// Nothing, or something that is not taken apart: it can be replaced as a whole.
    Other,
}

impl Form {
    /// Whether the value stands in the line of its key and ends before any comment.
    pub(super) fn is_inline(self) -> bool {
        matches!(self, Self::Plain | Self::Single | Self::Double)
    }
}

/// The ways to write a text under a key that stands in column `indent`, best first. `form` is how its value is written
/// now, `None` for a new key.
pub(super) fn text(value: &str, form: Option<Form>, indent: usize) -> Vec<String> {
    let mut ways = Vec::new();
    match form {
        Some(Form::Single) => ways.extend(single(value)),
        Some(Form::Double) => ways.push(double(value)),
        Some(Form::Literal) => ways.extend(literal(value, '|', indent)),
        Some(Form::Folded) if !value.contains('\n') => ways.extend(literal(value, '>', indent)),
        _ => {}
    }
    if value.contains('\n') {
        ways.extend(literal(value, '|', indent));
    }
    if is_plain(value, "") {
        ways.push(value.to_owned());
    }
    ways.push(double(value));
    ways
}

/// A list in brackets.
pub(super) fn brackets(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| in_brackets(item)).collect();
    format!("[{}]", items.join(", "))
}

/// An item of a list in brackets.
pub(super) fn in_brackets(item: &str) -> String {
    if is_plain(item, ",[]{}:?") && is_surely_text(item) { item.to_owned() } else { double(item) }
}

/// An item of a list of lines.
pub(super) fn in_line(item: &str) -> String {
    if is_plain(item, "") && is_surely_text(item) { item.to_owned() } else { double(item) }
}

/// Whether a text can stand without quotes; `special` are characters that must not be in it besides.
fn is_plain(text: &str, special: &str) -> bool {
    let edges = |c: char| {
        c.is_alphanumeric() || matches!(c, '/' | '.' | '(' | ')' | '_' | '!' | ';' | '+' | '^' | '$')
    };
    text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '(' | '_'))
        && text.ends_with(|c: char| {
            edges(c) || matches!(c, '?' | '"' | '\'' | '-' | '*' | '=' | '%' | '>' | ']' | '}')
        })
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains("---")
        && text.chars().all(|c| is_printable(c) && !special.contains(c))
}

/// Whether YAML 1.1 takes a plain text for text and not for a number, a date or a word with a meaning: an item of a
/// list would change its spelling if it were taken for one of these, or vanish.
fn is_surely_text(text: &str) -> bool {
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    text.starts_with(|c: char| c.is_alphabetic()) && !words.contains(&text.to_lowercase().as_str())
}

/// What PyYAML takes for printable and nobody for a line end.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

fn single(text: &str) -> Option<String> {
    text.chars().all(is_printable).then(|| format!("'{}'", text.replace('\'', "''")))
}

fn double(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let escape = match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                };
                out.push_str(&escape);
            }
        }
    }
    out.push('"');
    out
}

/// A block of lines under `|` or `>`, if the text can be one.
fn literal(text: &str, indicator: char, indent: usize) -> Option<String> {
    let (body, chomping) = text.strip_suffix('\n').map_or((text, "-"), |body| (body, ""));
    let odd = body.is_empty() || body.starts_with([' ', '\n']) || body.ends_with('\n');
    if odd || !body.chars().all(|c| c == '\n' || is_printable(c)) {
        return None;
    }
    let mut out = format!("{indicator}{chomping}");
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent + 2));
            out.push_str(line);
        }
    }
    Some(out)
}
