//! Conversion between data types and values: reading a definition from a bundle, and writing it.
//!
//! Not derived with serde: derived readers for every type and format were a fifth of the worker's wasm. A record is an
//! object and lists its fields once, for both directions. A variant is `"name"` or `{"name": content}`. Unknown names
//! are refused, with the path to them; the message never repeats a value, which may be a secret.

use alloc::{borrow::ToOwned, boxed::Box, string::String, vec::Vec};
use core::fmt;

use super::{DataType, Number, Value};
use crate::gather::Gather;

/// Data that can be read from a value.
pub trait FromValue: Sized {
    /// Reads it; refuses unknown entries. A value that does not fit is noted and replaced by a default: so no reader
    /// has to return from the middle of a record, which costs more code than everything else that it does.
    fn read(value: &Value, reading: &mut Reading) -> Self;

    /// Reads it.
    ///
    /// # Errors
    ///
    /// The first problem, if it does not fit.
    fn from_value(value: &Value) -> Result<Self, Unfit> {
        let mut reading = Reading::default();
        let read = Self::read(value, &mut reading);
        reading.done().map(|()| read)
    }
}

/// One reading: the first problem that it met.
#[derive(Debug, Default)]
pub struct Reading(Option<Unfit>);

impl Reading {
    /// Notes a problem of the value that is read, unless there was one before.
    #[cold]
    pub fn note(&mut self, problem: &str) {
        self.0.get_or_insert_with(|| Unfit(Box::new((String::new(), problem.to_owned()))));
    }

    /// Notes that the value is none of the allowed names.
    #[cold]
    pub fn none_of(&mut self, names: &[&str]) {
        self.note(&["not one of: ", &names.join(", ")].concat());
    }

    /// Reads a part; the paths of its problems begin with its name.
    pub fn inside<T>(&mut self, name: &str, read: impl FnOnce(&mut Reading) -> T) -> T {
        let before = self.0.is_some();
        let part = read(self);
        self.leave(before, name);
        part
    }

    /// Extends the path of a problem that was not there before a part of this name was read.
    fn leave(&mut self, before: bool, name: &str) {
        if !before && let Some(Unfit(unfit)) = &mut self.0 {
            let path = &mut unfit.0;
            let point = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            *path = [name, point, path].concat();
        }
    }

    fn leave_item(&mut self, before: bool, index: usize) {
        if !before && self.0.is_some() {
            self.leave(before, &alloc::format!("[{index}]"));
        }
    }

    /// The end of the reading, or of its first part.
    ///
    /// # Errors
    ///
    /// The first problem.
    pub fn done(&mut self) -> Result<(), Unfit> {
        self.0.take().map_or(Ok(()), Err)
    }
}

/// Data that can be written to a value, from which it reads back.
pub trait ToValue {
    /// Writes it.
    fn to_value(&self) -> Value;
}

/// A value of the wrong shape: the path to it, and the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(Box<(String, String)>);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, problem) = &*self.0;
        f.write_str(path)?;
        f.write_str(if path.is_empty() { "" } else { ": " })?;
        f.write_str(problem)
    }
}

impl core::error::Error for Unfit {}

/// An object whose entries have known names.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(&'a [(String, Value)]);

