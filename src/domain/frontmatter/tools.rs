//! SkillMeat's tool names and how a word is taken for one (`skillmeat.utils.metadata._normalize_tool_name`).

use super::text::strip;
use crate::domain::manifest::TOOLS;

/// The tool a word stands for: one of the 18 names in any letter case, or written in lower or mixed case with one and
/// the same separator, `-` or `_`, between all of its words (`web-fetch`, `ask_user_question`). Anything else,
/// `Bash(git:*)` and `mcp__server__tool` included, is no tool.
pub(super) fn canonical(word: &str) -> Option<&'static str> {
    let word = strip(word).to_lowercase();
    TOOLS.into_iter().find(|tool| {
        word == tool.to_lowercase() || word == separated(tool, '-') || word == separated(tool, '_')
    })
}

/// The tools in a comma-separated text; words that are none are left out.
pub(super) fn in_text(text: &str) -> Vec<String> {
    text.split(',').filter_map(canonical).map(str::to_owned).collect()
}

/// `WebFetch` as `web-fetch`.
fn separated(tool: &str, separator: char) -> String {
    let mut name = String::with_capacity(tool.len() + 3);
    for c in tool.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push(separator);
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (word, tool) in [
            ("Bash", Some("Bash")),
            (" bASH\t", Some("Bash")),
            ("web-fetch", Some("WebFetch")),
            ("Web_Fetch", Some("WebFetch")),
            ("ask_user_question", Some("AskUserQuestion")),
            ("ask-user_question", None),
            ("exitplanmode", Some("ExitPlanMode")),
            ("Bash(git:*)", None),
            ("mcp__github__search", None),
            ("Read Write", None),
            ("", None),
            ("-bash", None),
        ] {
            assert_eq!(canonical(word), tool, "{word:?}");
        }
    }

    #[test]
    fn text_is_split_at_commas_and_keeps_order_and_doubles() {
        assert_eq!(in_text("Grep, nope,,grep , Read"), ["Grep", "Grep", "Read"]);
        assert_eq!(in_text("Grep Read"), Vec::<String>::new());
    }
}
