//! Instants in Unix milliseconds, parsed from events and records.
//!
//! This module has no clock: `now` is always an argument.
//!
//! A server's clock may have been ahead while it stored something. What is stored lies in the future then, and would be newer
//! than all that follows until that time comes; `settled` ends that.

use alloc::string::String;

use crate::limits::{CLOCK_AHEAD_MS, DAY_MS, FUTURE_SKEW_MS};
use crate::value::{Number, Value};

// The sizes from which a number is no longer seconds, milliseconds, or microseconds: each is the year 5138.
const MILLISECONDS: u64 = 100_000_000_000;
const MICROSECONDS: u64 = MILLISECONDS * 1_000;
const NANOSECONDS: u64 = MICROSECONDS * 1_000;

/// The time of something stored; if it lies far in the future, a time just before what happens now.
pub(crate) fn settled(time_ms: i64, now_ms: i64) -> i64 {
    if is_future(time_ms, now_ms) { now_ms.saturating_sub(FUTURE_SKEW_MS) } else { time_ms }
}

/// True if a stored time lies so far in the future that the clock was wrong when it was stored.
pub(crate) fn is_future(time_ms: i64, now_ms: i64) -> bool {
    time_ms > now_ms.saturating_add(CLOCK_AHEAD_MS)
}

/// The instant that a value names: Unix time in the unit that its magnitude implies, RFC 3339, or a date (its midnight,
/// UTC). A text of ten digits or more counts as a number, because a CSV file holds only texts.
///
/// # Examples
///
/// ```
/// use usher_engine::time::instant_ms;
///
/// for value in [1_790_000_000.into(), 1_790_000_000_000_i64.into(), "2026-09-21T14:13:20Z".into()] {
///     assert_eq!(instant_ms(&value), Some(1_790_000_000_000));
/// }
/// assert_eq!(instant_ms(&"20260921".into()), None);
/// ```
pub fn instant_ms(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => unix_ms(*number),
        Value::String(text) => text_ms(text),
        _ => None,
    }
}

/// The same for a text. Digits need at least ten, as Unix seconds have since 2001: fewer are a date without separators
/// (`20260504`), or a year, and not a time in 1970.
pub(crate) fn text_ms(text: &str) -> Option<i64> {
    words_ms(text).or_else(|| digits_ms(Number::parse(text)?))
}

/// The instant of a number written as text.
pub(crate) fn digits_ms(number: Number) -> Option<i64> {
    // The first second with ten digits.
    let enough = number >= Number::Integer(1_000_000_000);
    if enough { unix_ms(number) } else { None }
}

/// The instant of a text that is not a number: RFC 3339, or a date.
pub(crate) fn words_ms(text: &str) -> Option<i64> {
    rfc3339_ms(text).or_else(|| date_ms(text))
}

/// Unix seconds; by magnitude milliseconds (from 10¹¹), microseconds (from 10¹⁴) or nanoseconds (from 10¹⁷), rounded
/// down to the millisecond. None beyond 64 bits.
///
/// # Examples
///
/// ```
/// use usher_engine::{time::unix_ms, value::Number};
///
/// for number in [1_790_000_000, 1_790_000_000_000, 1_790_000_000_000_000] {
///     assert_eq!(unix_ms(Number::Integer(number)), Some(1_790_000_000_000));
/// }
/// ```
pub fn unix_ms(number: Number) -> Option<i64> {
    match number {
        Number::Integer(value) => Some(match value.unsigned_abs() {
            NANOSECONDS.. => value.div_euclid(1_000_000),
            MICROSECONDS..NANOSECONDS => value.div_euclid(1_000),
            MILLISECONDS..MICROSECONDS => value,
            _ => value.saturating_mul(1_000),
        }),
        Number::Float(value) => {
            let size = value.abs();
            let milliseconds = if size < MILLISECONDS as f64 {
                value * 1_000.0
            } else if size < MICROSECONDS as f64 {
                value
            } else if size < NANOSECONDS as f64 {
                value / 1_000.0
            } else {
                value / 1_000_000.0
            };
            (size < i64::MAX as f64).then_some(milliseconds as i64)
        }
    }
}

