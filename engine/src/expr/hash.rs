//! Hashes of predicates, by which the compiler finds equal ones.

use crate::index::Hasher32;
use crate::syntax::Test;
use crate::value::{Number, Value};

/// The hash of a test of a slot; for a segment, None: its slot identifies it.
pub(super) fn hash(slot: u32, test: Option<&Test>, negated: bool) -> u32 {
    let mut hash = Hasher32::default();
    hash.word((u64::from(slot) << 1) | u64::from(negated));
    if let Some(test) = test {
        of_test(&mut hash, test);
    }
    hash.finish()
}

fn of_test(hash: &mut Hasher32, test: &Test) {
    match test {
        Test::Equal(value) => of_values(hash, 1, [value]),
        Test::Order(comparison, value) => {
            hash.text(comparison.as_str());
            of_values(hash, 2, [value]);
        }
        Test::In(values) => of_values(hash, 3, values),
        Test::Between(low, high) => of_values(hash, 4, [low, high]),
        Test::Contains(value) => of_values(hash, 5, [value]),
        Test::Like(text) => of_text(hash, 6, text),
        Test::StartsWith(text) => of_text(hash, 7, text),
        Test::EndsWith(text) => of_text(hash, 8, text),
        Test::Matches(text) => of_text(hash, 9, text),
        Test::Null => hash.word(10),
        Test::WithinDays(days) => of_values(hash, 11, [&Value::Number(*days)]),
        Test::MoreThanDaysAgo(days) => of_values(hash, 12, [&Value::Number(*days)]),
        Test::Version(comparison, version) => {
            hash.text(comparison.as_str());
            of_text(hash, 13, version);
        }
        // The quantity is left out; comparing the tests distinguishes it.
        Test::Items(_, tests) => {
            hash.word(14);
            tests.iter().for_each(|test| of_test(hash, test));
        }
        Test::Size(comparison, size) => {
            hash.text(comparison.as_str());
            hash.word(size.cast_unsigned());
        }
    }
}

fn of_text(hash: &mut Hasher32, kind: u64, text: &str) {
    hash.word(kind);
    hash.text(text);
}

fn of_values<'v>(hash: &mut Hasher32, kind: u64, values: impl IntoIterator<Item = &'v Value>) {
    hash.word(kind);
    for value in values {
        match value {
            Value::Number(Number::Integer(value)) => hash.word(value.cast_unsigned()),
            Value::Number(Number::Float(value)) => hash.word(value.to_bits()),
            Value::Boolean(value) => hash.word(u64::from(*value)),
            Value::String(text) => hash.text(text),
            // No text spells these.
            Value::Null | Value::List(_) | Value::Object(_) => {}
        }
    }
}
