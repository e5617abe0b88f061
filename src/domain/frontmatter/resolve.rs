//! YAML 1.1 scalars as PyYAML reads them: which type a plain scalar has (`yaml.resolver.Resolver`) and what value it
//! stands for (`yaml.constructor.SafeConstructor`).
//!
//! Differs from YAML 1.2 and from newer readers in many places: `yes` is a boolean, `010` is eight, `1:30` is ninety,
//! `1e3` and `0o17` are strings.

use super::python::{Date, Time, Value};

/// Digits of an integer at most: Python refuses to print or read longer decimals.
const DIGITS: usize = 4300;

/// What a plain scalar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    /// The key `<<`.
    Merge,
    /// The key `=`.
    DefaultValue,
    Str,
}

/// The type of a plain scalar.
pub(super) fn resolve(text: &str) -> Type {
    let bytes = text.as_bytes();
    match bytes.first() {
        None => Type::Null,
        Some(b'~') if bytes.len() == 1 => Type::Null,
        Some(b'<') if text == "<<" => Type::Merge,
        Some(b'=') if bytes.len() == 1 => Type::DefaultValue,
        Some(b'n' | b'N') if matches!(text, "null" | "Null" | "NULL") => Type::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O')
            if boolean(text).is_some() =>
        {
            Type::Bool
        }
        Some(b'-' | b'+' | b'.' | b'0'..=b'9') => {
            if is_float(bytes) {
                Type::Float
            } else if is_int(bytes) {
                Type::Int
            } else if timestamp(text, true).is_some() {
                Type::Timestamp
            } else {
                Type::Str
            }
        }
        Some(_) => Type::Str,
    }
}

/// `yes`, `Yes` and `YES` and so on: three spellings each, no others.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn unsigned(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b'-' | b'+', rest @ ..] => rest,
        _ => bytes,
    }
}

fn all(bytes: &[u8], class: impl Fn(u8) -> bool) -> bool {
    bytes.iter().all(|&b| class(b))
}

fn digit_or_underscore(b: u8) -> bool {
    b.is_ascii_digit() || b == b'_'
}

/// `1:30`, `190:20:30`: the parts after the first are below sixty. `lead` says what the first part may start with.
fn is_sexagesimal(bytes: &[u8], lead: impl Fn(u8) -> bool) -> bool {
    let mut parts = bytes.split(|&b| b == b':');
    let Some([first, rest @ ..]) = parts.next() else { return false };
    let mut more = 0;
    let low = parts.all(|part| {
        more += 1;
        matches!(part, [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
    });
    lead(*first) && all(rest, digit_or_underscore) && low && more > 0
}

fn is_int(bytes: &[u8]) -> bool {
    match unsigned(bytes) {
        [b'0'] => true,
        [b'0', b'b', rest @ ..] => !rest.is_empty() && all(rest, |b| matches!(b, b'0' | b'1' | b'_')),
        [b'0', b'x', rest @ ..] => !rest.is_empty() && all(rest, |b| b.is_ascii_hexdigit() || b == b'_'),
        [b'0', rest @ ..] => all(rest, |b| matches!(b, b'0'..=b'7' | b'_')),
        [b'1'..=b'9', rest @ ..] if all(rest, digit_or_underscore) => true,
        digits => is_sexagesimal(digits, |b| matches!(b, b'1'..=b'9')),
    }
}

fn is_float(bytes: &[u8]) -> bool {
    let digits = unsigned(bytes);
    let signed = digits.len() != bytes.len();
    match digits {
        b".inf" | b".Inf" | b".INF" => return true,
        b".nan" | b".NaN" | b".NAN" => return !signed,
        _ => {}
    }
    let Some(point) = digits.iter().position(|&b| b == b'.') else { return false };
    let (whole, tail) = (&digits[..point], &digits[point + 1..]);
    let (fraction, exponent) = match tail.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(e) => (&tail[..e], Some(&tail[e + 1..])),
        None => (tail, None),
    };
    let exponent_ok = exponent.is_none_or(|e| {
        matches!(e, [b'-' | b'+', digits @ ..] if !digits.is_empty() && all(digits, |b| b.is_ascii_digit()))
    });
    match whole {
        [] => {
            !signed
                && exponent_ok
                && fraction.first().is_some_and(u8::is_ascii_digit)
                && all(fraction, digit_or_underscore)
        }
        [b'0'..=b'9', rest @ ..] if all(rest, digit_or_underscore) => {
            exponent_ok && all(fraction, digit_or_underscore)
        }
        _ => {
            exponent.is_none()
                && all(fraction, digit_or_underscore)
                && is_sexagesimal(whole, |b| b.is_ascii_digit())
        }
    }
}

/// A value that Python fails to make although the scalar has, or was given, that type: a thirteenth month, `!!int x`.
/// In SkillMeat that is not a YAML error but an exception that loses the whole frontmatter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotPython;

/// `construct_yaml_bool`, which takes any letter case where the tag was written out.
pub(super) fn bool_value(text: &str) -> Result<Value, NotPython> {
    boolean(&text.to_lowercase()).map(Value::Bool).ok_or(NotPython)
}

/// `construct_yaml_int`
pub(super) fn int_value(text: &str) -> Result<Value, NotPython> {
    let text = text.replace('_', "");
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text.as_str()),
    };
    let magnitude = if digits == "0" {
        "0".to_owned()
    } else if let Some(binary) = digits.strip_prefix("0b") {
        decimal(&[binary], 2, 2)?
    } else if let Some(hexadecimal) = digits.strip_prefix("0x") {
        decimal(&[hexadecimal], 16, 16)?
    } else if digits.starts_with('0') {
        decimal(&[digits], 8, 8)?
    } else {
        let parts: Vec<&str> = digits.split(':').collect();
        decimal(&parts, 10, 60)?
    };
    let negative = negative && magnitude != "0";
    Ok(Value::Int(if negative { format!("-{magnitude}") } else { magnitude }))
}

