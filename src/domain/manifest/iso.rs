//! Which texts Python 3.11's `datetime.fromisoformat` takes, because SkillMeat refuses a manifest whose dates it
//! cannot read. Only for telling a person so: nothing here yields a time.

/// Whether `text` is a date, or a date and a time.
pub(super) fn is_datetime(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Longest first: `20260101` is also the start of other forms.
    let lengths = [10, 8, 7].into_iter().filter(|length| bytes.len() >= *length);
    lengths.into_iter().any(|length| {
        let Some((date, rest)) = text.split_at_checked(length) else { return false };
        // Any one character may stand between date and time.
        let time = rest.chars().next().and_then(|separator| rest.get(separator.len_utf8()..));
        is_date(date.as_bytes()) && time.is_none_or(is_time_and_zone)
    })
}

fn number(bytes: &[u8]) -> Option<u32> {
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    digits.then(|| bytes.iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0')))
}

fn is_date(date: &[u8]) -> bool {
    match date {
        [y @ .., b'-', m1, m2, b'-', d1, d2] if y.len() == 4 => is_calendar_date(y, &[*m1, *m2], &[*d1, *d2]),
        [y @ .., b'-', b'W', w1, w2, b'-', d] if y.len() == 4 => is_week_date(y, &[*w1, *w2], Some(*d)),
        [y @ .., b'-', b'W', w1, w2] if y.len() == 4 => is_week_date(y, &[*w1, *w2], None),
        [y @ .., b'W', w1, w2, d] if y.len() == 4 => is_week_date(y, &[*w1, *w2], Some(*d)),
        [y @ .., b'W', w1, w2] if y.len() == 4 => is_week_date(y, &[*w1, *w2], None),
        [y @ .., m1, m2, d1, d2] if y.len() == 4 => is_calendar_date(y, &[*m1, *m2], &[*d1, *d2]),
        _ => false,
    }
}

fn is_calendar_date(year: &[u8], month: &[u8], day: &[u8]) -> bool {
    let (Some(year), Some(month), Some(day)) = (number(year), number(month), number(day)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    year >= 1 && (1..=days).contains(&day)
}

fn is_week_date(year: &[u8], week: &[u8], day: Option<u8>) -> bool {
    number(year).is_some_and(|year| year >= 1)
        && number(week).is_some_and(|week| (1..=53).contains(&week))
        && day.is_none_or(|day| (b'1'..=b'7').contains(&day))
}

fn is_time_and_zone(text: &str) -> bool {
    let Some(at) = text.find(['+', '-', 'Z']) else { return is_time(text.as_bytes()) };
    let (time, zone) = text.split_at(at);
    let time = time.as_bytes();
    // CPython lets one stray character stand before the zone.
    let time_fits = is_time(time) || time.split_last().is_some_and(|(_, time)| is_time(time));
    time_fits && (zone == "Z" || zone.strip_prefix(['+', '-']).is_some_and(|zone| is_time(zone.as_bytes())))
}

/// `HH[:MM[:SS]]` or the same without colons, and a fraction.
fn is_time(time: &[u8]) -> bool {
    let (clock, fraction) = match time.iter().position(|byte| matches!(byte, b'.' | b',')) {
        Some(at) => (&time[..at], Some(&time[at + 1..])),
        None => (time, None),
    };
    let parts: Vec<&[u8]> = if clock.contains(&b':') {
        clock.split(|byte| *byte == b':').collect()
    } else {
        clock.chunks(2).collect()
    };
    let in_range = |index: usize, part: &&[u8]| {
        part.len() == 2 && number(part).is_some_and(|n| n < if index == 0 { 24 } else { 60 })
    };
    (1..=3).contains(&parts.len())
        && parts.iter().enumerate().all(|(index, part)| in_range(index, part))
        && fraction.is_none_or(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each verdict is CPython 3.11's.
    #[test]
    fn verdicts_are_pythons() {
        for yes in [
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.123456",
            "2026-01-01 10:20",
            "2026-01-01x10",
            "2026-01-01T10:20:30Z",
            "2026-01-01T10:20:30+01:00",
            "2026-01-01T10:20:30.5-01:30",
            "2026-01-01T10:20:30,123456789",
            "2026-01-01T10:20.5",
            "2026-01-01T10:20:30 Z",
            "20260101T102030",
            "20260101",
            "2026-W05-3",
            "2026W053",
            "2024-02-29",
            "2026-01-01é10:20",
        ] {
            assert!(is_datetime(yes), "{yes}");
        }
        for no in [
            "",
            "today",
            "2026-1-1",
            "2026-13-01",
            "2026-02-29",
            "2026-01-01T",
            "2026-01-01T24:00:00",
            "2026-01-01T10:60",
            "2026-01-01T10:20:30.",
            "2026-01-01T10:20:30+24:00",
            "2026-01-01T10:20:30Zulu",
            "0000-01-01",
            "01/02/2026",
            "2026-01",
            "2026-W54",
        ] {
            assert!(!is_datetime(no), "{no}");
        }
    }
}
