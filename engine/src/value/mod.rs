//! Values: the content of events, attributes and answers.
//!
//! A number is an `i64` or a finite `f64`, and comparison across the two is exact. Missing and null are the same and
//! have no value of their own at the top: they are `Option::None`; [`Value::Null`] occurs only inside lists and
//! objects. Sums are kept in whole billionths ([`Nanos`]), so that their order does not matter.

pub(crate) mod data;
mod decimal;
mod nanos;
mod nearest;
#[cfg(feature = "serde")]
mod serde;
mod text;
mod whole;
pub use data::{Fields, FromValue, Reading, ToValue, Unfit, named, variant};
pub use nanos::Nanos;

use alloc::{string::String, vec::Vec};
use core::cmp::Ordering;
use core::fmt;

/// A value of an event, an attribute or an answer: the same shapes as JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Only inside lists and objects; at the top it is "missing".
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// An integer or a finite float.
    Number(Number),
    /// Text; the empty text is a value.
    String(String),
    /// Values in order.
    List(Vec<Value>),
    /// Named values in the order in which they were written.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// A text.
    pub fn string(text: impl Into<String>) -> Value {
        Value::String(text.into())
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The named values, if it is an object.
    pub fn as_object(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Object(entries) => Some(entries),
            _ => None,
        }
    }

    /// A named value of an object; null is missing.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.iter().find(|(key, _)| key == name).map(|(_, value)| value)?.present()
    }

    /// Itself unless it is null.
    pub fn present(&self) -> Option<&Value> {
        match self {
            Value::Null => None,
            value => Some(value),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Number(Number::Integer(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::string(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Boolean(value)
    }
}

/// An integer or a finite float. Equal and ordered by value: `5 = 5.0`.
// A tag of one byte leaves room beside it: else values and operands of wasm, which has short pointers, take 24 bytes and
// two tags instead of 16 and one.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Number {
    /// Exact.
    Integer(i64),
    /// Never NaN or infinite: made by [`Number::float`].
    Float(f64),
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Value>() == 16);

impl Number {
    /// A float, if it is finite.
    pub fn float(value: f64) -> Option<Number> {
        value.is_finite().then_some(Number::Float(value))
    }

    /// Reads a number by the JSON grammar, without blanks: integers beyond `i64` become floats, floats beyond `f64`
    /// are refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_engine::value::Number;
    ///
    /// assert_eq!(Number::parse("5.0"), Some(Number::Integer(5)));
    /// assert_eq!(Number::parse("1e400"), None);
    /// assert_eq!(Number::parse("007"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Number> {
        Number::parse_or_beyond(text)?
    }

    /// The same, with `Some(None)` for a number by the grammar that is beyond `f64`.
    pub fn parse_or_beyond(text: &str) -> Option<Option<Number>> {
        let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
        let (whole, rest) = digits.split_at(digits.iter().take_while(|b| b.is_ascii_digit()).count());
        if whole.is_empty() || (whole.len() > 1 && whole.first() == Some(&b'0')) {
            return None;
        }
        if rest.is_empty()
            && let Ok(integer) = text.parse()
        {
            return Some(Some(Number::Integer(integer)));
        }
        let (fraction, rest) = match rest.split_first() {
            Some((b'.', after)) => {
                let count = after.iter().take_while(|b| b.is_ascii_digit()).count();
                (count > 0).then(|| after.split_at(count))?
            }
            _ => (&[][..], rest),
        };
        let exponent = match rest.split_first() {
            Some((b'e' | b'E', exponent)) => exponent,
            None => b"0",
            Some(_) => return None,
        };
        let below_one = exponent.first() == Some(&b'-');
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        if exponent.is_empty() || !exponent.iter().all(u8::is_ascii_digit) {
            return None;
        }
        // An exponent beyond the length of any text is as good as infinite.
        let exponent = exponent.iter().fold(0_i64, |sum, digit| {
            sum.saturating_mul(10).saturating_add(i64::from(digit.saturating_sub(b'0'))).min(1 << 40)
        });
        let exponent = if below_one { exponent.saturating_neg() } else { exponent };
        let exponent = exponent.saturating_sub(i64::try_from(fraction.len()).unwrap_or(i64::MAX));
        let float = nearest::nearest(whole.iter().chain(fraction).copied(), exponent);
        Some(Number::float(if text.starts_with('-') { -float } else { float }))
    }

    /// The nearest float.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Integer(value) => value as f64,
            Number::Float(value) => value,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (*self, *other) {
            (Number::Integer(a), Number::Integer(b)) => a.cmp(&b),
            // Both are finite, so they have an order; zero and minus zero are equal.
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Number::Integer(a), Number::Float(b)) => compare_mixed(a, b),
            (Number::Float(a), Number::Integer(b)) => compare_mixed(b, a).reverse(),
        }
    }
}

