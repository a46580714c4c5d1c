//! Values as text in JSON notation: how a template shows lists and numbers.

use core::fmt;

use super::Value;

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::String(text) => quoted(f, text),
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index == 0 { "[" } else { "," })?;
                    item.fmt(f)?;
                }
                f.write_str(if items.is_empty() { "[]" } else { "]" })
            }
            Value::Object(entries) => {
                for (index, (name, value)) in entries.iter().enumerate() {
                    f.write_str(if index == 0 { "{" } else { "," })?;
                    quoted(f, name)?;
                    f.write_str(":")?;
                    value.fmt(f)?;
                }
                f.write_str(if entries.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write;
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                f.write_char('\\')?;
                f.write_char(c)?;
            }
            '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use crate::value::{Number, Value};

    #[test]
    fn as_json() {
        let list = Value::List(alloc::vec![
            "a\"\\\n".into(),
            Value::Number(Number::Float(2.0)),
            Value::Null,
            Value::List(alloc::vec![]),
            Value::Object(alloc::vec![("k".into(), true.into())]),
        ]);
        assert_eq!(list.to_string(), r#"["a\"\\\u000a",2.0,null,[],{"k":true}]"#);
    }
}
