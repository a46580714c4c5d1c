//! The JSON shapes that RT 2.0's command line prints, and the same for people.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use usher_engine::Plan;
use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, CatalogColumn, Choice, Definition, EventTable, ListAggregation,
};
use usher_engine::value::DataType;

use super::segment::Segment;
use crate::terminal::clean;

pub(super) const RT_COLUMNS: [&str; 5] = ["id", "name", "status", "event_tables", "key_events"];
pub(super) const FIELD_COLUMNS: [&str; 5] = ["name", "layer", "kind", "type", "description"];
pub(super) const SERVICE_COLUMNS: [&str; 5] = ["id", "name", "trigger_event", "sections", "status"];

/// `ps list`
pub(super) fn listed(segment: &Segment) -> Value {
    let audience = &segment.definition.audience;
    json!({"id": audience.id, "name": audience.name})
}

/// `ps rt list`
pub(super) fn rt(segment: &Segment) -> Value {
    let audience = &segment.definition.audience;
    json!({
        "id": audience.id,
        "name": audience.name,
        "status": segment.status,
        "event_tables": event_tables(segment),
        "key_events": key_events(segment),
        "key_columns": names(segment),
    })
}

/// `ps view`
pub(super) fn view(segment: &Segment) -> Value {
    let definition = &segment.definition;
    let types = Types::of(definition);
    let batch = definition.attributes.iter().filter(|attribute| is_batch(attribute));
    let batch: Vec<Value> = batch
        .map(|attribute| {
            let data_type = types.of_attribute(attribute);
            json!({"name": attribute.name, "type": data_type, "description": attribute.description})
        })
        .collect();
    let keys: Vec<Value> = definition
        .identity
        .keys
        .iter()
        .map(|key| {
            json!({
                "name": key.name,
                "validRegexp": key.valid_regexp,
                "invalidTexts": key.invalid_texts,
                "internal": key.workflow_only,
            })
        })
        .collect();
    let identity = &definition.identity;
    let exists = !segment.is_empty();
    let mut view = json!({
        "parent_segment_id": definition.audience.id,
        "parent_segment_name": definition.audience.name,
        "realtime_enabled": true,
        "realtime_config_exists": exists,
        "status": "enabled",
        "attributes": batch,
        "realtime_config": {
            "id": definition.audience.id,
            "status": segment.status,
            "eventTables": event_tables(segment),
            "keyColumns": keys,
            "extLookupKey": identity.lookup_key.as_ref().or(identity.primary_key.as_ref()),
            "events": key_events(segment),
            "key_columns": names(segment),
        },
    });
    if !exists {
        view["realtime_config"] = Value::Null;
    }
    view
}

/// `ps fields`
pub(super) fn fields(segment: &Segment) -> Vec<Value> {
    let types = Types::of(&segment.definition);
    let mut fields = Vec::new();
    for attribute in &segment.definition.attributes {
        let layer = if is_batch(attribute) { "batch" } else { "realtime" };
        let field = |name: String, data_type: Option<&str>| {
            json!({
                "name": name,
                "layer": layer,
                "kind": kind(attribute),
                "type": data_type,
                "sensitive": attribute.sensitive,
                "description": attribute.description,
            })
        };
        fields.push(field(attribute.name.clone(), types.of_attribute(attribute)));
        let part = |name: &str| format!("{}.{name}", attribute.name);
        match &attribute.kind {
            AttributeKind::List { parts, .. } => {
                fields.extend(parts.iter().map(|known| field(part(&known.name), of_part(known.aggregation))));
            }
            AttributeKind::Counter { parts, .. } => {
                fields.extend(parts.iter().map(|known| field(part(&known.name), Some("number"))));
            }
            AttributeKind::Catalog { table, columns, .. } => {
                let of = |known: &CatalogColumn| field(part(&known.name), types.of_column(table, known));
                fields.extend(columns.iter().map(of));
            }
            AttributeKind::Single { .. } | AttributeKind::Batch { .. } => {}
        }
    }
    fields
}

/// `ps pz list`
pub(super) fn services(segment: &Segment) -> Vec<Value> {
    let services = segment.definition.personalizations.iter();
    services
        .map(|service| {
            let sections: Vec<&str> = service.sections.iter().map(|section| section.name.as_str()).collect();
            json!({
                "id": service.id.as_ref().unwrap_or(&service.name),
                "name": service.name,
                "description": service.description,
                "parent_segment_id": segment.definition.audience.id,
                "trigger_event": service.trigger,
                "choice": if service.choice == Choice::All { "all" } else { "first" },
                "sections": sections,
                "status": if segment.status == "ok" { "active" } else { "draft" },
            })
        })
        .collect()
}

