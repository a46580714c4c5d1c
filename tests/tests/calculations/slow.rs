//! What expressions mean, as slowly and as literally as the language's rules say it: nothing here is the engine's but its tree.
//!
//! Every value carries the names of the columns that it was made of, as sensitivity counts them.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use usher_engine::syntax::{Arithmetic, Function, Name, ValueExpr};
use usher_engine::value::{DataType, Number, Value};
use usher_tests::calculations::COLUMNS;

use crate::times::{DAY_MS, day_ms, shown_ms, time_ms};
use crate::truth::{order, truth};

/// A text that an expression makes is missing beyond this.
const TEXT_BYTES_MAX: usize = 4_096;

#[derive(Clone, Debug)]
pub enum Is {
    Integer(i64),
    Float(f64),
    Text(String),
    Boolean(bool),
    /// Unix milliseconds, and the text that was ingested.
    Time(i64, Option<String>),
    /// The midnight of a day, and its text.
    Day(i64, String),
    Interval(i64),
    List(Vec<Is>),
}

/// A value, which may be missing.
#[derive(Clone, Debug, Default)]
pub struct Held {
    pub is: Option<Is>,
    pub made_of: BTreeSet<String>,
}

impl Held {
    fn new(is: impl Into<Option<Is>>) -> Held {
        Held { is: is.into(), made_of: BTreeSet::new() }
    }

    fn of(parts: &[Held], is: Option<Is>) -> Held {
        Held { is, made_of: parts.iter().flat_map(|part| part.made_of.clone()).collect() }
    }
}

pub struct Row<'r> {
    pub cells: &'r [Option<Value>],
    pub now_ms: i64,
}

/// The value of an expression.
pub fn value(expr: &ValueExpr, row: &Row<'_>) -> Held {
    match expr {
        ValueExpr::Null => Held::default(),
        ValueExpr::Constant(constant) => Held::new(literal(constant)),
        ValueExpr::Name(Name(name)) => Held { is: column(name, row), made_of: [name.clone()].into() },
        ValueExpr::Now => Held::new(Is::Time(row.now_ms, None)),
        ValueExpr::Interval(count, unit) => Held::new(unit.ms(*count).map(Is::Interval)),
        ValueExpr::Negative(part) => {
            let part = value(part, row);
            let is = part.is.clone().and_then(negative);
            Held::of(&[part], is)
        }
        ValueExpr::Arithmetic(first, rest) => rest.iter().fold(value(first, row), |left, (sign, right)| {
            let right = value(right, row);
            let is = match (&left.is, &right.is) {
                (Some(left), Some(right)) => calculate(*sign, left, right),
                _ => None,
            };
            Held::of(&[left, right], is)
        }),
        ValueExpr::Call(function, arguments) => call(*function, arguments, row),
        ValueExpr::Case(branches, otherwise) => {
            let branch = branches.iter().find(|(when, _)| truth(when, row) == Some(true));
            match (branch, otherwise) {
                (Some((_, then)), _) => value(then, row),
                (None, Some(otherwise)) => value(otherwise, row),
                (None, None) => Held::default(),
            }
        }
        ValueExpr::Switch(of, branches, otherwise) => {
            let of = value(of, row).is;
            let equals = |when: &ValueExpr| order(&of, &value(when, row).is) == Some(Ordering::Equal);
            match (branches.iter().find(|(when, _)| equals(when)), otherwise) {
                (Some((_, then)), _) => value(then, row),
                (None, Some(otherwise)) => value(otherwise, row),
                (None, None) => Held::default(),
            }
        }
        ValueExpr::Condition(condition) => Held::new(truth(condition, row).map(Is::Boolean)),
    }
}

/// The value of a column, if it fits the column's type.
fn column(name: &str, row: &Row<'_>) -> Option<Is> {
    let at = COLUMNS.iter().position(|(known, _)| *known == name)?;
    let cell = row.cells[at].as_ref()?;
    let all = |items: &[Value], fits: fn(&Is) -> bool| {
        let items: Option<Vec<Is>> = items.iter().map(literal).collect();
        // An empty list is missing.
        items.filter(|items| !items.is_empty() && items.iter().all(fits)).map(Is::List)
    };
    match (COLUMNS[at].1, cell) {
        (DataType::Number, Value::String(text)) => text.parse().ok().map(Is::Integer),
        (DataType::Number, Value::Number(_)) => literal(cell),
        (DataType::String, Value::String(_)) | (DataType::Boolean, Value::Boolean(_)) => literal(cell),
        (DataType::Timestamp, Value::String(text)) => Some(Is::Time(time_ms(text)?, Some(text.clone()))),
        (DataType::Date, Value::String(text)) => Some(Is::Day(day_ms(text)?, text.clone())),
        (DataType::StringArray, Value::List(items)) => all(items, |item| matches!(item, Is::Text(_))),
        (DataType::NumberArray, Value::List(items)) => {
            all(items, |item| matches!(item, Is::Integer(_) | Is::Float(_)))
        }
        _ => None,
    }
}

