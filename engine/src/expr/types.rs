//! Type sets: the types that a value may have, the intersection of its declaration and its uses.

use core::fmt;

use crate::bytes::{Reader, Writer};
use crate::flat::Flat;
use crate::gather::Gather;
use crate::time;
use crate::value::{DataType, Number, Value};

/// A set of types, and, if lists are among them, the types that each item of a list may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypeSet(u16);

/// The types of items stand above those of values.
const ITEMS: u32 = 8;

impl TypeSet {
    /// Unrestricted: any scalar or list fits.
    pub(crate) const ANY: TypeSet = TypeSet(0x1f7f);
    /// The types that `WITHIN n DAYS` can read: times, and texts and numbers that may be times.
    pub(crate) const TIMES: TypeSet =
        TypeSet::of(&[DataType::Timestamp, DataType::Date, DataType::Number, DataType::String]);
    /// The types that have a size, whatever their items are.
    pub(crate) const LISTS: TypeSet = TypeSet(0x1f60);
    const SCALARS: TypeSet = TypeSet(0x1f);
    const STRING_ARRAY: u16 = 32;
    const NUMBER_ARRAY: u16 = 64;
    const VALUES: u16 = 0x7f;

    pub(crate) const fn of(types: &[DataType]) -> TypeSet {
        let mut bits = 0;
        let mut rest = types;
        while let [first, others @ ..] = rest {
            bits |= TypeSet::one(*first).0;
            rest = others;
        }
        TypeSet(bits)
    }

    pub(crate) const fn one(data_type: DataType) -> TypeSet {
        TypeSet(match data_type {
            DataType::String => 1,
            DataType::Number => 2,
            DataType::Boolean => 4,
            DataType::Timestamp => 8,
            DataType::Date => 16,
            DataType::StringArray => TypeSet::STRING_ARRAY | (TypeSet::one(DataType::String).0 << ITEMS),
            DataType::NumberArray => TypeSet::NUMBER_ARRAY | (TypeSet::one(DataType::Number).0 << ITEMS),
        })
    }

    pub(crate) fn has(self, data_type: DataType) -> bool {
        self.0 & TypeSet::one(data_type).0 & TypeSet::VALUES != 0
    }

    /// The types in both; a list stays while an item of it may have a type.
    pub(crate) fn and(self, other: TypeSet) -> TypeSet {
        let both = self.0 & other.0;
        let items = TypeSet(both >> ITEMS);
        let possible = |item: DataType, list: u16| {
            if items.has(item) || items.has_times() { both & list } else { 0 }
        };
        let lists = possible(DataType::String, TypeSet::STRING_ARRAY)
            | possible(DataType::Number, TypeSet::NUMBER_ARRAY);
        let scalars = both & TypeSet::SCALARS.0;
        TypeSet(if lists == 0 { scalars } else { scalars | lists | (items.0 << ITEMS) })
    }

    /// The types in either; of lists without their items.
    pub(crate) fn or_scalars(self, other: TypeSet) -> TypeSet {
        TypeSet(self.0 | other.scalars().0)
    }

    /// The types that no list has.
    pub(crate) fn scalars(self) -> TypeSet {
        TypeSet(self.0 & TypeSet::SCALARS.0)
    }

