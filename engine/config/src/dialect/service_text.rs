//! Service YAML B: `personalization_service` with criteria as text.

use usher_engine::definition::{Choice, Output, OutputSource, Personalization, Section};

use super::common::SERVICE_SECTION;
use super::example::examples;
use super::operator_tree::condition;
use super::output::{service_output, split_part};
use super::service_tree::inputs;
use crate::document::{Content, Node};
use crate::lower::Lower;

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    let known = ["parent_segment_id", "parent_segment_name", "personalization_service", "examples"];
    let Some(root) = lower.fields(node, "a service", &known) else { return };
    lower.audience(root, "parent_segment_id", "parent_segment_name");
    let Some(node) = lower.need(root, "personalization_service") else { return };
    let path = format!("personalizations[{}]", lower.definition.personalizations.len());
    lower.enter(&path, node.span);
    let known = [
        "name",
        "description",
        "choice",
        "trigger_event",
        "input_params",
        "sections",
        "id",
        "batch_segments_as",
        "device",
    ];
    let Some(fields) = lower.fields(node, "a personalization_service", &known) else { return };
    let name = lower.need_text(fields, "name");
    lower.enter(&path, fields.span("name"));
    lower.mark_key(".name", fields, "name");
    lower.mark_key(".id", fields, "id");
    lower.mark_key(".device", fields, "device");
    lower.mark_key(".trigger", fields, "trigger_event");
    let id = lower.id(fields);
    let description = lower.text(fields, "description");
    let choice = lower.choice(fields, Choice::First);
    let segments_as = lower.segments_as(fields, "batch_segments_as");
    let device = lower.boolean(fields, "device").unwrap_or(false);
    let trigger = lower.text(fields, "trigger_event");
    let inputs = inputs(lower, fields, &path);
    lower.enter(&path, fields.span("name"));
    let sections = lower.sections(fields, &path, section);
    examples(lower, root, name.as_deref());
    if let Some(name) = name {
        let personalization =
            Personalization { name, id, description, choice, segments_as, device, trigger, inputs, sections };
        lower.definition.personalizations.push(personalization);
    }
}

fn section(lower: &mut Lower, node: &Node) -> Option<Section> {
    let known = [SERVICE_SECTION.to_vec(), vec!["attributes"]].concat();
    let unused = ["section_id", "priority", "settings"];
    let fields = lower.fields_and(node, "a section", &known, &unused)?;
    let name = lower.need_text(fields, "name");
    lower.mark_key(".name", fields, "name");
    let criteria = fields.get("criteria").and_then(|node| {
        lower.mark_criterion(".criteria", node.span);
        match node.content {
            // A criterion that is too long for one text may be split by a tree.
            Content::Map(_) => condition(lower, node),
            _ => lower.criteria_text(node, "criteria"),
        }
    });
    if fields.get("criteria").is_none() {
        let help = "write `criteria: ''` for a section that always applies".to_owned();
        lower.missing(fields, "criteria", Some(help));
    }
    lower.mark_key(".outputs", fields, "attributes");
    let mut outputs = Vec::new();
    for (index, item) in lower.items(fields, "attributes").unwrap_or_default().iter().enumerate() {
        // Beside plain names, every form of the other service dialect is accepted.
        if let Content::Map(_) = item.content {
            service_output(lower, &mut outputs, item);
        } else if let Some(attribute) = lower.name_of(item, &format!("attributes[{index}]")) {
            let (name, part) = split_part(attribute.clone());
            let source = OutputSource::Attribute { name, part };
            lower.output(&mut outputs, Output { name: attribute, source }, item.span);
        }
    }
    lower.service_section(fields, name, criteria, outputs)
}
