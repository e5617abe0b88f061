//! Cutting a manifest at its top-level headers, so that only what changed is parsed again.

use std::ops::Range;

/// A stretch of whole lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain) enum Piece {
    /// One `[[artifacts]]` header and everything that belongs to it.
    Artifact(Range<usize>),
    /// Anything else, up to the next artifact.
    Rest(Range<usize>),
}

/// The pieces of `text` in order; joined they are the text. `None` when a header is spelled in a way that this cannot
/// judge (quoted, spaced, out of place), and only the whole text can be parsed.
///
/// A line that begins with `[` inside an array or a multi-line inline table is cut at, too. That is safe as long as the
/// piece before it is parsed alone: it is unbalanced then, which sends the caller to the whole text. Multi-line strings
/// are not safe, and it is the caller's part to look for their quotes.
pub(in crate::domain) fn split(text: &str) -> Option<Vec<Piece>> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut in_artifact = false;
    let first = bytes.starts_with(b"[").then_some(0);
    for header in first.into_iter().chain(memchr::memmem::find_iter(bytes, b"\n[").map(|newline| newline + 1))
    {
        let place = header_of(bytes.get(header..)?, in_artifact)?;
        if place == Place::Inside {
            continue;
        }
        close(&mut pieces, start..header, in_artifact);
        start = header;
        in_artifact = place == Place::Artifact;
    }
    close(&mut pieces, start..text.len(), in_artifact);
    Some(pieces)
}

fn close(pieces: &mut Vec<Piece>, range: Range<usize>, artifact: bool) {
    match pieces.last_mut() {
        _ if range.is_empty() => {}
        Some(Piece::Rest(last)) if !artifact => last.end = range.end,
        _ => pieces.push(if artifact { Piece::Artifact(range) } else { Piece::Rest(range) }),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A new artifact begins.
    Artifact,
    /// A sub-table of the current artifact.
    Inside,
    /// Something else begins.
    Rest,
}

fn header_of(line: &[u8], in_artifact: bool) -> Option<Place> {
    let (double, key) = match line.strip_prefix(b"[[") {
        Some(key) => (true, key),
        None => (false, line.strip_prefix(b"[")?),
    };
    let length =
        key.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')).count();
    let (key, rest) = key.split_at_checked(length)?;
    let next = rest.first()?;
    if key.is_empty() || !matches!(next, b']' | b'.') {
        return None;
    }
    match (key == b"artifacts", next, double, in_artifact) {
        (false, ..) => Some(Place::Rest),
        (true, b']', true, _) => Some(Place::Artifact),
        (true, b'.', _, true) => Some(Place::Inside),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Option<Vec<(bool, &str)>> {
        let pieces = split(text)?;
        let show = |piece: Piece| match piece {
            Piece::Artifact(range) => (true, &text[range]),
            Piece::Rest(range) => (false, &text[range]),
        };
        Some(pieces.into_iter().map(show).collect())
    }

    #[test]
    fn an_artifact_reaches_to_the_next_top_level_header() {
        let text = "x = []\n[collection]\nname = 1\n\n[[artifacts]]\na = 1\n[artifacts.metadata]\nb = 2\n\n\
                    [[artifacts]]\n[[artifacts.metadata.linked_artifacts]]\n[[groups]]\nc = 3\n";
        assert_eq!(
            pieces(text),
            Some(vec![
                (false, "x = []\n[collection]\nname = 1\n\n"),
                (true, "[[artifacts]]\na = 1\n[artifacts.metadata]\nb = 2\n\n"),
                (true, "[[artifacts]]\n[[artifacts.metadata.linked_artifacts]]\n"),
                (false, "[[groups]]\nc = 3\n"),
            ])
        );
        assert_eq!(pieces(""), Some(vec![]));
        assert_eq!(pieces("[[artifacts]]"), Some(vec![(true, "[[artifacts]]")]));
    }

    #[test]
    fn headers_that_cannot_be_judged_stop_it() {
        for text in [
            "[\"artifacts\"]\n",
            "[[ artifacts ]]\n",
            "[artifacts]\n",
            "[artifacts.metadata]\n",
            "[groups]\n[artifacts.metadata]\n",
            "a = [\n[1, 2],\n]\n",
            "a = [\n[],\n]\n",
            "[",
        ] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
