//! Values from a fixed set of words, and the sets that several dialects share.

use usher_engine::definition::{ListAggregation, Removal};
use usher_engine::diagnostic::Code;

use crate::lower::{Fields, Lower};
use crate::suggest::did_you_mean;

/// A word of the set, as its value.
pub(super) fn one_of<T: Copy>(
    lower: &mut Lower,
    fields: Fields<'_>,
    key: &str,
    words: &[(&'static str, T)],
) -> Option<T> {
    let text = lower.need_text(fields, key)?;
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*meaning);
    }
    let all = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let help = did_you_mean(&text, words.iter().map(|(word, _)| *word));
    let help = help.unwrap_or_else(|| format!("known are {all}"));
    lower.note_with(Code::UnknownName, fields.span(key), format!("unknown {key} `{text}`"), Some(help));
    None
}

/// The aggregations of a list's items.
pub(super) const AGGREGATIONS: [(&str, ListAggregation); 6] = [
    ("distinct_list", ListAggregation::DistinctList),
    ("first", ListAggregation::First),
    ("last", ListAggregation::Last),
    ("sum", ListAggregation::Sum),
    ("min", ListAggregation::Min),
    ("max", ListAggregation::Max),
];

/// The actions that remove items of a list.
pub(super) const REMOVALS: [(&str, Removal); 2] =
    [("delete_item", Removal::DeleteItem), ("clear", Removal::Clear)];
