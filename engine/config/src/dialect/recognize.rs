//! Recognizes the dialect of a document by the keys at its top.

use super::api::attribute::TYPES;
use super::api::spelling::has as has_key;
use crate::document::{Content, Node, Span};
use crate::suggest::nearest;

/// The dialect of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    ApiActivation,
    ApiAttribute,
    ApiJourney,
    ApiKeyEvent,
    /// A body of the API that Usher does not support: its description, and what to do instead.
    ApiOther(&'static str, &'static str),
    /// A body as the `attributes` of a resource.
    ApiResource,
    ApiSetting,
    Entity,
    /// Examples alone.
    Examples,
    Journeys,
    Pipeline,
    RtConfig,
    ServiceText,
    ServiceTree,
    /// A list of documents, or an answer of the API that holds some.
    Several,
}

/// The dialect whose keys a document has.
pub(crate) fn recognize(node: &Node) -> Option<Dialect> {
    let has = |key: &str| node.entry(key).is_some();
    let any = |keys: &[&str]| keys.iter().any(|key| has_key(node, key));
    if has("personalization_service") {
        return Some(Dialect::ServiceText);
    }
    if has("service_name") || has("sections") {
        return Some(Dialect::ServiceTree);
    }
    if let Some(attributes) = node.get("attributes").filter(|node| matches!(node.content, Content::Map(_))) {
        return Some(if has_key(attributes, "realtimeJourneyStages") {
            Dialect::ApiJourney
        } else if has_key(attributes, "connectorType") {
            Dialect::ApiActivation
        } else if resource(node).is_some() {
            Dialect::ApiResource
        } else {
            Dialect::Entity
        });
    }
    if ["journeys", "activations"].into_iter().any(has) {
        return Some(Dialect::Journeys);
    }
    if ["events", "attributes", "id_stitching", "tables"].into_iter().any(has) {
        return Some(Dialect::RtConfig);
    }
    if any(&["keyColumns", "eventTables", "batchAttributes", "extLookupKey", "eventIdColumn"]) {
        return Some(Dialect::ApiSetting);
    }
    if any(&["realtimeKeyEventId", "realtimeAttributeKind"]) || is_attribute(node) {
        return Some(Dialect::ApiAttribute);
    }
    if any(&["databaseName", "tableName", "filterRule", "eventName"]) {
        return Some(Dialect::ApiKeyEvent);
    }
    if has("tokens") && has("name") {
        return Some(Dialect::ApiOther("personalization services", "tokens are made by `usher keys new`"));
    }
    let selects = |node: &Node| node.as_text().is_some_and(|text| text.trim_start().starts_with("SELECT"));
    if node.get("query").is_some_and(|query| has("name") || has("output") || selects(query)) {
        return Some(Dialect::Pipeline);
    }
    if has("examples") {
        return Some(Dialect::Examples);
    }
    let several = several(node).unwrap_or_default();
    several.iter().any(|inner| recognize(inner).is_some()).then_some(Dialect::Several)
}

/// The keys that identify dialects, beside those of an audience.
const MARKS: [&str; 19] = [
    "events",
    "attributes",
    "id_stitching",
    "tables",
    "service_name",
    "sections",
    "personalization_service",
    "examples",
    "journeys",
    "activations",
    "keyColumns",
    "eventTables",
    "batchAttributes",
    "extLookupKey",
    "realtimeKeyEventId",
    "realtimeAttributeKind",
    "databaseName",
    "tableName",
    "filterRule",
];

/// The key of an unrecognized document that is closest to an identifying key, and that key.
pub(super) fn misspelled(node: &Node) -> Option<(Span, &'static str)> {
    let Content::Map(entries) = &node.content else { return None };
    entries.iter().take(MARKS.len()).find_map(|entry| Some((entry.key_span, nearest(&entry.key, MARKS)?)))
}

/// True if an unrecognized document is probably a definition: it names an audience and misspells an identifying key.
pub(crate) fn is_slip(node: &Node) -> bool {
    ["parent_segment_id", "audienceId"].iter().any(|key| node.entry(key).is_some())
        && misspelled(node).is_some()
}

/// The documents in a container: a list, or an answer with `data`.
pub(super) fn several(node: &Node) -> Option<&[Node]> {
    let inner = match &node.content {
        Content::List(_) => node,
        _ => node.get("data")?,
    };
    match &inner.content {
        Content::List(items) => Some(items),
        Content::Map(_) => Some(std::slice::from_ref(inner)),
        Content::Scalar(_) => None,
    }
}

/// The body of a resource: `{id, type, attributes}`, as the API answers under `/entities`.
pub(super) fn resource(node: &Node) -> Option<&Node> {
    node.get("attributes").filter(|inner| {
        matches!(inner.content, Content::Map(_))
            && matches!(
                recognize(inner),
                Some(Dialect::ApiAttribute | Dialect::ApiKeyEvent | Dialect::ApiSetting)
            )
    })
}

/// True if a document has the type of an attribute.
fn is_attribute(node: &Node) -> bool {
    let text = node.get("type").and_then(Node::as_text);
    text.is_some_and(|text| TYPES.iter().any(|(name, _)| *name == text)) && has_key(node, "name")
}
