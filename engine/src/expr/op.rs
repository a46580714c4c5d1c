//! Ops: tests with their right side ready to compare: literals converted to the type of the left side, patterns
//! compiled, lists sorted.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Bound;

use super::allowed::of_item;
use super::interval::Interval;
use super::sets::{Integers, Texts};
use super::types::TypeSet;
use super::version::Version;
use crate::diagnostic::{Code, Diagnostic, words};
use crate::flat::flat;
use crate::limits::{DAY_MS, IN_VALUES_MAX};
use crate::pattern::Pattern;
use crate::syntax::{Comparison, Name, Quantity, Test};
use crate::time;
use crate::value::{DataType, Number, Value};

/// A test with its right side ready to compare.
#[derive(Debug)]
pub(crate) enum Op {
    EqualText(Box<str>),
    EqualBoolean(bool),
    /// `=`, an order or `BETWEEN`: the integers it holds for, and the numbers themselves for other operands.
    Numbers {
        low: i64,
        high: i64,
        exact: Box<Interval<Number>>,
    },
    /// The same for instants, which are integers. Unix milliseconds.
    Instants {
        low: i64,
        high: i64,
    },
    Texts(Box<Interval<Box<str>>>),
    InTexts(Texts),
    /// The integers of the list, and its other numbers.
    InNumbers(Integers, Box<[Number]>),
    /// Unix milliseconds.
    InInstants(Integers),
    /// `=`, an order, `BETWEEN` or `IN` with times as text, for a value that may be a text or a time.
    TextOrTime(Box<TextOrTime>),
    Like(Box<str>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    ContainsText(Box<str>),
    ContainsNumber(Number),
    Matches(Box<Pattern>),
    Null,
    /// Milliseconds.
    Within(i64),
    /// Milliseconds.
    Older(i64),
    Versions(Box<Interval<Version>>),
    /// A quantity of items for which any of several ops holds. `ANY` with a single op is that op itself.
    Items(Box<ItemsOp>),
    Size(Comparison, i64),
    /// The slot itself holds the answer.
    Segment,
}

impl Op {
    /// The op of an interval.
    pub(crate) fn numbers(interval: Interval<Number>) -> Op {
        let (low, high) = integers(&interval);
        Op::Numbers { low, high, exact: Box::new(interval) }
    }

    /// True if it takes one comparison of a word or two.
    pub(crate) fn is_quick(&self) -> bool {
        matches!(
            self,
            Op::EqualText(_)
                | Op::EqualBoolean(_)
                | Op::Numbers { .. }
                | Op::Instants { .. }
                | Op::Null
                | Op::Segment
        )
    }

    /// True if it takes about the same time for every value: ops that search a text or a list do not.
    pub(crate) fn is_cheap(&self) -> bool {
        !matches!(
            self,
            Op::Like(_)
                | Op::ContainsText(_)
                | Op::ContainsNumber(_)
                | Op::Matches(_)
                | Op::Size(..)
                | Op::Items(_)
        )
    }

    /// The regular expressions that it runs.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let of_items = if let Op::Items(items) = self { items.questions.as_slice() } else { &[] };
        core::iter::once(self).chain(of_items).filter_map(|op| match op {
            Op::Matches(pattern) => Some(&**pattern),
            _ => None,
        })
    }
}

/// Ops applied to each item of a list.
#[derive(Debug)]
pub(crate) struct ItemsOp {
    pub(crate) quantity: Quantity,
    /// An item answers yes when any of them holds.
    pub(crate) questions: Vec<Op>,
}

/// One test in two forms.
#[derive(Debug)]
pub(crate) struct TextOrTime {
    /// For texts that are not times.
    pub(crate) text: Op,
    /// For all other values.
    pub(crate) time: Op,
}

/// Instants are integers.
pub(super) fn instants(interval: Interval<i64>) -> Op {
    let number = |bound: Bound<i64>| bound.map(Number::Integer);
    let (low, high) = integers(&Interval { low: number(interval.low), high: number(interval.high) });
    Op::Instants { low, high }
}

/// The numbers that are this instant as Unix seconds or milliseconds.
pub(crate) fn numbers_of(instant_ms: i64) -> impl Iterator<Item = i64> {
    let as_seconds = instant_ms.div_euclid(1_000);
    [instant_ms, as_seconds]
        .into_iter()
        .filter(move |number| time::unix_ms(Number::Integer(*number)) == Some(instant_ms))
}

/// The integer that a number equals, if any.
pub(crate) fn whole(number: Number) -> Option<i64> {
    match number {
        Number::Integer(value) => Some(value),
        Number::Float(value) => Some(value as i64).filter(|near| Number::Integer(*near) == number),
    }
}