    /// These types without some that no list has.
    pub(crate) fn without(self, scalars: TypeSet) -> TypeSet {
        TypeSet(self.0 & !scalars.scalars().0)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if a list is possible.
    pub(crate) fn has_lists(self) -> bool {
        self.0 & (TypeSet::STRING_ARRAY | TypeSet::NUMBER_ARRAY) != 0
    }

    /// These types, and lists of them.
    pub(crate) fn and_lists(self) -> TypeSet {
        let texts = self.has(DataType::String) || self.has_times();
        let numbers = self.has(DataType::Number) || self.has(DataType::Timestamp);
        let list = |has: bool, list: u16| if has { list } else { 0 };
        let lists = list(texts, TypeSet::STRING_ARRAY) | list(numbers, TypeSet::NUMBER_ARRAY);
        TypeSet(if lists == 0 { self.0 } else { self.0 | lists | (self.scalars().0 << ITEMS) })
    }

    /// The types of each item of a list of these types; where no list is possible, these types.
    pub(crate) fn items(self) -> TypeSet {
        let items = TypeSet(self.0 >> ITEMS);
        match (self.has_lists(), items == TypeSet::SCALARS) {
            (false, _) => self,
            (true, true) => TypeSet::ANY,
            (true, false) => items,
        }
    }

    /// The time types among these, and among those of items; without a time type among them they stay as they are.
    pub(crate) fn preferring_times(self) -> TypeSet {
        let of = |types: TypeSet| if types.has_times() { types.times() } else { types }.0;
        let lists = self.0 & (TypeSet::STRING_ARRAY | TypeSet::NUMBER_ARRAY);
        TypeSet(of(self.scalars()) | lists | (of(TypeSet(self.0 >> ITEMS)) << ITEMS))
    }

    /// The time types among these.
    pub(crate) fn times(self) -> TypeSet {
        TypeSet(self.0 & TypeSet::of(&[DataType::Timestamp, DataType::Date]).0)
    }

    /// True if a time is possible.
    pub(crate) fn has_times(self) -> bool {
        !self.times().is_empty()
    }

    /// True if texts that are times are compared as times, and others as texts: some use asks for a time, and none
    /// rules out a text.
    pub(crate) fn is_text_or_time(self) -> bool {
        self.scalars() != TypeSet::SCALARS && self.has(DataType::String) && self.has_times()
    }

    /// The ingest rule: the value as stored, or `Err` when it fits no type of the set. An empty list is missing
    /// (`Ok(None)`).
    pub(crate) fn admit(self, value: &Value) -> Result<Option<Value>, Misfit> {
        Ok(self.fit(value)?.map(|fit| match fit {
            Fit::Same => value.clone(),
            Fit::Number(number) => Value::Number(number),
            Fit::Numbers => {
                let items = value.as_list().unwrap_or_default();
                let numbers = items.iter().filter_map(|item| self.items().number_in(item.as_str()?));
                Value::List(numbers.map(Value::Number).gather())
            }
        }))
    }

    /// The same without a copy.
    pub(crate) fn fit(self, value: &Value) -> Result<Option<Fit>, Misfit> {
        let is = |fits: bool| if fits { Ok(Some(Fit::Same)) } else { Err(Misfit) };
        match value {
            Value::Null => Ok(None),
            Value::Object(_) => Err(Misfit),
            Value::List(items) if items.is_empty() => Ok(None),
            _ if self == TypeSet::ANY => is(true),
            Value::Boolean(_) => is(self.has(DataType::Boolean)),
            Value::Number(_) => is(self.has(DataType::Number) || self.is_instant(value)),
            Value::String(_) if self.has(DataType::String) || self.is_instant(value) => is(true),
            Value::String(text) => self.number_in(text).map(|number| Some(Fit::Number(number))).ok_or(Misfit),
            Value::List(items) => {
                let types = self.items();
                let all = |fits: &dyn Fn(&Value) -> bool| items.iter().all(fits);
                let strings = all(&|item| matches!(item, Value::String(_)) && types.fits(item));
                let numbers = all(&|item| matches!(item, Value::Number(_)) && types.fits(item));
                let numeric = |item: &Value| matches!(types.fit(item), Ok(Some(Fit::Number(_))));
                if strings && self.has(DataType::NumberArray) && all(&numeric) {
                    return Ok(Some(Fit::Numbers));
                }
                is(strings && self.has(DataType::StringArray) || numbers && self.has(DataType::NumberArray))
            }
        }
    }

    /// True if the value is present and fits, as it is or as the number in its text.
    pub(crate) fn fits(self, value: &Value) -> bool {
        matches!(self.fit(value), Ok(Some(_)))
    }

    /// The number in a text, where a number is possible, or a time in Unix seconds or a smaller unit.
    pub(crate) fn number_in(self, text: &str) -> Option<Number> {
        let number =
            if self.has(DataType::Number) || self.has_times() { Number::parse(text)? } else { return None };
        (self.has(DataType::Number) || time::digits_ms(number).is_some()).then_some(number)
    }

    /// A timestamp may be written as a date (its midnight), and a date as an instant (its day).
    fn is_instant(self, value: &Value) -> bool {
        self.has_times()
            && match value {
                Value::Number(number) => time::unix_ms(*number).is_some(),
                Value::String(text) => time::words_ms(text).is_some(),
                _ => false,
            }
    }

    /// The instant that a time of these types is compared as: its day's where only dates are possible.
    pub(crate) fn instant(self, instant_ms: i64) -> i64 {
        if self.times() == TypeSet::one(DataType::Date) { time::midnight_ms(instant_ms) } else { instant_ms }
    }
}

/// The stored form of a fitting value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Same,
    /// A numeric text.
    Number(Number),
    /// A list of numeric texts.
    Numbers,
}

