//! References between bodies of the control API, collected until all of them are read.

use std::collections::BTreeMap;

use super::at::At;

/// The references of all bodies.
#[derive(Default)]
pub(crate) struct Bodies {
    /// Names of key events, by everything that another body may call them.
    pub(crate) key_events: BTreeMap<String, String>,
    /// Identifiers of attributes, by everything that another body may call them.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Indexes of attributes from bodies; their backfills may name batch columns instead of attributes.
    pub(crate) own: Vec<usize>,
    /// Batch columns that a setting imports: the attribute's name, the column, and its place.
    pub(crate) columns: Vec<(String, String, At)>,
    /// Attributes that a payload names without a part: the name, the output's path, and its place.
    pub(crate) wholes: Vec<(String, String, At)>,
    /// The sections, by their paths, whose criteria are condition JSON.
    pub(crate) criteria: Vec<String>,
    /// The first body that names no audience, because its address does.
    pub(crate) first: Option<At>,
    /// True if the lookup key becomes the primary key, because the API has no term for the latter.
    pub(crate) setting: bool,
    /// True if the bodies are calls of the API, for which an empty list means null.
    pub(crate) calls: bool,
}
