//! A checkup: what was measured, judged, with a remedy where one is needed.
//!
//! Each module takes the facts of one area as values and returns [`Finding`]s. So every fault can be planted in a test
//! by writing down what would be measured, whatever the machine.
//!
//! What this module does not do: measure, mend, or choose how a finding is printed.

pub mod daemon;
pub mod database;
pub mod drift;
pub mod files;
pub mod sections;
pub mod service;
pub mod system;
pub mod watches;

use serde::Serialize;

/// How a check came out, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It does not apply here, or cannot be looked at; `found` says why.
    Skip,
    /// As it should be.
    Ok,
    /// It works, but somebody should look at it.
    Warn,
    /// Something does not work.
    Fail,
}

/// The outcome of one check on one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check, by a name that scripts may rely on.
    pub check: &'static str,
    /// Which of several things of the kind, where there is more than one: a collection, a directory.
    pub about: Option<String>,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found, in a sentence without its full stop.
    pub found: String,
    /// What to do, a command where there is one. Present for [`Verdict::Warn`] and [`Verdict::Fail`].
    pub fix: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, about: None, verdict: Verdict::Ok, found: found.into(), fix: None }
    }

    /// Not looked at, and why.
    pub fn skip(check: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skip, ..Self::ok(check, found) }
    }

    /// Worth a look.
    pub fn warn(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, fix: Some(fix.into()), ..Self::ok(check, found) }
    }

    /// Does not work.
    pub fn fail(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, fix: Some(fix.into()), ..Self::ok(check, found) }
    }

    /// The same about one of several things.
    #[must_use]
    pub fn about(mut self, what: impl Into<String>) -> Self {
        self.about = Some(what.into());
        self
    }
}

/// The worst of these; [`Verdict::Ok`] when there is nothing to complain about.
#[must_use]
pub fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().map_or(Verdict::Ok, |worst| worst.max(Verdict::Ok))
}

/// An error with its causes, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// `1 row`, `2 rows`, `2 directories`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (n, Some(stem)) => format!("{n} {stem}ies"),
        (n, None) => format!("{n} {noun}s"),
    }
}

/// The first few of a list, and how many more there are.
fn some(items: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = items.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match items.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests;