/// The number whose parts, each written with `radix`, are the digits of a number with `base`: one part in the first
/// for plain numbers, several for sexagesimal ones. In decimal digits without leading zeros.
fn decimal(parts: &[&str], radix: u32, base: u32) -> Result<String, NotPython> {
    // Little-endian limbs below 10^9.
    let mut limbs: Vec<u32> = vec![0];
    let mut sum: Vec<u32> = vec![0];
    for part in parts {
        if part.is_empty() || part.len() > DIGITS * 4 {
            return Err(NotPython);
        }
        limbs.clear();
        limbs.push(0);
        for c in part.chars() {
            multiply_add(&mut limbs, radix, c.to_digit(radix).ok_or(NotPython)?)?;
        }
        multiply_add(&mut sum, base, 0)?;
        add(&mut sum, &limbs)?;
    }
    let mut out = String::new();
    for (i, limb) in sum.iter().rev().enumerate() {
        out.push_str(&if i == 0 { format!("{limb}") } else { format!("{limb:09}") });
    }
    let out = out.trim_start_matches('0');
    if out.len() > DIGITS {
        return Err(NotPython);
    }
    Ok(if out.is_empty() { "0".to_owned() } else { out.to_owned() })
}

const LIMB: u64 = 1_000_000_000;

fn multiply_add(limbs: &mut Vec<u32>, factor: u32, addend: u32) -> Result<(), NotPython> {
    let mut carry = u64::from(addend);
    for limb in limbs.iter_mut() {
        let value = u64::from(*limb) * u64::from(factor) + carry;
        *limb = u32::try_from(value % LIMB).unwrap_or(0);
        carry = value / LIMB;
    }
    push_carry(limbs, carry)
}

fn add(limbs: &mut Vec<u32>, other: &[u32]) -> Result<(), NotPython> {
    limbs.resize(limbs.len().max(other.len()), 0);
    let mut carry = 0;
    for (i, limb) in limbs.iter_mut().enumerate() {
        let value = u64::from(*limb) + u64::from(other.get(i).copied().unwrap_or(0)) + carry;
        *limb = u32::try_from(value % LIMB).unwrap_or(0);
        carry = value / LIMB;
    }
    push_carry(limbs, carry)
}

fn push_carry(limbs: &mut Vec<u32>, carry: u64) -> Result<(), NotPython> {
    if carry > 0 {
        limbs.push(u32::try_from(carry).unwrap_or(0));
    }
    if limbs.len() > DIGITS / 9 + 2 { Err(NotPython) } else { Ok(()) }
}

/// `construct_yaml_float`
pub(super) fn float_value(text: &str) -> Result<Value, NotPython> {
    let text = text.replace('_', "").to_lowercase();
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1.0 } else { 1.0 }, rest),
        None => (1.0, text.as_str()),
    };
    let number = |part: &str| part.trim().parse::<f64>().map_err(|_| NotPython);
    match digits {
        "" => Err(NotPython),
        ".inf" => Ok(Value::Float(sign * f64::INFINITY)),
        ".nan" => Ok(Value::Float(f64::NAN)),
        _ if digits.contains(':') => {
            let (mut sum, mut base) = (0.0, 1.0);
            for part in digits.rsplit(':') {
                sum += number(part)? * base;
                base *= 60.0;
                if f64::is_infinite(base) {
                    return Err(NotPython);
                }
            }
            Ok(Value::Float(sign * sum))
        }
        _ => Ok(Value::Float(sign * number(digits)?)),
    }
}

