//! Writes JSON directly into bytes, in the order of the calls.

use core::fmt::Write;

use usher_engine::value::Value;

/// A JSON text under construction.
///
/// # Examples
///
/// ```
/// use usher_edge::wire::json::Json;
///
/// let mut json = Json::new();
/// json.object(|o| {
///     o.field("name").text("a \"b\"");
///     o.field("parts").list([1, 2], |json, number| json.number(number));
/// });
/// assert_eq!(json.into_text(), r#"{"name":"a \"b\"","parts":[1,2]}"#);
/// ```
#[derive(Debug, Default)]
pub struct Json(String);

impl Json {
    /// An empty text.
    pub fn new() -> Json {
        Json(String::with_capacity(256))
    }

    /// The text as bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// `{…}`
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        self.0.push('{');
        fill(&mut Object { json: self, first: true });
        self.0.push('}');
    }

    /// `[…]`
    pub fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Json, T)) {
        self.0.push('[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            write(self, item);
        }
        self.0.push(']');
    }

    /// `"…"`
    pub fn text(&mut self, text: &str) {
        self.0.push('"');
        let mut rest = text;
        // What stands for itself is copied at once.
        while let Some(at) = rest.bytes().position(may_be_escaped) {
            let (plain, from) = rest.split_at(at);
            let mut characters = from.chars();
            let c = characters.next().unwrap_or_default();
            self.0.push_str(plain);
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                // `<` is escaped, so that no tag opens if the answer is read as HTML by mistake.
                '\u{0}'..='\u{1f}' | '<' | '\u{2028}' | '\u{2029}' => {
                    // Writing to a string cannot fail.
                    let _ = write!(self.0, "\\u{:04x}", u32::from(c));
                }
                c => self.0.push(c),
            }
            rest = characters.as_str();
        }
        self.0.push_str(rest);
        self.0.push('"');
    }

    /// An integer.
    pub fn number(&mut self, number: i64) {
        let _ = write!(self.0, "{number}");
    }

    /// `true` or `false`
    pub fn boolean(&mut self, value: bool) {
        self.0.push_str(if value { "true" } else { "false" });
    }

    /// Writes what is JSON already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.0.push_str(json);
    }

    /// `null`
    pub fn null(&mut self) {
        self.0.push_str("null");
    }

    /// Any value.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.null(),
            Value::Boolean(value) => self.boolean(*value),
            Value::Number(number) => {
                let _ = write!(self.0, "{number}");
            }
            Value::String(text) => self.text(text),
            Value::List(items) => self.list(items, |json, item| json.value(item)),
            Value::Object(entries) => self.object(|o| {
                for (name, value) in entries {
                    o.field(name).value(value);
                }
            }),
        }
    }
}

/// An object under construction.
#[derive(Debug)]
pub struct Object<'a> {
    json: &'a mut Json,
    first: bool,
}

impl Object<'_> {
    /// Writes `"name":`; the caller writes the value into the returned text.
    pub fn field(&mut self, name: &str) -> &mut Json {
        if !self.first {
            self.json.0.push(',');
        }
        self.first = false;
        self.json.text(name);
        self.json.0.push(':');
        self.json
    }
}

/// True for the first byte of a character that may have to be escaped: of U+2028 and U+2029, as of others, it is 0xE2.
fn may_be_escaped(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | 0xE2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let value = Value::Object(vec![
            ("a\"b".into(), Value::List(vec![Value::Null, true.into(), (-7).into()])),
            ("text".into(), "line\nbreak \u{1} </script> \u{2028}… é😀".into()),
            ("begins and ends".into(), "\u{2029}\"a\\\t–".into()),
            ("".into(), "".into()),
            ("float".into(), Value::Number(usher_engine::value::Number::Float(1e-7))),
            ("big".into(), Value::Number(usher_engine::value::Number::Float(1e300))),
        ]);
        let mut json = Json::new();
        json.value(&value);
        let text = json.into_text();
        assert!(!text.contains('<') && !text.contains('\n'));
        assert_eq!(crate::wire::read::value(text.as_bytes()), Ok(value));
    }
}
