//! Service YAML A: `service_name`, `input_params`, criteria as a tree of operators, `outputs`.

use usher_engine::definition::{Choice, Input, Personalization, Section};
use usher_engine::diagnostic::Code;

use super::common::SERVICE_SECTION;
use super::example::examples;
use super::operator_tree::condition;
use super::output::service_output;
use crate::document::{Content, Node};
use crate::lower::{Fields, Lower};

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    let path = format!("personalizations[{}]", lower.definition.personalizations.len());
    let known = [
        "parent_segment_id",
        "parent_segment_name",
        "service_name",
        "description",
        "choice",
        "trigger_event",
        "input_params",
        "sections",
        "id",
        "batch_segments_as",
        "device",
        "examples",
    ];
    let Some(root) = lower.fields(node, "a service", &known) else { return };
    lower.audience(root, "parent_segment_id", "parent_segment_name");
    lower.enter(&path, root.span("service_name"));
    let name = lower.need_text(root, "service_name");
    lower.mark_key(".name", root, "service_name");
    lower.mark_key(".id", root, "id");
    lower.mark_key(".device", root, "device");
    lower.mark_key(".trigger", root, "trigger_event");
    let id = lower.id(root);
    let description = lower.text(root, "description");
    let choice = lower.choice(root, Choice::First);
    let segments_as = lower.segments_as(root, "batch_segments_as");
    let device = lower.boolean(root, "device").unwrap_or(false);
    let trigger = lower.text(root, "trigger_event");
    let inputs = inputs(lower, root, &path);
    lower.enter(&path, root.span("service_name"));
    let sections = lower.sections(root, &path, section);
    examples(lower, root, name.as_deref());
    if let Some(name) = name {
        let personalization =
            Personalization { name, id, description, choice, segments_as, device, trigger, inputs, sections };
        lower.definition.personalizations.push(personalization);
    }
}

/// The inputs of a caller.
pub(super) fn inputs(lower: &mut Lower, fields: Fields<'_>, path: &str) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for item in lower.items(fields, "input_params").unwrap_or_default() {
        lower.enter(format!("{path}.inputs[{}]", inputs.len()), item.span);
        inputs.extend(input(lower, item));
    }
    inputs
}

fn input(lower: &mut Lower, node: &Node) -> Option<Input> {
    let fields = lower.fields(node, "an input", &["name", "type", "required", "description"])?;
    let name = lower.need_text(fields, "name");
    lower.mark_key(".name", fields, "name");
    lower.mark_key(".data_type", fields, "type");
    let data_type = lower.need(fields, "type").and_then(|_| lower.data_type(fields, "type"));
    let required = lower.boolean(fields, "required").unwrap_or(false);
    Some(Input { name: name?, data_type: data_type?, required })
}

fn section(lower: &mut Lower, node: &Node) -> Option<Section> {
    let known = [SERVICE_SECTION.to_vec(), vec!["outputs"]].concat();
    let fields = lower.fields(node, "a section", &known)?;
    let name = lower.need_text(fields, "name");
    lower.mark_key(".name", fields, "name");
    let criteria = match fields.get("criteria") {
        Some(node) => {
            lower.mark_criterion(".criteria", node.span);
            match &node.content {
                Content::Scalar(_) => {
                    let help = "text criteria belong in a `personalization_service`; here write an `operator` and \
                                `conditions`";
                    let message = "criteria must be a mapping with an `operator`, found a text";
                    lower.note_with(Code::WrongType, node.span, message, Some(help.to_owned()));
                    None
                }
                _ => condition(lower, node),
            }
        }
        None => {
            let help = "write `criteria: {operator: ALWAYS}` for a section that always applies".to_owned();
            lower.missing(fields, "criteria", Some(help));
            None
        }
    };
    lower.mark_key(".outputs", fields, "outputs");
    let mut outputs = Vec::new();
    for item in lower.items(fields, "outputs").unwrap_or_default() {
        service_output(lower, &mut outputs, item);
    }
    lower.service_section(fields, name, criteria, outputs)
}
