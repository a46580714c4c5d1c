//! Conversion between data types and values: reading a definition from a bundle, and writing it.
//!
//! Not derived with serde: derived readers for every type and format were a fifth of the worker's wasm. A record is an
//! object and lists its fields once, for both directions. A variant is `"name"` or `{"name": content}`. Unknown names
//! are refused, with the path to them; the message never repeats a value, which may be a secret.

use alloc::{borrow::ToOwned, boxed::Box, string::String, vec::Vec};
use core::fmt;

use super::{DataType, Number, Value};

/// Data that can be read from a value.
pub trait FromValue: Sized {
    /// Reads it; refuses unknown entries.
    fn from_value(value: &Value) -> Result<Self, Unfit>;
}

/// Data that can be written to a value, from which it reads back.
pub trait ToValue {
    /// Writes it.
    fn to_value(&self) -> Value;
}

/// A value of the wrong shape: the path to it, and the problem. Boxed, because every reader passes it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(Box<(String, String)>);

impl Unfit {
    /// An error about the value itself.
    pub fn new(problem: &str) -> Unfit {
        Unfit(Box::new((String::new(), problem.to_owned())))
    }

    /// An error that lists the allowed names.
    pub fn none_of(names: &[&str]) -> Unfit {
        Unfit::new(&["not one of: ", &names.join(", ")].concat())
    }

    /// The same error, with the path extended by an entry's name.
    #[must_use]
    pub fn inside(mut self, name: &str) -> Unfit {
        let path = &mut self.0.0;
        let point = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        *path = [name, point, path].concat();
        self
    }