/// The Unix milliseconds of `2026-05-04T10:15:00Z`, with an optional fraction or offset; None: it is not written so.
///
/// # Examples
///
/// ```
/// use usher_engine::time::rfc3339_ms;
///
/// assert_eq!(rfc3339_ms("2026-05-04T10:15:00.5+02:00"), Some(1_777_882_500_500));
/// assert_eq!(rfc3339_ms("2026-05-04"), None);
/// ```
pub fn rfc3339_ms(text: &str) -> Option<i64> {
    let mut reader = Reader(text.as_bytes());
    let day = reader.date()?;
    if !matches!(reader.next()?, b'T' | b't' | b' ') {
        return None;
    }
    let hour = reader.below(24)?;
    reader.expect(b':')?;
    let minute = reader.below(60)?;
    reader.expect(b':')?;
    // A leap second counts as the last second of its minute.
    let second = reader.below(61)?.min(59);
    let mut fraction_ms = 0_i64;
    if reader.peek() == Some(b'.') {
        reader.next()?;
        let mut scale = 100_i64;
        let mut any = false;
        while let Some(digit) = reader.digit() {
            fraction_ms = fraction_ms.saturating_add(digit.saturating_mul(scale));
            scale = scale.checked_div(10).unwrap_or(0);
            any = true;
        }
        if !any {
            return None;
        }
    }
    let offset_minutes = match reader.next()? {
        b'Z' | b'z' => 0,
        sign @ (b'+' | b'-') => {
            let hours = reader.below(24)?;
            reader.expect(b':')?;
            let minutes = hours.saturating_mul(60).saturating_add(reader.below(60)?);
            if sign == b'-' { minutes.saturating_neg() } else { minutes }
        }
        _ => return None,
    };
    if reader.peek().is_some() {
        return None;
    }
    let minutes = day.saturating_mul(24).saturating_add(hour).saturating_mul(60).saturating_add(minute);
    let seconds = minutes.saturating_sub(offset_minutes).saturating_mul(60).saturating_add(second);
    Some(seconds.saturating_mul(1_000).saturating_add(fraction_ms))
}

/// The Unix milliseconds of midnight in UTC of `2026-05-04`; None: it is not written so.
///
/// # Examples
///
/// ```
/// use usher_engine::time::date_ms;
///
/// assert_eq!(date_ms("2026-05-04"), Some(1_777_852_800_000));
/// ```
pub fn date_ms(text: &str) -> Option<i64> {
    let mut reader = Reader(text.as_bytes());
    let day = reader.date()?;
    reader.peek().is_none().then(|| day.saturating_mul(DAY_MS))
}

