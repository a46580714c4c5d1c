//! A tree of YAML and its text: mappings and lists in block style, values of any shape in flow style.

use std::fmt::Write;

use usher_engine::value::Value;

use super::scalar::{is_word, quoted, scalar};
use crate::limits::SIMPLE_KEY_BYTES_MAX;

/// The indentation of one level, in blanks.
const STEP: usize = 2;

/// The value of a key or an item of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Yaml {
    /// A text, in quotes if it needs them.
    Text(String),
    /// A scalar that never has quotes: a number, `true`, a duration.
    Word(String),
    /// A value of any shape, in flow style; a text as [`Yaml::Text`].
    Value(Value),
    Map(Map),
    List(Vec<Yaml>),
    /// A list with a blank line between its items.
    Spaced(Vec<Yaml>),
}

/// A mapping in the order of its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Map(Vec<(&'static str, Yaml)>);

impl Map {
    pub(super) fn with(mut self, key: &'static str, value: Yaml) -> Map {
        self.0.push((key, value));
        self
    }

    /// With the entries of another mapping behind its own.
    pub(super) fn and(mut self, other: Map) -> Map {
        self.0.extend(other.0);
        self
    }

    pub(super) fn maybe(self, key: &'static str, value: Option<Yaml>) -> Map {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub(super) fn text(self, key: &'static str, text: &str) -> Map {
        self.with(key, Yaml::Text(text.to_owned()))
    }

    pub(super) fn maybe_text(self, key: &'static str, text: Option<&String>) -> Map {
        self.maybe(key, text.map(|text| Yaml::Text(text.clone())))
    }

    pub(super) fn word(self, key: &'static str, word: impl ToString) -> Map {
        self.with(key, Yaml::Word(word.to_string()))
    }

    /// `key: true`, unless it is not set.
    pub(super) fn flag(self, key: &'static str, is_set: bool) -> Map {
        self.maybe(key, is_set.then(|| Yaml::Word("true".to_owned())))
    }

    /// A list, unless it is empty.
    pub(super) fn list(self, key: &'static str, items: Vec<Yaml>) -> Map {
        self.maybe(key, (!items.is_empty()).then_some(Yaml::List(items)))
    }

    pub(super) fn texts(self, key: &'static str, texts: &[String]) -> Map {
        self.list(key, texts.iter().map(|text| Yaml::Text(text.clone())).collect())
    }

    /// A whole file. A blank line separates mappings and lists from the key before.
    pub(super) fn document(&self) -> String {
        let mut out = String::new();
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 && value.is_block() {
                out.push('\n');
            }
            entry(&mut out, key, value, 0);
        }
        out
    }
}

impl Yaml {
    /// True if it begins on the line after its key.
    fn is_block(&self) -> bool {
        match self {
            Yaml::Map(Map(entries)) => !entries.is_empty(),
            Yaml::List(items) | Yaml::Spaced(items) => !items.is_empty(),
            Yaml::Text(_) | Yaml::Word(_) | Yaml::Value(_) => false,
        }
    }
}

fn entry(out: &mut String, key: &str, value: &Yaml, indent: usize) {
    let _ = write!(out, "{:indent$}{key}:", "");
    if value.is_block() {
        out.push('\n');
        block(out, value, indent + STEP);
    } else {
        out.push(' ');
        line(out, value, indent);
    }
}

fn block(out: &mut String, value: &Yaml, indent: usize) {
    match value {
        Yaml::Map(Map(entries)) => entries.iter().for_each(|(key, value)| entry(out, key, value, indent)),
        Yaml::List(list) => list.iter().for_each(|value| item(out, value, indent)),
        Yaml::Spaced(list) => {
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push('\n');
                }
                item(out, value, indent);
            }
        }
        Yaml::Text(_) | Yaml::Word(_) | Yaml::Value(_) => line(out, value, indent),
    }
}

fn item(out: &mut String, value: &Yaml, indent: usize) {
    let _ = write!(out, "{:indent$}- ", "");
    if value.is_block() {
        // The first line follows the hyphen, so its indentation is dropped.
        let mut inner = String::new();
        block(&mut inner, value, indent + STEP);
        out.push_str(inner.get(indent + STEP..).unwrap_or_default());
    } else {
        line(out, value, indent);
    }
}

/// A value that begins on the line of its key, and the end of that line.
fn line(out: &mut String, value: &Yaml, indent: usize) {
    match value {
        Yaml::Text(text) | Yaml::Value(Value::String(text)) => scalar(out, text, indent + STEP),
        Yaml::Word(word) => out.push_str(word),
        Yaml::Value(value) => flow(out, value),
        Yaml::Map(_) => out.push_str("{}"),
        Yaml::List(_) | Yaml::Spaced(_) => out.push_str("[]"),
    }
    out.push('\n');
}

/// A number that YAML 1.1 reads as a number, too: with an exponent it needs a point and a sign.
fn plain_number(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else { return text.to_owned() };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{digits}{point}e{sign}{exponent}")
}

fn flow(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&plain_number(&number.to_string())),
        Value::String(text) => quoted(out, text),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                flow(out, item);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                out.push_str(if key.len() > SIMPLE_KEY_BYTES_MAX { "? " } else { "" });
                if is_word(key) {
                    out.push_str(key)
                } else {
                    quoted(out, key)
                }
                out.push_str(": ");
                flow(out, value);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_engine::value::Number;

    #[test]
    fn numbers_are_numbers_to_every_reader() {
        for (value, text) in [
            (1e16, "1.0e+16"),
            (1e300, "1.0e+300"),
            (1e-8, "1.0e-8"),
            (-1.5e-20, "-1.5e-20"),
            (2.5e21, "2.5e+21"),
            (0.5, "0.5"),
            (1_234.0, "1234.0"),
        ] {
            let value = Value::Number(Number::float(value).unwrap());
            let mut out = String::new();
            flow(&mut out, &value);
            assert_eq!(out, text);
            assert_eq!(Number::parse(&out).map(Value::Number), Some(value), "{text}");
        }
        let mut out = String::new();
        flow(&mut out, &Value::from(12));
        assert_eq!(out, "12");
    }
}
