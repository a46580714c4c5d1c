//! Truth: three-valued, total, and without allocation.

use super::{Node, Op, Predicate, Program, Slot};
use crate::limits::{FUTURE_SKEW_MS, PATTERN_TEXT_BYTES_MAX};
use crate::time;
use crate::value::{Number, Value};

/// Three-valued logic: a comparison with a missing side is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// No.
    False,
    /// A side was missing.
    Unknown,
    /// Yes.
    True,
}

impl Truth {
    fn not(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}

/// Where values come from, for one call.
pub(crate) trait Values {
    /// The value of a slot that fits what the predicate expects, or missing.
    fn seen(&self, slot: &Slot, predicate: &Predicate) -> Seen<'_>;
    /// Unix milliseconds.
    fn now_ms(&self) -> i64;
}

/// A value as a predicate sees it; lists of profiles are seen in place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'a> {
    Missing,
    Boolean(bool),
    Number(Number),
    Text(&'a str),
    List(&'a [Value]),
    Items(&'a dyn Items),
}

/// Living items of a list attribute.
pub(crate) trait Items: core::fmt::Debug {
    fn count(&self) -> usize;
    fn any(&self, matches: &mut dyn FnMut(&Value) -> bool) -> bool;
}

/// What has been evaluated so far in one call: a predicate is evaluated at most once.
pub(crate) struct Memo(alloc::vec::Vec<Option<Truth>>);

impl Memo {
    pub(crate) fn new(program: &Program) -> Memo {
        Memo(alloc::vec![None; program.predicates.len()])
    }

    /// What a predicate was found to be; None when nothing asked.
    pub(crate) fn get(&self, predicate: u32) -> Option<Truth> {
        self.0.get(predicate as usize).copied().flatten()
    }
}

/// The truth of a criterion. AND stops at false, OR at true.
pub(crate) fn evaluate(program: &Program, node: &Node, values: &impl Values, memo: &mut Memo) -> Truth {
    match node {
        Node::Constant(value) => Truth::from(*value),
        Node::Predicate(index) => {
            let index = *index as usize;
            if let Some(Some(known)) = memo.0.get(index) {
                return *known;
            }
            let Some(predicate) = program.predicates.get(index) else { return Truth::Unknown };
            let truth = ask(predicate, values);
            if let Some(slot) = memo.0.get_mut(index) {
                *slot = Some(truth);
            }
            truth
        }
        Node::Not(inner) => evaluate(program, inner, values, memo).not(),
        Node::And(parts) => {
            let mut truth = Truth::True;
            for part in parts {
                match evaluate(program, part, values, memo) {
                    Truth::False => return Truth::False,
                    Truth::Unknown => truth = Truth::Unknown,
                    Truth::True => {}
                }
            }
            truth
        }
        Node::Or(parts) => {
            let mut truth = Truth::False;
            for part in parts {
                match evaluate(program, part, values, memo) {
                    Truth::True => return Truth::True,
                    Truth::Unknown => truth = Truth::Unknown,
                    Truth::False => {}
                }
            }
            truth
        }
    }
}

fn ask(predicate: &Predicate, values: &impl Values) -> Truth {
    let seen = values.seen(&predicate.slot, predicate);
    let truth = match (&predicate.op, seen) {
        (Op::Null, seen) => Truth::from(matches!(seen, Seen::Missing)),
        (Op::Size(comparison, count), seen) => {
            let size = match seen {
                Seen::Missing => 0,
                Seen::List(items) => items.len(),
                Seen::Items(items) => items.count(),
                _ => return Truth::Unknown,
            };
            Truth::from(comparison.of(&i64::try_from(size).unwrap_or(i64::MAX), count))
        }
        (_, Seen::Missing) => Truth::Unknown,
        (op, seen) => compare(op, seen, values.now_ms()).map_or(Truth::Unknown, Truth::from),
    };
    if predicate.negated { truth.not() } else { truth }
}

/// A comparison with a value that is there; None when the value is of a kind that this does not compare.
fn compare(op: &Op, seen: Seen<'_>, now_ms: i64) -> Option<bool> {
    Some(match op {
        Op::EqualText(right) => text(seen)? == right,
        Op::EqualNumber(right) => number(seen)? == *right,
        Op::EqualBoolean(right) => match seen {
            Seen::Boolean(left) => left == *right,
            _ => return None,
        },
        Op::EqualInstant(right) => instant(seen)? == *right,
        Op::OrderText(comparison, right) => comparison.of(text(seen)?, right.as_str()),
        Op::OrderNumber(comparison, right) => comparison.of(&number(seen)?, right),
        Op::OrderInstant(comparison, right) => comparison.of(&instant(seen)?, right),
        Op::InTexts(right) => {
            let left = text(seen)?;
            right.binary_search_by(|item| item.as_str().cmp(left)).is_ok()
        }
        Op::InNumbers(right) => right.binary_search(&number(seen)?).is_ok(),
        Op::InInstants(right) => right.binary_search(&instant(seen)?).is_ok(),
        Op::BetweenTexts(low, high) => (low.as_str()..=high.as_str()).contains(&text(seen)?),
        Op::BetweenNumbers(low, high) => (*low..=*high).contains(&number(seen)?),
        Op::BetweenInstants(low, high) => (*low..=*high).contains(&instant(seen)?),
        Op::Like(pattern) => like(pattern, text(seen)?),
        Op::StartsWith(right) => text(seen)?.starts_with(right.as_str()),
        Op::EndsWith(right) => text(seen)?.ends_with(right.as_str()),
        Op::ContainsText(right) => match seen {
            Seen::Text(left) => left.contains(right.as_str()),
            seen => member(seen, &|item| item.as_str() == Some(right.as_str()))?,
        },
        Op::ContainsNumber(right) => member(seen, &|item| item.as_number() == Some(*right))?,
        Op::Matches(pattern) => {
            let left = text(seen)?;
            // A text beyond the bound is not looked at: unknown, so that a negation does not match either.
            if left.len() > PATTERN_TEXT_BYTES_MAX {
                return None;
            }
            pattern.is_match(left)
        }
        Op::Within(span_ms) => {
            let age_ms = now_ms.saturating_sub(instant(seen)?);
            (FUTURE_SKEW_MS.saturating_neg()..=*span_ms).contains(&age_ms)
        }
        Op::Segment => match seen {
            Seen::Boolean(member) => member,
            _ => return None,
        },
        // Answered before a value is needed.
        Op::Null | Op::Size(..) => return None,
    })
}

fn text(seen: Seen<'_>) -> Option<&str> {
    match seen {
        Seen::Text(text) => Some(text),
        _ => None,
    }
}

fn number(seen: Seen<'_>) -> Option<Number> {
    match seen {
        Seen::Number(number) => Some(number),
        _ => None,
    }
}

fn instant(seen: Seen<'_>) -> Option<i64> {
    match seen {
        Seen::Number(number) => time::unix_ms(number),
        Seen::Text(text) => time::rfc3339_ms(text).or_else(|| time::date_ms(text)),
        _ => None,
    }
}

fn member(seen: Seen<'_>, matches: &dyn Fn(&Value) -> bool) -> Option<bool> {
    match seen {
        Seen::List(items) => Some(items.iter().any(matches)),
        Seen::Items(items) => Some(items.any(&mut |item| matches(item))),
        _ => None,
    }
}

/// `%` is any text, `_` any one character; both match line ends. Linear in practice: one `%` is remembered, the last,
/// because an earlier one never needs to take more.
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

    /// The definition of LIKE, written as it is read.
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
