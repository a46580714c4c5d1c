//! Stitching keys as the plan has them: which values of their columns identify.

use alloc::string::String;
use alloc::vec::Vec;

use crate::definition::Trust;
use crate::limits::KEY_BYTES_MAX;
use crate::pattern::Pattern;
use crate::value::Value;

/// A compiled [`StitchKey`](crate::definition::StitchKey).
#[derive(Debug)]
pub(crate) struct KeyRule {
    pub(crate) name: String,
    pub(crate) valid: Option<Pattern>,
    pub(crate) exclude: Option<Pattern>,
    pub(crate) invalid_texts: Vec<String>,
    pub(crate) workflow_only: bool,
    pub(crate) trust: Trust,
}

impl KeyRule {
    /// The value as a key, or why it is none.
    pub(crate) fn admit<'a>(&self, value: &'a Value) -> Result<&'a str, &'static str> {
        let Value::String(text) = value else { return Err("Value is not a string.") };
        self.admit_text(text)
    }

    pub(crate) fn admit_text<'a>(&self, text: &'a str) -> Result<&'a str, &'static str> {
        if text.is_empty() {
            Err("Value is empty.")
        } else if text.len() > KEY_BYTES_MAX {
            Err("Value is too long.")
        } else if self.valid.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
            Err("Value does not meet the valid_regexp for this key.")
        } else if self.exclude.as_ref().is_some_and(|pattern| pattern.is_match(text)) {
            Err("Value matches exclude_regex for this key.")
        } else if self.invalid_texts.iter().any(|invalid| invalid == text) {
            Err("Value is included in invalid_texts for this key.")
        } else {
            Ok(text)
        }
    }
}
