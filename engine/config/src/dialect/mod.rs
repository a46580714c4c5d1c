//! The dialects: one file each, told apart by the keys at the top of a document.

mod api;
mod common;
mod condition;
mod entity;
mod example;
mod filter;
mod operator_tree;
mod output;
mod pipeline;
mod rt_config;
mod service_text;
mod service_tree;

use usher_engine::diagnostic::Code;

pub(crate) use api::Bodies;
pub(crate) use output::split_part;

use crate::document::{Content, Node, Span};
use crate::lower::Lower;
use crate::suggest::nearest;

/// Lowers one document.
pub(crate) fn lower(lower: &mut Lower, node: &Node) {
    lower.leave();
    match recognize(node) {
        Some(Dialect::Entity) => entity::lower(lower, node),
        Some(Dialect::Examples) => example::lower(lower, node),
        Some(Dialect::Pipeline) => pipeline::lower(lower, node),
        Some(Dialect::RtConfig) => rt_config::lower(lower, node),
        Some(Dialect::ServiceText) => service_text::lower(lower, node),
        Some(Dialect::ServiceTree) => service_tree::lower(lower, node),
        Some(dialect @ (Dialect::ApiAttribute | Dialect::ApiKeyEvent | Dialect::ApiSetting)) => {
            api::lower(lower, node, dialect, None);
        }
        Some(Dialect::ApiResource) => api::lower_resource(lower, node),
        Some(Dialect::Several) => api::lower_several(lower, node),
        Some(Dialect::ApiOther(what, help)) => {
            let message = format!("API bodies of {what} are not supported");
            lower.note_with(Code::NotSupported, first_key(node), message, Some(help.to_owned()));
        }
        None => {
            let message = "this is none of the known dialects";
            if let Some((span, near)) = misspelled(node) {
                let help = format!("did you mean `{near}`?");
                return lower.note_with(Code::UnknownDialect, span, message, Some(help));
            }
            let help = "a definition has one of these at its top: events, attributes and id_stitching; service_name and \
                        sections; personalization_service; attributes with audienceId; or it is another body of the API";
            lower.note_with(Code::UnknownDialect, first_key(node), message, Some(help.to_owned()));
        }
    }
    lower.leave();
}

/// Remembers how a document may be called by others that are read before it.
pub(crate) fn declare(lower: &mut Lower, node: &Node) {
    api::declare(lower, node);
}

/// Settles what only all documents together tell.
pub(crate) fn finish(lower: &mut Lower) {
    api::finish(lower);
    example::finish(lower);
}

/// How a document is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    ApiAttribute,
    ApiKeyEvent,
    /// A body that the API has and Usher does not: in words, and what to do instead.
    ApiOther(&'static str, &'static str),
    /// A body as the `attributes` of a resource.
    ApiResource,
    ApiSetting,
    Entity,
    /// Examples alone.
    Examples,
    Pipeline,
    RtConfig,
    ServiceText,
    ServiceTree,
    /// A list of documents, or an answer of the API that holds some.
    Several,
}

/// The dialect whose marks a document carries.
pub(crate) fn recognize(node: &Node) -> Option<Dialect> {
    let has = |key: &str| node.entry(key).is_some();
    let any = |keys: &[&str]| keys.iter().any(|key| api::has(node, key));
    if has("personalization_service") {
        return Some(Dialect::ServiceText);
    }
    if has("service_name") || has("sections") {
        return Some(Dialect::ServiceTree);
    }
    if let Some(attributes) = node.get("attributes").filter(|node| matches!(node.content, Content::Map(_))) {
        return Some(if api::has(attributes, "realtimeJourneyStages") {
            Dialect::ApiOther("journeys", "leave them out for now")
        } else if api::has(attributes, "connectorType") {
            Dialect::ApiOther("activations", "leave them out for now")
        } else if api::resource(node).is_some() {
            Dialect::ApiResource
        } else {
            Dialect::Entity
        });
    }
    if ["events", "attributes", "id_stitching"].into_iter().any(has) {
        return Some(Dialect::RtConfig);
    }
    if any(&["keyColumns", "eventTables", "batchAttributes", "extLookupKey"]) {
        return Some(Dialect::ApiSetting);
    }
    if any(&["realtimeKeyEventId", "realtimeAttributeKind"]) || api::is_attribute(node) {
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
    let several = api::several(node).unwrap_or_default();
    several.iter().any(|inner| recognize(inner).is_some()).then_some(Dialect::Several)
}

/// The keys that tell dialects apart, beside those of an audience.
const MARKS: [&str; 16] = [
    "events",
    "attributes",
    "id_stitching",
    "service_name",
    "sections",
    "personalization_service",
    "examples",
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

/// The key of a document of no dialect that is nearest to the mark of one, and that mark.
fn misspelled(node: &Node) -> Option<(Span, &'static str)> {
    let Content::Map(entries) = &node.content else { return None };
    entries.iter().take(MARKS.len()).find_map(|entry| Some((entry.key_span, nearest(&entry.key, MARKS)?)))
}

/// Whether a document of no dialect is meant to be one: it says whose it is, and misspells the mark of a dialect.
pub(crate) fn is_slip(node: &Node) -> bool {
    ["parent_segment_id", "audienceId"].iter().any(|key| node.entry(key).is_some())
        && misspelled(node).is_some()
}

/// What a finding about a whole document points at.
fn first_key(node: &Node) -> Span {
    match &node.content {
        Content::Map(entries) => entries.first().map_or(node.span, |entry| entry.key_span),
        _ => node.span,
    }
}
