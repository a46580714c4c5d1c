//! Ops on values: what one test says of one value.

use core::ops::RangeBounds;

use super::interval::Interval;
use super::items::decide;
use super::op::{Op, numbers_of, whole};
use super::operand::Operand;
use super::types::TypeSet;
use crate::compare::equal;
use crate::limits::{FUTURE_SKEW_MS, PATTERN_TEXT_BYTES_MAX};
use crate::syntax::Quantity;
use crate::time;
use crate::value::{Number, Value};

/// The result of an op on a value, or on any item of a list.
pub(super) fn held(op: &Op, operand: Operand<'_>, now_ms: i64) -> Option<bool> {
    match (compare(op, operand, now_ms), operand) {
        (None, Operand::List(..) | Operand::Items(..)) if !matches!(op, Op::Items(_)) => {
            any_item(op, operand, now_ms)
        }
        (held, _) => held,
    }
}

/// True if an op about one value holds for any item of a list.
#[cold]
fn any_item(op: &Op, operand: Operand<'_>, now_ms: i64) -> Option<bool> {
    decide(Quantity::Any, operand, &mut |item| compare(op, item, now_ms))
}

/// True if any of several ops holds.
fn any_of(questions: &[Op], operand: Operand<'_>, now_ms: i64) -> Option<bool> {
    let mut answer = Some(false);
    for question in questions {
        match compare(question, operand, now_ms) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

/// The result of an op on a value; None when it is missing, or of a type that the op does not compare. A text that can
/// only be a time is compared with numbers as an instant: the numbers are times, too.
pub(super) fn compare(op: &Op, operand: Operand<'_>, now_ms: i64) -> Option<bool> {
    Some(match op {
        Op::Null => match operand {
            Operand::Missing => true,
            // As any other question, it holds when it holds for an item.
            Operand::List(items, types) => items.iter().any(|item| is_missing(item, types)),
            _ => false,
        },
        Op::Size(comparison, count) => {
            let size = match operand {
                Operand::Missing => 0,
                Operand::List(items, _) => items.len(),
                Operand::Items(items, _) => items.count(),
                _ => return None,
            };
            comparison.holds(i64::try_from(size).unwrap_or(i64::MAX).cmp(count))
        }
        Op::EqualText(right) => equal(text(operand)?, right),
        Op::EqualBoolean(right) => match operand {
            Operand::Boolean(left) => left == *right,
            _ => return None,
        },
        Op::Numbers { exact, .. } => match number(operand) {
            Some(left) => (exact.low, exact.high).contains(&left),
            None => return of_time(op, operand, now_ms),
        },
        Op::Instants { low, high } => (*low..=*high).contains(&instant(operand)?),
        Op::Texts(interval) => {
            let ends = (interval.low.as_ref().map(|end| &**end), interval.high.as_ref().map(|end| &**end));
            RangeBounds::<str>::contains(&ends, text(operand)?)
        }
        Op::InTexts(right) => right.has(text(operand)?),
        Op::InNumbers(integers, others) => {
            let Some(left) = number(operand) else { return of_time(op, operand, now_ms) };
            match whole(left) {
                Some(left) => integers.has(left),
                None => others.contains(&left),
            }
        }
        Op::InInstants(right) => right.has(instant(operand)?),
        Op::TextOrTime(_) => return of_time(op, operand, now_ms),
        Op::Like(pattern) => like(pattern, text(operand)?),
        Op::StartsWith(right) => text(operand)?.starts_with(&**right),
        Op::EndsWith(right) => text(operand)?.ends_with(&**right),
        Op::ContainsText(right) => match operand {
            Operand::Text(left) => left.contains(&**right),
            operand => return member(operand, &|item, _| Some(item.as_str()? == &**right)),
        },
        Op::ContainsNumber(right) => {
            return member(operand, &|item, types| match item {
                Value::Number(left) => Some(left == right),
                item => Some(number(Operand::of(item, types))? == *right),
            });
        }
        Op::Matches(pattern) => {
            let left = text(operand)?;
            // A text beyond the bound is not searched: unknown, so that a negation does not match either.
            if left.len() > PATTERN_TEXT_BYTES_MAX && pattern.is_bounded() {
                return None;
            }
            pattern.is_match(left)
        }
        Op::Within(span_ms) => {
            let age_ms = now_ms.saturating_sub(instant(operand)?);
            (FUTURE_SKEW_MS.saturating_neg()..=*span_ms).contains(&age_ms)
        }
        Op::Older(span_ms) => now_ms.saturating_sub(instant(operand)?) > *span_ms,
        Op::Versions(interval) => return interval.has(text(operand)?),
        Op::Items(items) => {
            return decide(items.quantity, operand, &mut |item| any_of(&items.questions, item, now_ms));
        }
        Op::Segment => match operand {
            Operand::Boolean(member) => member,
            _ => return None,
        },
    })
}

/// The same for a value that is, or may be, a time in words. Separate, to keep the frequent path short.
#[cold]
#[inline(never)]
fn of_time(op: &Op, operand: Operand<'_>, now_ms: i64) -> Option<bool> {
    match (op, operand) {
        (Op::Numbers { exact, .. }, Operand::Instant(left)) => {
            let Interval { low, high } = exact.as_instants();
            Some((low, high).contains(&left))
        }
        (Op::InNumbers(integers, others), Operand::Instant(left)) => Some(
            numbers_of(left).any(|left| integers.has(left))
                || others.iter().any(|other| time::unix_ms(*other) == Some(left)),
        ),
        (Op::TextOrTime(either), operand) => match instant(operand) {
            Some(instant_ms) => compare(&either.time, Operand::Instant(instant_ms), now_ms),
            None => compare(&either.text, operand, now_ms),
        },
        _ => None,
    }
}

fn text(operand: Operand<'_>) -> Option<&str> {
    match operand {
        Operand::Text(text) | Operand::TextOrTime(text) => Some(text),
        _ => None,
    }
}

fn number(operand: Operand<'_>) -> Option<Number> {
    match operand {
        Operand::Number(number) => Some(number),
        _ => None,
    }
}

fn instant(operand: Operand<'_>) -> Option<i64> {
    match operand {
        Operand::Instant(instant_ms) => Some(instant_ms),
        Operand::Number(number) => time::unix_ms(number),
        Operand::Text(text) => time::words_ms(text),
        Operand::TextOrTime(text) => time::text_ms(text),
        _ => None,
    }
}

/// True if an item is the one that is asked for; None if none is and one is missing.
fn member(operand: Operand<'_>, is_it: &dyn Fn(&Value, TypeSet) -> Option<bool>) -> Option<bool> {
    let mut missing = false;
    let mut found = |item: &Value, types| match is_it(item, types) {
        Some(found) => found,
        None => {
            missing = true;
            false
        }
    };
    let found = match operand {
        Operand::List(items, types) => items.iter().any(|item| found(item, types)),
        Operand::Items(items, types) => items.any(&mut |item| found(item, types)),
        _ => return None,
    };
    (found || !missing).then_some(found)
}

/// True if an item of an array is null, or does not fit. Where any type fits, lists and objects are there, too.
fn is_missing(item: &Value, types: TypeSet) -> bool {
    matches!(item, Value::Null)
        || (types != TypeSet::ANY && matches!(Operand::of(item, types), Operand::Missing))
}

/// `%` is any text, `_` any one character; both match line ends. Linear in practice: only the last `%` is remembered,
/// because an earlier one never needs to match more.
fn like(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut retry: Option<(core::str::Chars<'_>, core::str::Chars<'_>)> = None;
    loop {
        let moved = match (pattern.next(), text.clone().next()) {
            (None, None) => return true,
            (Some('%'), _) => {
                retry = Some((pattern.clone(), text.clone()));
                continue;
            }
            (Some('_'), Some(_)) => true,
            (Some(p), Some(t)) => p == t,
            (Some(_) | None, _) => false,
        };
        if moved {
            text.next();
            continue;
        }
        let Some((after, rest)) = &mut retry else { return false };
        if rest.next().is_none() {
            return false;
        }
        pattern = after.clone();
        text = rest.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// LIKE by its definition, as a reference.
    fn slow_like(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('%', rest)), _) => (0..=text.len()).any(|taken| slow_like(rest, &text[taken..])),
            (Some(('_', rest)), Some((_, others))) => slow_like(rest, others),
            (Some((p, rest)), Some((t, others))) => p == t && slow_like(rest, others),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn like_is_like(pattern in "[ab%_é]{0,8}", text in "[abé\n]{0,8}") {
            let (p, t): (alloc::vec::Vec<char>, alloc::vec::Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(like(&pattern, &text), slow_like(&p, &t));
        }
    }
}
