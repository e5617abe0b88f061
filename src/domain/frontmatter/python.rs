//! The values PyYAML makes of YAML, and what Python's `str()` and `repr()` print for them.
//!
//! A value lives in a [`Values`] arena and names its parts by index, so that an alias costs nothing and a value may
//! contain itself. Printing is bounded in depth and length; Python has a bound on the first only.

use std::fmt::Write as _;

/// Index of a value in its arena; the same number as its YAML node.
pub(super) type Id = usize;

/// Characters of one printed value at most. SkillMeat has no such limit; no field of an artifact comes near it.
const PRINTED: usize = 256 * 1024;

/// Nesting of one printed value at most.
const DEPTH: usize = 128;

/// A Python value, as far as PyYAML's `SafeLoader` can make one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    /// In decimal digits, with `-` if negative: Python's integers have no size.
    Int(String),
    Float(f64),
    Str(String),
    Date(Date),
    DateTime(Date, Time),
    Bytes(Vec<u8>),
    List(Vec<Id>),
    /// A list of pairs (`!!omap`, `!!pairs`).
    Pairs(Vec<(Id, Id)>),
    Dict(Vec<(Id, Id)>),
    Set(Vec<Id>),
}

/// `datetime.date`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: u8,
}

/// The rest of a `datetime.datetime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) microsecond: u32,
    /// Minutes east of UTC; `None` for a naive time.
    pub(super) offset: Option<i32>,
}

/// A value that nests too deep or prints too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// An arena of values. A slot is empty until its value is made.
#[derive(Debug, Default)]
pub(super) struct Values(Vec<Option<Value>>);

impl Values {
    pub(super) fn get(&self, id: Id) -> &Value {
        self.0.get(id).and_then(Option::as_ref).unwrap_or(&Value::None)
    }

    pub(super) fn is_made(&self, id: Id) -> bool {
        matches!(self.0.get(id), Some(Some(_)))
    }

    /// Fills a slot, or fills it anew.
    pub(super) fn set(&mut self, id: Id, value: Value) {
        if self.0.len() <= id {
            self.0.resize_with(id + 1, || None);
        }
        if let Some(slot) = self.0.get_mut(id) {
            *slot = Some(value);
        }
    }

    /// `bool(value)`
    pub(super) fn truthy(&self, id: Id) -> bool {
        match self.get(id) {
            Value::None => false,
            Value::Bool(b) => *b,
            Value::Int(digits) => digits != "0",
            Value::Float(f) => *f != 0.0,
            Value::Str(s) => !s.is_empty(),
            Value::Date(_) | Value::DateTime(..) => true,
            Value::Bytes(b) => !b.is_empty(),
            Value::List(items) | Value::Set(items) => !items.is_empty(),
            Value::Pairs(pairs) | Value::Dict(pairs) => !pairs.is_empty(),
        }
    }

    /// `str(value)`
    pub(super) fn str(&self, id: Id) -> Result<String, TooLarge> {
        match self.get(id) {
            Value::Str(s) => Ok(s.clone()),
            Value::Date(date) => Ok(iso_date(*date)),
            Value::DateTime(date, time) => Ok(format!("{} {}", iso_date(*date), iso_time(*time))),
            _ => {
                let mut out = String::new();
                self.repr(id, &mut Vec::new(), &mut out)?;
                Ok(out)
            }
        }
    }

    fn repr(&self, id: Id, inside: &mut Vec<Id>, out: &mut String) -> Result<(), TooLarge> {
        if inside.len() > DEPTH || out.len() > PRINTED {
            return Err(TooLarge);
        }
        let (open, close) = match self.get(id) {
            Value::None => return push(out, "None"),
            Value::Bool(true) => return push(out, "True"),
            Value::Bool(false) => return push(out, "False"),
            Value::Int(digits) => return push(out, digits),
            Value::Float(f) => return push(out, &repr_float(*f)),
            Value::Str(s) => return push(out, &repr_str(s)),
            Value::Date(date) => return push(out, &repr_date(*date)),
            Value::DateTime(date, time) => return push(out, &repr_datetime(*date, *time)),
            Value::Bytes(bytes) => return push(out, &repr_bytes(bytes)),
            Value::Set(items) if items.is_empty() => return push(out, "set()"),
            Value::List(_) | Value::Pairs(_) => ("[", "]"),
            Value::Dict(_) | Value::Set(_) => ("{", "}"),
        };
        push(out, open)?;
        if inside.contains(&id) {
            push(out, "...")?;
            return push(out, close);
        }
        inside.push(id);
        match self.get(id) {
            Value::List(items) | Value::Set(items) => {
                for (i, &item) in items.iter().enumerate() {
                    push(out, if i == 0 { "" } else { ", " })?;
                    self.repr(item, inside, out)?;
                }
            }
            Value::Dict(pairs) => {
                for (i, &(key, value)) in pairs.iter().enumerate() {
                    push(out, if i == 0 { "" } else { ", " })?;
                    self.repr(key, inside, out)?;
                    push(out, ": ")?;
                    self.repr(value, inside, out)?;
                }
            }
            Value::Pairs(pairs) => {
                for (i, &(key, value)) in pairs.iter().enumerate() {
                    push(out, if i == 0 { "(" } else { ", (" })?;
                    self.repr(key, inside, out)?;
                    push(out, ", ")?;
                    self.repr(value, inside, out)?;
                    push(out, ")")?;
                }
            }
            _ => {}
        }
        inside.pop();
        push(out, close)
    }

