//! Bodies of the control API: `realtime_setting`, key events and attributes, alone, in lists, or as the API answers them.
//!
//! They name each other by ids, in any order and over several files: [`declare`] walks all of them first, [`finish`]
//! settles what only the whole can tell. Keys may be written in snake case, too.

mod attribute;
mod key_event;
mod setting;
mod spelling;

use std::collections::BTreeMap;

use usher_engine::definition::{Attribute, AttributeKind};
use usher_engine::diagnostic::{Code, Diagnostic};

use super::{Dialect, first_key, recognize, rt_config};
use crate::document::{Content, Node};
use crate::lower::{At, Fields, Lower};
pub(super) use attribute::{AGGREGATIONS, REMOVALS, one_of};
pub(super) use spelling::{has, spelled};

/// What bodies say of each other.
#[derive(Default)]
pub(crate) struct Bodies {
    /// The names of key events by everything that another body may call them.
    key_events: BTreeMap<String, String>,
    /// The identifiers of attributes, likewise.
    attributes: BTreeMap<String, String>,
    /// Which attributes are bodies, and may name batch columns where others name attributes.
    own: Vec<usize>,
    /// Batch columns that a setting imports: the attribute's name, the column, where that stands.
    columns: Vec<(String, String, At)>,
    /// Attributes that a payload names without a part: the name, the output's path, where that stands.
    pub(super) wholes: Vec<(String, String, At)>,
    /// The first body that says nothing of its audience, because its address does.
    first: Option<At>,
    /// Whether the lookup key tells people apart, for want of a word.
    setting: bool,
}

/// What an answer of the API carries beyond what was sent to it.
const READ_BACK: [&str; 5] = ["createdAt", "updatedAt", "createdBy", "updatedBy", "notation"];

/// What holds several documents: a list, or an answer with `data`.
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

/// Whether a document has the type of an attribute.
pub(super) fn is_attribute(node: &Node) -> bool {
    let text = node.get("type").and_then(Node::as_text);
    text.is_some_and(|text| attribute::TYPES.iter().any(|(name, _)| *name == text)) && has(node, "name")
}

/// Remembers by which ids and names a document's bodies may be called.
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
    // Ids and identifiers are meant first, then names for people.
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

/// Lowers a document that holds several.
pub(super) fn lower_several(lower: &mut Lower, node: &Node) {
    if let Content::Map(_) = node.content {
        let known = ["data", "pagination", "links", "meta", "included"];
        lower.fields(node, "an answer of the API", &known);
    }
    for inner in several(node).unwrap_or_default() {
        super::lower(lower, inner);
    }
}

/// Lowers a body; `id` is that of the resource around it.
pub(super) fn lower(lower: &mut Lower, node: &Node, dialect: Dialect, id: Option<String>) {
    // Some documents send attributes in the words of `rt_config`, which are in snake case.
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

/// Settles what only all texts together tell.
pub(super) fn finish(lower: &mut Lower) {
    let bodies = std::mem::take(&mut lower.bodies);
    let definition = &mut lower.definition;
    for (name, column, at) in bodies.columns {
        // An attribute of its own says more than the setting's list.
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
    for index in bodies.own {
        let Some(attribute) = definition.attributes.get_mut(index) else { continue };
        let (AttributeKind::Single { backfill: Some(backfill), .. }
        | AttributeKind::Counter { backfill: Some(backfill), .. }) = &mut attribute.kind
        else {
            continue;
        };
        // The API says batch columns where the definition says the attributes that read them.
        for name in [Some(&mut backfill.attribute), backfill.time_attribute.as_mut()].into_iter().flatten() {
            if !names.contains(name)
                && let Some(own) = bodies.attributes.get(name).or_else(|| columns.get(name))
            {
                *name = own.clone();
            }
        }
    }
    for (name, path, at) in bodies.wholes {
        whole(lower, &name, &path, at);
    }
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

/// A payload of the API shows a list by one of its parts, in whatever dialect the list is written; a list that has several is
/// refused by the engine.
fn whole(lower: &mut Lower, name: &str, path: &str, at: At) {
    let definition = &lower.definition;
    let Some(index) = definition.attributes.iter().position(|attribute| attribute.name == name) else {
        return;
    };
    let Some(AttributeKind::List { column, parts, .. }) = definition.attributes.get(index).map(|a| &a.kind)
    else {
        return;
    };
    let several = column.is_some() && !parts.is_empty();
    // What could not be read may have been its parts.
    if several || lower.broken.contains(&format!("attributes[{index}]")) {
        return;
    }
    let part = parts.first().map_or("items", |part| part.name.as_str());
    let help = format!("write `\"subAttributeIdentifier\": \"{part}\"` beside it");
    let message = format!("missing `subAttributeIdentifier`: a payload shows one part of the list `{name}`");
    lower.push(Diagnostic::new(Code::MissingKey, message).at(path).help(help), Some(at));
}

impl Lower {
    /// The audience, which a body may say.
    fn body_audience(&mut self, fields: Fields<'_>) {
        if fields.get("audienceId").is_some() {
            self.audience(fields, "audienceId", "audienceName");
        } else if self.bodies.first.is_none() {
            self.bodies.first = Some((self.text, first_key(fields.node)));
        }
    }

    /// The name of the key event that a body calls by its id or name.
    pub(super) fn key_event_id(&mut self, fields: Fields<'_>, key: &str) -> Option<String> {
        let id = self.need_id(fields, key)?;
        Some(self.bodies.key_events.get(&id).cloned().unwrap_or(id))
    }

    /// The name of the attribute that a body calls by its id, identifier or name.
    pub(super) fn attribute_id(&mut self, fields: Fields<'_>, key: &str) -> Option<String> {
        let id = self.need_id(fields, key)?;
        Some(self.bodies.attributes.get(&id).cloned().unwrap_or(id))
    }
}

/// Notes an id or a name that another body has, too: whoever calls it would get one of them by chance.
fn unique(lower: &mut Lower, fields: Fields<'_>, own: &str, called: [Option<&str>; 2], what: &str) {
    for name in called.into_iter().flatten() {
        let names = if what == "attribute" { &lower.bodies.attributes } else { &lower.bodies.key_events };
        if let Some(other) = names.get(name).filter(|other| *other != own) {
            let message = format!("the {what} `{other}` is called `{name}`, too");
            lower.note(Code::DuplicateName, fields.span("name"), message);
        }
    }
}
