//! The types that a test allows its value to have.

use super::types::TypeSet;
use crate::syntax::Test;
use crate::time;
use crate::value::{DataType, Value};

/// The types that a value may have under a test.
pub(super) fn allowed(test: &Test) -> TypeSet {
    match test {
        Test::Equal(value) => of_literal(value),
        Test::Order(_, value) => of_ordered(value),
        Test::In(values) => values.iter().fold(TypeSet::ANY, |types, value| types.and(of_literal(value))),
        Test::Between(low, high) => of_ordered(low).and(of_ordered(high)),
        Test::Like(_) | Test::StartsWith(_) | Test::EndsWith(_) | Test::Matches(_) => {
            TypeSet::one(DataType::String)
        }
        Test::Contains(Value::Number(_)) => TypeSet::one(DataType::NumberArray),
        Test::Contains(Value::Boolean(_)) => TypeSet::of(&[]),
        Test::Contains(_) => TypeSet::of(&[DataType::String, DataType::StringArray]),
        Test::Null => TypeSet::ANY,
        Test::WithinDays(_) | Test::MoreThanDaysAgo(_) => TypeSet::TIMES,
        Test::Version(..) => TypeSet::one(DataType::String),
        Test::Items(_, tests) => of_item(tests).and_lists(),
        Test::Size(..) => TypeSet::LISTS,
    }
}

/// The types that one item may have under these tests.
pub(super) fn of_item(tests: &[Test]) -> TypeSet {
    let of = |test: &Test| if test.is_of_item() { allowed(test) } else { TypeSet::of(&[]) };
    tests.iter().fold(TypeSet::ANY.scalars(), |types, test| types.and(of(test)))
}

pub(super) fn of_literal(value: &Value) -> TypeSet {
    match value {
        Value::Boolean(_) => TypeSet::one(DataType::Boolean),
        value => of_ordered(value),
    }
}

/// Booleans have no order, lists and objects no literals: the empty set.
fn of_ordered(value: &Value) -> TypeSet {
    match value {
        Value::Number(_) => TypeSet::of(&[DataType::Number, DataType::Timestamp]),
        Value::String(text) if time::words_ms(text).is_some() => {
            TypeSet::of(&[DataType::String, DataType::Timestamp, DataType::Date])
        }
        Value::String(_) => TypeSet::one(DataType::String),
        _ => TypeSet::of(&[]),
    }
}
