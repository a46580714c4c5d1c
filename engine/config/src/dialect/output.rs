//! An output in both service dialects: an attribute, a constant, a template, an expression, or texts to concatenate.

use usher_engine::definition::{Output, OutputSource};
use usher_engine::diagnostic::Code;

use crate::document::{Entry, Node};
use crate::lower::{Fields, Lower};

/// The sources of a value; an output has one of them.
const SOURCES: [&str; 5] = ["attribute", "value", "template", "expression", "string_builder"];

const HELP: &str = "an output is an `attribute`, or a `name` with a `value`, a `template`, an `expression` or a `string_builder`";

pub(super) fn service_output(lower: &mut Lower, outputs: &mut Vec<Output>, node: &Node) {
    let known = ["name", "sub_attribute_identifier", "description"];
    let known = [SOURCES.to_vec(), known.to_vec()].concat();
    let Some(fields) = lower.fields(node, "an output", &known) else { return };
    let mut written = SOURCES.into_iter().filter(|key| is_written(fields, key));
    let Some(first) = written.next() else {
        if !SOURCES.iter().skip(1).any(|key| lower.is_misspelled(fields, key)) {
            lower.missing(fields, "attribute", Some(HELP.to_owned()));
        }
        return;
    };
    if let Some(second) = written.next().and_then(|key| fields.entry(key)) {
        let message = format!("an output cannot have both `{first}` and `{}`", second.key);
        return lower.note_with(Code::WrongType, second.key_span, message, Some(HELP.to_owned()));
    }
    if first == "attribute" {
        return attribute(lower, outputs, fields);
    }
    let name = lower.need_text(fields, "name");
    let Some(Entry { value, .. }) = fields.entry(first) else { return };
    let source = match first {
        "value" => lower.value_at(value, &format!(".outputs[{}]", outputs.len())).map(OutputSource::Constant),
        "template" => lower.text_of(value, "template").map(OutputSource::Template),
        "expression" => lower.expression_text(value, outputs.len()).map(OutputSource::Expression),
        _ => texts(lower, value).map(OutputSource::Text),
    };
    if let Some(entry) = fields.entry("sub_attribute_identifier") {
        let message = format!("`sub_attribute_identifier` has no place beside `{first}`");
        lower.note(Code::WrongType, entry.key_span, message);
    }
    if let (Some(name), Some(source)) = (name, source) {
        // Problems of a template or an expression are in its text.
        let place = if matches!(first, "template" | "expression") { first } else { "name" };
        lower.output(outputs, Output { name, source }, fields.span(place));
    }
}

/// Null is a value for `value`; for the other keys it counts as absent.
fn is_written(fields: Fields<'_>, key: &str) -> bool {
    fields.entry(key).is_some_and(|entry| key == "value" || !entry.value.is_null())
}

fn attribute(lower: &mut Lower, outputs: &mut Vec<Output>, fields: Fields<'_>) {
    let Some(node) = fields.get("attribute") else { return };
    let Some(written) = lower.name_of(node, "attribute") else { return };
    let name = match fields.get("name") {
        Some(node) => lower.name_of(node, "name"),
        None => Some(written.clone()),
    };
    // With a separate key for the part, even a null one, dots belong to the attribute's name.
    let (attribute, part) = match fields.entry("sub_attribute_identifier") {
        Some(_) => (written, lower.text(fields, "sub_attribute_identifier")),
        None => split_part(written),
    };
    if let Some(name) = name {
        let source = OutputSource::Attribute { name: attribute, part };
        lower.output(outputs, Output { name, source }, node.span);
    }
}

/// Texts to concatenate, as they are.
fn texts(lower: &mut Lower, node: &Node) -> Option<Vec<String>> {
    let items = lower.items_of(node, "string_builder")?;
    if items.is_empty() {
        lower.note(Code::EmptyList, node.span, "`string_builder` must not be an empty list");
        return None;
    }
    let mut texts = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let text = lower.text_of(item, &format!("string_builder[{index}]"))?;
        no_template(lower, &text, item);
        texts.push(text);
    }
    Some(texts)
}

/// Reports braces in texts that are only concatenated: their author probably expects a template.
pub(super) fn no_template(lower: &mut Lower, text: &str, node: &Node) {
    if text.contains("{{") || text.contains("}}") {
        let message = "a stringBuilder knows no templates: `{{` and `}}` are not allowed";
        let help = "write it as a `template`".to_owned();
        lower.note_with(Code::NotSupported, node.span, message, Some(help));
    }
}

/// Splits a name into the attribute and the sub-identifier after its last dot.
pub(crate) fn split_part(name: String) -> (String, Option<String>) {
    match name.rsplit_once('.') {
        Some((name, part)) if !name.is_empty() && !part.is_empty() => {
            (name.to_owned(), Some(part.to_owned()))
        }
        _ => (name, None),
    }
}
