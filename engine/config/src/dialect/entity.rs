//! The personalization entity of the API: `attributes.sections[]` with `entryCriteria` and `payload`.

use usher_engine::definition::{Choice, Output, OutputSource, Personalization, Section, Segment};
use usher_engine::diagnostic::Code;
use usher_engine::syntax::Expr;

use super::api::spelling::spelled;
use super::common::UNREAD;
use super::condition::{Subject, condition};
use super::example::examples;
use super::output::no_template;
use crate::document::{Content, Entry, Node};
use crate::lower::{Fields, Lower};

/// Keys that only answers of the API have.
const READ_BACK: [&str; 6] =
    ["status", "createdAt", "updatedAt", "createdBy", "updatedBy", "referencingRealtimeAttributes"];

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    let node = &spelled(lower, node);
    // `relationships` is ignored silently: only the console uses it.
    let Some(root) =
        lower.fields_and(node, "an entity", &["id", "attributes", "relationships", "examples"], &["type"])
    else {
        return;
    };
    let Some(node) = root.get("attributes") else { return };
    let path = format!("personalizations[{}]", lower.definition.personalizations.len());
    let known =
        ["id", "audienceId", "name", "description", "choice", "batchSegmentsAs", "device", "sections"];
    let Some(fields) = lower.fields_and(node, "an entity's attributes", &known, &READ_BACK) else { return };
    lower.audience(fields, "audienceId", "audienceName");
    lower.enter(&path, fields.span("name"));
    let name = lower.need_text(fields, "name");
    lower.mark_key(".name", fields, "name");
    // The API answers it beside the attributes.
    let with_id = if root.get("id").is_some() { root } else { fields };
    lower.mark_key(".id", with_id, "id");
    lower.mark_key(".device", fields, "device");
    let id = lower.id(with_id);
    let description = lower.text(fields, "description");
    let choice = lower.choice(fields, Choice::All);
    let segments_as = lower.segments_as(fields, "batchSegmentsAs");
    let device = lower.boolean(fields, "device").unwrap_or(false);
    let sections = lower.sections(fields, &path, section);
    examples(lower, root, name.as_deref());
    if let Some(name) = name {
        let (trigger, inputs) = (None, Vec::new());
        let personalization =
            Personalization { name, id, description, choice, segments_as, device, trigger, inputs, sections };
        lower.definition.personalizations.push(personalization);
    }
}

fn section(lower: &mut Lower, node: &Node) -> Option<Section> {
    let known = ["name", "entryCriteria", "payload", "includeSensitive"];
    let fields = lower.fields_and(node, "a section", &known, &["id"])?;
    let name = lower.need_text(fields, "name");
    lower.mark_key(".name", fields, "name");
    let mut section = Section {
        name: name.clone().unwrap_or_default(),
        key_event: None,
        event_filter: None,
        criteria: Expr::Constant(true),
        accept_unknown_profiles: true,
        outputs: Vec::new(),
        segments: Vec::new(),
        include_sensitive: lower.boolean(fields, "includeSensitive").unwrap_or(false),
    };
    for key in ["entryCriteria", "payload"] {
        if fields.entry(key).is_none() {
            lower.missing(fields, key, None);
        }
    }
    if let Some(node) = fields.get("entryCriteria") {
        entry_criteria(lower, node, &mut section);
    }
    lower.mark_key(".outputs", fields, "payload");
    match fields.get("payload").map(|node| (node, &node.content)) {
        None => {}
        Some((_, Content::Map(nodes))) => {
            for Entry { value, .. } in nodes {
                response_node(lower, value, &mut section);
            }
        }
        Some((node, _)) => lower.wrong(node, "`payload`", "a mapping of nodes"),
    }
    name.map(|_| section)
}

fn entry_criteria(lower: &mut Lower, node: &Node, section: &mut Section) {
    let known = ["name", "description", "keyEventCriteria", "profileCriteria", "acceptUnknownProfiles"];
    let Some(fields) = lower.fields(node, "entryCriteria", &known) else { return };
    section.accept_unknown_profiles = lower.boolean(fields, "acceptUnknownProfiles").unwrap_or(true);
    if let Some(node) = fields.get("profileCriteria") {
        lower.mark_criterion(".criteria", node.span);
        section.criteria = condition(lower, node, Subject::Profile).unwrap_or(UNREAD);
        let path = lower.path_of("");
        lower.bodies.criteria.push(path);
    }
    let Some(node) = fields.get("keyEventCriteria") else { return };
    let Some(fields) = lower.fields(node, "keyEventCriteria", &["keyEventId", "keyEventFilters"]) else {
        return;
    };
    section.key_event = lower.key_event_id(fields, "keyEventId");
    lower.mark_key(".key_event", fields, "keyEventId");
    if let Some(node) = fields.get("keyEventFilters") {
        lower.mark_criterion(".event_filter", node.span);
        let filter = condition(lower, node, Subject::Event);
        section.event_filter = filter.filter(|filter| *filter != Expr::Constant(true));
    }
}