/// The smallest and the largest integer of an interval; the first is greater when there is none.
fn integers(interval: &Interval<Number>) -> (i64, i64) {
    const NONE: (i64, i64) = (1, 0);
    // Truncated toward zero, so off by one at most.
    let near = |number: Number| {
        let near = match number {
            Number::Integer(value) => value,
            Number::Float(value) => value as i64,
        };
        [near.saturating_sub(1), near, near.saturating_add(1)]
    };
    let low = match interval.low {
        Bound::Unbounded => Some(i64::MIN),
        Bound::Included(low) => near(low).into_iter().find(|i| Number::Integer(*i) >= low),
        Bound::Excluded(low) => near(low).into_iter().find(|i| Number::Integer(*i) > low),
    };
    let high = match interval.high {
        Bound::Unbounded => Some(i64::MAX),
        Bound::Included(high) => near(high).into_iter().rfind(|i| Number::Integer(*i) <= high),
        Bound::Excluded(high) => near(high).into_iter().rfind(|i| Number::Integer(*i) < high),
    };
    low.zip(high).unwrap_or(NONE)
}

/// The op of a test. `types` is not empty and allows the test.
///
/// A literal is compared as the type that the value has of all that `types` leave: two numbers as numbers; a text that
/// is a time with one that is not as texts; otherwise as instants, where a time is possible. So a time in words equals
/// the same time in seconds or milliseconds, and other criteria only rule readings out.
pub(super) fn op(name: &Name, test: &Test, types: TypeSet) -> Result<Op, Diagnostic> {
    let compares = matches!(test, Test::Equal(_) | Test::Order(..) | Test::Between(..) | Test::In(_));
    if compares && types.is_text_or_time() {
        // Every use of the value is as a time, otherwise its type would be a text.
        let text = TypeSet::one(DataType::String);
        let (text, time) = (op(name, test, text)?, op(name, test, types.without(text))?);
        return Ok(Op::TextOrTime(Box::new(TextOrTime { text, time })));
    }
    let mismatch = || {
        Diagnostic::new(
            Code::TypeMismatch,
            words!("`{name}` is {types} and does not compare with this value"),
        )
    };
    Ok(match test {
        Test::Equal(value) => match literal(value, types).ok_or_else(mismatch)? {
            Literal::Text(text) => Op::EqualText(text),
            Literal::Number(number) => Op::numbers(Interval::at(number)),
            Literal::Instant(ms) => instants(Interval::at(ms)),
            Literal::Boolean(value) => Op::EqualBoolean(value),
        },
        Test::Order(comparison, value) => {
            let op = match literal(value, types).ok_or_else(mismatch)? {
                Literal::Text(text) => Interval::ordered(*comparison, text).map(Box::new).map(Op::Texts),
                Literal::Number(number) => Interval::ordered(*comparison, number).map(Op::numbers),
                Literal::Instant(ms) => Interval::ordered(*comparison, ms).map(instants),
                Literal::Boolean(_) => None,
            };
            op.ok_or_else(mismatch)?
        }
        Test::In(values) => in_list(values, types, &mismatch)?,
        Test::Between(low, high) => {
            let low = literal(low, types).ok_or_else(mismatch)?;
            match (low, literal(high, types).ok_or_else(mismatch)?) {
                (Literal::Text(low), Literal::Text(high)) => {
                    Op::Texts(Box::new(Interval::between(low, high)))
                }
                (Literal::Number(low), Literal::Number(high)) => Op::numbers(Interval::between(low, high)),
                (Literal::Instant(low), Literal::Instant(high)) => instants(Interval::between(low, high)),
                _ => return Err(mismatch()),
            }
        }
        Test::Like(pattern) => Op::Like(pattern.as_str().into()),
        Test::StartsWith(text) => Op::StartsWith(text.as_str().into()),
        Test::EndsWith(text) => Op::EndsWith(text.as_str().into()),
        Test::Contains(Value::String(text)) => Op::ContainsText(text.as_str().into()),
        Test::Contains(Value::Number(number)) => Op::ContainsNumber(*number),
        Test::Contains(_) => return Err(mismatch()),
        Test::Matches(pattern) => Op::Matches(Box::new(compile_pattern(pattern)?)),
        Test::Null => Op::Null,
        Test::WithinDays(days) => Op::Within(days_ms(*days)?),
        Test::MoreThanDaysAgo(days) => Op::Older(days_ms(*days)?),
        Test::Version(comparison, text) => {
            let Some(version) = Version::new(text) else {
                let help =
                    words!("a version is `1`, `1.2` or `1.2.3`, with `-beta` behind it before that version");
                let message = words!("`{text}` is no version");
                return Err(Diagnostic::new(Code::BadCriteria, message).help(help));
            };
            let interval = match comparison {
                Comparison::Equal => Some(Interval::at(version)),
                other => Interval::ordered(*other, version),
            };
            Op::Versions(Box::new(interval.ok_or_else(mismatch)?))
        }
        Test::Items(quantity, tests) => {
            let types = types.items().and(of_item(tests));
            let questions: Result<Vec<Op>, Diagnostic> =
                tests.iter().map(|test| op(name, test, types)).collect();
            match <[Op; 1]>::try_from(questions?) {
                Ok([only]) if *quantity == Quantity::Any => only,
                Ok([only]) => {
                    Op::Items(Box::new(ItemsOp { quantity: *quantity, questions: Vec::from([only]) }))
                }
                Err(questions) => Op::Items(Box::new(ItemsOp { quantity: *quantity, questions })),
            }
        }
        Test::Size(comparison, count) => Op::Size(*comparison, *count),
    })
}