pub fn literal(value: &Value) -> Option<Is> {
    match value {
        Value::Number(Number::Integer(number)) => Some(Is::Integer(*number)),
        Value::Number(Number::Float(number)) => Some(Is::Float(*number)),
        Value::String(text) => Some(Is::Text(text.clone())),
        Value::Boolean(truth) => Some(Is::Boolean(*truth)),
        _ => None,
    }
}

fn float(number: f64) -> Option<Is> {
    number.is_finite().then_some(Is::Float(number))
}

fn f64_of(is: &Is) -> Option<f64> {
    match is {
        Is::Integer(number) => Some(*number as f64),
        Is::Float(number) => Some(*number),
        _ => None,
    }
}

/// An integer, also one that is written as a float.
fn whole(is: &Is) -> Option<i64> {
    match is {
        Is::Integer(number) => Some(*number),
        // Of floats i128 has every whole one that i64 may have.
        Is::Float(number) if number.fract() == 0.0 => i64::try_from(*number as i128).ok(),
        _ => None,
    }
}

fn negative(is: Is) -> Option<Is> {
    match is {
        Is::Integer(i64::MIN) => Some(Is::Float(9_223_372_036_854_775_808.0)),
        Is::Integer(number) => Some(Is::Integer(-number)),
        Is::Float(number) => Some(Is::Float(-number)),
        _ => None,
    }
}

fn calculate(sign: Arithmetic, left: &Is, right: &Is) -> Option<Is> {
    let moved = |ms: i64, by: i64| Some(Is::Time(shown_ms(ms.checked_add(by)?)?, None));
    let times = |is: &Is| match is {
        Is::Time(ms, _) | Is::Day(ms, _) => Some(*ms),
        _ => None,
    };
    match (sign, left, right) {
        (Arithmetic::Join, left, right) => short(format!("{}{}", text(left)?, text(right)?)),
        (Arithmetic::Subtract, Is::Day(left, _), Is::Day(right, _)) => {
            Some(Is::Integer((left - right) / DAY_MS))
        }
        (Arithmetic::Add, Is::Interval(left), Is::Interval(right)) => {
            left.checked_add(*right).map(Is::Interval)
        }
        (Arithmetic::Subtract, Is::Interval(left), Is::Interval(right)) => {
            left.checked_sub(*right).map(Is::Interval)
        }
        (Arithmetic::Add, time, Is::Interval(by)) | (Arithmetic::Add, Is::Interval(by), time) => {
            moved(times(time)?, *by)
        }
        (Arithmetic::Subtract, time, Is::Interval(by)) => moved(times(time)?, by.checked_neg()?),
        (Arithmetic::Subtract, left, right) if times(left).is_some() => {
            Some(Is::Interval(times(left)? - times(right)?))
        }
        _ => numbers(sign, left, right),
    }
}

/// Integers are exact, and floats where they overflow or are divided.
fn numbers(sign: Arithmetic, left: &Is, right: &Is) -> Option<Is> {
    if let (Is::Integer(left), Is::Integer(right)) = (left, right) {
        let (left, right) = (i128::from(*left), i128::from(*right));
        let exact = match sign {
            Arithmetic::Add => Some(left + right),
            Arithmetic::Subtract => Some(left - right),
            Arithmetic::Multiply => Some(left * right),
            Arithmetic::Remainder if right == 0 => return None,
            Arithmetic::Remainder => Some(left % right),
            _ => None,
        };
        if let Some(exact) = exact.and_then(|exact| i64::try_from(exact).ok()) {
            return Some(Is::Integer(exact));
        }
    }
    let (left, right) = (f64_of(left)?, f64_of(right)?);
    match sign {
        Arithmetic::Add => float(left + right),
        Arithmetic::Subtract => float(left - right),
        Arithmetic::Multiply => float(left * right),
        Arithmetic::Divide => float(left / right),
        Arithmetic::Remainder => float(left % right),
        Arithmetic::Join => None,
    }
}

