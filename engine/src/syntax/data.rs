//! Criteria as data: canonical text, or a tree where no text spells the criterion or the text would be too long. Readers
//! accept both, because older bundles have only trees.

use alloc::string::ToString;

use super::parse::{parse_printed as parse, parse_printed_value};
use super::{Comparison, Expr, Name, Quantity, Test, ValueExpr};
use crate::value::data::{names, pair, read_fields, tagged, write_fields};
use crate::value::{FromValue, Reading, ToValue, Value, variant};

names! {
    Comparison {
        Less = "less",
        LessEqual = "less_equal",
        Greater = "greater",
        GreaterEqual = "greater_equal",
        Equal = "equal",
        NotEqual = "not_equal",
    }
}

impl FromValue for Name {
    fn read(value: &Value, reading: &mut Reading) -> Name {
        Name(FromValue::read(value, reading))
    }
}

impl ToValue for Name {
    fn to_value(&self) -> Value {
        self.0.to_value()
    }
}

impl FromValue for Expr {
    fn read(value: &Value, reading: &mut Reading) -> Expr {
        if let Value::String(text) = value {
            return parse(text).unwrap_or_else(|_| {
                reading.note("no criterion");
                Expr::Constant(false)
            });
        }
        let (name, content) = variant(value, &["constant", "and", "or", "not", "segment", "test"], reading);
        reading.inside(name, |reading| match name {
            "and" => Expr::And(FromValue::read(content, reading)),
            "or" => Expr::Or(FromValue::read(content, reading)),
            "not" => Expr::Not(FromValue::read(content, reading)),
            "segment" => Expr::Segment(FromValue::read(content, reading)),
            "test" => read_fields!(content, reading => Expr::Test { name, test, negated }),
            _ => Expr::Constant(FromValue::read(content, reading)),
        })
    }
}

impl ToValue for Expr {
    fn to_value(&self) -> Value {
        let text = self.to_string();
        // No tree of data spells expressions: text always does.
        if matches!(self, Expr::Computed(_)) || parse(&text).as_ref() == Ok(self) {
            return Value::String(text);
        }
        match self {
            Expr::Constant(truth) => tagged("constant", truth.to_value()),
            Expr::And(parts) => tagged("and", parts.to_value()),
            Expr::Or(parts) => tagged("or", parts.to_value()),
            Expr::Not(part) => tagged("not", part.to_value()),
            Expr::Segment(segment) => tagged("segment", segment.to_value()),
            Expr::Test { name, test, negated } => tagged("test", write_fields!(name, test, negated)),
            Expr::Computed(_) => Value::String(text),
        }
    }
}

impl FromValue for ValueExpr {
    fn read(value: &Value, reading: &mut Reading) -> ValueExpr {
        let expr = if let Value::String(text) = value { parse_printed_value(text).ok() } else { None };
        expr.unwrap_or_else(|| {
            reading.note("no expression");
            ValueExpr::Null
        })
    }
}

