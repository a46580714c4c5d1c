//! The event tables that there are and their columns, at the addresses of RT 2.0's data API: those that definitions declare, and what
//! events brought where this process keeps it.

use usher_engine::definition::{Definition, EventTable};
use usher_engine::value::Value;

use super::checked_head::CheckedHead;
use crate::discovery::{Discovered, known_columns};
use crate::edge::Edge;
use crate::error::{Refusal, Result};
use crate::host::Step;
use crate::wire::Response;
use crate::wire::json::Json;

/// `GET /v3/database/list`
pub(super) fn databases(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let mut known: Vec<(String, i64)> = Vec::new();
    for table in tables_of(edge, checked) {
        match known.last_mut().filter(|(name, _)| *name == table.database) {
            Some((_, tables)) => *tables = tables.saturating_add(1),
            None => known.push((table.database, 1)),
        }
    }
    let database = |(name, tables): (String, i64)| {
        object([("name", Value::String(name)), ("tables", Value::from(tables))])
    };
    let databases = Value::List(known.into_iter().map(database).collect());
    Ok(answer(&object([("databases", databases)])))
}

/// `GET /v3/table/list/{database}`
pub(super) fn tables(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [database, ..] = checked.parameters;
    let tables: Vec<EventTable> =
        tables_of(edge, checked).into_iter().filter(|table| table.database == database).collect();
    if tables.is_empty() {
        return Err(Refusal::TABLE_UNKNOWN.into());
    }
    let tables = tables.iter().map(|table| Value::Object(described(edge, checked, table).0));
    let tables = Value::List(tables.collect());
    Ok(answer(&object([("database", Value::from(database)), ("tables", tables)])))
}

/// `GET /v3/table/show/{database}/{table}`
pub(super) fn table(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [database, table, _] = checked.parameters;
    let asked = EventTable { database: database.to_owned(), table: table.to_owned() };
    if !tables_of(edge, checked).contains(&asked) {
        return Err(Refusal::TABLE_UNKNOWN.into());
    }
    let (mut fields, columns) = described(edge, checked, &asked);
    fields.push(("columns".to_owned(), Value::List(columns)));
    Ok(answer(&Value::Object(fields)))
}

/// The definitions that the caller may see.
fn definitions<'e>(edge: &'e Edge, checked: &CheckedHead<'_>) -> Vec<&'e Definition> {
    let all = edge.all_running().filter(|(id, _)| checked.caller.covers(id));
    all.map(|(_, running)| running.plan.definition()).collect()
}

fn declares(definition: &Definition, table: &EventTable) -> bool {
    let mut declared = definition.tables.iter().chain(definition.key_events.iter().map(|it| &it.table));
    declared.any(|it| it == table)
}

/// Tables by name: those that a definition declares, and those that events came for. The latter belong to nobody, so whoever
/// discovers sees them.
fn tables_of(edge: &Edge, checked: &CheckedHead<'_>) -> Vec<EventTable> {
    let definitions = definitions(edge, checked);
    let mut tables: Vec<EventTable> = Vec::new();
    for definition in &definitions {
        tables.extend(
            definition.tables.iter().chain(definition.key_events.iter().map(|it| &it.table)).cloned(),
        );
    }
    if definitions.iter().any(|it| it.discover) {
        let seen = edge.discovery().into_iter().flat_map(|it| it.tables());
        let seen = seen.map(|it| EventTable { database: it.database.clone(), table: it.table.clone() });
        let is_others = |table: &EventTable| {
            edge.all_running().any(|(_, running)| declares(running.plan.definition(), table))
        };
        tables.extend(seen.filter(|table| !is_others(table)));
    }
    tables.sort_by(|a, b| (&a.database, &a.table).cmp(&(&b.database, &b.table)));
    tables.dedup();
    tables
}

/// A table, and its columns.
fn described(
    edge: &Edge,
    checked: &CheckedHead<'_>,
    table: &EventTable,
) -> (Vec<(String, Value)>, Vec<Value>) {
    let is_it = |it: &&Discovered| it.database == table.database && it.table == table.table;
    let seen = edge.discovery().and_then(|it| it.tables().find(is_it));
    let definitions = definitions(edge, checked);
    let declaring: Vec<&&Definition> = definitions.iter().filter(|it| declares(it, table)).collect();
    let mut columns: Vec<(String, &str, Value)> = Vec::new();
    if let Some(seen) = seen {
        for column in &seen.columns {
            let types = column.types().map(Value::from).collect();
            let fields = object([
                ("name", Value::from(column.name.as_str())),
                ("type", Value::from(column.data_type())),
                ("types", Value::List(types)),
                ("share", share(column.share(seen))),
                ("distinct", share(column.distinct())),
            ]);
            columns.push((column.name.clone(), column.data_type(), fields));
        }
    }
    for (name, data_type) in declaring.iter().flat_map(|definition| known_columns(definition, table)) {
        if columns.iter().any(|(known, ..)| *known == name) {
            continue;
        }
        let data_type = match data_type {
            "number" => "double",
            "timestamp" => "long",
            other => other,
        };
        let unseen = if seen.is_some() { Value::from(0) } else { Value::Null };
        let fields = object([
            ("name", Value::from(name.as_str())),
            ("type", Value::from(data_type)),
            ("types", Value::List(Vec::new())),
            ("share", unseen),
            ("distinct", Value::Null),
        ]);
        columns.push((name, data_type, fields));
    }
    let schema = columns
        .iter()
        .map(|(name, kind, _)| Value::List(vec![Value::from(name.as_str()), Value::from(*kind)]));
    let mut json = Json::new();
    json.value(&Value::List(schema.collect()));
    let events = seen.map(|seen| i64::try_from(seen.events).unwrap_or(i64::MAX));
    let fields = [
        ("id", Value::String(format!("{}.{}", table.database, table.table))),
        ("name", Value::from(table.table.as_str())),
        ("database", Value::from(table.database.as_str())),
        ("type", Value::from("log")),
        ("count", events.map_or(Value::Null, Value::from)),
        ("declared", Value::from(!declaring.is_empty())),
        ("schema", Value::String(json.into_text())),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    (fields.into(), columns.into_iter().map(|(.., fields)| fields).collect())
}

/// A share in thousandths: estimates are not better.
fn share(share: f64) -> Value {
    use usher_engine::value::Number;
    Value::Number(Number::Float((share * 1_000.0).round() / 1_000.0))
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

fn answer(value: &Value) -> Step {
    let mut json = Json::new();
    json.value(value);
    Step::Respond(Response::json(200, json))
}
