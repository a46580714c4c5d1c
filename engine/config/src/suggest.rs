//! "Did you mean": finds the known name that is nearest to an unknown one.

use usher_engine::definition::{AttributeKind, Definition};
use usher_engine::diagnostic::Diagnostic;

use crate::limits::{SUGGESTION_CHARS_MAX, SUGGESTION_NAMES_MAX};

/// Help with the nearest name, if one is near.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(wrong, known).map(|name| format!("did you mean `{name}`?"))
}

/// Help with the nearest name, if one is near, and all known names.
pub(crate) fn one_of_these<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let all = known.join(", ");
    match did_you_mean(wrong, known) {
        Some(near) => format!("{near} known are {all}"),
        None => format!("known are {all}"),
    }
}

/// Help for a finding of the engine about an undeclared name: the nearest declared one.
pub(crate) fn mended(definition: &Definition, diagnostic: &Diagnostic) -> Option<String> {
    let wrong = diagnostic.message.split('`').nth(1)?;
    if diagnostic.message.starts_with("Unknown event name") {
        return did_you_mean(wrong, definition.key_events.iter().map(|event| event.name.as_str()));
    }
    if !diagnostic.message.starts_with("unknown attribute") {
        return None;
    }
    let parts = definition.attributes.iter().flat_map(|attribute| {
        let names: Vec<&String> = match &attribute.kind {
            AttributeKind::List { parts, .. } => parts.iter().map(|part| &part.name).collect(),
            AttributeKind::Counter { parts, .. } => parts.iter().map(|part| &part.name).collect(),
            _ => Vec::new(),
        };
        names.into_iter().map(|part| format!("{}.{part}", attribute.name)).collect::<Vec<_>>()
    });
    let parts: Vec<String> = parts.collect();
    let whole = definition.attributes.iter().map(|attribute| attribute.name.as_str());
    did_you_mean(wrong, whole.chain(parts.iter().map(String::as_str)))
}

/// Synonyms: the word in other definitions, and the one in this dialect.
const SAME: [(&str, &str); 21] = [
    ("column", "field"),
    ("column", "source_field"),
    ("condition", "criteria"),
    ("database_name", "database"),
    ("duration", "window_duration"),
    ("entry_criteria", "criteria"),
    ("event", "source_event"),
    ("event", "trigger_event"),
    ("field", "source_field"),
    ("inputs", "input_params"),
    ("key_event", "source_event"),
    ("params", "input_params"),
    ("realtime_key_event_id", "source_event"),
    ("regex", "pattern"),
    ("regexp", "pattern"),
    ("segments", "batch_segments"),
    ("sensitive", "sensitivity"),
    ("table_name", "table"),
    ("value", "right_value"),
    ("value_column", "source_field"),
    ("window", "window_duration"),
];

/// The known key that an unknown one means: a synonym, or the nearest.
pub(crate) fn meant<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = plain(wrong);
    let same = SAME.iter().filter(|(word, _)| plain(word) == written);
    let of_word = |name: &str| known.iter().copied().find(|known| plain(known) == plain(name));
    same.filter_map(|(_, name)| of_word(name)).next().or_else(|| nearest(wrong, known.iter().copied()))
}

/// The known name nearest to an unknown one, if one is near.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = plain(wrong);
    let length = wrong.chars().count();
    if length == 0 || length > SUGGESTION_CHARS_MAX {
        return None;
    }
    known
        .into_iter()
        .take(SUGGESTION_NAMES_MAX)
        .filter_map(|name| {
            let candidate = plain(name);
            let longest = length.max(candidate.chars().count());
            let edits = strsim::osa_distance(&wrong, &candidate);
            // Names with nothing in common are not near, however short.
            let is_near = edits <= (longest / 3).max(1) && edits < longest;
            (is_near && longest <= SUGGESTION_CHARS_MAX).then_some((edits, name))
        })
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, name)| name)
}

/// Ignores case and separators, which are the most frequent mistakes.
fn plain(name: &str) -> String {
    name.chars()
        .take(SUGGESTION_CHARS_MAX + 1)
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["aggregation", "source_event", "source_field", "name", "GreaterEqual"];
        assert_eq!(nearest("agregation", known), Some("aggregation"));
        assert_eq!(nearest("sourceEvent", known), Some("source_event"));
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("greater_equal", known), Some("GreaterEqual"));
        assert_eq!(nearest("veiw", ["view", "cart"]), Some("view"));
        assert_eq!(nearest("7", ["b"]), None);
        assert_eq!(nearest("zzz", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"a".repeat(1_000), known), None);
    }
}
