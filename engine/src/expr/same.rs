//! Which questions are the same: their prints, by which the compiler finds one that was asked before.

use crate::index::Print;
use crate::syntax::Test;
use crate::value::{Number, Value};

/// The print of a question about a slot; without a test the slot is the question.
pub(super) fn print(slot: u32, test: Option<&Test>, negated: bool) -> u32 {
    let mut print = Print::default();
    print.word((u64::from(slot) << 1) | u64::from(negated));
    if let Some(test) = test {
        of_test(&mut print, test);
    }
    print.finish()
}

fn of_test(print: &mut Print, test: &Test) {
    match test {
        Test::Equal(value) => of_values(print, 1, [value]),
        Test::Order(comparison, value) => {
            print.text(comparison.as_str());
            of_values(print, 2, [value]);
        }
        Test::In(values) => of_values(print, 3, values),
        Test::Between(low, high) => of_values(print, 4, [low, high]),
        Test::Contains(value) => of_values(print, 5, [value]),
        Test::Like(text) => of_text(print, 6, text),
        Test::StartsWith(text) => of_text(print, 7, text),
        Test::EndsWith(text) => of_text(print, 8, text),
        Test::Matches(text) => of_text(print, 9, text),
        Test::Null => print.word(10),
        Test::WithinDays(days) => of_values(print, 11, [&Value::Number(*days)]),
        Test::Size(comparison, size) => {
            print.text(comparison.as_str());
            print.word(size.cast_unsigned());
        }
    }
}

fn of_text(print: &mut Print, kind: u64, text: &str) {
    print.word(kind);
    print.text(text);
}

fn of_values<'v>(print: &mut Print, kind: u64, values: impl IntoIterator<Item = &'v Value>) {
    print.word(kind);
    for value in values {
        match value {
            Value::Number(Number::Integer(value)) => print.word(value.cast_unsigned()),
            Value::Number(Number::Float(value)) => print.word(value.to_bits()),
            Value::Boolean(value) => print.word(u64::from(*value)),
            Value::String(text) => print.text(text),
            // No spelling makes these.
            Value::Null | Value::List(_) | Value::Object(_) => {}
        }
    }
}
