//! The last line of a service file that we wrote: how to tell ours from one that a person has changed.
//!
//! It holds the SHA-256 of everything above it, and what else was made for the file, so that taking the service away
//! leaves nothing behind and removes nothing of anybody else's.
//!
//! What this module does not do: read or write files.

use sha2::{Digest, Sha256};

use super::Kind;

const WORDS: &str = "written by `skillmeatd service install`";

/// What was made for the file besides itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traces {
    /// Directories above the file, counted from the file upwards.
    pub directories: usize,
    /// The directory of the link that starts the service at login.
    pub links: bool,
}

/// Whose hand a service file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// Ours, and nobody has touched it since.
    Ours(Traces),
    /// Ours at first; somebody has changed it.
    Edited,
    /// Somebody else's.
    Foreign,
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `text` with the seal below it.
#[must_use]
pub fn seal(kind: Kind, text: &str, traces: Traces) -> String {
    let Traces { directories, links } = traces;
    let links = if links { "yes" } else { "no" };
    let line = format!("{WORDS}; sha256 {}; directories {directories}; links {links}", digest(text));
    match kind {
        Kind::Systemd => format!("{text}# {line}\n"),
        Kind::Launchd => format!("{text}<!-- {line} -->\n"),
    }
}

/// The text above the seal, and whose hand the whole shows.
#[must_use]
pub fn open(text: &str) -> (&str, Hand) {
    let at = text.trim_end_matches('\n').rfind('\n').map_or(0, |newline| newline + 1);
    let (above, last) = text.split_at(at);
    let Some((_, words)) = last.split_once(WORDS) else {
        return (text, if text.contains(WORDS) { Hand::Edited } else { Hand::Foreign });
    };
    let words = words.trim_end().trim_end_matches("-->").trim_end();
    let field = |name: &str| words.split("; ").find_map(|part| part.strip_prefix(name)?.strip_prefix(' '));
    if field("sha256") != Some(digest(above).as_str()) {
        return (above, Hand::Edited);
    }
    let directories = field("directories").and_then(|count| count.parse().ok()).unwrap_or(0);
    (above, Hand::Ours(Traces { directories, links: field("links") == Some("yes") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACES: Traces = Traces { directories: 2, links: true };

    #[test]
    fn a_seal_tells_what_was_written_and_made() {
        for kind in [Kind::Systemd, Kind::Launchd] {
            let sealed = seal(kind, "a\nb\n", TRACES);
            assert_eq!(open(&sealed), ("a\nb\n", Hand::Ours(TRACES)));
            assert_eq!(open(&seal(kind, "", Traces::default())), ("", Hand::Ours(Traces::default())));
        }
    }

    #[test]
    fn a_hand_shows_wherever_it_was() {
        let sealed = seal(Kind::Systemd, "a\nb\n", TRACES);
        for edited in [
            sealed.replace("a\n", "A\n"),
            sealed.clone() + "c\n",
            sealed.replace("b\n", ""),
            sealed.replace("sha256 ", "sha256 0"),
            format!("{sealed}\n[Service]\n"),
        ] {
            assert_eq!(open(&edited).1, Hand::Edited, "{edited}");
        }
        assert_eq!(open("[Unit]\n"), ("[Unit]\n", Hand::Foreign));
        assert_eq!(open("").1, Hand::Foreign);
    }
}
