//! "Did you mean": finds the known name that is nearest to an unknown one.

use usher_engine::definition::{Attribute, AttributeKind, Definition};
use usher_engine::diagnostic::{Diagnostic, NameKind};
use usher_engine::syntax::{Function, ParseError};

use crate::consequence;
use crate::limits::{NAMES_SHOWN_MAX, SUGGESTION_CHARS_MAX, SUGGESTION_NAMES_MAX};

/// Help with the nearest name, if one is near. Case and separators do not count.
///
/// # Examples
///
/// ```
/// let known = ["source_event", "source_field"];
/// assert_eq!(usher_config::did_you_mean("sourceEvnt", known).as_deref(), Some("did you mean `source_event`?"));
/// assert_eq!(usher_config::did_you_mean("price", known), None);
/// ```
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(wrong, known).map(|name| format!("did you mean `{name}`?"))
}

/// Help for an error in a criterion or an expression: the nearest function, where one is misspelled.
pub fn help_of(error: &ParseError) -> Option<String> {
    let functions = Function::ALL.into_iter().map(Function::as_str).chain(["MOD", "NOW"]);
    let near = error.unknown.as_deref().and_then(|name| did_you_mean(name, functions));
    near.or_else(|| error.help.clone())
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

/// Help for a finding of the engine about an undeclared name: the nearest declared one, or the names that there are.
pub(crate) fn of_declared(definition: &Definition, diagnostic: &Diagnostic) -> Option<String> {
    let unknown = diagnostic.unknown.as_ref()?;
    match unknown.kind {
        NameKind::KeyEvent => {
            let names = definition.key_events.iter().map(|event| event.name.as_str());
            did_you_mean(&unknown.name, names.clone()).or_else(|| events_are_named(names))
        }
        NameKind::Attribute => of_parts(definition, &unknown.name).or_else(|| {
            let parts: Vec<String> = definition.attributes.iter().flat_map(parts_of).collect();
            let whole = definition.attributes.iter().map(|attribute| attribute.name.as_str());
            let inputs = consequence::inputs(definition, &diagnostic.path).iter();
            let names = inputs.map(|input| input.name.as_str()).chain(whole);
            did_you_mean(&unknown.name, names.chain(parts.iter().map(String::as_str)))
        }),
        NameKind::Table => {
            let names = definition.lookup_tables.iter().map(|table| table.name.as_str());
            let declare = "declare it: `tables: [{name, key, columns}]` in an rt_config";
            Some(did_you_mean(&unknown.name, names).unwrap_or_else(|| declare.to_owned()))
        }
        NameKind::BatchAttribute => {
            let attributes = definition.attributes.iter();
            let batch = attributes.filter(|one| matches!(one.kind, AttributeKind::Batch { .. }));
            did_you_mean(&unknown.name, batch.map(|attribute| attribute.name.as_str()))
        }
    }
}

/// The first declared names, each once.
fn events_are_named<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut known: Vec<&str> = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        if known.len() < NAMES_SHOWN_MAX && !known.contains(&name) {
            known.push(name);
        }
    }
    (!known.is_empty()).then(|| format!("events are named {}", known.join(", ")))
}

/// Help where the attribute is declared and its part is not.
fn of_parts(definition: &Definition, wrong: &str) -> Option<String> {
    let whole = definition.attributes.iter().find(|attribute| attribute.name == wrong);
    if let Some(row) = whole.filter(|whole| matches!(whole.kind, AttributeKind::Catalog { .. })) {
        return Some(format!("its columns are {}", parts_of(row).join(", ")));
    }
    let (name, part) = wrong.rsplit_once('.')?;
    let attribute = definition.attributes.iter().find(|attribute| attribute.name == name)?;
    let parts = parts_of(attribute);
    if parts.is_empty() {
        return Some(format!("it has no parts; name it `{name}`"));
    }
    let own = parts.iter().filter_map(|full| full.rsplit_once('.')).map(|(_, part)| part);
    let near = nearest(part, own).map(|part| format!("did you mean `{name}.{part}`?"));
    near.or_else(|| Some(format!("its parts are {}", parts.join(", "))))
}

/// The parts of an attribute, as criteria name them.
fn parts_of(attribute: &Attribute) -> Vec<String> {
    let names: Vec<&str> = match &attribute.kind {
        // The one aggregation of a list without parts.
        AttributeKind::List { parts, .. } if parts.is_empty() => vec!["items"],
        AttributeKind::List { parts, .. } => parts.iter().map(|part| part.name.as_str()).collect(),
        AttributeKind::Counter { parts, .. } => parts.iter().map(|part| part.name.as_str()).collect(),
        AttributeKind::Catalog { columns, .. } => columns.iter().map(|column| column.name.as_str()).collect(),
        AttributeKind::Single { .. } | AttributeKind::Batch { .. } => Vec::new(),
    };
    names.into_iter().map(|part| format!("{}.{part}", attribute.name)).collect()
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