/// Compares an integer and a finite float by their exact values.
fn compare_mixed(integer: i64, float: f64) -> Ordering {
    // 2^63 is a float exactly; every float from there on is beyond every i64.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if float >= BEYOND {
        return Ordering::Less;
    }
    if float < -BEYOND {
        return Ordering::Greater;
    }
    // The cast drops the fraction, exactly.
    let whole = float as i64;
    integer.cmp(&whole).then_with(|| {
        let fraction = float - whole as f64;
        0.0_f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal)
    })
}

impl fmt::Display for Number {
    /// As JSON: a float keeps a point or an exponent, so that it reads back as a float.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(value) => write!(f, "{value}"),
            Number::Float(value) => decimal::print(f, *value),
        }
    }
}

/// The types that definitions declare (RT 2.0: `ColumnType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataType {
    /// Text.
    String,
    /// An integer or a finite float; a numeric text becomes one.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An instant: Unix seconds, milliseconds, or RFC 3339 text.
    Timestamp,
    /// A day: `YYYY-MM-DD`, compared as its midnight in UTC.
    Date,
    /// A list of texts.
    StringArray,
    /// A list of numbers.
    NumberArray,
}

impl DataType {
    /// Every type.
    pub const ALL: [DataType; 7] = [
        DataType::String,
        DataType::Number,
        DataType::Boolean,
        DataType::Timestamp,
        DataType::Date,
        DataType::StringArray,
        DataType::NumberArray,
    ];

    /// The spelling in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            DataType::String => "string",
            DataType::Number => "number",
            DataType::Boolean => "boolean",
            DataType::Timestamp => "timestamp",
            DataType::Date => "date",
            DataType::StringArray => "string_array",
            DataType::NumberArray => "number_array",
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_compare_exactly_across_kinds() {
        let big = 9_007_199_254_740_993; // 2^53 + 1, which no float is
        assert!(Number::Integer(big) > Number::Float(9_007_199_254_740_992.0));
        assert!(Number::Integer(i64::MAX) < Number::Float(9_223_372_036_854_775_808.0));
        assert_eq!(Number::Integer(i64::MIN), Number::Float(-9_223_372_036_854_775_808.0));
        assert_eq!(Number::Integer(5), Number::Float(5.0));
        assert!(Number::Integer(-1) > Number::Float(-1.5));
        assert_eq!(Number::Float(0.0), Number::Float(-0.0));
    }

    #[test]
    fn numeric_text_follows_the_json_grammar() {
        for text in ["0", "-0", "12", "-7.25", "1e3", "1E-2", "0.5e+1", "123456789012345678901"] {
            assert!(Number::parse(text).is_some(), "{text}");
        }
        for text in ["", "-", "+1", "01", ".5", "1.", "1e", " 1", "1 ", "0x1", "NaN", "inf", "1_0"] {
            assert!(Number::parse_or_beyond(text).is_none(), "{text}");
        }
        for text in ["1e999", "-1e999", "1e999999999999999999999"] {
            assert_eq!(Number::parse_or_beyond(text), Some(None), "{text}");
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn integers_and_floats_compare_as_wide_decimals(a in any::<i64>(), b in -1_000_000_000_000_i64..1_000_000_000_000, quarter in 0..4) {
            let float = b as f64 + f64::from(quarter) / 4.0;
            let exact = (i128::from(a) * 4).cmp(&(i128::from(b) * 4 + i128::from(quarter)));
            prop_assert_eq!(Number::Integer(a).cmp(&Number::Float(float)), exact);
        }
    }
}