/// A number of days in milliseconds.
fn days_ms(days: Number) -> Result<i64, Diagnostic> {
    let milliseconds = days.to_f64() * DAY_MS as f64;
    // 10⁶ days keep every instant in range.
    if (0.0..=1e6 * DAY_MS as f64).contains(&milliseconds) {
        return Ok(milliseconds as i64);
    }
    let message = words!("`{days}` is no usable number of days");
    Err(Diagnostic::new(Code::BadDuration, message).help(words!("use 0 to 1000000")))
}

/// A regular expression of a definition.
pub(crate) fn compile_pattern(pattern: &str) -> Result<Pattern, Diagnostic> {
    Pattern::compile(pattern).map_err(|reason| {
        let message = words!("Invalid regex pattern `{pattern}`: {reason}");
        if !cfg!(feature = "words") {
            return Diagnostic::new(Code::BadPattern, message);
        }
        let reason = words!("{reason}");
        let help = if reason.contains("nothing before it") {
            words!("any text is `.*`: `*`, `+` and `?` repeat what stands before them; a dot itself is `\\.`")
        } else if reason.contains("unclosed") {
            words!("close it, or write a backslash before it if it means itself")
        } else if reason.contains("longer") || reason.contains("large") {
            words!("shorten it, or ask for what is common to the values")
        } else {
            words!("patterns run in linear time: no look-around, no backreferences; `\\d \\w \\s` are ASCII")
        };
        Diagnostic::new(Code::BadPattern, message).help(help)
    })
}

fn in_list(values: &[Value], types: TypeSet, mismatch: &impl Fn() -> Diagnostic) -> Result<Op, Diagnostic> {
    if values.is_empty() {
        let message = words!("an empty list of values matches nobody");
        return Err(
            Diagnostic::new(Code::EmptyList, message).help(words!("remove the condition, or give it values"))
        );
    }
    if values.len() > IN_VALUES_MAX {
        let message = words!("{} values, at most {IN_VALUES_MAX} are allowed", values.len());
        return Err(Diagnostic::new(Code::OverBound, message));
    }
    let (mut texts, mut numbers, mut instants) = (Vec::<Box<str>>::new(), Vec::new(), Vec::new());
    for value in values {
        match literal(value, types).ok_or_else(mismatch)? {
            Literal::Text(text) => texts.push(text),
            Literal::Number(number) => numbers.push(number),
            Literal::Instant(ms) => instants.push(ms),
            Literal::Boolean(_) => {
                let message = words!("`IN` takes texts or numbers");
                return Err(
                    Diagnostic::new(Code::TypeMismatch, message).help(words!("compare a boolean with `=`"))
                );
            }
        }
    }
    let counts = [texts.len(), numbers.len(), instants.len()];
    if counts.iter().filter(|count| **count > 0).count() > 1 {
        let message = words!("texts and numbers in one list");
        return Err(Diagnostic::new(Code::TypeMismatch, message));
    }
    Ok(if !texts.is_empty() {
        Op::InTexts(Texts::new(texts))
    } else if !numbers.is_empty() {
        let integers = Integers::new(numbers.iter().filter_map(|number| whole(*number)).collect());
        numbers.retain(|number| whole(*number).is_none());
        Op::InNumbers(integers, numbers.into())
    } else {
        Op::InInstants(Integers::new(instants))
    })
}

enum Literal {
    Text(Box<str>),
    Number(Number),
    Instant(i64),
    Boolean(bool),
}

/// The right side as the type of the left side. A value that may be a number or a time is compared as a number, see
/// [`super::eval::compare`].
fn literal(value: &Value, types: TypeSet) -> Option<Literal> {
    match value {
        Value::Boolean(value) => types.has(DataType::Boolean).then_some(Literal::Boolean(*value)),
        Value::Number(number) if types.has(DataType::Number) => Some(Literal::Number(*number)),
        Value::String(text) if types.has(DataType::String) => Some(Literal::Text(text.as_str().into())),
        Value::Number(_) if types.has(DataType::Timestamp) => time::instant_ms(value).map(Literal::Instant),
        Value::String(_) if types.has(DataType::Timestamp) || types.has(DataType::Date) => {
            time::instant_ms(value).map(Literal::Instant)
        }
        _ => None,
    }
}

flat!(enum Op {
    0 = Null,
    1 = EqualText(text),
    2 = EqualBoolean(value),
    3 = Numbers { low, high, exact },
    4 = Instants { low, high },
    5 = Texts(interval),
    6 = InTexts(texts),
    7 = InNumbers(integers, others),
    8 = InInstants(instants),
    9 = TextOrTime(forms),
    10 = Like(text),
    11 = StartsWith(text),
    12 = EndsWith(text),
    13 = ContainsText(text),
    14 = ContainsNumber(number),
    15 = Matches(pattern),
    16 = Within(span_ms),
    17 = Older(span_ms),
    18 = Versions(interval),
    19 = Items(items),
    20 = Size(comparison, count),
    21 = Segment,
});
flat!(struct ItemsOp { quantity, questions });
flat!(struct TextOrTime { text, time });
