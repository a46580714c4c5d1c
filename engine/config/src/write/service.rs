//! The file of a personalization: a `personalization_service` with criteria as text.

use usher_engine::definition::{
    Audience, Choice, Input, Output, OutputSource, Personalization, Section, Segment, SegmentsAs,
};

use super::criteria::{criteria, filter};
use super::yaml::{Map, Yaml};
use crate::dialect::split_part;

pub(super) fn text(audience: &Audience, personalization: &Personalization) -> String {
    let choice = (personalization.choice == Choice::All).then(|| Yaml::Word("all".to_owned()));
    let segments_as = match personalization.segments_as {
        SegmentsAs::Names => None,
        SegmentsAs::Ids => Some(Yaml::Word("ids".to_owned())),
        SegmentsAs::Booleans => Some(Yaml::Word("booleans".to_owned())),
    };
    let service = Map::default()
        .text("name", &personalization.name)
        .maybe_text("id", personalization.id.as_ref())
        .maybe_text("description", personalization.description.as_ref())
        .maybe("choice", choice)
        .maybe("batch_segments_as", segments_as)
        .flag("device", personalization.device)
        .maybe_text("trigger_event", personalization.trigger.as_ref())
        .list("input_params", personalization.inputs.iter().map(input).collect())
        .with("sections", Yaml::Spaced(personalization.sections.iter().map(section).collect()));
    Map::default()
        .text("parent_segment_id", &audience.id)
        .with("personalization_service", Yaml::Map(service))
        .document()
}

fn input(input: &Input) -> Yaml {
    let map = Map::default().text("name", &input.name).word("type", input.data_type.as_str());
    Yaml::Map(map.flag("required", input.required))
}

fn section(section: &Section) -> Yaml {
    let known_only = (!section.accept_unknown_profiles).then(|| Yaml::Word("false".to_owned()));
    Yaml::Map(
        Map::default()
            .text("name", &section.name)
            .maybe_text("key_event", section.key_event.as_ref())
            .maybe("key_event_filters", section.event_filter.as_ref().map(filter))
            .with("criteria", criteria(&section.criteria))
            .maybe("accept_unknown_profiles", known_only)
            .list("attributes", section.outputs.iter().map(output).collect())
            .list("batch_segments", section.segments.iter().map(segment).collect())
            .flag("include_sensitive", section.include_sensitive),
    )
}

fn segment(Segment { name, id }: &Segment) -> Yaml {
    match id {
        None => Yaml::Text(name.clone()),
        Some(id) => Yaml::Map(Map::default().text("name", name).text("id", id)),
    }
}

fn output(output: &Output) -> Yaml {
    let named = Map::default().text("name", &output.name);
    Yaml::Map(match &output.source {
        OutputSource::Attribute { name, part } => return attribute(output, name, part.as_ref()),
        OutputSource::Constant(value) => named.with("value", Yaml::Value(value.clone())),
        OutputSource::Text(texts) => {
            let texts = texts.iter().flat_map(|text| without_braces(text)).map(Yaml::Text).collect();
            named.with("string_builder", Yaml::List(texts))
        }
        OutputSource::Template(text) => named.text("template", text),
        OutputSource::Expression(expr) => named.text("expression", &expr.to_string()),
    })
}

/// A text in pieces without `{{` and `}}`, which a `string_builder` must not have: an answer joins its texts.
fn without_braces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in text.chars() {
        if let Some(piece) = pieces.last_mut() {
            let is_pair = matches!(c, '{' | '}') && piece.ends_with(c);
            if is_pair { pieces.push(c.to_string()) } else { piece.push(c) }
        }
    }
    pieces
}

/// An attribute: its name alone, if the part and the output's name follow from it.
fn attribute(output: &Output, name: &str, part: Option<&String>) -> Yaml {
    let joined = part.map_or_else(|| name.to_owned(), |part| format!("{name}.{part}"));
    let splits = split_part(joined.clone()) == (name.to_owned(), part.cloned());
    if splits && joined == output.name {
        return Yaml::Text(joined);
    }
    let map = Map::default().text("attribute", if splits { &joined } else { name });
    let map = match part {
        _ if splits => map,
        Some(part) => map.text("sub_attribute_identifier", part),
        None => map.word("sub_attribute_identifier", "null"),
    };
    let shown = if splits { &joined } else { name };
    Yaml::Map(if output.name == *shown { map } else { map.text("name", &output.name) })
}