/// A value that fits none of the allowed types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Misfit;

impl fmt::Display for TypeSet {
    /// `string or number`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut any = false;
        for data_type in DataType::ALL {
            if self.has(data_type) {
                write!(f, "{}{data_type}", if any { " or " } else { "" })?;
                any = true;
            }
        }
        if any { Ok(()) } else { f.write_str("nothing") }
    }
}

impl fmt::Debug for TypeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Flat for TypeSet {
    fn write(&self, w: &mut Writer) {
        self.0.write(w);
    }

    fn read(r: &mut Reader<'_>) -> TypeSet {
        TypeSet(Flat::read(r))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ingest_rule() {
        let number = TypeSet::one(DataType::Number);
        let string = TypeSet::one(DataType::String);
        let timestamp = TypeSet::one(DataType::Timestamp);
        assert_eq!(number.admit(&Value::from("12.50")), Ok(Some(Value::Number(Number::Float(12.5)))));
        assert_eq!(number.admit(&Value::from(" 12")), Err(Misfit));
        assert_eq!(number.admit(&Value::from(true)), Err(Misfit));
        assert_eq!(string.admit(&Value::from(5)), Err(Misfit));
        assert_eq!(string.admit(&Value::from("")), Ok(Some(Value::from(""))));
        assert_eq!(timestamp.admit(&Value::from(1_790_000_000)), Ok(Some(Value::from(1_790_000_000))));
        assert_eq!(timestamp.admit(&Value::from("yesterday")), Err(Misfit));
        assert_eq!(TypeSet::LISTS.admit(&Value::List(alloc::vec![])), Ok(None));
        let mixed = Value::List(alloc::vec![Value::from(1), Value::from("a")]);
        assert_eq!(TypeSet::LISTS.admit(&mixed), Err(Misfit));
        assert_eq!(TypeSet::ANY.admit(&mixed), Ok(Some(mixed.clone())));
        assert_eq!(TypeSet::ANY.admit(&Value::Object(alloc::vec![])), Err(Misfit));
        let words = Value::from("2026-01-01T00:00:00Z");
        assert_eq!(TypeSet::TIMES.times().admit(&words), Ok(Some(words)));
        assert_eq!(timestamp.admit(&Value::from("1790000000")), Ok(Some(Value::from(1_790_000_000))));
        assert_eq!(timestamp.admit(&Value::from("1e300")), Err(Misfit));
        let date = TypeSet::one(DataType::Date);
        assert_eq!(timestamp.admit(&Value::from("2026-05-04")), Ok(Some(Value::from("2026-05-04"))));
        assert_eq!(date.admit(&Value::from("1790000000")), Ok(Some(Value::from(1_790_000_000))));
        assert_eq!(date.admit(&Value::from("2026")), Err(Misfit));
        assert_eq!(date.instant(1_790_000_000_000), 1_789_948_800_000);
        assert_eq!(date.instant(-1), -86_400_000);
        assert_eq!(TypeSet::TIMES.instant(1_790_000_000_000), 1_790_000_000_000);
    }
}