/// `ps view` for people.
pub(super) fn page(segment: &Segment) -> String {
    let audience = &segment.definition.audience;
    let mut out = format!(
        "parent segment {} {}\nstatus {}\n",
        audience.id,
        audience.name.as_deref().unwrap_or_default(),
        segment.status
    );
    let identity = &segment.definition.identity;
    for (title, items) in [
        ("event tables", event_tables(segment).iter().map(table_name).collect::<Vec<_>>()),
        ("key events", key_events(segment).iter().map(|event| text(&event["name"])).collect()),
        ("stitching keys", names(segment)),
        ("primary key", identity.primary_key.iter().cloned().collect()),
        ("lookup key", identity.lookup_key.iter().cloned().collect()),
        (
            "attributes",
            segment.definition.attributes.iter().map(|a| format!("{} ({})", a.name, kind(a))).collect(),
        ),
        ("services", segment.definition.personalizations.iter().map(|p| p.name.clone()).collect()),
    ] {
        out.push_str(&format!(
            "{title}: {}\n",
            if items.is_empty() { "none".to_owned() } else { items.join(", ") }
        ));
    }
    clean(&out)
}

/// Rows in columns; a list is shown by how many it has, unless a row has few.
pub(in crate::command) fn table(rows: &[Value], columns: &[&str]) -> String {
    let title = |name: &&str| name.replace('_', " ");
    let mut cells: Vec<Vec<String>> = vec![columns.iter().map(title).collect()];
    for row in rows {
        cells.push(columns.iter().map(|name| clean(&text(&row[*name])).replace('\n', " ")).collect());
    }
    let width = |column: usize| {
        let lengths = cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        lengths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for row in &cells {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    out
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.len().to_string(),
        other => other.to_string(),
    }
}

fn table_name(table: &Value) -> String {
    format!("{}.{}", text(&table["database"]), text(&table["table"]))
}

fn event_tables(segment: &Segment) -> Vec<Value> {
    let definition = &segment.definition;
    let all = definition.tables.iter().chain(definition.key_events.iter().map(|event| &event.table));
    let mut tables: Vec<&EventTable> = all.collect();
    tables.sort_unstable();
    tables.dedup();
    tables.iter().map(|table| json!({"database": table.database, "table": table.table})).collect()
}

fn key_events(segment: &Segment) -> Vec<Value> {
    let events = segment.definition.key_events.iter();
    let shape = |event: &usher_engine::definition::KeyEvent| {
        json!({
            "name": event.name,
            "databaseName": event.table.database,
            "tableName": event.table.table,
            "description": event.description,
        })
    };
    events.map(shape).collect()
}

fn names(segment: &Segment) -> Vec<String> {
    segment.definition.identity.keys.iter().map(|key| key.name.clone()).collect()
}

fn is_batch(attribute: &Attribute) -> bool {
    matches!(attribute.kind, AttributeKind::Batch { .. })
}

/// As RT 2.0's API calls it.
fn kind(attribute: &Attribute) -> &'static str {
    match attribute.kind {
        AttributeKind::Single { .. } => "single",
        AttributeKind::List { .. } => "list",
        AttributeKind::Counter { .. } => "counter",
        AttributeKind::Batch { .. } => "imported",
        AttributeKind::Catalog { .. } => "lookupCatalog",
    }
}

/// The types of values as far as a definition says them.
struct Types<'d> {
    definition: &'d Definition,
    /// Those of columns of records, on which all uses agree.
    agreed: BTreeMap<String, DataType>,
}

impl<'d> Types<'d> {
    fn of(definition: &'d Definition) -> Types<'d> {
        let plan = Plan::compile(definition).ok();
        let columns = plan.iter().flat_map(Plan::record_columns);
        let agreed = columns.filter_map(|(name, types)| match types.as_slice() {
            [one] => Some((name.to_owned(), *one)),
            _ => None,
        });
        Types { definition, agreed: agreed.collect() }
    }

    /// The declared type, or the one that kind, column and uses leave; None: any.
    fn of_attribute(&self, attribute: &Attribute) -> Option<&'static str> {
        match &attribute.kind {
            AttributeKind::Counter { .. } => Some("number"),
            AttributeKind::List { .. } => Some("string_array"),
            AttributeKind::Single { data_type: Some(declared), .. }
            | AttributeKind::Batch { data_type: Some(declared), .. } => Some(declared.as_str()),
            AttributeKind::Single { aggregation: Aggregation::Sum, .. } => Some("number"),
            AttributeKind::Single { column, .. } => (column == "time").then_some("timestamp"),
            AttributeKind::Batch { column, .. } => self.agreed.get(column).map(|known| known.as_str()),
            AttributeKind::Catalog { .. } => None,
        }
    }

    /// The same of a column of rows.
    fn of_column(&self, table: &str, column: &CatalogColumn) -> Option<&'static str> {
        let table = self.definition.lookup_tables.iter().find(|known| known.name == table);
        let declared = table.and_then(|table| table.column(&column.name)).and_then(|known| known.data_type);
        column.data_type.or(declared).map(DataType::as_str)
    }
}

/// The type of a part of a list.
fn of_part(aggregation: ListAggregation) -> Option<&'static str> {
    match aggregation {
        ListAggregation::Values | ListAggregation::DistinctList => Some("string_array"),
        ListAggregation::Sum => Some("number"),
        ListAggregation::First | ListAggregation::Last | ListAggregation::Min | ListAggregation::Max => None,
    }
}