    fn at(self, index: usize) -> Unfit {
        self.inside(&alloc::format!("[{index}]"))
    }
}

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
    ///
    /// # Errors
    ///
    /// If it is not an object, or has an unknown name.
    pub fn of(value: &'a Value, known: &[&str]) -> Result<Fields<'a>, Unfit> {
        let entries = value.as_object().ok_or_else(|| Unfit::new("not an object"))?;
        for (index, (name, _)) in entries.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                // The name is not repeated, because it may be a secret.
                return Err(Unfit::new("has a key that is not known there"));
            }
            if entries.iter().take(index).any(|(earlier, _)| earlier == name) {
                return Err(Unfit::new("there twice").inside(name));
            }
        }
        Ok(Fields(entries))
    }

    /// A required field.
    ///
    /// # Errors
    ///
    /// If it is missing or does not fit.
    pub fn required<T: FromValue>(self, name: &str) -> Result<T, Unfit> {
        match self.find(name) {
            Some(value) => T::from_value(value).map_err(|unfit| unfit.inside(name)),
            None => Err(Unfit::new("missing").inside(name)),
        }
    }

    /// An optional field with a default.
    ///
    /// # Errors
    ///
    /// If it is present and does not fit.
    pub fn or<T: FromValue>(self, name: &str, default: T) -> Result<T, Unfit> {
        match self.find(name) {
            Some(value) => T::from_value(value).map_err(|unfit| unfit.inside(name)),
            None => Ok(default),
        }
    }

    fn find(self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// A variant's name and content; one without content is its name alone.
///
/// # Errors
///
/// If it does not have that shape.
pub fn variant(value: &Value) -> Result<(&str, &Value), Unfit> {
    match value {
        Value::String(name) => Ok((name, &Value::Null)),
        Value::Object(entries) => match entries.as_slice() {
            [(name, content)] => Ok((name, content)),
            _ => Err(Unfit::new("not an object with one key")),
        },
        _ => Err(Unfit::new("not a name or an object with one key")),
    }
}

/// A variant with content, as a value.
pub(crate) fn tagged(name: &str, content: Value) -> Value {
    Value::Object(Vec::from([(name.to_owned(), content)]))
}

/// The meaning of a name.
///
/// # Errors
///
/// If it is none of these names.
pub fn named<T: Copy>(value: &Value, names: &[(&str, T)]) -> Result<T, Unfit> {
    let text = value.as_str();
    let found = names.iter().find(|(name, _)| text == Some(name)).map(|(_, meaning)| *meaning);
    found.ok_or_else(|| Unfit::none_of(&names.iter().map(|(name, _)| *name).collect::<Vec<_>>()))
}

/// A list of exactly this many values.
pub(crate) fn tuple<const N: usize>(value: &Value) -> Result<&[Value; N], Unfit> {
    let items: Option<&[Value; N]> = value.as_list().and_then(|items| items.try_into().ok());
    items.ok_or_else(|| Unfit::new("not a list of as many values as belong there"))
}

/// Reads `Type { field, field = default }` from a value; a field without a default is required.
macro_rules! read_fields {
    ($value:expr => $($kind:ident)::+ { $($field:ident $(= $default:expr)?),* $(,)? }) => {
        $crate::value::Fields::of($value, &[$(stringify!($field)),*]).and_then(|fields| {
            Ok($($kind)::+ { $($field: $crate::value::data::read_fields!(@ fields $field $($default)?)),* })
        })
    };
    (@ $fields:ident $field:ident) => { $fields.required(stringify!($field))? };
    (@ $fields:ident $field:ident $default:expr) => { $fields.or(stringify!($field), $default)? };
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
            fn from_value(value: &$crate::value::Value) -> Result<$type, $crate::value::Unfit> {
                $crate::value::data::read_fields!(value => $type { $($field $(= $default)?),* })
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
    ($($type:ident { $($variant:ident = $name:literal),* $(,)? })*) => { $(
        impl $crate::value::FromValue for $type {
            fn from_value(value: &$crate::value::Value) -> Result<$type, $crate::value::Unfit> {
                $crate::value::named(value, &[$(($name, $type::$variant)),*])
            }
        }

        impl $crate::value::ToValue for $type {
            fn to_value(&self) -> $crate::value::Value {
                match self { $($type::$variant => $name.into()),* }
            }
        }
    )* };
}
pub(crate) use names;

impl FromValue for DataType {
    fn from_value(value: &Value) -> Result<DataType, Unfit> {
        named(value, &DataType::ALL.map(|data_type| (data_type.as_str(), data_type)))
    }
}

impl ToValue for DataType {
    fn to_value(&self) -> Value {
        self.as_str().into()
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Value, Unfit> {
        Ok(value.clone())
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<bool, Unfit> {
        match value {
            Value::Boolean(value) => Ok(*value),
            _ => Err(Unfit::new("not true or false")),
        }
    }
}

impl ToValue for bool {
    fn to_value(&self) -> Value {
        Value::Boolean(*self)
    }
}

impl FromValue for Number {
    fn from_value(value: &Value) -> Result<Number, Unfit> {
        value.as_number().ok_or_else(|| Unfit::new("not a number"))
    }
}

impl ToValue for Number {
    fn to_value(&self) -> Value {
        Value::Number(*self)
    }
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Result<i64, Unfit> {
        match value {
            Value::Number(Number::Integer(value)) => Ok(*value),
            _ => Err(Unfit::new("not an integer")),
        }
    }
}

impl ToValue for i64 {
    fn to_value(&self) -> Value {
        Value::from(*self)
    }
}

impl FromValue for u32 {
    fn from_value(value: &Value) -> Result<u32, Unfit> {
        i64::from_value(value)?.try_into().map_err(|_| Unfit::new("below 0 or too large"))
    }
}

impl ToValue for u32 {
    fn to_value(&self) -> Value {
        Value::from(i64::from(*self))
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<String, Unfit> {
        value.as_str().map(str::to_owned).ok_or_else(|| Unfit::new("not a text"))
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        Value::string(self.as_str())
    }
}

/// Null reads as None.
impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Option<T>, Unfit> {
        value.present().map(T::from_value).transpose()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value) -> Result<Vec<T>, Unfit> {
        let values = value.as_list().ok_or_else(|| Unfit::new("not a list"))?;
        let mut items = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            items.push(T::from_value(value).map_err(|unfit| unfit.at(index))?);
        }
        Ok(items)
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(T::to_value).collect())
    }
}

impl<T: FromValue> FromValue for Box<T> {
    fn from_value(value: &Value) -> Result<Box<T>, Unfit> {
        T::from_value(value).map(Box::new)
    }
}

impl<T: ToValue> ToValue for Box<T> {
    fn to_value(&self) -> Value {
        self.as_ref().to_value()
    }
}
