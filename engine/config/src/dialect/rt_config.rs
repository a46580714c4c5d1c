//! `rt_config` YAML: events, tables, attributes, id_stitching.

mod attribute;
mod identity;
mod list;
mod table;

use usher_engine::definition::{EventTable, KeyEvent};
use usher_engine::diagnostic::Code;

use super::common::{self, columns};
use super::example::examples;
use super::filter::filter;
use crate::document::Node;
use crate::lower::{Fields, Lower};
pub(super) use attribute::attribute;
pub(super) use identity::{identity, placeholder_list, stitch_key};
pub(super) use table::{catalog_columns, rows_max};

pub(super) fn lower(lower: &mut Lower, node: &Node) {
    let known = [
        "parent_segment_id",
        "parent_segment_name",
        "event_tables",
        "events",
        "attributes",
        "id_stitching",
        "event_id_column",
        "discover",
        "tables",
        "examples",
    ];
    let Some(root) = lower.fields(node, "an rt_config", &known) else { return };
    lower.audience(root, "parent_segment_id", "parent_segment_name");
    for item in lower.items(root, "event_tables").unwrap_or_default() {
        event_table(lower, item);
    }
    for item in lower.items(root, "events").unwrap_or_default() {
        event(lower, item);
    }
    for item in lower.items(root, "tables").unwrap_or_default() {
        table::table(lower, item);
    }
    for item in lower.items(root, "attributes").unwrap_or_default() {
        attribute(lower, item);
    }
    if let Some(node) = root.get("id_stitching") {
        identity(lower, node, "id_stitching");
    }
    event_id_column(lower, root, "event_id_column");
    discover(lower, root);
    examples(lower, root, None);
}

/// The column of an event's id; bodies of the API have it, too.
pub(super) fn event_id_column(lower: &mut Lower, fields: Fields<'_>, key: &str) {
    lower.leave();
    let Some(node) = fields.get(key) else { return };
    if lower.definition.event_id_column.is_some() {
        let message = format!("`{key}` is written twice; an audience has one");
        lower.note(Code::DuplicateName, node.span, message);
        return;
    }
    lower.places.insert("event_id_column".to_owned(), (lower.text, node.span));
    lower.definition.event_id_column = lower.name_of(node, key);
}

/// `discover: on`; bodies of the API have it, too.
pub(super) fn discover(lower: &mut Lower, fields: Fields<'_>) {
    let Some(node) = fields.get("discover") else { return };
    lower.places.insert("discover".to_owned(), (lower.text, node.span));
    lower.definition.discover = match node.as_text() {
        Some("on" | "true") => true,
        Some("off" | "false") => false,
        _ => return lower.wrong(node, "`discover`", "`on` or `off`"),
    };
}

fn event(lower: &mut Lower, node: &Node) {
    lower.enter(format!("key_events[{}]", lower.definition.key_events.len()), node.span);
    let known = ["name", "database", "table", "filter", "columns", "description"];
    let Some(fields) = lower.fields(node, "an event", &known) else { return lower.incomplete = true };
    let name = lower.need_text(fields, "name");
    lower.incomplete |= name.is_none();
    lower.mark_key(".name", fields, "name");
    lower.mark_key(".table", fields, "table");
    let [database, table] = common::event_table(lower, fields, ["database", "table"]);
    let (database, table) = (database.unwrap_or_default(), table.unwrap_or_default());
    let filter = filter(lower, fields, "filter", ".filter");
    let columns = columns(lower, fields);
    let description = lower.text(fields, "description");
    // Kept even when a part is wrong, so that references to it are not errors, too.
    if let Some(name) = name {
        lower.definition.key_events.push(KeyEvent {
            name,
            table: EventTable { database, table },
            filter,
            columns,
            description,
        });
    }
}

/// An event table without a key event.
pub(super) fn event_table(lower: &mut Lower, node: &Node) {
    lower.enter(format!("tables[{}]", lower.definition.tables.len()), node.span);
    let Some(fields) = lower.fields(node, "an event table", &["database", "table"]) else { return };
    let [Some(database), Some(table)] = common::event_table(lower, fields, ["database", "table"]) else {
        return;
    };
    let table = EventTable { database, table };
    if lower.definition.tables.contains(&table) {
        let message = format!("the event table `{}.{}` is written twice", table.database, table.table);
        lower.note(Code::DuplicateName, node.span, message);
        return;
    }
    lower.definition.tables.push(table);
}
