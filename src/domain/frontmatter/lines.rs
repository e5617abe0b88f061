//! What SkillMeat saves from frontmatter that is not YAML: one `key: value` per line
//! (`skillmeat.utils.metadata._extract_partial_frontmatter`).

use super::text::strip;
use super::tools;

/// What the line parser recognises. Tags, author, version and the rest are not among it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Partial {
    pub(super) description: Option<String>,
    pub(super) tools: Vec<String>,
}

/// Reads line by line; of a repeated key the last line wins. One pair of equal quotes around a value is taken off,
/// escapes are not looked at.
pub(super) fn partial(text: &str) -> Partial {
    let mut found = Partial::default();
    for line in text.split('\n').map(strip) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (strip(key), unquote(strip(value)));
        if key.is_empty() {
            continue;
        }
        match key.to_lowercase().as_str() {
            "description" => found.description = Some(value.to_owned()),
            "tools" | "allowed-tools" | "allowedtools" => found.tools = tools::in_text(value),
            _ => {}
        }
    }
    found
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}
