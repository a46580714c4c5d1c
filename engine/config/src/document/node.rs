//! The tree of a text: scalars, lists and mappings, each with its byte range.

use usher_engine::diagnostic::Code;
use usher_engine::value::{Number, Value};

/// A problem of a text that is found before any dialect reads it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) span: Span,
}

impl Fault {
    pub(super) fn new(code: Code, span: Span, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into(), help: None, span }
    }

    pub(super) fn duplicate(key: &str, span: Span) -> Fault {
        Fault::new(Code::DuplicateName, span, format!("the key `{key}` is written twice"))
    }

    pub(super) fn too_deep(span: Span) -> Fault {
        let max = crate::limits::DOCUMENT_DEPTH_MAX;
        Fault::new(Code::OverBound, span, format!("lists and mappings nest deeper than {max}"))
    }

    pub(super) fn too_many(span: Span) -> Fault {
        let max = crate::limits::NODES_MAX;
        Fault::new(Code::OverBound, span, format!("the file has more than {max} values, aliases included"))
    }
}

/// A range of bytes of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A value and its range.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) span: Span,
}

/// The three shapes of a document.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping and its value. Keys are unique; the first of several stays.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

/// A decoded text, and the style of its quotes.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// The style of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: the only style that may be a number, a boolean or null.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`, also in JSON.
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

impl Node {
    /// The range for a finding about a whole document: its first key.
    pub(crate) fn first_key(&self) -> Span {
        match &self.content {
            Content::Map(entries) => entries.first().map_or(self.span, |entry| entry.key_span),
            _ => self.span,
        }
    }

    /// The value of a key, unless it is missing or null.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value).filter(|value| !value.is_null())
    }

    /// An entry, even if its value is null.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.value() == Some(Value::Null))
    }

    /// The text of a scalar that is a text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(scalar) if matches!(scalar.value(), Some(Value::String(_))) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The kind in words, for "must be a text, found …".
    pub(crate) fn kind(&self) -> String {
        match &self.content {
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a mapping".to_owned(),
            Content::Scalar(scalar) => match scalar.value() {
                Some(Value::Null) => "null".to_owned(),
                Some(Value::String(_)) => "a text".to_owned(),
                // Shown with its text, because missing quotes are the most frequent cause.
                _ => format!("`{}`", scalar.text),
            },
        }
    }

    /// The node as a value; None when a number in it is not finite.
    pub(crate) fn value(&self) -> Option<Value> {
        Some(match &self.content {
            Content::Scalar(scalar) => scalar.value()?,
            Content::List(items) => Value::List(items.iter().map(Node::value).collect::<Option<_>>()?),
            Content::Map(entries) => {
                let named = entries.iter().map(|entry| Some((entry.key.clone(), entry.value.value()?)));
                Value::Object(named.collect::<Option<_>>()?)
            }
        })
    }
}

impl Scalar {
    /// The value by the core schema of YAML 1.2, which JSON shares: `yes` and `no` are texts. None: a number that is
    /// not finite.
    pub(crate) fn value(&self) -> Option<Value> {
        if self.style != Style::Plain {
            return Some(Value::string(&self.text));
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
            "true" | "True" | "TRUE" => Some(Value::Boolean(true)),
            "false" | "False" | "FALSE" => Some(Value::Boolean(false)),
            text => match number(text) {
                Some(number) => number.map(Value::Number),
                None => Some(Value::string(text)),
            },
        }
    }
}

/// Outer None: not a number. Inner None: a number that is not finite.
fn number(text: &str) -> Option<Option<Number>> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(None);
    }
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return None;
    }
    if let Some(exponent) = unsigned.get(mantissa.len() + 1..) {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if exponent.is_empty() || !digits(exponent) {
            return None;
        }
    }
    if unsigned.len() == whole.len()
        && let Ok(integer) = text.parse()
    {
        return Some(Some(Number::Integer(integer)));
    }
    Some(text.parse().ok().and_then(Number::float))
}

fn radix(digits: &str, radix: u32) -> Option<Option<Number>> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    Some(i64::from_str_radix(digits, radix).ok().map(Number::Integer))
}