impl ToValue for ValueExpr {
    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl FromValue for Quantity {
    fn read(value: &Value, reading: &mut Reading) -> Quantity {
        let (name, content) = variant(value, &["any", "all", "at_least", "at_most", "exactly"], reading);
        reading.inside(name, |reading| match name {
            "at_least" => Quantity::AtLeast(FromValue::read(content, reading)),
            "at_most" => Quantity::AtMost(FromValue::read(content, reading)),
            "exactly" => Quantity::Exactly(FromValue::read(content, reading)),
            _ => {
                without_content(content, reading);
                if name == "all" { Quantity::All } else { Quantity::Any }
            }
        })
    }
}

fn without_content(content: &Value, reading: &mut Reading) {
    if *content != Value::Null {
        reading.note("a name alone has no content");
    }
}

impl ToValue for Quantity {
    fn to_value(&self) -> Value {
        match self {
            Quantity::Any => "any".into(),
            Quantity::All => "all".into(),
            Quantity::AtLeast(count) => tagged("at_least", count.to_value()),
            Quantity::AtMost(count) => tagged("at_most", count.to_value()),
            Quantity::Exactly(count) => tagged("exactly", count.to_value()),
        }
    }
}

impl FromValue for Test {
    fn read(value: &Value, reading: &mut Reading) -> Test {
        let known = [
            "equal",
            "order",
            "in",
            "between",
            "like",
            "starts_with",
            "ends_with",
            "contains",
            "matches",
            "null",
            "within_days",
            "more_than_days_ago",
            "version",
            "items",
            "size",
        ];
        let (name, content) = variant(value, &known, reading);
        reading.inside(name, |reading| match name {
            "equal" => Test::Equal(content.clone()),
            "order" | "between" | "version" | "items" | "size" => {
                of_two(name, pair(content, reading), reading)
            }
            "in" => Test::In(FromValue::read(content, reading)),
            "like" => Test::Like(FromValue::read(content, reading)),
            "starts_with" => Test::StartsWith(FromValue::read(content, reading)),
            "ends_with" => Test::EndsWith(FromValue::read(content, reading)),
            "contains" => Test::Contains(content.clone()),
            "matches" => Test::Matches(FromValue::read(content, reading)),
            "within_days" => Test::WithinDays(FromValue::read(content, reading)),
            "more_than_days_ago" => Test::MoreThanDaysAgo(FromValue::read(content, reading)),
            _ => {
                without_content(content, reading);
                Test::Null
            }
        })
    }
}

/// A test whose content is a pair.
fn of_two(name: &str, [first, second]: [&Value; 2], reading: &mut Reading) -> Test {
    match name {
        "order" => Test::Order(FromValue::read(first, reading), second.clone()),
        "version" => Test::Version(FromValue::read(first, reading), FromValue::read(second, reading)),
        "items" => Test::Items(FromValue::read(first, reading), FromValue::read(second, reading)),
        "size" => Test::Size(FromValue::read(first, reading), FromValue::read(second, reading)),
        _ => Test::Between(first.clone(), second.clone()),
    }
}

impl ToValue for Test {
    fn to_value(&self) -> Value {
        let pair = |first: Value, second: Value| Value::List([first, second].into());
        match self {
            Test::Equal(value) => tagged("equal", value.to_value()),
            Test::Order(comparison, value) => tagged("order", pair(comparison.to_value(), value.to_value())),
            Test::In(values) => tagged("in", values.to_value()),
            Test::Between(low, high) => tagged("between", pair(low.to_value(), high.to_value())),
            Test::Like(pattern) => tagged("like", pattern.to_value()),
            Test::StartsWith(text) => tagged("starts_with", text.to_value()),
            Test::EndsWith(text) => tagged("ends_with", text.to_value()),
            Test::Contains(value) => tagged("contains", value.to_value()),
            Test::Matches(pattern) => tagged("matches", pattern.to_value()),
            Test::Null => "null".into(),
            Test::WithinDays(days) => tagged("within_days", days.to_value()),
            Test::MoreThanDaysAgo(days) => tagged("more_than_days_ago", days.to_value()),
            Test::Version(comparison, version) => {
                tagged("version", pair(comparison.to_value(), version.to_value()))
            }
            Test::Items(quantity, tests) => tagged("items", pair(quantity.to_value(), tests.to_value())),
            Test::Size(comparison, size) => tagged("size", pair(comparison.to_value(), size.to_value())),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;
    use crate::value::Number;

    /// Older bundles have trees.
    #[test]
    fn trees_are_read() {
        let tests = [
            Test::Equal(5.into()),
            Test::Order(Comparison::LessEqual, 5.into()),
            Test::In(vec![5.into(), 6.into()]),
            Test::Between(5.into(), 6.into()),
            Test::Like("x%".into()),
            Test::StartsWith("x".into()),
            Test::EndsWith("x".into()),
            Test::Contains("x".into()),
            Test::Matches("x".into()),
            Test::Null,
            Test::WithinDays(Number::Integer(3)),
            Test::MoreThanDaysAgo(Number::Integer(3)),
            Test::Version(Comparison::Less, "1.2".into()),
            Test::Items(Quantity::All, vec![Test::Like("x%".into())]),
            Test::Items(Quantity::AtMost(2), vec![Test::Equal(5.into()), Test::Equal(6.into())]),
            Test::Size(Comparison::Greater, 2),
        ];
        let mut parts = Vec::new();
        let mut trees = Vec::new();
        for (test, negated) in tests.into_iter().zip([false, true].into_iter().cycle()) {
            let expr = Expr::Test { name: Name("a".into()), test, negated };
            if let Expr::Test { name, test, negated } = &expr {
                trees.push(tagged("test", write_fields!(name, test, negated)));
            }
            parts.push(expr);
        }
        for (tree, expr) in [
            (tagged("constant", true.into()), Expr::Constant(true)),
            (tagged("segment", "vip".into()), Expr::Segment("vip".into())),
            (tagged("not", tagged("segment", "vip".into())), Expr::Not(Expr::Segment("vip".into()).into())),
            (tagged("or", Value::List(trees.clone())), Expr::Or(parts.clone())),
            (tagged("and", Value::List(trees)), Expr::And(parts)),
        ] {
            assert_eq!(Expr::from_value(&tree).as_ref(), Ok(&expr));
        }
        // Criteria that read back as themselves are written as text; others, such as an AND of one, as a tree.
        let one = Expr::Segment("vip".into());
        assert_eq!(one.to_value(), Value::from("segment('vip')"));
        let and_of_one = Expr::And(vec![one]);
        assert_eq!(and_of_one.to_value(), tagged("and", Value::List(vec!["segment('vip')".into()])));
        assert_eq!(Expr::from_value(&and_of_one.to_value()), Ok(and_of_one));
        assert!(Test::from_value(&tagged("null", 5.into())).is_err());
        assert!(Test::from_value(&tagged("exists", Value::Null)).is_err());
        assert!(Expr::from_value(&tagged("xor", Value::Null)).is_err());
    }
}
