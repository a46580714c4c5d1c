//! Compiled stitching keys: the rules for values that identify.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::definition::{Normalize, Trust};
use crate::letters::lowercase;
use crate::limits::KEY_BYTES_MAX;
use crate::pattern::Pattern;
use crate::value::Value;

/// A compiled [`StitchKey`](crate::definition::StitchKey).
#[derive(Debug)]
pub(crate) struct KeyRule {
    pub(crate) name: String,
    pub(crate) normalize: Vec<Normalize>,
    pub(crate) valid: Option<Pattern>,
    pub(crate) exclude: Option<Pattern>,
    pub(crate) invalid_texts: Vec<String>,
    /// Version of the list of placeholders that are refused; 0: none.
    pub(crate) placeholder_list: u32,
    pub(crate) workflow_only: bool,
    pub(crate) trust: Trust,
}

impl KeyRule {
    /// The value as a key, or the reason to refuse it.
    pub(crate) fn admit<'a>(&self, value: &'a Value) -> Result<Cow<'a, str>, &'static str> {
        let Value::String(text) = value else { return Err("Value is not a string.") };
        self.admit_text(text)
    }

    /// The same for a text.
    pub(crate) fn admit_text<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, &'static str> {
        let text = self.normalized(text);
        if text.is_empty() {
            Err("Value is empty.")
        } else if text.len() > KEY_BYTES_MAX {
            Err("Value is too long.")
        } else if text.chars().any(char::is_control) {
            Err("Value has a control character.")
        } else if text.contains(char::REPLACEMENT_CHARACTER) {
            // It stands for what could not be read: texts that differ there are the same with it.
            Err("Value has a character that was lost (U+FFFD).")
        } else if self.valid.as_ref().is_some_and(|pattern| !pattern.is_match(&text)) {
            Err("Value does not meet the valid_regexp for this key.")
        } else if self.exclude.as_ref().is_some_and(|pattern| pattern.is_match(&text)) {
            Err("Value matches exclude_regex for this key.")
        } else if self.invalid_texts.iter().any(|invalid| *invalid == text) {
            Err("Value is included in invalid_texts for this key.")
        } else if self.placeholder_list >= 1 && means_nobody(&text) {
            Err("Value is a placeholder.")
        } else {
            Ok(text)
        }
    }

    /// A value as this key normalizes it.
    pub(crate) fn normalized<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.normalize.iter().fold(Cow::Borrowed(text), |text, step| match (step, text) {
            (Normalize::Trim, Cow::Borrowed(text)) => Cow::Borrowed(text.trim()),
            (Normalize::Trim, Cow::Owned(text)) => Cow::Owned(text.trim().into()),
            (Normalize::Lowercase, text) if text.chars().all(|c| lowercase(c) == c) => text,
            (Normalize::Lowercase, text) => Cow::Owned(text.chars().map(lowercase).collect()),
        })
    }
}

/// True if a text is in the first list of placeholders: the texts that pages send for an unknown visitor, in any case.
/// The list is also in docs/definitions.md and never changes: another list is a second version.
fn means_nobody(text: &str) -> bool {
    const TEXTS: [&str; 9] =
        ["undefined", "null", "none", "nan", "true", "false", "0", "[object object]", "(not set)"];
    TEXTS.iter().any(|known| known.eq_ignore_ascii_case(text)) || is_zero_id(text)
}

/// True for a UUID or advertising id of zeros only, with its four hyphens or without any.
fn is_zero_id(text: &str) -> bool {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    let is_zero = |(_, byte): (usize, u8)| byte == b'0';
    match text.len() {
        32 => text.bytes().enumerate().all(is_zero),
        36 => text.bytes().enumerate().all(|(index, byte)| {
            if HYPHENS.contains(&index) { byte == b'-' } else { is_zero((index, byte)) }
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn rule(normalize: Vec<Normalize>) -> KeyRule {
        KeyRule {
            name: "email".into(),
            normalize,
            valid: None,
            exclude: None,
            invalid_texts: Vec::new(),
            placeholder_list: 1,
            workflow_only: false,
            trust: Trust::Open,
        }
    }

    #[test]
    fn one_code_point_becomes_one() {
        let lower = rule(vec![Normalize::Lowercase]);
        for (text, expected) in [
            ("Jane@X.com", "jane@x.com"),
            ("\u{130}STANBUL", "istanbul"),
            ("\u{1e9e}", "\u{df}"),
            ("\u{3a3}\u{3a3}", "\u{3c3}\u{3c3}"),
            ("already", "already"),
        ] {
            let found = lower.normalized(text);
            assert_eq!((found.as_ref(), found.chars().count()), (expected, text.chars().count()));
        }
    }

    #[test]
    fn white_space_is_unicodes_and_goes_at_both_ends_only() {
        let trim = rule(vec![Normalize::Trim]);
        assert_eq!(trim.normalized("\u{a0}\u{3000}\ta b\n\u{85}"), "a b");
        let both = rule(vec![Normalize::Lowercase, Normalize::Trim]);
        assert_eq!(both.normalized("  A b "), "a b");
        assert_eq!(rule(vec![]).normalized(" A "), " A ");
    }
}
