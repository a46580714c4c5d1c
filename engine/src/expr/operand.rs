//! Operands: values fitted to their slots, for predicates to compare.

use super::types::TypeSet;
use crate::time;
use crate::value::{DataType, Number, Value};

/// A value fitted to its slot. Lists stay in place.
#[derive(Clone, Copy)]
pub(crate) enum Operand<'a> {
    Missing,
    Boolean(bool),
    Number(Number),
    /// Unix milliseconds, of a text that can only be a time.
    Instant(i64),
    Text(&'a str),
    /// A text where a time is also possible.
    TextOrTime(&'a str),
    /// A list, and the types that each item may have.
    List(&'a [Value], TypeSet),
    Items(&'a dyn Items, TypeSet),
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Operand<'_>>() == 16);

/// Unexpired items of a list attribute.
pub(crate) trait Items {
    fn count(&self) -> usize;
    fn any(&self, matches: &mut dyn FnMut(&Value) -> bool) -> bool;
}

impl<'a> Operand<'a> {
    /// Applies the ingest rule when reading, without a copy: a value of another type is missing, a numeric text becomes
    /// its number.
    pub(crate) fn of(value: &'a Value, types: TypeSet) -> Operand<'a> {
        match value {
            Value::Null | Value::Object(_) => Operand::Missing,
            Value::Boolean(value) if types.has(DataType::Boolean) => Operand::Boolean(*value),
            Value::Number(number)
                if types.has(DataType::Number)
                    || (types.has(DataType::Timestamp) && time::unix_ms(*number).is_some()) =>
            {
                Operand::Number(*number)
            }
            Value::Number(number) if types.has(DataType::Date) => Operand::of_digits(*number, types),
            Value::String(text) => Operand::of_text(text, types),
            Value::List(items) if types.fits(value) => Operand::List(items, types.items()),
            _ => Operand::Missing,
        }
    }

    /// A column of an event. Each item of an array is fitted by itself, and is missing where it does not fit; an array of
    /// more than one type, or of booleans, is missing.
    pub(crate) fn of_column(value: &'a Value, types: TypeSet) -> Operand<'a> {
        match value {
            Value::List(items)
                if types.has_lists()
                    && !items.is_empty()
                    && (items.iter().all(|item| matches!(item, Value::String(_)))
                        || items.iter().all(|item| matches!(item, Value::Number(_)))) =>
            {
                Operand::List(items, types.items())
            }
            value => Operand::of(value, types),
        }
    }

    /// A number where numbers or times are possible; a date is reduced to its day.
    pub(super) fn of_digits(number: Number, types: TypeSet) -> Operand<'a> {
        if types.has(DataType::Number) || types.has(DataType::Timestamp) {
            return Operand::Number(number);
        }
        time::unix_ms(number).map_or(Operand::Missing, |ms| Operand::Instant(types.instant(ms)))
    }

    pub(super) fn of_text(text: &'a str, types: TypeSet) -> Operand<'a> {
        if types.is_text_or_time() {
            return Operand::TextOrTime(text);
        }
        if types.has(DataType::String) {
            return Operand::Text(text);
        }
        if types.has_times()
            && let Some(instant_ms) = time::words_ms(text)
        {
            return Operand::Instant(types.instant(instant_ms));
        }
        match types.number_in(text) {
            Some(number) => Operand::of_digits(number, types),
            None => Operand::Missing,
        }
    }
}
