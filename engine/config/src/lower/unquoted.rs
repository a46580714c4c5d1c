//! Scalars without quotes that look like another type: `0123` is the number 123, `1_000` is a text.

use usher_engine::value::{Number, Value};

use crate::document::{Content, Node, Scalar, Span, Style};

/// A scalar as written, and as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unquoted {
    /// A number that does not print as it was written, and its printed form.
    Number(String, String),
    /// A text that other YAML readers take for a number, and that number.
    Text(String, String),
}

/// Collects them within a value.
pub(super) fn unquoted(node: &Node, out: &mut Vec<(Unquoted, Span)>) {
    match &node.content {
        Content::Scalar(scalar) => out.extend(of(scalar).map(|found| (found, node.span))),
        Content::List(items) => items.iter().for_each(|item| unquoted(item, out)),
        Content::Map(entries) => entries.iter().for_each(|entry| unquoted(&entry.value, out)),
    }
}

fn of(scalar: &Scalar) -> Option<Unquoted> {
    let Scalar { text, style: Style::Plain } = scalar else { return None };
    match scalar.value()? {
        Value::Number(number) => {
            let digits = text.trim_start_matches(['-', '+']);
            let leading =
                digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_alphanumeric);
            let exponent = digits.contains(['e', 'E']);
            // An integer beyond 64 bits has lost digits.
            let long = matches!(number, Number::Float(_)) && digits.bytes().all(|byte| byte.is_ascii_digit());
            (leading || exponent || long || text.starts_with('+'))
                .then(|| Unquoted::Number(text.clone(), shown(number)))
        }
        Value::String(_) => {
            let plain = text.replace('_', "");
            let grouped = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('_');
            let number = Number::parse(&plain).filter(|_| grouped && !text.ends_with('_'))?;
            Some(Unquoted::Text(text.clone(), shown(number)))
        }
        _ => None,
    }
}

/// Prints a whole number without a point.
fn shown(number: Number) -> String {
    let text = number.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_its_look_is_seen() {
        let of = |text: &str, style| match of(&Scalar { text: text.to_owned(), style }) {
            None => String::new(),
            Some(Unquoted::Number(_, number)) => format!("number {number}"),
            Some(Unquoted::Text(_, number)) => format!("text {number}"),
        };
        for (text, expected) in [
            ("0123", "number 123"),
            ("-007", "number -7"),
            ("+49", "number 49"),
            ("1e3", "number 1000"),
            ("12E2", "number 1200"),
            ("0x1F", "number 31"),
            ("0o17", "number 15"),
            ("00", "number 0"),
            ("007.5", "number 7.5"),
            ("99999999999999999999", "number 1e20"),
            ("1_000", "text 1000"),
            ("0", ""),
            ("0.5", ""),
            ("-0.5", ""),
            ("19.90", ""),
            ("5", ""),
            ("9223372036854775807", ""),
            ("yes", ""),
            ("2026-01-01", ""),
            ("12:30", ""),
            ("a_1", ""),
            ("1_", ""),
        ] {
            assert_eq!(of(text, Style::Plain), expected, "{text}");
            assert_eq!(of(text, Style::Single), "", "{text}");
        }
    }
}
