//! Tree to canonical text: keywords in capitals, single blanks, parentheses only where needed.

mod value;

use core::fmt;

use super::ast::{Comparison, Expr, Name, Quantity, Test};
use super::token::{begins_case, is_bare, is_keyword};
use crate::value::Value;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Constant(true) => f.write_str("TRUE"),
            Expr::Constant(false) => f.write_str("FALSE"),
            Expr::And(parts) => joined(f, parts, " AND ", |part| matches!(part, Expr::And(_) | Expr::Or(_))),
            Expr::Or(parts) => joined(f, parts, " OR ", |part| matches!(part, Expr::Or(_))),
            Expr::Not(inner) => {
                f.write_str("NOT ")?;
                operand(f, inner, matches!(**inner, Expr::And(_) | Expr::Or(_)))
            }
            Expr::Segment(name) => write!(f, "segment({})", Quoted(name, '\'')),
            Expr::Test { name, test, negated } => print_test(f, name, test, *negated),
            Expr::Computed(computed) => computed.fmt(f),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expr],
    by: &str,
    group: impl Fn(&Expr) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(by)?;
        }
        operand(f, part, group(part))?;
    }
    Ok(())
}

fn operand(f: &mut fmt::Formatter<'_>, expr: &Expr, group: bool) -> fmt::Result {
    if group { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

fn print_test(f: &mut fmt::Formatter<'_>, name: &Name, test: &Test, negated: bool) -> fmt::Result {
    let before = if negated && !test.has_opposite() { "NOT " } else { "" };
    match test {
        Test::Size(comparison, count) => write!(f, "{before}SIZE({name}) {} {count}", comparison.as_str()),
        Test::Items(quantity, tests) => {
            f.write_str(before)?;
            match quantity {
                Quantity::Any => write!(f, "ANY({name}) "),
                Quantity::All => write!(f, "ALL({name}) "),
                Quantity::AtLeast(count) => write!(f, "AT_LEAST({count}, {name}) "),
                Quantity::AtMost(count) => write!(f, "AT_MOST({count}, {name}) "),
                Quantity::Exactly(count) => write!(f, "EXACTLY({count}, {name}) "),
            }?;
            if let [only] = tests.as_slice() {
                return print_question(f, only, false);
            }
            f.write_str("(")?;
            for (index, test) in tests.iter().enumerate() {
                f.write_str(if index > 0 { " OR " } else { "" })?;
                print_question(f, test, false)?;
            }
            f.write_str(")")
        }
        test => {
            write!(f, "{before}{name} ")?;
            print_question(f, test, negated)
        }
    }
}

/// Prints the part after the name. If the opposite has no sign of its own, the caller prints NOT before the name.
fn print_question(f: &mut fmt::Formatter<'_>, test: &Test, negated: bool) -> fmt::Result {
    let not = if negated { "NOT " } else { "" };
    match test {
        Test::Equal(value) => write!(f, "{} {}", if negated { "!=" } else { "=" }, Literal(value)),
        Test::Order(comparison, value) => write!(f, "{} {}", comparison.as_str(), Literal(value)),
        Test::Version(comparison, version) => {
            let sign = if negated && *comparison == Comparison::Equal { "!=" } else { comparison.as_str() };
            write!(f, "{sign} VERSION {}", Quoted(version, '\''))
        }
        Test::In(values) => {
            write!(f, "{not}IN (")?;
            for (index, value) in values.iter().enumerate() {
                write!(f, "{}{}", if index > 0 { ", " } else { "" }, Literal(value))?;
            }
            f.write_str(")")
        }
        Test::Between(low, high) => write!(f, "{not}BETWEEN {} AND {}", Literal(low), Literal(high)),
        Test::Like(pattern) => write!(f, "{not}LIKE {}", Quoted(pattern, '\'')),
        Test::StartsWith(text) => write!(f, "{not}STARTS WITH {}", Quoted(text, '\'')),
        Test::EndsWith(text) => write!(f, "{not}ENDS WITH {}", Quoted(text, '\'')),
        Test::Contains(value) => write!(f, "{not}CONTAINS {}", Literal(value)),
        Test::Matches(pattern) => write!(f, "{not}MATCHES {}", Quoted(pattern, '\'')),
        Test::Null => write!(f, "IS {not}NULL"),
        Test::WithinDays(days) => write!(f, "WITHIN {days} DAYS"),
        Test::MoreThanDaysAgo(days) => write!(f, "MORE THAN {days} DAYS AGO"),
        // No text spells these tests of one item; a hand-made tree with one is refused when it is compiled.
        Test::Size(..) | Test::Items(..) => f.write_str("IS NULL"),
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_bare(&self.0) && !is_keyword(&self.0) && !begins_case(&self.0) {
            f.write_str(&self.0)
        } else {
            write!(f, "{}", Quoted(&self.0, '"'))
        }
    }
}

struct Literal<'a>(&'a Value);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Boolean(value) => f.write_str(if *value { "TRUE" } else { "FALSE" }),
            Value::Number(number) => write!(f, "{number}"),
            Value::String(text) => write!(f, "{}", Quoted(text, '\'')),
            // No text spells these; a hand-made tree with one is refused when it is compiled.
            Value::Null | Value::List(_) | Value::Object(_) => f.write_str("NULL"),
        }
    }
}

struct Quoted<'a>(&'a str, char);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        f.write_char(self.1)?;
        for c in self.0.chars() {
            if c == self.1 {
                f.write_char(c)?;
            }
            f.write_char(c)?;
        }
        f.write_char(self.1)
    }
}
