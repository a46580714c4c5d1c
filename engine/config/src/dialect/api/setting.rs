//! `realtime_setting`: event tables, keys, imported batch columns. Each body may hold some of it, as a PATCH does.
//!
//! The API has no term for the primary key. RT 2.0's lookup key is the parent segment's primary key, so `extLookupKey`
//! is the primary key, unless `primaryKey`, a key of Usher's own, names another.

use usher_engine::diagnostic::Code;

use super::super::rt_config;
use super::body::READ_BACK;
use super::spelling::snake_keys;
use crate::document::{Content, Node};
use crate::lower::{Fields, Lower};

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    let known = [
        "audienceId",
        "eventTables",
        "keyColumns",
        "extLookupKey",
        "primaryKey",
        "batchAttributes",
        "placeholderList",
        "eventIdColumn",
        "discover",
    ];
    let unused = ["id", "status", "statusDetailed"].into_iter().chain(READ_BACK).collect::<Vec<_>>();
    let Some(fields) = lower.fields_and(node, "a realtime_setting", &known, &unused) else { return };
    lower.body_audience(fields);
    lower.bodies.setting = true;
    for item in lower.items(fields, "eventTables").unwrap_or_default() {
        rt_config::event_table(lower, item);
    }
    if let Some(node) = fields.get("keyColumns") {
        keys(lower, node);
    }
    for (key, part) in [("extLookupKey", "identity.lookup_key"), ("primaryKey", "identity.primary_key")] {
        lower.leave();
        if fields.get(key).is_none() || again(lower, fields, key, part) {
            continue;
        }
        let value = lower.need_id(fields, key);
        lower.places.insert(part.to_owned(), (lower.text, fields.span(key)));
        match key {
            "extLookupKey" => lower.definition.identity.lookup_key = value,
            _ => lower.definition.identity.primary_key = value,
        }
    }
    lower.leave();
    if ["keyColumns", "extLookupKey", "primaryKey", "placeholderList"]
        .iter()
        .any(|key| fields.get(key).is_some())
    {
        if fields.get("placeholderList").is_some() {
            again(lower, fields, "placeholderList", "identity.placeholder_list");
        }
        rt_config::placeholder_list(lower, fields, "placeholderList");
    }
    rt_config::event_id_column(lower, fields, "eventIdColumn");
    rt_config::discover(lower, fields);
    for item in lower.items(fields, "batchAttributes").unwrap_or_default() {
        column(lower, item);
    }
}

/// True if a part of the identity was set before; bodies of a setting add up, and none replaces a part of another.
fn again(lower: &mut Lower, fields: Fields<'_>, key: &str, part: &str) -> bool {
    let known = lower.places.contains_key(part);
    if known {
        lower.note(
            Code::DuplicateName,
            fields.span(key),
            format!("`{key}` is written twice; an audience has one"),
        );
    }
    known
}

fn keys(lower: &mut Lower, node: &Node) {
    // Some documents have a mapping here that is `id_stitching` under another name.
    if let Content::Map(_) = node.content {
        return rt_config::identity(lower, &snake_keys(node), "keyColumns");
    }
    if lower.places.contains_key("identity.keys") {
        lower.leave();
        lower.note(Code::DuplicateName, node.span, "`keyColumns` is written twice; an audience has one");
        return;
    }
    lower.enter("identity", node.span);
    lower.mark(".keys", node.span);
    for item in lower.items_of(node, "keyColumns").unwrap_or_default() {
        rt_config::stitch_key(lower, item);
    }
}

fn column(lower: &mut Lower, node: &Node) {
    let Some(fields) = lower.fields(node, "a batch attribute", &["column", "name"]) else { return };
    let Some(column) = lower.need_text(fields, "column") else { return };
    let name = match fields.get("name") {
        Some(node) => lower.name_of(node, "name"),
        None => Some(column.clone()),
    };
    let Some(name) = name else { return };
    if lower.bodies.columns.iter().any(|(known, ..)| *known == name) {
        lower.note(Code::DuplicateName, node.span, format!("the batch attribute `{name}` is written twice"));
        return;
    }
    lower.bodies.columns.push((name, column, (lower.text, node.span)));
}
