//! Values as the specification's §2 and §13 have them: what fits a type, what equals what, and exact sums.

use std::cmp::Ordering;

use usher_engine::value::{DataType, Number, Value};

/// The maximum size of a value that is kept, in bytes.
const VALUE_BYTES: usize = 500;

/// The value as an attribute of this declared type keeps it: itself, or the number that its text is. None: missing, or
/// refused, which is the same to the attribute.
pub fn admit(declared: Option<DataType>, value: &Value) -> Option<Value> {
    let fits = |kept: bool| kept.then(|| value.clone());
    let kept = match (declared, value) {
        (_, Value::Null | Value::Object(_)) => None,
        (_, Value::List(items)) if items.is_empty() => None,
        (None, _) => Some(value.clone()),
        (Some(DataType::String), _) => fits(matches!(value, Value::String(_))),
        (Some(DataType::Boolean), _) => fits(matches!(value, Value::Boolean(_))),
        (Some(DataType::Number), _) => number(value).map(Value::Number),
        // A numeric text is its number.
        (Some(DataType::Timestamp | DataType::Date), Value::String(_)) if number(value).is_some() => {
            instant_ms(value).and_then(|_| number(value)).map(Value::Number)
        }
        (Some(DataType::Timestamp | DataType::Date), _) => fits(instant_ms(value).is_some()),
        (Some(DataType::StringArray), Value::List(items)) => {
            fits(items.iter().all(|item| matches!(item, Value::String(_))))
        }
        // An array of numeric texts is one of numbers; what holds both is neither.
        (Some(DataType::NumberArray), Value::List(items)) => {
            let texts = items.iter().all(|item| matches!(item, Value::String(_)));
            let numbers = items.iter().all(|item| matches!(item, Value::Number(_)));
            let read: Option<Vec<Value>> = items.iter().map(|item| number(item).map(Value::Number)).collect();
            read.filter(|_| texts || numbers).map(Value::List)
        }
        (Some(DataType::StringArray | DataType::NumberArray), _) => None,
    };
    // A text by its UTF-8, anything else by its JSON.
    kept.filter(|value| value.as_str().map_or_else(|| json_bytes(value), str::len) <= VALUE_BYTES)
}

/// A number, or text in JSON's grammar of numbers.
pub fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(*number),
        Value::String(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let grammatical = digits.starts_with(|c: char| c.is_ascii_digit())
                && (!digits.starts_with('0') || !digits[1..].starts_with(|c: char| c.is_ascii_digit()))
                && !digits.contains(['x', 'n', 'i', '_', ' ', '+'])
                && !digits.ends_with('.');
            let read = || match text.parse::<i64>() {
                Ok(integer) => Some(Number::Integer(integer)),
                Err(_) => Number::float(text.parse().ok()?),
            };
            if grammatical { read() } else { None }
        }
        _ => None,
    }
}

/// The instant of a timestamp: Unix seconds, by size milliseconds (from 10¹¹), microseconds (10¹⁴) or nanoseconds (10¹⁷), as
/// a number or its text, or the texts that cases are made of.
pub fn instant_ms(value: &Value) -> Option<i64> {
    match value {
        Value::Number(Number::Integer(n)) => {
            let (n, size) = (i128::from(*n), i128::from(*n).abs());
            let nanos = [(100_000_000_000, 1_000_000_000), (100_000_000_000_000, 1_000_000)]
                .into_iter()
                .chain([(100_000_000_000_000_000, 1_000), (i128::MAX, 1)])
                .find(|(from, _)| size < *from)
                .map(|(_, nanos)| n * nanos);
            nanos.map(|nanos| nanos.div_euclid(1_000_000) as i64)
        }
        Value::Number(Number::Float(f)) => match f.abs() {
            size if size < 1e11 => Some((f * 1_000.0) as i64),
            size if size < 1e14 => Some(*f as i64),
            size if size < 1e17 => Some((f / 1_000.0) as i64),
            size if size < 9.2e18 => Some((f / 1_000_000.0) as i64),
            _ => None,
        },
        Value::String(text) => match INSTANTS.iter().find(|(known, _)| known == text) {
            Some((_, ms)) => Some(*ms),
            // Reading: fewer digits are a date without its signs, or a year.
            None => number(value).filter(|n| n.to_f64() >= 1e9).and_then(|n| instant_ms(&Value::Number(n))),
        },
        _ => None,
    }
}

