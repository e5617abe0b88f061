//! Values as they were written, and as they are meant: durations, words, paths, filters.
//!
//! What this module does not do: know any key. Messages are the end of a sentence that begins with the key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::filter::Targets;

/// A value as a layer gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// A TOML string.
    String(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Boolean(bool),
    /// Any other TOML value; the text is what to call it in a message.
    Other(&'static str),
    /// The text of a variable or a flag, which has no type of its own.
    Word(String),
}

impl Raw {
    fn text(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Word(text) => Some(text),
            _ => None,
        }
    }

    fn unexpected(&self, wanted: &str) -> String {
        let found = match self {
            Self::String(text) | Self::Word(text) => format!("{text:?}"),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(truth) => truth.to_string(),
            Self::Other(name) => (*name).to_owned(),
        };
        format!("must be {wanted}, found {found}")
    }
}

/// What a duration looks like, for messages and help.
pub(super) const A_DURATION: &str = r#"a duration such as "50ms", "5s", "30m" or "1h""#;

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// A whole number with a unit (`ms`, `s`, `m`, `h`), or a bare integer of milliseconds, within `range`.
pub(super) fn duration(raw: &Raw, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let milliseconds = match raw {
        Raw::Integer(number) => u64::try_from(*number).ok(),
        _ => raw.text().and_then(|text| {
            let text = text.trim();
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (number, unit) = text.split_at(digits);
            let unit = match unit.trim_start() {
                // A bare number has a type only in a file: there it is the integer above.
                "" if matches!(raw, Raw::Word(_)) => 1,
                unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
            };
            number.parse::<u64>().ok()?.checked_mul(unit)
        }),
    };
    let Some(duration) = milliseconds.map(Duration::from_millis) else {
        return Err(raw.unexpected(&format!("{A_DURATION}, or a number of milliseconds")));
    };
    if range.contains(&duration) {
        Ok(duration)
    } else {
        let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
        Err(raw.unexpected(&format!("between {least} and {most}")))
    }
}

/// `NAME=DURATION`, separated by commas; the empty text is the empty list.
pub(super) fn durations(
    raw: &Raw,
    range: &RangeInclusive<Duration>,
) -> Result<BTreeMap<String, Duration>, String> {
    let wanted = "a list such as \"default=10m, work=2h\"";
    let text = raw.text().ok_or_else(|| raw.unexpected(wanted))?;
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.rsplit_once('=').ok_or_else(|| raw.unexpected(wanted))?;
            let value = duration(&Raw::String(value.trim().to_owned()), range)
                .map_err(|reason| format!("names {}, which {reason}", name.trim()))?;
            Ok((name.trim().to_owned(), value))
        })
        .collect()
}

/// What [`durations`] reads back.
pub(super) fn show_durations(list: &BTreeMap<String, Duration>) -> String {
    let pairs: Vec<String> =
        list.iter().map(|(name, value)| format!("{name}={}", show_duration(*value))).collect();
    pairs.join(", ")
}

/// `duration`, of a flag that is no setting.
///
/// # Errors
/// When it is none, or not in `range`; the text is the end of a sentence.
pub fn parse_duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    duration(&Raw::Word(text.to_owned()), range)
}

/// The shortest spelling that [`duration`] reads back.
pub(super) fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    UNITS
        .iter()
        .rev()
        .find(|(_, unit)| milliseconds >= u128::from(*unit) && milliseconds.is_multiple_of(u128::from(*unit)))
        .map_or_else(
            || format!("{milliseconds}ms"),
            |(name, unit)| format!("{}{name}", milliseconds / u128::from(*unit)),
        )
}

/// `true` or `false`.
pub(super) fn boolean(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Boolean(truth) => Ok(*truth),
        Raw::Word(text) if text == "true" => Ok(true),
        Raw::Word(text) if text == "false" => Ok(false),
        _ => Err(raw.unexpected("true or false")),
    }
}

/// One word of a fixed set.
pub(super) fn word<T: Copy>(raw: &Raw, words: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = words.iter().find(|(name, _)| raw.text() == Some(name)) {
        return Ok(*value);
    }
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    Err(raw.unexpected(&format!("one of {}", names.join(", "))))
}

/// The word for `value` in `words`.
pub(super) fn show_word<T: Copy + PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, each)| *each == value).map_or("", |(name, _)| name)
}

/// An absolute path: a daemon's working directory is nobody's idea of "here".
pub(super) fn path(raw: &Raw) -> Result<PathBuf, String> {
    let wanted = "an absolute path (a leading ~ is not expanded)";
    let path = PathBuf::from(raw.text().ok_or_else(|| raw.unexpected(wanted))?);
    if path.is_absolute() { Ok(path) } else { Err(raw.unexpected(wanted)) }
}

/// An address of this machine that no other machine can reach, with a port.
pub(super) fn loopback(raw: &Raw) -> Result<SocketAddr, String> {
    let wanted = "a loopback address and a port, such as 127.0.0.1:8765 or [::1]:8765";
    let address: Option<SocketAddr> = raw.text().and_then(|text| text.trim().parse().ok());
    address.filter(|address| address.ip().is_loopback()).ok_or_else(|| raw.unexpected(wanted))
}

/// A log filter: a level, or comma-separated directives `target=level`.
pub(super) fn filter(raw: &Raw) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let wanted =
        "a level (off, error, warn, info, debug, trace) or a filter such as info,skillmeatd::db=debug";
    let text = raw.text().map(str::trim).ok_or_else(|| raw.unexpected(wanted))?;
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    // A bare word is taken for the name of a target; here it is a slip. There are no spans to be named.
    let slip = |part: &&str| {
        part.contains('[')
            || !part.contains(['=', ':']) && !LEVELS.contains(&part.to_ascii_lowercase().as_str())
    };
    let filter = parts.join(",");
    if parts.iter().any(slip) || filter.parse::<Targets>().is_err() {
        return Err(raw.unexpected(wanted));
    }
    Ok(filter)
}
