//! The truth of conditions, as slowly and as literally as the language's rules say it.

use std::cmp::Ordering;

use usher_engine::syntax::{Comparison, Computed, Expr, Question, Test, ValueExpr};
use usher_engine::value::Value;

use crate::slow::{Is, Row, literal, value};
use crate::times::time_ms;

/// The truth of a condition; None is unknown.
pub fn truth(expr: &Expr, row: &Row<'_>) -> Option<bool> {
    match expr {
        Expr::Constant(truth) => Some(*truth),
        Expr::Not(inner) => truth(inner, row).map(|truth| !truth),
        Expr::And(parts) => all(parts.iter().map(|part| truth(part, row)), false),
        Expr::Or(parts) => all(parts.iter().map(|part| truth(part, row)), true),
        Expr::Segment(_) => None,
        Expr::Test { name, test, negated } => {
            tested(&value(&ValueExpr::Name(name.clone()), row).is, test).map(|truth| truth != *negated)
        }
        Expr::Computed(computed) => {
            let Computed { left, question, negated } = &**computed;
            asked(&value(left, row).is, question, row).map(|truth| truth != *negated)
        }
    }
}

/// What decides alone, else unknown if any is, else the opposite.
fn all(parts: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let parts: Vec<Option<bool>> = parts.collect();
    if parts.contains(&Some(decisive)) {
        Some(decisive)
    } else if parts.contains(&None) {
        None
    } else {
        Some(!decisive)
    }
}

fn asked(left: &Option<Is>, question: &Question, row: &Row<'_>) -> Option<bool> {
    let of = |expr: &ValueExpr| value(expr, row).is;
    match question {
        Question::Test(test) => tested(left, test),
        Question::Compare(comparison, right) => holds(*comparison, order(left, &of(right))),
        Question::Between(low, high) => {
            let sides = [(Comparison::GreaterEqual, low), (Comparison::LessEqual, high)];
            all(sides.into_iter().map(|(sign, side)| holds(sign, order(left, &of(side)))), false)
        }
        Question::In(values) => all(values.iter().map(|one| equal(left, &of(one))), true),
        Question::AnyOf(list) => match of(list) {
            Some(Is::List(items)) => all(items.into_iter().map(|item| equal(left, &Some(item))), true),
            _ => None,
        },
    }
}

fn tested(left: &Option<Is>, test: &Test) -> Option<bool> {
    let with = |holds: &dyn Fn(&str) -> bool| match left {
        Some(Is::Text(text)) => Some(holds(text)),
        _ => None,
    };
    match test {
        Test::Equal(value) => equal(left, &literal(value)),
        Test::Order(comparison, value) => holds(*comparison, order(left, &literal(value))),
        Test::In(values) => all(values.iter().map(|value| equal(left, &literal(value))), true),
        Test::Between(low, high) => {
            let sides = [(Comparison::GreaterEqual, low), (Comparison::LessEqual, high)];
            all(sides.into_iter().map(|(sign, side)| holds(sign, order(left, &literal(side)))), false)
        }
        Test::Like(pattern) => {
            let pattern: Vec<char> = pattern.chars().collect();
            with(&|text| like(&text.chars().collect::<Vec<_>>(), &pattern))
        }
        Test::StartsWith(part) => with(&|text| text.starts_with(part.as_str())),
        Test::EndsWith(part) => with(&|text| text.ends_with(part.as_str())),
        Test::Contains(Value::String(part)) => with(&|text| text.contains(part.as_str())),
        Test::Null => Some(left.is_none()),
        Test::Size(comparison, size) => {
            let count = match left {
                Some(Is::List(items)) => items.len() as i64,
                _ => 0,
            };
            holds(*comparison, Some(count.cmp(size)))
        }
        other => panic!("{other:?} is not generated"),
    }
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        (['%', rest @ ..], text) => (0..=text.len()).any(|skip| like(&text[skip..], rest)),
        (['_', rest @ ..], [_, text @ ..]) => like(text, rest),
        ([c, rest @ ..], [first, text @ ..]) => c == first && like(text, rest),
        (_, []) => false,
    }
}

fn equal(left: &Option<Is>, right: &Option<Is>) -> Option<bool> {
    order(left, right).map(Ordering::is_eq)
}

fn holds(comparison: Comparison, order: Option<Ordering>) -> Option<bool> {
    let order = order?;
    Some(match comparison {
        Comparison::Less => order.is_lt(),
        Comparison::LessEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterEqual => order.is_ge(),
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
    })
}

/// The order of two values of one type; None: one is missing.
pub fn order(left: &Option<Is>, right: &Option<Is>) -> Option<Ordering> {
    let ms = |is: &Is| match is {
        Is::Time(ms, _) | Is::Day(ms, _) => Some(*ms),
        Is::Text(text) => time_ms(text),
        _ => None,
    };
    match (left.as_ref()?, right.as_ref()?) {
        (Is::Text(left), Is::Text(right)) => Some(left.chars().cmp(right.chars())),
        (Is::Boolean(left), Is::Boolean(right)) => Some(left.cmp(right)),
        (Is::Interval(left), Is::Interval(right)) => Some(left.cmp(right)),
        (Is::Integer(left), Is::Integer(right)) => Some(left.cmp(right)),
        (Is::Integer(left), Is::Float(right)) => Some(exact(*left, *right)),
        (Is::Float(left), Is::Integer(right)) => Some(exact(*right, *left).reverse()),
        (Is::Float(left), Is::Float(right)) => left.partial_cmp(right),
        (left, right) => Some(ms(left)?.cmp(&ms(right)?)),
    }
}

/// An integer and a float by their values, also where the integer has more digits than a float.
fn exact(integer: i64, float: f64) -> Ordering {
    if float.abs() >= 1e19 {
        return if float > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    let whole = float.trunc();
    i128::from(integer)
        .cmp(&(whole as i128))
        .then(0.0_f64.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal))
}