fn call(function: Function, arguments: &[ValueExpr], row: &Row<'_>) -> Held {
    let all: Vec<Held> = arguments.iter().map(|argument| value(argument, row)).collect();
    if function == Function::Coalesce {
        return all.into_iter().find(|one| one.is.is_some()).unwrap_or_default();
    }
    let first = all[0].is.clone();
    let count = |count: usize| Some(Is::Integer(count as i64));
    let mapped = |to: fn(char) -> char| match &first {
        Some(Is::Text(text)) => short(text.chars().map(to).collect()),
        _ => None,
    };
    let is = match function {
        Function::Least => best(&all, Ordering::Less),
        Function::Greatest => best(&all, Ordering::Greater),
        Function::Concat => {
            short(all.iter().filter_map(|one| text(one.is.as_ref()?)).collect::<Vec<_>>().concat())
        }
        Function::Abs => match first {
            Some(Is::Integer(number)) if number < 0 => negative(Is::Integer(number)),
            Some(Is::Float(number)) => Some(Is::Float(number.abs())),
            other => other,
        },
        // Half away from zero, which is how `f64::round` rounds, and an integer where one has the value.
        Function::Round => match first {
            Some(Is::Float(number)) if number.abs() < 9_223_372_036_854_775_808.0 => {
                Some(Is::Integer(number.round() as i64))
            }
            other => other,
        },
        Function::DateDiff => match (&first, &all[1].is) {
            (Some(Is::Time(from, _)), Some(Is::Time(to, _))) => {
                Some(Is::Integer(to.div_euclid(DAY_MS) - from.div_euclid(DAY_MS)))
            }
            _ => None,
        },
        Function::Hash => first.as_ref().and_then(text).map(|text| {
            Is::Integer((xxhash_rust::xxh3::xxh3_64(text.as_bytes()) & (u64::MAX >> 1)).cast_signed())
        }),
        Function::Length => match &first {
            Some(Is::Text(text)) => count(text.chars().count()),
            _ => None,
        },
        Function::Size => match &first {
            Some(Is::List(items)) => count(items.len()),
            _ => count(0),
        },
        Function::Lower => mapped(|c| c.to_lowercase().next().unwrap_or(c)),
        Function::Upper => mapped(|c| c.to_uppercase().next().unwrap_or(c)),
        Function::Substr => part(&all),
        Function::Coalesce => None,
    };
    Held::of(&all, is)
}

/// The first of the least, or of the greatest, of those that are not missing.
fn best(all: &[Held], wanted: Ordering) -> Option<Is> {
    let mut best = None;
    for one in all.iter().filter(|one| one.is.is_some()) {
        if best.is_none() || order(&one.is, &best) == Some(wanted) {
            best = one.is.clone();
        }
    }
    best
}

/// Code points, counted from 1; positions before the first count, too.
fn part(all: &[Held]) -> Option<Is> {
    let (Is::Text(text), from) = (all[0].is.as_ref()?, i128::from(whole(all[1].is.as_ref()?)?)) else {
        return None;
    };
    let count = match all.get(2) {
        Some(count) => i128::from(whole(count.is.as_ref()?)?),
        None => i128::MAX / 2,
    };
    let within = |position: i128| from <= position && position < from + count;
    let chars = text.chars().zip(1..).filter(|(_, position)| within(*position));
    short(chars.map(|(c, _)| c).collect())
}

fn short(text: String) -> Option<Is> {
    (text.len() <= TEXT_BYTES_MAX).then_some(Is::Text(text))
}

/// The text of a value, as `HASH` and `||` read it.
pub fn text(is: &Is) -> Option<String> {
    Some(match is {
        Is::Integer(number) => number.to_string(),
        Is::Float(number) => match whole(is) {
            Some(whole) => whole.to_string(),
            // The fewest digits that read back.
            None => format!("{number:?}"),
        },
        Is::Text(text) | Is::Day(_, text) => text.clone(),
        Is::Boolean(truth) => truth.to_string(),
        Is::Time(_, Some(text)) => text.clone(),
        Is::Time(ms, None) => crate::times::rfc3339(*ms),
        Is::Interval(_) => return None,
        Is::List(items) => {
            let item = |item: &Is| match item {
                Is::Text(text) => serde_json::to_string(text).ok(),
                other => text(other),
            };
            format!("[{}]", items.iter().filter_map(item).collect::<Vec<_>>().join(","))
        }
    })
}

/// The columns whose values may become the result of an expression, or a part of it.
pub fn results(expr: &ValueExpr) -> BTreeSet<String> {
    let of = |several: &mut dyn Iterator<Item = &ValueExpr>| several.flat_map(results).collect();
    match expr {
        ValueExpr::Name(Name(name)) => [name.clone()].into(),
        ValueExpr::Negative(part) => results(part),
        ValueExpr::Arithmetic(first, rest) => {
            of(&mut [&**first].into_iter().chain(rest.iter().map(|(_, part)| part)))
        }
        ValueExpr::Call(_, arguments) => of(&mut arguments.iter()),
        ValueExpr::Case(branches, otherwise) => {
            of(&mut branches.iter().map(|(_, then)| then).chain(otherwise.as_deref()))
        }
        ValueExpr::Switch(_, branches, otherwise) => {
            of(&mut branches.iter().map(|(_, then)| then).chain(otherwise.as_deref()))
        }
        _ => BTreeSet::new(),
    }
}