impl<'a> Fields<'a> {
    /// Reads an object with these entries only, none of them twice.
    pub fn of(value: &'a Value, known: &[&str], reading: &mut Reading) -> Fields<'a> {
        let Some(entries) = value.as_object() else {
            reading.note("not an object");
            return Fields(&[]);
        };
        for (index, (name, _)) in entries.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                // The name is not repeated, because it may be a secret.
                reading.note("has a key that is not known there");
            }
            if entries.iter().take(index).any(|(earlier, _)| earlier == name) {
                reading.inside(name, |reading| reading.note("there twice"));
            }
        }
        Fields(entries)
    }

    /// A required field.
    // Not inlined, as the next: a definition has 80 fields of 20 types.
    #[inline(never)]
    pub fn required<T: FromValue>(self, name: &str, reading: &mut Reading) -> T {
        reading.inside(name, |reading| {
            let value = self.find(name).unwrap_or_else(|| {
                reading.note("missing");
                &Value::Null
            });
            T::read(value, reading)
        })
    }

    /// An optional field with a default.
    #[inline(never)]
    pub fn or<T: FromValue>(self, name: &str, default: T, reading: &mut Reading) -> T {
        match self.find(name) {
            Some(value) => reading.inside(name, |reading| T::read(value, reading)),
            None => default,
        }
    }

    fn find(self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// A variant's name and content; one without content is its name alone. Neither, if it is none of these variants.
pub fn variant<'a>(value: &'a Value, known: &[&str], reading: &mut Reading) -> (&'a str, &'a Value) {
    let (name, content) = match value {
        Value::String(name) => (name, &Value::Null),
        Value::Object(entries) => match entries.as_slice() {
            [(name, content)] => (name, content),
            _ => return nothing(reading, "not an object with one key"),
        },
        _ => return nothing(reading, "not a name or an object with one key"),
    };
    if known.contains(&name.as_str()) {
        return (name, content);
    }
    reading.none_of(known);
    ("", &Value::Null)
}

fn nothing(reading: &mut Reading, problem: &str) -> (&'static str, &'static Value) {
    reading.note(problem);
    ("", &Value::Null)
}

/// A variant with content, as a value.
pub(crate) fn tagged(name: &str, content: Value) -> Value {
    Value::Object(Vec::from([(name.to_owned(), content)]))
}

/// The meaning of a name, the first if it is none of these.
pub fn named<T: Copy>(value: &Value, first: (&str, T), others: &[(&str, T)], reading: &mut Reading) -> T {
    let text = value.as_str();
    let mut all = others.iter().chain([&first]);
    if let Some((_, meaning)) = all.find(|(name, _)| text == Some(name)) {
        return *meaning;
    }
    let names: Vec<&str> = [&first].into_iter().chain(others).map(|(name, _)| *name).gather();
    reading.none_of(&names);
    first.1
}

/// A list of exactly two values.
pub(crate) fn pair<'a>(value: &'a Value, reading: &mut Reading) -> [&'a Value; 2] {
    if let Some([first, second]) = value.as_list() {
        return [first, second];
    }
    reading.note("not a list of two values");
    [&Value::Null, &Value::Null]
}

/// Reads `Type { field, field = default }` from a value; a field without a default is required.
macro_rules! read_fields {
    ($value:expr, $reading:expr => $($kind:ident)::+ { $($field:ident $(= $default:expr)?),* $(,)? }) => {{
        let fields = $crate::value::Fields::of($value, &[$(stringify!($field)),*], $reading);
        $($kind)::+ { $($field: $crate::value::data::read_fields!(@ fields $reading; $field $($default)?)),* }
    }};
    (@ $fields:ident $reading:expr; $field:ident) => { $fields.required(stringify!($field), $reading) };
    (@ $fields:ident $reading:expr; $field:ident $default:expr) => { $fields.or(stringify!($field), $default, $reading) };
}
pub(crate) use read_fields;

/// Writes variables of these names as an object, without missing values and defaults.
macro_rules! write_fields {
    ($($field:ident $(= $default:expr)?),* $(,)?) => {
        $crate::value::data::object([
            $((stringify!($field), $crate::value::data::write_fields!(@ $field $($default)?))),*
        ])
    };
    (@ $field:ident) => { $crate::value::ToValue::to_value($field) };
    (@ $field:ident $default:expr) => { $crate::value::data::unless($field, $default) };
}
pub(crate) use write_fields;

/// The value, or null if it equals the default.
pub(crate) fn unless<T: ToValue + PartialEq>(value: &T, default: T) -> Value {
    if *value == default { Value::Null } else { value.to_value() }
}

/// An object of the entries that are present.
pub(crate) fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let mut written = Vec::with_capacity(N);
    for (name, value) in entries {
        if value != Value::Null {
            written.push((name.to_owned(), value));
        }
    }
    Value::Object(written)
}

