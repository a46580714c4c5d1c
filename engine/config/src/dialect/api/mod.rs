//! Bodies of the control API: `realtime_setting`, key events and attributes, alone, in lists, or as the API answers
//! them.
//!
//! They refer to each other by ids, in any order and across files: [`declare`] collects the ids first, [`finish`]
//! resolves what needs all of them. Keys may also be in snake case.

pub(super) mod activation;
pub(super) mod attribute;
mod body;
pub(super) mod journey;
mod key_event;
mod setting;
pub(super) mod spelling;

use std::collections::BTreeMap;

use usher_engine::definition::{Attribute, AttributeKind};
use usher_engine::diagnostic::{Code, Diagnostic};

use super::condition::any_of_lists;
use super::recognize::{Dialect, recognize, resource, several};
use super::rt_config;
use crate::document::{Content, Node};
use crate::lower::{At, Bodies, Lower};
use spelling::spelled;

/// Collects the ids and names of a document's bodies.
pub(super) fn declare(lower: &mut Lower, node: &Node) {
    match recognize(node) {
        Some(Dialect::Several) => {
            several(node).unwrap_or_default().iter().for_each(|inner| declare(lower, inner));
        }
        Some(Dialect::ApiResource) => {
            if let Some(inner) = resource(node) {
                declare_body(&mut lower.bodies, inner, id_of(node).or_else(|| id_of(inner)));
            }
        }
        Some(_) => declare_body(&mut lower.bodies, node, id_of(node)),
        None => {}
    }
}

fn declare_body(bodies: &mut Bodies, node: &Node, id: Option<String>) {
    let text = |keys: &[&str]| keys.iter().find_map(|key| node.get(key)?.as_text()).map(str::to_owned);
    let name = text(&["name", "eventName", "event_name"]);
    let (names, own) = match recognize(node) {
        Some(Dialect::ApiKeyEvent) => (&mut bodies.key_events, name.clone()),
        Some(Dialect::ApiAttribute) => {
            (&mut bodies.attributes, text(&["identifier"]).or_else(|| name.clone()))
        }
        _ => return,
    };
    let Some(own) = own else { return };
    // Ids and identifiers take precedence over display names.
    for sure in id.into_iter().chain([own.clone()]) {
        names.insert(sure, own.clone());
    }
    if let Some(name) = name {
        names.entry(name).or_insert(own);
    }
}

fn id_of(node: &Node) -> Option<String> {
    match &node.get("id")?.content {
        Content::Scalar(scalar) if !scalar.text.is_empty() => Some(scalar.text.clone()),
        _ => None,
    }
}

/// Lowers a body; `id` is that of the resource around it.
pub(super) fn lower(lower: &mut Lower, node: &Node, dialect: Dialect, id: Option<String>) {
    // Some documents have attributes with the keys of `rt_config`, which are in snake case.
    if dialect == Dialect::ApiAttribute && node.entry("source_event").is_some() {
        return rt_config::attribute(lower, node);
    }
    let node = &spelled(lower, node);
    let id = id.or_else(|| id_of(node));
    match dialect {
        Dialect::ApiAttribute => attribute::lower(lower, node, id),
        Dialect::ApiKeyEvent => key_event::lower(lower, node, id),
        _ => setting::lower(lower, node),
    }
}

/// Lowers a resource, whose body is its `attributes`.
pub(super) fn lower_resource(lower: &mut Lower, node: &Node) {
    lower.fields(node, "a resource", &["id", "type", "attributes", "relationships", "links", "meta"]);
    if let Some(inner) = resource(node)
        && let Some(dialect) = recognize(inner)
    {
        self::lower(lower, inner, dialect, id_of(node));
    }
}

/// Resolves references that need all texts.
pub(super) fn finish(lower: &mut Lower) {
    let bodies = std::mem::take(&mut lower.bodies);
    let definition = &mut lower.definition;
    for (name, column, at) in bodies.columns {
        // An attribute body takes precedence over the setting's list.
        let known = definition.attributes.iter().any(|attribute| {
            attribute.name == name
                || matches!(&attribute.kind, AttributeKind::Batch { column: other, .. } if *other == column)
        });
        if !known {
            lower.places.insert(format!("attributes[{}]", definition.attributes.len()), at);
            let kind = AttributeKind::Batch { column, data_type: None };
            definition.attributes.push(Attribute { name, kind, sensitive: true, description: None });
        }
    }
    let columns: BTreeMap<String, String> = definition
        .attributes
        .iter()
        .filter_map(|attribute| match &attribute.kind {
            AttributeKind::Batch { column, .. } => Some((column.clone(), attribute.name.clone())),
            _ => None,
        })
        .collect();
    let names: Vec<String> = definition.attributes.iter().map(|attribute| attribute.name.clone()).collect();
    for index in bodies.own.iter().copied() {
        let Some(attribute) = definition.attributes.get_mut(index) else { continue };
        let (AttributeKind::Single { backfill: Some(backfill), .. }
        | AttributeKind::Counter { backfill: Some(backfill), .. }) = &mut attribute.kind
        else {
            continue;
        };
        // The API names batch columns where the definition names the attributes that read them.
        for name in [Some(&mut backfill.attribute), backfill.time_attribute.as_mut()].into_iter().flatten() {
            if !names.contains(name)
                && let Some(own) = bodies.attributes.get(name).or_else(|| columns.get(name))
            {
                *name = own.clone();
            }
        }
    }
    for (name, path, at) in bodies.wholes {
        whole(lower, &bodies.own, &name, &path, at);
    }
    any_of_lists(&mut lower.definition, &bodies.criteria);
    // RT 2.0 looks profiles up by the parent segment's primary key.
    let identity = &mut lower.definition.identity;
    if bodies.setting && identity.primary_key.is_none() {
        identity.primary_key = identity.lookup_key.clone();
    }
    if let Some((text, span)) = bodies.first.filter(|_| lower.audience.is_none()) {
        lower.leave();
        lower.text = text;
        let help = "write `audienceId` in one of the bodies; the API has it in its addresses".to_owned();
        lower.note_with(
            Code::MissingKey,
            span,
            "missing `audienceId`: whose definitions are these?",
            Some(help),
        );
    }
}

/// A payload of the API shows a list of the API (`own`) by one of its parts. A list of YAML is addressed by its name if
/// it has one aggregation; if it has several, the engine reports the ambiguity.
fn whole(lower: &mut Lower, own: &[usize], name: &str, path: &str, at: At) {
    let definition = &lower.definition;
    let Some(index) = definition.attributes.iter().position(|attribute| attribute.name == name) else {
        return;
    };
    let Some(AttributeKind::List { column, parts, .. }) = definition.attributes.get(index).map(|a| &a.kind)
    else {
        return;
    };
    let several = column.is_some() && !parts.is_empty();
    // The unreadable entries may be its parts.
    if several || !own.contains(&index) || lower.broken.contains(&format!("attributes[{index}]")) {
        return;
    }
    let part = parts.first().map_or("items", |part| part.name.as_str());
    let help = format!("write `\"subAttributeIdentifier\": \"{part}\"` beside it");
    let message = format!("missing `subAttributeIdentifier`: a payload shows one part of the list `{name}`");
    lower.push(Diagnostic::new(Code::MissingKey, message).at(path).help(help), Some(at));
}
