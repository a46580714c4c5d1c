//! The value of an expression: total, and bounded by its size. What cannot be calculated is missing.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::{Calc, Link, Several, Tested, Unary, math, text};
use crate::compare::order_of;
use crate::expr::Program;
use crate::expr::compare::held;
use crate::expr::op::whole;
use crate::expr::operand::Operand;
use crate::expr::source::{Source, Truth};
use crate::expr::types::TypeSet;
use crate::gather::Gather;
use crate::letters::{lowercase, uppercase};
use crate::limits::{DAY_MS, EXPRESSION_TEXT_BYTES_MAX};
use crate::syntax::{Arithmetic, Comparison};
use crate::time;
use crate::value::{DataType, Number, Value};
use crate::xxh3;

/// A value within an evaluation.
pub(crate) enum Held<'a> {
    Given(Operand<'a>),
    /// A text that the expression made.
    Made(String),
}

const MISSING: Held<'static> = Held::Given(Operand::Missing);

impl Held<'_> {
    fn operand(&self) -> Operand<'_> {
        match self {
            Held::Given(operand) => *operand,
            Held::Made(text) => Operand::Text(text),
        }
    }

    fn is_missing(&self) -> bool {
        matches!(self, Held::Given(Operand::Missing))
    }

    fn number(&self) -> Option<Number> {
        match self {
            Held::Given(Operand::Number(number)) => Some(*number),
            _ => None,
        }
    }

    fn integer(&self) -> Option<i64> {
        whole(self.number()?)
    }

    fn text(&self) -> Option<&str> {
        match self {
            Held::Made(text) => Some(text),
            Held::Given(Operand::Text(text) | Operand::TextOrTime(text)) => Some(text),
            Held::Given(_) => None,
        }
    }

    fn instant(&self) -> Option<i64> {
        instant(self.operand())
    }

    /// The value as data. A computed time is RFC 3339.
    pub(crate) fn value(self) -> Option<Value> {
        Some(match self {
            Held::Made(text) => Value::String(text),
            Held::Given(operand) => match operand {
                Operand::Missing => return None,
                Operand::Boolean(truth) => Value::Boolean(truth),
                Operand::Number(number) => Value::Number(number),
                Operand::Instant(ms) => Value::String(time::rfc3339(ms)),
                Operand::Text(text) | Operand::TextOrTime(text) => Value::string(text),
                Operand::List(items, _) => Value::List(items.to_vec()),
                Operand::Items(items, _) => {
                    let mut all = Vec::new();
                    items.any(&mut |item| {
                        all.push(item.clone());
                        false
                    });
                    Value::List(all)
                }
            },
        })
    }
}

fn number(number: Option<Number>) -> Held<'static> {
    Held::Given(number.map_or(Operand::Missing, Operand::Number))
}

/// A time, if RFC 3339 can write it.
fn moment(ms: Option<i64>) -> Held<'static> {
    // From the year 0 to 9999.
    const TIMES: core::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;
    Held::Given(ms.filter(|ms| TIMES.contains(ms)).map_or(Operand::Missing, Operand::Instant))
}

fn instant(operand: Operand<'_>) -> Option<i64> {
    match operand {
        Operand::Instant(ms) => Some(ms),
        Operand::Number(number) => time::unix_ms(number),
        Operand::Text(text) | Operand::TextOrTime(text) => time::text_ms(text),
        _ => None,
    }
}

/// The value of an expression.
pub(crate) fn evaluate<'a, 'v: 'a>(
    program: &'a Program,
    calc: &'a Calc,
    source: &mut dyn Source<'v>,
) -> Held<'a> {
    Held::Given(match calc {
        Calc::Missing => Operand::Missing,
        Calc::Constant(value) => Operand::of(value, TypeSet::ANY),
        Calc::Slot(slot) => source.fitted(program, *slot),
        Calc::Shown(slot) => shown(program, *slot, source),
        Calc::Now => Operand::Instant(source.event_ms()),
        Calc::Of(function, part) => return of(*function, evaluate(program, part, source)),
        Calc::Chain(first, links) => {
            let mut value = evaluate(program, first, source);
            for link in links {
                value = match link {
                    Link::Of(function) => of(*function, value),
                    Link::With(sign, part) => calculated(*sign, &value, &evaluate(program, part, source)),
                };
            }
            return value;
        }
        Calc::Call(function, arguments, types) => {
            return call(program, *function, arguments, *types, source);
        }
        Calc::Case(branches, otherwise) => {
            let branch = branches.iter().find(|(when, _)| source.truth(program, when) == Truth::True);
            return evaluate(program, branch.map_or(otherwise, |(_, then)| then), source);
        }
        Calc::Switch(of, branches, otherwise, types) => {
            let of = evaluate(program, of, source);
            let branch = branches.iter().find(|(when, _)| {
                let when = evaluate(program, when, source);
                order(of.operand(), when.operand(), *types) == Some(Ordering::Equal)
            });
            return evaluate(program, branch.map_or(otherwise, |(_, then)| then), source);
        }
        Calc::Truth(condition) => match source.truth(program, condition) {
            Truth::True => Operand::Boolean(true),
            Truth::False => Operand::Boolean(false),
            Truth::Unknown => Operand::Missing,
        },
    })
}