/// Texts that are instants; two of them are one instant.
pub const INSTANTS: [(&str, i64); 5] = [
    ("2026-09-21T14:13:20Z", 1_790_000_000_000),
    ("2026-09-21T16:13:20+02:00", 1_790_000_000_000),
    ("2026-09-21T14:13:20.123Z", 1_790_000_000_123),
    ("2000-02-29T00:00:00Z", 951_782_400_000),
    // A date is its midnight.
    ("2026-09-21", 1_789_948_800_000),
];

/// By value, exactly: 5 = 5.0, and no integer is rounded.
pub fn order(a: Number, b: Number) -> Ordering {
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => a.cmp(&b),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b).expect("finite"),
        (Number::Float(_), Number::Integer(_)) => order(b, a).reverse(),
        (Number::Integer(a), Number::Float(b)) if b.abs() < 1e30 => {
            let (whole, rest) = (b.trunc() as i128, b.fract());
            i128::from(a).cmp(&whole).then(0.0.partial_cmp(&rest).expect("finite"))
        }
        (Number::Integer(_), Number::Float(b)) => 0.0.partial_cmp(&b).expect("finite"),
    }
}

/// True if two values are equal: numbers by value, all else as it is.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => order(*a, *b).is_eq(),
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (a, b) => a == b,
    }
}

/// An integer number of billionths, halves to even; None for a number that is too large to be added up.
pub fn nanos(number: Number) -> Option<i128> {
    let limit = 1_000_000_000_000_000;
    if order(number, Number::Integer(limit)).is_gt() || order(number, Number::Integer(-limit)).is_lt() {
        return None;
    }
    match number {
        Number::Integer(integer) => Some(i128::from(integer) * 1_000_000_000),
        Number::Float(float) => {
            // Digits do not lie: the text has every digit of the float that can decide about a half.
            let text = format!("{:.80}", float.abs());
            let (whole, rest) = text.split_once('.').expect("a point");
            let (kept, dropped) = rest.split_at(9);
            let floor: i128 = format!("{whole}{kept}").parse().expect("digits");
            let half = format!("5{}", "0".repeat(dropped.len() - 1));
            let up = match dropped.cmp(half.as_str()) {
                Ordering::Less => false,
                Ordering::Equal => floor % 2 == 1,
                Ordering::Greater => true,
            };
            let magnitude = floor + i128::from(up);
            Some(if float < 0.0 { -magnitude } else { magnitude })
        }
    }
}

/// An integer where it is one, else the nearest float.
pub fn of_nanos(nanos: i128) -> Value {
    let whole = nanos / 1_000_000_000;
    match i64::try_from(whole) {
        Ok(integer) if nanos % 1_000_000_000 == 0 => Value::from(integer),
        _ => {
            let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
            let text = format!("{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
            Value::Number(Number::float(text.parse().expect("a float")).expect("finite"))
        }
    }
}

fn json_bytes(value: &Value) -> usize {
    match value {
        Value::List(items) => items.iter().map(|item| json_bytes(item) + 1).sum::<usize>().max(1) + 1,
        Value::Object(entries) => {
            let entry = |(name, value): &(String, Value)| {
                Value::from(name.as_str()).to_string().len() + json_bytes(value) + 2
            };
            entries.iter().map(entry).sum::<usize>().max(1) + 1
        }
        value => value.to_string().len(),
    }
}
