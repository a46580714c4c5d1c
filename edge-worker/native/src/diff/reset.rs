//! The attributes that a change makes start over.

use usher_engine::attribute::bucket_ms;
use usher_engine::definition::{Aggregation, AttributeKind, Increment};
use usher_engine::value::DataType;

use super::facts::span;

/// The part of an attribute that cannot go on with stored state, because it is of another kind, picks or counts something
/// else, or has windows whose buckets nobody filled.
pub(super) fn reset_reason(before: &AttributeKind, after: &AttributeKind) -> Option<String> {
    let whole = || Some("it".to_owned());
    match (before, after) {
        (AttributeKind::List { .. }, AttributeKind::List { .. })
        | (AttributeKind::Batch { .. }, AttributeKind::Batch { .. })
        | (_, AttributeKind::Catalog { .. }) => None,
        (
            AttributeKind::Single { aggregation: old, duration_ms: old_ms, data_type: old_type, .. },
            AttributeKind::Single { aggregation, duration_ms, data_type, .. },
        ) => {
            // What is last only fades.
            let bucket = |ms: &Option<i64>| ms.filter(|_| *aggregation != Aggregation::Last).map(bucket_ms);
            let ordered = matches!(aggregation, Aggregation::Min | Aggregation::Max);
            let same = old == aggregation
                && bucket(old_ms) == bucket(duration_ms)
                && (!ordered || order_of(*old_type) == order_of(*data_type));
            if same { None } else { whole() }
        }
        (
            AttributeKind::Counter { increment: old, window_ms: old_ms, parts: old_parts, .. },
            AttributeKind::Counter { increment, window_ms, parts, .. },
        ) => {
            let of_column = |increment: &Increment| matches!(increment, Increment::Column(_));
            if of_column(old) != of_column(increment) || old_ms.is_some() != window_ms.is_some() {
                return whole();
            }
            let old = old_ms.iter().chain(old_parts.iter().map(|part| &part.window_ms));
            let known: Vec<i64> = old.map(|window_ms| bucket_ms(*window_ms)).collect();
            let new = window_ms.iter().chain(parts.iter().map(|part| &part.window_ms));
            let windows: Vec<String> = new
                .filter(|window_ms| !known.contains(&bucket_ms(**window_ms)))
                .map(|window_ms| span(*window_ms as f64))
                .collect();
            if windows.is_empty() { None } else { Some(format!("the window of {}", windows.join(", "))) }
        }
        _ => whole(),
    }
}

/// The order of values; numbers are meant where nothing is declared.
fn order_of(data_type: Option<DataType>) -> &'static str {
    match data_type {
        Some(DataType::String) => "text",
        Some(DataType::Timestamp | DataType::Date) => "instant",
        _ => "number",
    }
}