/// Reads and writes structs whose fields are entries of an object.
macro_rules! records {
    ($($type:ident { $($field:ident $(= $default:expr)?),* $(,)? })*) => { $(
        impl $crate::value::FromValue for $type {
            fn read(value: &$crate::value::Value, reading: &mut $crate::value::Reading) -> $type {
                $crate::value::data::read_fields!(value, reading => $type { $($field $(= $default)?),* })
            }
        }

        impl $crate::value::ToValue for $type {
            fn to_value(&self) -> $crate::value::Value {
                // A pattern, so that a field that is not listed above does not compile.
                let $type { $($field),* } = self;
                $crate::value::data::write_fields!($($field $(= $default)?),*)
            }
        }
    )* };
}
pub(crate) use records;

/// Reads and writes enums whose variants are names only.
macro_rules! names {
    ($($type:ident { $first:ident = $first_name:literal $(, $variant:ident = $name:literal)* $(,)? })*) => { $(
        impl $crate::value::FromValue for $type {
            fn read(value: &$crate::value::Value, reading: &mut $crate::value::Reading) -> $type {
                let first = ($first_name, $type::$first);
                $crate::value::named(value, first, &[$(($name, $type::$variant)),*], reading)
            }
        }

        impl $crate::value::ToValue for $type {
            fn to_value(&self) -> $crate::value::Value {
                match self { $type::$first => $first_name.into() $(, $type::$variant => $name.into())* }
            }
        }
    )* };
}
pub(crate) use names;

impl FromValue for DataType {
    fn read(value: &Value, reading: &mut Reading) -> DataType {
        let [first, others @ ..] = DataType::ALL.map(|data_type| (data_type.as_str(), data_type));
        named(value, first, &others, reading)
    }
}

impl ToValue for DataType {
    fn to_value(&self) -> Value {
        self.as_str().into()
    }
}

impl FromValue for Value {
    fn read(value: &Value, _: &mut Reading) -> Value {
        value.clone()
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl FromValue for bool {
    fn read(value: &Value, reading: &mut Reading) -> bool {
        if let Value::Boolean(value) = value {
            return *value;
        }
        reading.note("not true or false");
        false
    }
}

impl ToValue for bool {
    fn to_value(&self) -> Value {
        Value::Boolean(*self)
    }
}

impl FromValue for Number {
    fn read(value: &Value, reading: &mut Reading) -> Number {
        value.as_number().unwrap_or_else(|| {
            reading.note("not a number");
            Number::Integer(0)
        })
    }
}

impl ToValue for Number {
    fn to_value(&self) -> Value {
        Value::Number(*self)
    }
}

impl FromValue for i64 {
    fn read(value: &Value, reading: &mut Reading) -> i64 {
        if let Value::Number(Number::Integer(value)) = value {
            return *value;
        }
        reading.note("not an integer");
        0
    }
}

impl ToValue for i64 {
    fn to_value(&self) -> Value {
        Value::from(*self)
    }
}

impl FromValue for u32 {
    fn read(value: &Value, reading: &mut Reading) -> u32 {
        u32::try_from(i64::read(value, reading)).unwrap_or_else(|_| {
            reading.note("below 0 or too large");
            0
        })
    }
}

impl ToValue for u32 {
    fn to_value(&self) -> Value {
        Value::from(i64::from(*self))
    }
}

impl FromValue for String {
    fn read(value: &Value, reading: &mut Reading) -> String {
        let text = value.as_str().unwrap_or_else(|| {
            reading.note("not a text");
            ""
        });
        text.to_owned()
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        Value::string(self.as_str())
    }
}

/// Null reads as None.
impl<T: FromValue> FromValue for Option<T> {
    fn read(value: &Value, reading: &mut Reading) -> Option<T> {
        value.present().map(|value| T::read(value, reading))
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn read(value: &Value, reading: &mut Reading) -> Vec<T> {
        let values = value.as_list().unwrap_or_else(|| {
            reading.note("not a list");
            &[]
        });
        let mut items = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            let before = reading.0.is_some();
            items.push(T::read(value, reading));
            reading.leave_item(before, index);
        }
        items
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(T::to_value).collect())
    }
}

impl<T: FromValue> FromValue for Box<T> {
    fn read(value: &Value, reading: &mut Reading) -> Box<T> {
        Box::new(T::read(value, reading))
    }
}

impl<T: ToValue> ToValue for Box<T> {
    fn to_value(&self) -> Value {
        self.as_ref().to_value()
    }
}
