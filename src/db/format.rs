//! How SkillMeat spells values in its text columns.
//!
//! SQLAlchemy's SQLite `DateTime` writes naive UTC as `YYYY-MM-DD HH:MM:SS.ffffff`, the six fraction digits always
//! there; the JSON list columns hold what Python's `json.dumps` gives by default; keys are `uuid.uuid4().hex`.

use std::fmt::Write as _;

use chrono::NaiveDateTime;

/// A point in naive UTC, to the microsecond, as SQLAlchemy stores it.
#[must_use]
pub fn timestamp(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// A list of strings as `json.dumps(list)` writes it: `", "` between items, everything outside printable ASCII as
/// `\uXXXX` (surrogate pairs above the basic plane). The empty list is `[]`.
#[must_use]
pub fn json_list(items: &[String]) -> String {
    let mut out = String::with_capacity(2 + items.iter().map(|item| item.len() + 4).sum::<usize>());
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        json_string(&mut out, item);
    }
    out.push(']');
    out
}

fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// Reads a JSON list column. NULL and `[]` are both the empty list; `None` means the text is not a list of strings.
#[must_use]
pub fn parse_list(text: Option<&str>) -> Option<Vec<String>> {
    match text {
        None | Some("[]") => Some(Vec::new()),
        Some(text) => serde_json::from_str(text).ok(),
    }
}

/// A new random key, as `uuid.uuid4().hex` spells it.
#[must_use]
pub fn new_uuid() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn timestamps_always_have_six_fraction_digits() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
        for (micros, text) in [(0, "000000"), (7, "000007"), (919_647, "919647"), (500_000, "500000")] {
            let at = day.and_hms_micro_opt(3, 4, 5, micros).unwrap();
            assert_eq!(timestamp(at), format!("2026-11-21 03:04:05.{text}"));
        }
    }

    #[test]
    fn lists_are_spelled_as_python_spells_them() {
        // Expected values: json.dumps(...) of CPython 3.11.
        for (items, text) in [
            (&[][..], "[]"),
            (&["a"], r#"["a"]"#),
            (&["a", "b c"], r#"["a", "b c"]"#),
            (&["q\"b\\s/"], r#"["q\"b\\s/"]"#),
            (&["\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}"], r#"["\n\r\t\b\f\u0000\u001f\u007f"]"#),
            (&["ünï", "日本"], r#"["\u00fcn\u00ef", "\u65e5\u672c"]"#),
            (&["😀"], r#"["\ud83d\ude00"]"#),
        ] {
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            assert_eq!(json_list(&items), text);
            assert_eq!(parse_list(Some(text)).as_ref(), Some(&items));
        }
    }

    #[test]
    fn a_text_that_is_no_list_of_strings_is_told_apart_from_an_empty_list() {
        assert_eq!(parse_list(None), Some(vec![]));
        for bad in ["", "null", "{}", "[1]", "[", "[null]", "\"a\""] {
            assert_eq!(parse_list(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn keys_are_32_lower_case_hex_digits_of_version_4() {
        let key = new_uuid();
        assert_eq!(key.len(), 32);
        assert!(key.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        assert_eq!(&key[12..13], "4");
    }
}