fn both<'a, 'v: 'a>(
    program: &'a Program,
    [left, right]: &'a [Calc; 2],
    source: &mut dyn Source<'v>,
) -> [Held<'a>; 2] {
    [evaluate(program, left, source), evaluate(program, right, source)]
}

fn made(text: Option<String>) -> Held<'static> {
    text.map_or(MISSING, Held::Made)
}

/// The result of a sign between two values.
#[inline(never)]
fn calculated(sign: Arithmetic, left: &Held<'_>, right: &Held<'_>) -> Held<'static> {
    if sign == Arithmetic::Join {
        return match [text::text(left.operand()), text::text(right.operand())] {
            [Some(left), Some(right)] => made(text::joined(&[left, right])),
            _ => MISSING,
        };
    }
    let numbers = left.number().zip(right.number());
    number(numbers.and_then(|(left, right)| math::calculate(sign, left, right)))
}

/// The result of a function of one value. Not inlined, because evaluation recurs.
#[inline(never)]
fn of(function: Unary, value: Held<'_>) -> Held<'static> {
    let whole = |count: usize| Number::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    number(match function {
        Unary::Negative => value.number().map(math::negative),
        Unary::Absolute => value.number().map(math::absolute),
        Unary::Milliseconds => value.instant().map(Number::Integer),
        Unary::Day => value.instant().map(|ms| Number::Integer(ms.div_euclid(DAY_MS))),
        Unary::Time => return moment(value.integer()),
        Unary::Hash => text::text(value.operand())
            .map(|text| Number::Integer((xxh3::hash(text.as_bytes()) & (u64::MAX >> 1)).cast_signed())),
        Unary::Length => value.text().map(|text| whole(text.chars().count())),
        Unary::Lower => return mapped(value.text(), lowercase),
        Unary::Upper => return mapped(value.text(), uppercase),
        Unary::Size => match value.operand() {
            Operand::Missing => Some(Number::Integer(0)),
            Operand::List(items, _) => Some(whole(items.len())),
            Operand::Items(items, _) => Some(whole(items.count())),
            _ => None,
        },
    })
}

/// A value that may be a time, as it was ingested: missing unless it is one, or fits another type.
fn shown<'v>(program: &Program, slot: u32, source: &mut dyn Source<'v>) -> Operand<'v> {
    let Some(value) = source.ingested(program, slot) else { return source.fitted(program, slot) };
    let types = program.slots.get(slot as usize).map_or(TypeSet::ANY, |typed| typed.types);
    if !types.fits(value) {
        return Operand::Missing;
    }
    match value {
        Value::Number(number) => Operand::Number(*number),
        Value::String(text) if time::words_ms(text).is_some() => Operand::TextOrTime(text),
        other => Operand::of(other, types),
    }
}

/// The result of a function of several values.
#[inline(never)]
fn call<'a, 'v: 'a>(
    program: &'a Program,
    function: Several,
    arguments: &'a [Calc],
    types: TypeSet,
    source: &mut dyn Source<'v>,
) -> Held<'a> {
    let mut values = arguments.iter().map(|argument| evaluate(program, argument, source));
    match function {
        Several::Coalesce => values.find(|value| !value.is_missing()).unwrap_or(MISSING),
        Several::Least | Several::Greatest => {
            let better = if function == Several::Least { Ordering::Less } else { Ordering::Greater };
            let best = values.reduce(|best, value| {
                let is_better =
                    best.is_missing() || order(value.operand(), best.operand(), types) == Some(better);
                if is_better { value } else { best }
            });
            best.unwrap_or(MISSING)
        }
        Several::Concat => {
            let values: Vec<Held<'_>> = values.gather();
            let texts: Vec<Cow<'_, str>> =
                values.iter().filter_map(|value| text::text(value.operand())).gather();
            made(text::joined(&texts))
        }
        Several::Round | Several::Substr => {
            let first = values.next().unwrap_or(MISSING);
            // A number that is not given, and one that is missing.
            let mut given = || values.next().map(|value| value.integer());
            if function == Several::Round {
                let digits = given().unwrap_or(Some(0));
                let rounded =
                    first.number().zip(digits).and_then(|(value, digits)| math::round(value, digits));
                return number(rounded);
            }
            match (first.text(), given(), given()) {
                (Some(text), Some(Some(from)), None) => made(text::part(text, from, None)),
                (Some(text), Some(Some(from)), Some(Some(count))) => {
                    made(text::part(text, from, Some(count)))
                }
                _ => MISSING,
            }
        }
    }
}

