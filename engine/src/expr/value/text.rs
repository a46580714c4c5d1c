//! Values as texts: what `HASH`, `CONCAT` and `||` read, and how computed times are written.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};

use crate::expr::op::whole;
use crate::expr::operand::Operand;
use crate::limits::EXPRESSION_TEXT_BYTES_MAX;
use crate::time::rfc3339;
use crate::value::{Number, Value};

/// The text of a value: of a number that of its value (`5` for 5 and 5.0), of a list its compact JSON. None: it is missing.
pub(super) fn text(operand: Operand<'_>) -> Option<Cow<'_, str>> {
    Some(match operand {
        Operand::Missing => return None,
        Operand::Text(text) | Operand::TextOrTime(text) => Cow::Borrowed(text),
        Operand::Boolean(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
        Operand::Number(number) => Cow::Owned(of_number(number)),
        Operand::Instant(ms) => Cow::Owned(rfc3339(ms)),
        Operand::List(items, _) => {
            let mut out = String::from("[");
            items.iter().for_each(|item| json(item, &mut out));
            Cow::Owned(closed(out))
        }
        Operand::Items(items, _) => {
            let mut out = String::from("[");
            items.any(&mut |item| {
                json(item, &mut out);
                false
            });
            Cow::Owned(closed(out))
        }
    })
}

fn of_number(number: Number) -> String {
    match whole(number) {
        Some(integer) => integer.to_string(),
        None => number.to_string(),
    }
}

/// Adds an item and a comma.
fn json(item: &Value, out: &mut String) {
    match item {
        Value::Number(number) => out.push_str(&of_number(*number)),
        Value::String(text) => {
            out.push('"');
            for c in text.chars() {
                let short = match c {
                    '"' | '\\' => Some(c),
                    '\n' => Some('n'),
                    '\r' => Some('r'),
                    '\t' => Some('t'),
                    '\u{8}' => Some('b'),
                    '\u{c}' => Some('f'),
                    _ => None,
                };
                match short {
                    Some(short) => out.extend(['\\', short]),
                    None if c < ' ' => {
                        let code = u32::from(c);
                        out.push_str(if code < 16 { "\\u000" } else { "\\u001" });
                        out.extend(char::from_digit(code % 16, 16));
                    }
                    None => out.push(c),
                }
            }
            out.push('"');
        }
        other => out.push_str(&other.to_string()),
    }
    out.push(',');
}

fn closed(mut list: String) -> String {
    if list.len() > 1 {
        list.pop();
    }
    list.push(']');
    list
}

/// Texts together, unless they are longer than an expression may make one.
pub(super) fn joined(parts: &[Cow<'_, str>]) -> Option<String> {
    let length = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    if length > EXPRESSION_TEXT_BYTES_MAX {
        return None;
    }
    let mut all = String::with_capacity(length);
    parts.iter().for_each(|part| all.push_str(part));
    Some(all)
}

/// True unless a text is longer than an expression may make one.
pub(super) fn is_short(text: &str) -> bool {
    text.len() <= EXPRESSION_TEXT_BYTES_MAX
}

/// The code points of a text from one position on, counted from 1, at most `count`.
pub(super) fn part(text: &str, from: i64, count: Option<i64>) -> Option<String> {
    // As in SQL, positions before the first count, too.
    let end = count.map_or(i64::MAX, |count| from.saturating_add(count));
    let skipped = usize::try_from(from.saturating_sub(1)).unwrap_or(0);
    let taken = usize::try_from(end.saturating_sub(from.max(1))).unwrap_or(0);
    let rest = text.char_indices().nth(skipped).and_then(|(at, _)| text.get(at..)).unwrap_or("");
    let end = rest.char_indices().nth(taken).map_or(rest.len(), |(at, _)| at);
    rest.get(..end).filter(|part| is_short(part)).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_in_code_points() {
        for (from, count, expected) in [
            (1, None, "aéあ😀"),
            (2, Some(2), "éあ"),
            (0, Some(2), "a"),
            (-1, Some(2), ""),
            (-1, None, "aéあ😀"),
            (4, Some(9), "😀"),
            (5, None, ""),
            (2, Some(0), ""),
            (2, Some(-1), ""),
            (i64::MIN, Some(i64::MAX), ""),
            (i64::MAX, Some(i64::MAX), ""),
        ] {
            assert_eq!(part("aéあ😀", from, count).as_deref(), Some(expected), "{from} {count:?}");
        }
    }
}
