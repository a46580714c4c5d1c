//! The dialects: one file each, told apart by the keys at the top of a document.

mod common;
mod condition;
mod entity;
mod pipeline;
mod rt_config;
mod service_text;
mod service_tree;

use usher_engine::diagnostic::Code;

use crate::document::{Content, Node, Span};
use crate::lower::Lower;

/// Lowers one document.
pub(crate) fn lower(lower: &mut Lower, node: &Node) {
    lower.leave();
    match recognize(node) {
        Some(Dialect::Entity) => entity::lower(lower, node),
        Some(Dialect::Pipeline) => pipeline::lower(lower, node),
        Some(Dialect::RtConfig) => rt_config::lower(lower, node),
        Some(Dialect::ServiceText) => service_text::lower(lower, node),
        Some(Dialect::ServiceTree) => service_tree::lower(lower, node),
        Some(Dialect::ApiBody(what)) => {
            let message = format!("API bodies of {what} are not supported yet");
            let help = "write events, attributes and id_stitching in an rt_config YAML".to_owned();
            lower.note_with(Code::NotSupported, first_key(node), message, Some(help));
        }
        None => {
            let help = "a definition has one of these at its top: events, attributes and id_stitching; service_name and \
                        sections; personalization_service; attributes with audienceId";
            let message = "this is none of the known dialects";
            lower.note_with(Code::UnknownDialect, first_key(node), message, Some(help.to_owned()));
        }
    }
    lower.leave();
}

/// How a document is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Another body of the control API, in words.
    ApiBody(&'static str),
    Entity,
    Pipeline,
    RtConfig,
    ServiceText,
    ServiceTree,
}

/// The dialect whose marks a document carries.
pub(crate) fn recognize(node: &Node) -> Option<Dialect> {
    let has = |key: &str| node.entry(key).is_some();
    let any = |keys: &[&str]| keys.iter().any(|key| has(key));
    if has("personalization_service") {
        return Some(Dialect::ServiceText);
    }
    if any(&["service_name", "sections"]) {
        return Some(Dialect::ServiceTree);
    }
    if node.get("attributes").is_some_and(|attributes| matches!(attributes.content, Content::Map(_))) {
        return Some(Dialect::Entity);
    }
    if any(&["keyColumns", "eventTables", "batchAttributes", "extLookupKey"]) {
        return Some(Dialect::ApiBody("realtime_setting"));
    }
    if any(&["databaseName", "tableName"]) {
        return Some(Dialect::ApiBody("key events"));
    }
    if any(&["realtimeKeyEventId", "realtimeAttributeKind"]) {
        return Some(Dialect::ApiBody("attributes"));
    }
    if any(&["events", "attributes", "id_stitching"]) {
        return Some(Dialect::RtConfig);
    }
    if has("query") && any(&["name", "output"]) {
        return Some(Dialect::Pipeline);
    }
    None
}

/// What a finding about a whole document points at.
fn first_key(node: &Node) -> Span {
    match &node.content {
        Content::Map(entries) => entries.first().map_or(node.span, |entry| entry.key_span),
        _ => node.span,
    }
}