fn mapped(text: Option<&str>, to: fn(char) -> char) -> Held<'static> {
    let text = text.filter(|text| text.len() <= EXPRESSION_TEXT_BYTES_MAX);
    let mapped: Option<String> = text.map(|text| text.chars().map(to).collect());
    made(mapped.filter(|text| text::is_short(text)))
}

/// The truth of a test.
pub(crate) fn test<'v>(program: &Program, tested: &Tested, source: &mut dyn Source<'v>) -> Truth {
    let (answer, negated) = match tested {
        Tested::Op { left, op, negated } => {
            let left = evaluate(program, left, source);
            (held(op, left.operand(), source.now_ms()), *negated)
        }
        Tested::Compare { comparison, sides, types } => {
            let [left, right] = both(program, sides, source);
            (compared(*comparison, left.operand(), right.operand(), *types), false)
        }
        Tested::In { left, values, types, negated } => {
            let left = evaluate(program, left, source);
            let mut answer = Some(false);
            for value in values {
                let value = evaluate(program, value, source);
                match compared(Comparison::Equal, left.operand(), value.operand(), *types) {
                    Some(true) => {
                        answer = Some(true);
                        break;
                    }
                    Some(false) => {}
                    None => answer = None,
                }
            }
            (answer, *negated)
        }
        Tested::AnyOf { sides, types } => {
            let [left, list] = both(program, sides, source);
            (any_of(left.operand(), list.operand(), *types), false)
        }
    };
    match answer {
        Some(answer) => Truth::from(answer != negated),
        None => Truth::Unknown,
    }
}

/// True if a value equals an item; unknown if it equals none, but some item cannot be compared.
fn any_of(left: Operand<'_>, list: Operand<'_>, types: TypeSet) -> Option<bool> {
    let (mut answer, mut is_unknown) = (None, false);
    let mut compare = |item: &Value, of: TypeSet| {
        match compared(Comparison::Equal, left, Operand::of(item, of), types) {
            Some(true) => answer = Some(true),
            Some(false) => answer = answer.or(Some(false)),
            None => is_unknown = true,
        }
        answer == Some(true)
    };
    match list {
        Operand::List(items, of) => drop(items.iter().any(|item| compare(item, of))),
        Operand::Items(items, of) => drop(items.any(&mut |item| compare(item, of))),
        _ => {}
    }
    answer.filter(|answer| *answer || !is_unknown)
}

fn compared(comparison: Comparison, left: Operand<'_>, right: Operand<'_>, types: TypeSet) -> Option<bool> {
    order(left, right, types).map(|order| comparison.holds(order))
}

/// The order of two values as one of these types. None: one is missing, or they have no type in common.
fn order(left: Operand<'_>, right: Operand<'_>, types: TypeSet) -> Option<Ordering> {
    let as_times = || Some(instant(left)?.cmp(&instant(right)?));
    if types.has_times() && !types.has(DataType::Number) && !types.has(DataType::String) {
        return as_times();
    }
    match (left, right) {
        (Operand::Missing, _) | (_, Operand::Missing) => None,
        (Operand::Boolean(left), Operand::Boolean(right)) => Some(left.cmp(&right)),
        (Operand::Number(left), Operand::Number(right)) => Some(left.cmp(&right)),
        (
            Operand::Text(left) | Operand::TextOrTime(left),
            Operand::Text(right) | Operand::TextOrTime(right),
        ) => {
            let times =
                if types.is_text_or_time() { time::words_ms(left).zip(time::words_ms(right)) } else { None };
            Some(match times {
                Some((left, right)) => left.cmp(&right),
                None => order_of(left.as_bytes(), right.as_bytes()),
            })
        }
        (Operand::Instant(_), _) | (_, Operand::Instant(_)) => as_times(),
        _ => None,
    }
}
