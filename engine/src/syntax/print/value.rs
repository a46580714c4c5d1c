//! Expressions with a value, as canonical text.

use core::fmt;

use super::{Literal, print_question};
use crate::syntax::ast::{Computed, Question, ValueExpr};
use crate::syntax::function::Function;
use crate::value::Value;

/// How tightly the outermost sign of an expression binds; operands bind tighter.
fn level(expr: &ValueExpr) -> u8 {
    match expr {
        ValueExpr::Negative(_) => 4,
        ValueExpr::Condition(_) => 0,
        other => other.rank().unwrap_or(5),
    }
}

/// An operand, in brackets unless it binds at least so tightly.
struct Operand<'a>(&'a ValueExpr, u8);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if level(self.0) < self.1 { write!(f, "({})", self.0) } else { write!(f, "{}", self.0) }
    }
}

impl fmt::Display for ValueExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueExpr::Null => f.write_str("NULL"),
            ValueExpr::Constant(value) => Literal(value).fmt(f),
            ValueExpr::Name(name) => name.fmt(f),
            ValueExpr::Now => f.write_str("NOW()"),
            ValueExpr::Interval(count, unit) => write!(f, "INTERVAL {count} {}", unit.as_str()),
            // A number alone would read as a negative one.
            ValueExpr::Negative(part) if matches!(**part, ValueExpr::Constant(Value::Number(_))) => {
                write!(f, "-({part})")
            }
            ValueExpr::Negative(part) => write!(f, "-{}", Operand(part, 5)),
            ValueExpr::Arithmetic(first, rest) => {
                let level = level(self);
                Operand(first, level).fmt(f)?;
                rest.iter().try_for_each(|(sign, part)| {
                    write!(f, " {} {}", sign.as_str(), Operand(part, level.saturating_add(1)))
                })
            }
            ValueExpr::Call(function, arguments) => {
                write!(f, "{}(", function.as_str())?;
                if *function == Function::DateDiff {
                    f.write_str("'day', ")?;
                }
                listed(f, arguments)?;
                f.write_str(")")
            }
            ValueExpr::Case(branches, otherwise) => {
                f.write_str("CASE")?;
                branches.iter().try_for_each(|(when, then)| write!(f, " WHEN {when} THEN {then}"))?;
                end(f, otherwise.as_deref())
            }
            ValueExpr::Switch(of, branches, otherwise) => {
                // Behind a name `case` these words would go on with its test.
                let is_word = |name: &str| {
                    ["MORE", "THEN", "ELSE", "END"].iter().any(|word| name.eq_ignore_ascii_case(word))
                };
                let word = matches!(&**of, ValueExpr::Name(name) if is_word(&name.0));
                if word { write!(f, "CASE ({of})") } else { write!(f, "CASE {}", Operand(of, 5)) }?;
                branches
                    .iter()
                    .try_for_each(|(when, then)| write!(f, " WHEN {} THEN {then}", Operand(when, 1)))?;
                end(f, otherwise.as_deref())
            }
            ValueExpr::Condition(condition) => condition.fmt(f),
        }
    }
}

fn listed(f: &mut fmt::Formatter<'_>, values: &[ValueExpr]) -> fmt::Result {
    for (index, value) in values.iter().enumerate() {
        write!(f, "{}{value}", if index > 0 { ", " } else { "" })?;
    }
    Ok(())
}

fn end(f: &mut fmt::Formatter<'_>, otherwise: Option<&ValueExpr>) -> fmt::Result {
    if let Some(otherwise) = otherwise {
        write!(f, " ELSE {otherwise}")?;
    }
    f.write_str(" END")
}

impl fmt::Display for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Computed { left, question, negated } = self;
        write!(f, "{} ", Operand(left, 1))?;
        let not = if *negated { "NOT " } else { "" };
        match question {
            Question::Test(test) => print_question(f, test, *negated),
            Question::Compare(comparison, right) => {
                write!(f, "{} {}", comparison.as_str(), Operand(right, 1))
            }
            Question::Between(low, high) => {
                write!(f, "{not}BETWEEN {} AND {}", Operand(low, 1), Operand(high, 1))
            }
            Question::In(values) => {
                write!(f, "{not}IN (")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{}", if index > 0 { ", " } else { "" }, Operand(value, 1))?;
                }
                f.write_str(")")
            }
            Question::AnyOf(list) => write!(f, "= ANY({list})"),
        }
    }
}
