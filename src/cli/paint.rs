//! Colour on standard output, for terminals that want it (<https://no-color.org>).
//!
//! What this module does not do: carry meaning by colour alone; every word that is coloured says the same without.

use std::io::IsTerminal as _;

use crate::domain::checkup::Verdict;

/// Whether to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint(bool);

impl Paint {
    /// As standard output and its environment want it.
    pub(super) fn stdout() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        Self(std::io::stdout().is_terminal() && set("NO_COLOR").is_none() && !dumb)
    }

    /// Without.
    #[cfg(test)]
    pub(super) const PLAIN: Self = Self(false);

    /// The text in the colour of this verdict.
    pub(super) fn as_verdict(self, verdict: Verdict, text: &str) -> String {
        let code = match verdict {
            Verdict::Ok => "32",
            Verdict::Warn => "33",
            Verdict::Fail => "1;31",
            Verdict::Skip => "2",
        };
        self.with(code, text)
    }

    /// A heading.
    pub(super) fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Less important than the rest.
    pub(super) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    /// `code` is a parameter of Select Graphic Rendition (ECMA-48).
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_put_around_and_left_out() {
        assert_eq!(Paint(true).as_verdict(Verdict::Ok, "ok"), "\u{1b}[32mok\u{1b}[0m");
        assert_eq!(Paint::PLAIN.as_verdict(Verdict::Fail, "fail"), "fail");
        assert_eq!(Paint::PLAIN.strong("x") + &Paint::PLAIN.faint("y"), "xy");
    }
}
