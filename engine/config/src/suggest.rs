//! "Did you mean": the known name nearest to one that is not known.

use crate::limits::{SUGGESTION_CHARS_MAX, SUGGESTION_NAMES_MAX};

/// The help that names the nearest name, if one is near.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(wrong, known).map(|name| format!("did you mean `{name}`?"))
}

/// The help that names the nearest names, and then all that there are.
pub(crate) fn one_of_these<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let all = known.join(", ");
    match did_you_mean(wrong, known) {
        Some(near) => format!("{near} known are {all}"),
        None => format!("known are {all}"),
    }
}

/// Words for the same thing: what other definitions call it, and what it is called here.
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

/// The known key that a wrong one means: by another word for it, or because it is near.
pub(crate) fn meant<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = plain(wrong);
    let same = SAME.iter().filter(|(word, _)| plain(word) == written);
    let of_word = |name: &str| known.iter().copied().find(|known| plain(known) == plain(name));
    same.filter_map(|(_, name)| of_word(name)).next().or_else(|| nearest(wrong, known.iter().copied()))
}

/// The known name nearest to a wrong one, if one is near.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = plain(wrong);
    if wrong.is_empty() || wrong.len() > SUGGESTION_CHARS_MAX {
        return None;
    }
    known
        .into_iter()
        .take(SUGGESTION_NAMES_MAX)
        .filter_map(|name| {
            let candidate = plain(name);
            let edits_max = (wrong.len().max(candidate.len()) / 3).max(1);
            let edits = distance(&wrong, &candidate);
            (edits <= edits_max && candidate.len() <= SUGGESTION_CHARS_MAX).then_some((edits, name))
        })
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, name)| name)
}

/// Case and separators are what people get wrong most; they cost nothing.
fn plain(name: &str) -> Vec<char> {
    name.chars()
        .take(SUGGESTION_CHARS_MAX + 1)
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// How many insertions, deletions, replacements and swaps of neighbors lead from one to the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut edits = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
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
        assert_eq!(nearest("zzz", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"a".repeat(1_000), known), None);
    }
}