    /// A text that is equal for two values exactly if Python would take them for the same dictionary key (`1`, `1.0`
    /// and `True` are one key), or `None` for a value that cannot be a key.
    pub(super) fn key(&self, id: Id) -> Option<String> {
        Some(match self.get(id) {
            Value::None => "None".to_owned(),
            Value::Bool(b) => format!("n{}", u8::from(*b)),
            Value::Int(digits) => format!("n{digits}"),
            Value::Float(f) if f.is_nan() => format!("nan{id}"),
            Value::Float(f) => format!("n{}", if *f == 0.0 { 0.0 } else { *f }),
            Value::Str(s) => format!("s{s}"),
            Value::Bytes(bytes) => repr_bytes(bytes),
            Value::Date(date) => repr_date(*date),
            Value::DateTime(date, time) => repr_datetime(*date, *time),
            Value::List(_) | Value::Pairs(_) | Value::Dict(_) | Value::Set(_) => return None,
        })
    }
}

fn push(out: &mut String, text: &str) -> Result<(), TooLarge> {
    out.push_str(text);
    if out.len() > PRINTED { Err(TooLarge) } else { Ok(()) }
}

fn iso_date(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

fn iso_time(time: Time) -> String {
    let mut out = format!("{:02}:{:02}:{:02}", time.hour, time.minute, time.second);
    if time.microsecond != 0 {
        let _ = write!(out, ".{:06}", time.microsecond);
    }
    if let Some(offset) = time.offset {
        let sign = if offset < 0 { '-' } else { '+' };
        let _ = write!(out, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
    }
    out
}

fn repr_date(date: Date) -> String {
    format!("datetime.date({}, {}, {})", date.year, date.month, date.day)
}

fn repr_datetime(date: Date, time: Time) -> String {
    let mut out = format!("datetime.datetime({}, {}, {}", date.year, date.month, date.day);
    let _ = write!(out, ", {}, {}", time.hour, time.minute);
    if time.second != 0 || time.microsecond != 0 {
        let _ = write!(out, ", {}", time.second);
    }
    if time.microsecond != 0 {
        let _ = write!(out, ", {}", time.microsecond);
    }
    match time.offset {
        None => {}
        Some(0) => out.push_str(", tzinfo=datetime.timezone.utc"),
        Some(minutes) => {
            out.push_str(", tzinfo=datetime.timezone(datetime.timedelta(");
            if minutes < 0 {
                out.push_str("days=-1, ");
            }
            let _ = write!(out, "seconds={}))", minutes.rem_euclid(24 * 60) * 60);
        }
    }
    out.push(')');
    out
}

/// `repr(float)`: the shortest digits that read back as the same number, plain between 1e-4 and 1e16.
pub(super) fn repr_float(f: f64) -> String {
    if f.is_nan() {
        return "nan".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{f:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{f}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// `repr(str)`: single quotes unless only they occur in it; what Python does not call printable is escaped.
fn repr_str(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if u32::from(c) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push(quote);
    out
}

/// `str.isprintable` for one character, by the Unicode version of the Rust library (Python 3.11 has version 14).
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // `str::escape_debug` escapes what is not printable, and combining characters, but those at the start only.
    let text: String = ['a', c].into_iter().collect();
    text.escape_debug().nth(1) != Some('\\')
}

fn repr_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut out = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if char::from(b) == quote => {
                out.push('\\');
                out.push(quote);
            }
            0x20..=0x7e => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(quote);
    out
}