fn response_node(lower: &mut Lower, node: &Node, section: &mut Section) {
    let known = ["type", "name", "description", "definition"];
    let Some(fields) = lower.fields_and(node, "a payload node", &known, &["id"]) else { return };
    if let Some(kind) = lower.text(fields, "type")
        && kind != "ResponseNode"
    {
        let help = Some("a payload holds one `ResponseNode`".to_owned());
        let message = format!("payload nodes of type `{kind}` are not supported");
        lower.note_with(Code::NotSupported, fields.span("type"), message, help);
        return;
    }
    let Some(node) = lower.need(fields, "definition") else { return };
    let known = ["attributePayload", "segmentPayload", "stringBuilder", "catalogPayload"];
    let Some(fields) = lower.fields(node, "a payload's definition", &known) else { return };
    for item in payload_list(lower, fields, "attributePayload") {
        attribute(lower, item, section);
    }
    for item in payload_list(lower, fields, "stringBuilder") {
        string_builder(lower, item, section);
    }
    if let Some(node) = fields.get("segmentPayload") {
        segments(lower, node, section);
    }
    if let Some(entry) = fields.entry("catalogPayload").filter(|entry| !entry.value.is_null()) {
        if matches!(&entry.value.content, Content::List(items) if items.is_empty()) {
            payload_list(lower, fields, "catalogPayload");
        } else {
            let help = "make an attribute of the type `lookupCatalog`, and name its columns in `attributePayload`, each as \
                        `subAttributeIdentifier`";
            let message = "`catalogPayload` is not read";
            lower.note_with(Code::NotSupported, entry.key_span, message, Some(help.to_owned()));
        }
    }
}

/// A list that may be null but not empty: RT 2.0 refuses an empty one with an unclear message.
fn payload_list<'n>(lower: &mut Lower, fields: Fields<'n>, key: &str) -> &'n [Node] {
    let items = lower.items(fields, key);
    if items.is_some_and(<[Node]>::is_empty) && !lower.bodies.calls {
        let help = "use null instead".to_owned();
        lower.note_with(
            Code::EmptyList,
            fields.span(key),
            format!("`{key}` must not be an empty list"),
            Some(help),
        );
    }
    items.unwrap_or_default()
}

fn attribute(lower: &mut Lower, node: &Node, section: &mut Section) {
    let known = ["realtimeAttributeId", "subAttributeIdentifier", "outputName"];
    let Some(fields) = lower.fields(node, "an attributePayload", &known) else { return };
    let attribute = lower.attribute_id(fields, "realtimeAttributeId");
    let part = lower.text(fields, "subAttributeIdentifier");
    let name = lower.need_text(fields, "outputName");
    if let (Some(attribute), Some(name)) = (attribute, name) {
        if part.is_none() {
            let path = lower.path_of(&format!(".outputs[{}]", section.outputs.len()));
            let at = (lower.text, fields.span("realtimeAttributeId"));
            lower.bodies.wholes.push((attribute.clone(), path, at));
        }
        let source = OutputSource::Attribute { name: attribute, part };
        lower.output(&mut section.outputs, Output { name, source }, fields.span("realtimeAttributeId"));
    }
}

fn string_builder(lower: &mut Lower, node: &Node, section: &mut Section) {
    let known = ["values", "template", "expression", "outputName"];
    let Some(fields) = lower.fields(node, "a stringBuilder", &known) else { return };
    let name = lower.need_text(fields, "outputName");
    let is_written = |key: &&str| fields.entry(key).is_some_and(|entry| !entry.value.is_null());
    let written: Vec<&str> = ["template", "expression", "values"].into_iter().filter(is_written).collect();
    if let [first, second, ..] = written.as_slice()
        && let Some(entry) = fields.entry(second)
    {
        let message = format!("an output cannot have both `{first}` and `{second}`");
        lower.note(Code::WrongType, entry.key_span, message);
        return;
    }
    if let Some(first) = written.first().filter(|first| **first != "values") {
        let Some(node) = fields.get(first) else { return };
        let (source, place) = match *first {
            "template" => (lower.text_of(node, "template").map(OutputSource::Template), "outputName"),
            _ => {
                let expr = lower.expression_text(node, section.outputs.len());
                (expr.map(OutputSource::Expression), "expression")
            }
        };
        if let (Some(name), Some(source)) = (name, source) {
            lower.output(&mut section.outputs, Output { name, source }, fields.span(place));
        }
        return;
    }
    let items = lower.need(fields, "values").and_then(|node| lower.items_of(node, "values"));
    if items.is_some_and(<[Node]>::is_empty) {
        lower.note(Code::EmptyList, fields.span("values"), "`values` must not be an empty list");
    }
    let mut texts = Vec::new();
    for item in items.unwrap_or_default() {
        let Some(fields) = lower.fields(item, "a value of a stringBuilder", &["type", "value"]) else {
            continue;
        };
        if let Some(kind) = lower.text(fields, "type")
            && kind != "String"
        {
            let help = Some("values of a stringBuilder have the type `String`".to_owned());
            let message = format!("values of type `{kind}` are not supported");
            lower.note_with(Code::NotSupported, fields.span("type"), message, help);
        }
        let Some(node) = lower.need(fields, "value") else { continue };
        let Some(text) = lower.text_of(node, "value") else { continue };
        no_template(lower, &text, node);
        texts.push(text);
    }
    if let Some(name) = name {
        lower.output(
            &mut section.outputs,
            Output { name, source: OutputSource::Text(texts) },
            fields.span("outputName"),
        );
    }
}

fn segments(lower: &mut Lower, node: &Node, section: &mut Section) {
    let Some(fields) = lower.fields(node, "a segmentPayload", &["batchSegments"]) else { return };
    let items = lower.need(fields, "batchSegments").and_then(|node| lower.items_of(node, "batchSegments"));
    for item in items.unwrap_or_default() {
        let Some(fields) = lower.fields(item, "a batch segment", &["id", "name"]) else { continue };
        // A profile's record lists segment names; some audiences have ids there.
        let key = if fields.get("name").is_some() { "name" } else { "id" };
        if let Some(name) = lower.need_id(fields, key) {
            let id = if key == "name" { lower.id(fields) } else { None };
            lower.segment(&mut section.segments, Segment { name, id }, fields.span(key));
        }
    }
}
