//! What bodies of the control API say of each other, until all of them are read.

use std::collections::BTreeMap;

use super::at::At;

/// What bodies say of each other.
#[derive(Default)]
pub(crate) struct Bodies {
    /// The names of key events by everything that another body may call them.
    pub(crate) key_events: BTreeMap<String, String>,
    /// The identifiers of attributes, likewise.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Which attributes are bodies, and may name batch columns where others name attributes.
    pub(crate) own: Vec<usize>,
    /// Batch columns that a setting imports: the attribute's name, the column, where that stands.
    pub(crate) columns: Vec<(String, String, At)>,
    /// Attributes that a payload names without a part: the name, the output's path, where that stands.
    pub(crate) wholes: Vec<(String, String, At)>,
    /// The first body that says nothing of its audience, because its address does.
    pub(crate) first: Option<At>,
    /// Whether the lookup key tells people apart, for want of a word.
    pub(crate) setting: bool,
}
