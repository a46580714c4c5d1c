//! The dialects: one file each, recognized by the keys at the top of a document.

mod api;
mod common;
mod condition;
mod entity;
mod example;
mod filter;
mod journeys;
mod one_of;
mod operator_tree;
mod output;
mod pipeline;
mod recognize;
mod rt_config;
mod service_text;
mod service_tree;

use usher_engine::diagnostic::Code;

pub(crate) use output::split_part;
pub(crate) use recognize::{is_slip, recognize};

use crate::document::{Content, Node};
use crate::lower::Lower;
use recognize::{Dialect, misspelled, several};

/// The kind of a body, which its address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// `realtime_setting`: its keys, tables and batch attributes are added.
    Setting,
    /// A key event.
    KeyEvent,
    /// An attribute.
    Attribute,
    /// A personalization entity.
    Entity,
    /// A journey.
    Journey,
    /// An activation of a journey.
    Activation,
}

/// Lowers a body of the API whose kind its address says.
pub(crate) fn lower_body(lower: &mut Lower, body: Body, node: &Node) {
    lower.leave();
    match body {
        Body::Setting => api::lower(lower, node, Dialect::ApiSetting, None),
        Body::KeyEvent => api::lower(lower, node, Dialect::ApiKeyEvent, None),
        Body::Attribute => api::lower(lower, node, Dialect::ApiAttribute, None),
        Body::Entity => entity::lower(lower, node),
        Body::Journey => api::journey::lower(lower, node),
        Body::Activation => api::activation::lower(lower, node),
    }
    lower.leave();
    api::finish(lower);
}

/// Lowers one document.
pub(crate) fn lower(lower: &mut Lower, node: &Node) {
    lower.leave();
    let dialect = recognize(node);
    if matches!(dialect, Some(Dialect::ServiceText | Dialect::ServiceTree))
        && let Some(entry) = ["events", "id_stitching"].into_iter().find_map(|key| node.entry(key))
    {
        let message = format!("`{}` and a service are two documents", entry.key);
        let help = "separate them by a line `---`, or write them into two files";
        return lower.note_with(Code::UnknownKey, entry.key_span, message, Some(help.to_owned()));
    }
    match dialect {
        Some(Dialect::Entity) => entity::lower(lower, node),
        Some(Dialect::ApiActivation) => api::activation::lower(lower, node),
        Some(Dialect::ApiJourney) => api::journey::lower(lower, node),
        Some(Dialect::Journeys) => journeys::lower(lower, node),
        Some(Dialect::Examples) => example::lower(lower, node),
        Some(Dialect::Pipeline) => pipeline::lower(lower, node),
        Some(Dialect::RtConfig) => rt_config::lower(lower, node),
        Some(Dialect::ServiceText) => service_text::lower(lower, node),
        Some(Dialect::ServiceTree) => service_tree::lower(lower, node),
        Some(dialect @ (Dialect::ApiAttribute | Dialect::ApiKeyEvent | Dialect::ApiSetting)) => {
            api::lower(lower, node, dialect, None);
        }
        Some(Dialect::ApiResource) => api::lower_resource(lower, node),
        Some(Dialect::Several) => lower_several(lower, node),
        Some(Dialect::ApiOther(what, help)) => {
            let message = format!("API bodies of {what} are not supported");
            lower.note_with(Code::NotSupported, node.first_key(), message, Some(help.to_owned()));
        }
        None => {
            let message = "this is none of the known dialects";
            if let Some((span, near)) = misspelled(node) {
                let help = format!("did you mean `{near}`?");
                return lower.note_with(Code::UnknownDialect, span, message, Some(help));
            }
            let help = "a definition has one of these at its top: events, attributes and id_stitching; service_name and \
                        sections; personalization_service; journeys; attributes with audienceId; or it is another body of the API";
            lower.note_with(Code::UnknownDialect, node.first_key(), message, Some(help.to_owned()));
        }
    }
    lower.leave();
}

/// Collects the names that other documents may use for a document, before any is lowered.
pub(crate) fn declare(lower: &mut Lower, node: &Node) {
    api::declare(lower, node);
}

/// Resolves references that need all documents.
pub(crate) fn finish(lower: &mut Lower) {
    api::finish(lower);
    pipeline::finish(lower);
    example::finish(lower);
}

/// Lowers a document that contains several.
fn lower_several(lower: &mut Lower, node: &Node) {
    if let Content::Map(_) = node.content {
        let known = ["data", "pagination", "links", "meta", "included"];
        lower.fields(node, "an answer of the API", &known);
    }
    for inner in several(node).unwrap_or_default() {
        self::lower(lower, inner);
    }
}