/// Midnight of an instant's day, in UTC.
pub(crate) fn midnight_ms(instant_ms: i64) -> i64 {
    instant_ms.saturating_sub(instant_ms.rem_euclid(DAY_MS))
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn digit(&mut self) -> Option<i64> {
        let digit = self.peek().filter(u8::is_ascii_digit)?;
        self.next()?;
        Some(i64::from(digit.wrapping_sub(b'0')))
    }

    fn two(&mut self) -> Option<i64> {
        Some(self.digit()?.saturating_mul(10).saturating_add(self.digit()?))
    }

    fn below(&mut self, limit: i64) -> Option<i64> {
        self.two().filter(|value| *value < limit)
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar.
    fn date(&mut self) -> Option<i64> {
        let year = self.two()?.saturating_mul(100).saturating_add(self.two()?);
        self.expect(b'-')?;
        let month = self.two()?;
        self.expect(b'-')?;
        let day = self.two()?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !(1..=length).contains(&day) {
            return None;
        }
        // With years that begin in March the leap day comes last; 400 of them are 146,097 days.
        let shifted = if month <= 2 { year.saturating_sub(1) } else { year };
        let from_march = if month > 2 { month.saturating_sub(3) } else { month.saturating_add(9) };
        let day_of_year = from_march
            .saturating_mul(153)
            .saturating_add(2)
            .checked_div(5)?
            .saturating_add(day)
            .saturating_sub(1);
        Some(
            shifted
                .saturating_mul(365)
                .saturating_add(shifted.checked_div(4)?)
                .saturating_sub(shifted.checked_div(100)?)
                .saturating_add(shifted.checked_div(400)?)
                .saturating_add(day_of_year)
                .saturating_sub(719_468),
        )
    }
}

/// A time in Unix milliseconds as RFC 3339 in UTC, with a fraction unless it is a whole second. Years 0 to 9999.
pub(crate) fn rfc3339(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    // Years begin on the 1st of March here, so that a leap day is the last day of its year.
    let from = days.saturating_add(719_468);
    let (era, day) = (from.div_euclid(146_097), from.rem_euclid(146_097));
    let year =
        day.saturating_sub(day / 1_460).saturating_add(day / 36_524).saturating_sub(day / 146_096) / 365;
    let before = year.saturating_mul(365).saturating_add(year / 4).saturating_sub(year / 100);
    let of_year = day.saturating_sub(before);
    let month = of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = of_year.saturating_sub(month.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
    let (month, next) = if month < 10 { (month.saturating_add(3), 0) } else { (month.saturating_sub(9), 1) };
    let year = year.saturating_add(era.saturating_mul(400)).saturating_add(next);
    let second = of_day / 1_000;
    let (hour, minute, second, milli) = (second / 3_600, second / 60 % 60, second % 60, of_day % 1_000);
    let mut out = String::with_capacity(24);
    let mut add = |number: i64, digits: u32, after: char| {
        for place in (0..digits).rev() {
            let digit = number.checked_div(10_i64.saturating_pow(place)).unwrap_or(0) % 10;
            out.push(char::from(b'0'.wrapping_add(digit as u8)));
        }
        out.push(after);
    };
    add(year, 4, '-');
    add(month, 2, '-');
    add(day, 2, 'T');
    add(hour, 2, ':');
    add(minute, 2, ':');
    add(second, 2, if milli == 0 { 'Z' } else { '.' });
    if milli > 0 {
        add(milli, 3, 'Z');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_are_read() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_790_000_000_120, "2026-09-21T14:13:20.120Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
            assert_eq!(rfc3339_ms(text), Some(ms));
        }
    }

    #[test]
    fn instants() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-09-21T14:13:20Z", Some(1_790_000_000_000)),
            ("2026-09-21T16:13:20+02:00", Some(1_790_000_000_000)),
            ("2026-09-21T14:13:20.1234Z", Some(1_790_000_000_123)),
            ("2000-02-29T00:00:00Z", Some(951_782_400_000)),
            ("1969-12-31T23:59:59Z", Some(-1_000)),
            ("1900-02-29T00:00:00Z", None),
            ("2026-09-21T14:13:20", None),
            ("2026-09-21T24:00:00Z", None),
            ("2026-9-21T14:13:20Z", None),
            ("2026-09-21T14:13:20Z ", None),
            ("", None),
        ] {
            assert_eq!(rfc3339_ms(text), expected, "{text}");
        }
        assert_eq!(date_ms("2026-01-01"), Some(1_767_225_600_000));
        assert_eq!(unix_ms(Number::Integer(1_790_000_000)), Some(1_790_000_000_000));
        assert_eq!(unix_ms(Number::Integer(1_790_000_000_123)), Some(1_790_000_000_123));
        assert_eq!(unix_ms(Number::Float(1_790_000_000.5)), Some(1_790_000_000_500));
        assert_eq!(unix_ms(Number::Float(1e300)), None);
        // Before 1970 as well.
        assert_eq!(unix_ms(Number::Integer(-1)), Some(-1_000));
        // The magnitude implies the unit.
        for (number, expected) in [
            (99_999_999_999, 99_999_999_999_000),
            (100_000_000_000, 100_000_000_000),
            (99_999_999_999_999, 99_999_999_999_999),
            (100_000_000_000_000, 100_000_000_000),
            (1_790_000_000_123_999, 1_790_000_000_123),
            (99_999_999_999_999_999, 99_999_999_999_999),
            (100_000_000_000_000_000, 100_000_000_000),
            (1_790_000_000_123_999_999, 1_790_000_000_123),
            (i64::MAX, 9_223_372_036_854),
            (-99_999_999_999, -99_999_999_999_000),
            (-100_000_000_000, -100_000_000_000),
            (-100_000_000_000_001, -100_000_000_001),
        ] {
            assert_eq!(unix_ms(Number::Integer(number)), Some(expected), "{number}");
        }
        assert_eq!(unix_ms(Number::Float(1_790_000_000_123_456.5)), Some(1_790_000_000_123));
        assert_eq!(unix_ms(Number::Float(1.79e18)), Some(1_790_000_000_000));
        for (text, expected) in [
            ("1790000000", Some(1_790_000_000_000)),
            ("1790000000123", Some(1_790_000_000_123)),
            ("1790000000.5", Some(1_790_000_000_500)),
            ("1000000000", Some(1_000_000_000_000)),
            ("999999999", None),
            ("20260504", None),
            ("-1", None),
            ("2026-01-01", Some(1_767_225_600_000)),
            ("01790000000", None),
            (" 1790000000", None),
            ("1e300", None),
        ] {
            assert_eq!(instant_ms(&Value::from(text)), expected, "{text}");
        }
    }
}
