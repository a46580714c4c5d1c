//! Criteria as condition JSON.

use usher_engine::syntax::{Comparison, Expr, Name, Quantity, Test};
use usher_engine::value::Value;

use super::answer::object;
use super::call::Call;
use super::state::Kind;

/// A criterion as the API writes it; one for which the API has no words is `{"type": "Text", "text": …}`, to be read alone.
pub(super) fn condition(call: &Call<'_>, expr: &Expr) -> Value {
    let written = match expr {
        Expr::Constant(true) => Some(group("And", Vec::new())),
        Expr::And(parts) => {
            parts.iter().map(|part| bare(call, part)).collect::<Option<_>>().map(|it| group("And", it))
        }
        Expr::Or(parts) => {
            parts.iter().map(|part| bare(call, part)).collect::<Option<_>>().map(|it| group("Or", it))
        }
        expr => bare(call, expr).map(|it| group("And", vec![it])),
    };
    written.unwrap_or_else(|| {
        object([("type", Value::from("Text")), ("text", Value::from(expr.to_string().as_str()))])
    })
}

fn group(kind: &str, conditions: Vec<Value>) -> Value {
    object([("type", Value::from(kind)), ("conditions", Value::List(conditions))])
}

/// A condition within a group; None: the API has no words for it.
fn bare(call: &Call<'_>, expr: &Expr) -> Option<Value> {
    match expr {
        Expr::And(parts) => {
            parts.iter().map(|part| bare(call, part)).collect::<Option<_>>().map(|it| group("And", it))
        }
        Expr::Or(parts) => {
            parts.iter().map(|part| bare(call, part)).collect::<Option<_>>().map(|it| group("Or", it))
        }
        Expr::Not(inner) => match &**inner {
            Expr::Test { name, test, negated: false } => test_of(call, name, test, true),
            _ => None,
        },
        Expr::Test { name, test, negated } => test_of(call, name, test, *negated),
        Expr::Constant(_) | Expr::Segment(_) | Expr::Computed(_) => None,
    }
}

fn test_of(call: &Call<'_>, name: &Name, test: &Test, negated: bool) -> Option<Value> {
    let (matching, mut operator) = match test {
        Test::Items(quantity, tests) => match tests.as_slice() {
            [only] => (Some(quantity_of(*quantity)), operator(only)?),
            _ => return None,
        },
        test => (None, operator(test)?),
    };
    operator.push(("not".to_owned(), Value::from(negated)));
    let mut fields = match name.0.strip_prefix(Name::EVENT) {
        Some(column) => vec![("type", Value::from("Column")), ("column", Value::from(column))],
        None => attribute(call, &name.0)?,
    };
    fields.push(("operator", Value::Object(operator)));
    fields.extend(matching.map(|matching| ("arrayMatching", matching)));
    Some(Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// The attribute of a name, with its part.
fn attribute(call: &Call<'_>, name: &str) -> Option<Vec<(&'static str, Value)>> {
    let is = |name: &str| call.definition.attributes.iter().any(|attribute| attribute.name == name);
    let (name, part) = match name.rsplit_once('.') {
        Some((list, part)) if !is(name) => (list, Some(part)),
        _ => (name, None),
    };
    let id = call.id(Kind::Attribute, name);
    if !is(name) || id.is_empty() {
        return None;
    }
    let mut fields =
        vec![("type", Value::from("RealtimeAttribute")), ("realtimeAttributeId", Value::from(id))];
    fields.extend(part.map(|part| ("subAttributeIdentifier", Value::from(part))));
    Some(fields)
}

fn operator(test: &Test) -> Option<Vec<(String, Value)>> {
    let one = |kind: &str, value: Value| {
        vec![("type".to_owned(), Value::from(kind)), ("rightValue".to_owned(), value)]
    };
    let text = |text: &String| Value::from(text.as_str());
    Some(match test {
        Test::Equal(value) => one("Equal", value.clone()),
        Test::Order(comparison, value) => {
            let kind = match comparison {
                Comparison::Less => "Less",
                Comparison::LessEqual => "LessEqual",
                Comparison::Greater => "Greater",
                Comparison::GreaterEqual => "GreaterEqual",
                Comparison::Equal | Comparison::NotEqual => return None,
            };
            one(kind, value.clone())
        }
        Test::In(values) => vec![
            ("type".to_owned(), Value::from("In")),
            ("rightValues".to_owned(), Value::List(values.clone())),
        ],
        Test::Between(min, max) => vec![
            ("type".to_owned(), Value::from("Between")),
            ("minValue".to_owned(), min.clone()),
            ("maxValue".to_owned(), max.clone()),
        ],
        Test::StartsWith(start) => one("StartWith", text(start)),
        Test::EndsWith(end) => one("EndWith", text(end)),
        Test::Contains(value) => one("Contain", value.clone()),
        Test::Matches(pattern) => one("Regexp", text(pattern)),
        Test::Null => vec![("type".to_owned(), Value::from("IsNull"))],
        Test::Like(_)
        | Test::WithinDays(_)
        | Test::MoreThanDaysAgo(_)
        | Test::Version(..)
        | Test::Items(..)
        | Test::Size(..) => return None,
    })
}

fn quantity_of(quantity: Quantity) -> Value {
    let counted = |name: &str, count: u32| object([(name, Value::from(i64::from(count)))]);
    match quantity {
        Quantity::Any => Value::from("any"),
        Quantity::All => Value::from("all"),
        Quantity::AtLeast(count) => counted("atLeast", count),
        Quantity::AtMost(count) => counted("atMost", count),
        Quantity::Exactly(count) => counted("exactly", count),
    }
}