/// `construct_yaml_timestamp`: `2024-01-02`, or with a time after `T` or blanks.
pub(super) fn timestamp_value(text: &str) -> Result<Value, NotPython> {
    let parts = timestamp(text, false).ok_or(NotPython)?;
    let date = Date { year: parts.year, month: parts.month, day: parts.day };
    chrono::NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())
        .filter(|_| date.year > 0)
        .ok_or(NotPython)?;
    let Some(time) = parts.time else { return Ok(Value::Date(date)) };
    let possible = time.hour < 24
        && time.minute < 60
        && time.second < 60
        && time.offset.is_none_or(|minutes| minutes.abs() < 24 * 60);
    if possible { Ok(Value::DateTime(date, time)) } else { Err(NotPython) }
}

struct Timestamp {
    year: u16,
    month: u8,
    day: u8,
    time: Option<Time>,
}

/// Reads the pattern of the resolver, or, if not `strict`, the constructor's, which wants no zeros in a date alone.
/// The numbers may still be impossible.
fn timestamp(text: &str, strict: bool) -> Option<Timestamp> {
    let mut rest = text.as_bytes();
    let year = number(&mut rest, 4, 4)?;
    literal(&mut rest, b'-')?;
    let from = rest.len();
    let month = number(&mut rest, 1, 2)?;
    literal(&mut rest, b'-')?;
    let day = number(&mut rest, 1, 2)?;
    if rest.is_empty() {
        return (from == "MM-DD".len() || !strict).then(|| Timestamp {
            year,
            month: narrow(month),
            day: narrow(day),
            time: None,
        });
    }
    if matches!(rest.first(), Some(b'T' | b't')) {
        rest = &rest[1..];
    } else if blanks(&mut rest) == 0 {
        return None;
    }
    let hour = number(&mut rest, 1, 2)?;
    literal(&mut rest, b':')?;
    let minute = number(&mut rest, 2, 2)?;
    literal(&mut rest, b':')?;
    let second = number(&mut rest, 2, 2)?;
    let mut microsecond = 0;
    if literal(&mut rest, b'.').is_some() {
        let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut unit = 100_000;
        for digit in rest[..length].iter().take(6) {
            microsecond += u32::from(digit - b'0') * unit;
            unit /= 10;
        }
        rest = &rest[length..];
    }
    let mut offset = None;
    if !rest.is_empty() {
        blanks(&mut rest);
        if literal(&mut rest, b'Z').is_some() {
            offset = Some(0);
        } else {
            let sign = match rest.first()? {
                b'-' => -1,
                b'+' => 1,
                _ => return None,
            };
            rest = &rest[1..];
            let hours = i32::from(number(&mut rest, 1, 2)?);
            let minutes =
                if literal(&mut rest, b':').is_some() { i32::from(number(&mut rest, 2, 2)?) } else { 0 };
            offset = Some(sign * (hours * 60 + minutes));
        }
    }
    let time =
        Time { hour: narrow(hour), minute: narrow(minute), second: narrow(second), microsecond, offset };
    rest.is_empty().then(|| Timestamp { year, month: narrow(month), day: narrow(day), time: Some(time) })
}

/// A number of `least` to `most` digits, `most` at most four.
fn number(rest: &mut &[u8], least: usize, most: usize) -> Option<u16> {
    let length = rest.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
    if length < least {
        return None;
    }
    let value = rest[..length].iter().fold(0, |n, b| n * 10 + u16::from(b - b'0'));
    *rest = &rest[length..];
    Some(value)
}

/// A number of two digits fits.
fn narrow(two_digits: u16) -> u8 {
    u8::try_from(two_digits).unwrap_or(u8::MAX)
}

fn literal(rest: &mut &[u8], byte: u8) -> Option<()> {
    *rest = rest.strip_prefix(&[byte])?;
    Some(())
}

fn blanks(rest: &mut &[u8]) -> usize {
    let length = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    *rest = &rest[length..];
    length
}

/// `base64.decodebytes`: what is not in the alphabet is skipped; `None` where the padding is wrong, which PyYAML
/// reports as a YAML error.
pub(super) fn binary_value(text: &str) -> Option<Value> {
    let mut out = Vec::new();
    let (mut buffer, mut count, mut padding) = (0u32, 0u8, 0u8);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += u8::from(padding < 4);
                if count >= 2 && count + padding >= 4 {
                    return Some(Value::Bytes(out));
                }
                continue;
            }
            _ => continue,
        };
        padding = 0;
        buffer = buffer << 6 | u32::from(six);
        count += 1;
        if count > 1 {
            let shift = 6 - 2 * (count - 1);
            out.push(u8::try_from(buffer >> shift & 0xff).unwrap_or(0));
        }
        count %= 4;
    }
    (count == 0).then_some(Value::Bytes(out))
}
