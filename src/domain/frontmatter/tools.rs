//! SkillMeat's tool names and how a word is taken for one (`skillmeat.utils.metadata._normalize_tool_name`).

use super::text::strip;
use crate::domain::manifest::TOOLS;

/// The tool a word stands for: one of the 18 names in any letter case, or written in lower or mixed case with one and
/// the same separator, `-` or `_`, between all of its words (`web-fetch`, `ask_user_question`). Anything else,
/// `Bash(git:*)` and `mcp__server__tool` included, is no tool.
pub(super) fn canonical(word: &str) -> Option<&'static str> {
    let word = strip(word).to_lowercase();
    let is_meant = |tool: &&str| {
        word.eq_ignore_ascii_case(tool) || is_separated(&word, tool, b'-') || is_separated(&word, tool, b'_')
    };
    TOOLS.into_iter().find(is_meant)
}

/// The tools in a comma-separated text; words that are none are left out.
pub(super) fn in_text(text: &str) -> Vec<String> {
    text.split(',').filter_map(canonical).map(str::to_owned).collect()
}

/// Whether a word in lower case is a tool's name so separated: `web-fetch` for `WebFetch`.
fn is_separated(word: &str, tool: &str, separator: u8) -> bool {
    let mut word = word.bytes();
    let same = tool.bytes().enumerate().all(|(index, byte)| {
        let joined = index == 0 || !byte.is_ascii_uppercase() || word.next() == Some(separator);
        joined && word.next() == Some(byte.to_ascii_lowercase())
    });
    same && word.next().is_none()
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
