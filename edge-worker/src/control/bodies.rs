//! Objects of a definition as the API's bodies: as they were sent, or written anew where a file made them.

use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, CatalogColumn, CounterPart, Increment, KeyEvent, ListAction,
    ListAggregation, ListPart, Removal,
};
use usher_engine::value::Value;

use super::answer::{object, optional};
use super::call::Call;
use super::conditions::condition;
use super::state::{Kind, Object};
use crate::limits::DAY_MS;

/// A body with these fields in place of its own.
pub(super) fn patched(body: Value, fields: &[(String, Value)]) -> Value {
    let Value::Object(mut known) = body else { return body };
    for (name, value) in fields {
        match known.iter_mut().find(|(other, _)| other == name) {
            Some((_, before)) => *before = value.clone(),
            None => known.push((name.clone(), value.clone())),
        }
    }
    Value::Object(known)
}

/// A body without these fields.
pub(super) fn without(body: &Value, names: &[&str]) -> Value {
    let Value::Object(fields) = body else { return body.clone() };
    Value::Object(fields.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect())
}

/// A body with what the API adds when it is read.
fn read_back(object: Option<&Object>, body: Value, rest: &[(&str, Value)]) -> Value {
    let Some(known) = object else { return body };
    let mut fields = vec![("id".to_owned(), Value::from(known.id.as_str()))];
    if let Value::Object(sent) = body {
        fields.extend(sent.into_iter().filter(|(name, _)| !READ_BACK.contains(&name.as_str())));
    }
    for (name, value) in rest {
        if !fields.iter().any(|(other, _)| other == name) {
            fields.push(((*name).to_owned(), value.clone()));
        }
    }
    let time = |ms: i64| Value::from(instant(ms).as_str());
    fields.push(("createdAt".to_owned(), time(known.created_ms)));
    fields.push(("updatedAt".to_owned(), time(known.updated_ms)));
    Value::Object(fields)
}

/// Fields that callers may send back, and that are not theirs to say.
const READ_BACK: [&str; 5] = ["id", "createdAt", "updatedAt", "createdBy", "updatedBy"];

/// Unix milliseconds as RFC 3339.
pub(super) fn instant(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    // Days since 0000-03-01, in eras of 400 years.
    let shifted = days.saturating_add(719_468);
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// A key event.
pub(super) fn key_event(call: &Call<'_>, event: &KeyEvent) -> Value {
    let known = call.object(Kind::KeyEvent, &event.name);
    let description = [("description", Value::Null)];
    if let Some(body) = call.body_of(Kind::KeyEvent, &event.name, event) {
        return read_back(known, body.clone(), &description);
    }
    let body = object([
        ("name", Value::from(event.name.as_str())),
        ("databaseName", Value::from(event.table.database.as_str())),
        ("tableName", Value::from(event.table.table.as_str())),
        ("description", optional(event.description.as_deref())),
        ("filterRule", event.filter.as_ref().map_or(Value::Null, |filter| condition(call, filter))),
    ]);
    read_back(known, body, &[])
}

/// An attribute.
pub(super) fn attribute(call: &Call<'_>, attribute: &Attribute) -> Value {
    let known = call.object(Kind::Attribute, &attribute.name);
    let identifier = ("identifier", Value::from(attribute.name.as_str()));
    let rest = [identifier, ("description", Value::Null), ("sensitive", Value::from(attribute.sensitive))];
    if let Some(body) = call.body_of(Kind::Attribute, &attribute.name, attribute) {
        return read_back(known, body.clone(), &rest);
    }
    let label = known.and_then(|known| known.body.get("name")?.as_str()).unwrap_or(&attribute.name);
    let mut fields = vec![
        ("name", Value::from(label)),
        ("identifier", Value::from(attribute.name.as_str())),
        ("type", Value::from(kind_of(attribute))),
        ("description", optional(attribute.description.as_deref())),
        ("sensitive", Value::from(attribute.sensitive)),
    ];
    fields.extend(kind(call, &attribute.kind));
    let fields = fields.into_iter().filter(|(name, value)| *name == "description" || *value != Value::Null);
    let body = Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).collect());
    read_back(known, body, &[])
}

/// The fields of one kind of attribute.
fn kind(call: &Call<'_>, kind: &AttributeKind) -> Vec<(&'static str, Value)> {
    let event = |name: &str| {
        let id = call.id(Kind::KeyEvent, name);
        ("realtimeKeyEventId", Value::from(if id.is_empty() { name } else { id }))
    };
    let filter = |filter: &Option<usher_engine::syntax::Expr>| {
        ("filterRule", filter.as_ref().map_or(Value::Null, |filter| condition(call, filter)))
    };
    let backfill = |backfill: &Option<usher_engine::definition::Backfill>| {
        let written = backfill.as_ref().map(|backfill| {
            object([
                ("attributeIdentifier", Value::from(backfill.attribute.as_str())),
                ("timestampIdentifier", optional(backfill.time_attribute.as_deref())),
            ])
        });
        ("backfill", written.unwrap_or(Value::Null))
    };
    match kind {
        AttributeKind::Single {
            key_event,
            filter: rule,
            column,
            aggregation,
            duration_ms,
            data_type,
            backfill: base,
        } => vec![
            event(key_event),
            filter(rule),
            ("valueColumn", Value::from(column.as_str())),
            ("dataType", optional(data_type.map(usher_engine::value::DataType::as_str))),
            ("aggregation", optional(aggregation_of(*aggregation))),
            ("duration", duration_ms.map_or(Value::Null, duration)),
            backfill(base),
        ],
        AttributeKind::List {
            key_event,
            filter: rule,
            column,
            items_max,
            duration_ms,
            parts,
            actions,
            ..
        } => vec![
            event(key_event),
            filter(rule),
            ("idColumn", optional(column.as_deref())),
            ("maxItems", Value::from(i64::from(*items_max))),
            ("duration", duration(*duration_ms)),
            ("aggregations", Value::List(parts.iter().map(list_part).collect())),
            ("actions", Value::List(actions.iter().map(|action| list_action(call, action)).collect())),
        ],
        AttributeKind::Counter { key_event, filter: rule, increment, window_ms, parts, backfill: base } => {
            vec![
                event(key_event),
                filter(rule),
                ("counterType", Value::from(if window_ms.is_some() { "sliding" } else { "total" })),
                ("increment", increment_of(increment)),
                ("duration", window_ms.map_or(Value::Null, duration)),
                ("subDurations", Value::List(parts.iter().map(counter_part).collect())),
                backfill(base),
            ]
        }
        AttributeKind::Batch { column, data_type } => vec![
            ("realtimeAttributeKind", Value::from("batch")),
            ("column", Value::from(column.as_str())),
            ("dataType", optional(data_type.map(usher_engine::value::DataType::as_str))),
        ],
        AttributeKind::Catalog { table, key, columns, limit: _ } => {
            let column = |column: &CatalogColumn| {
                let data_type = column.data_type.map(usher_engine::value::DataType::as_str);
                object([("name", Value::from(column.name.as_str())), ("dataType", optional(data_type))])
            };
            let id = call.id(Kind::Attribute, key);
            let key = object([("id", Value::from(if id.is_empty() { key } else { id }))]);
            vec![
                ("lookupCatalogTableName", Value::from(table.as_str())),
                ("lookupCatalogColumns", Value::List(columns.iter().map(column).collect())),
                ("lookupKeys", Value::List(vec![key])),
            ]
        }
    }
}

/// As the API calls the kind.
pub(super) fn kind_of(attribute: &Attribute) -> &'static str {
    match attribute.kind {
        AttributeKind::Single { .. } => "single",
        AttributeKind::List { .. } => "list",
        AttributeKind::Counter { .. } => "counter",
        AttributeKind::Batch { .. } => "imported",
        AttributeKind::Catalog { .. } => "lookupCatalog",
    }
}

/// The declared type of an attribute, or the one that its kind has.
pub(super) fn data_type(attribute: &Attribute) -> Option<&'static str> {
    match &attribute.kind {
        AttributeKind::Single { data_type, .. } | AttributeKind::Batch { data_type, .. } => {
            data_type.map(usher_engine::value::DataType::as_str)
        }
        AttributeKind::List { .. } => Some("string_array"),
        AttributeKind::Counter { .. } => Some("number"),
        // Each column has its own.
        AttributeKind::Catalog { .. } => None,
    }
}

/// The aggregation of a single; the API's default is not written.
fn aggregation_of(aggregation: Aggregation) -> Option<&'static str> {
    match aggregation {
        Aggregation::Last => None,
        Aggregation::First => Some("first"),
        Aggregation::Min => Some("min"),
        Aggregation::Max => Some("max"),
        Aggregation::Sum => Some("sum"),
    }
}

/// The largest unit that divides it.
pub(super) fn duration(ms: i64) -> Value {
    let units = [("day", DAY_MS), ("hour", 3_600_000), ("minute", 60_000)];
    let unit = units.into_iter().find(|(_, unit)| ms % unit == 0).unwrap_or(("minute", 60_000));
    let (name, unit) = unit;
    object([("value", Value::from(ms / unit)), ("unit", Value::from(name))])
}

fn list_part(part: &ListPart) -> Value {
    let aggregation = match part.aggregation {
        // A list's values with copies are what only files can ask for.
        ListAggregation::Values | ListAggregation::DistinctList => "distinct_list",
        ListAggregation::First => "first",
        ListAggregation::Last => "last",
        ListAggregation::Sum => "sum",
        ListAggregation::Min => "min",
        ListAggregation::Max => "max",
    };
    object([
        ("name", Value::from(part.name.as_str())),
        ("identifier", Value::from(part.name.as_str())),
        ("column", Value::from(part.column.as_str())),
        ("aggregationType", Value::from(aggregation)),
    ])
}

fn list_action(call: &Call<'_>, action: &ListAction) -> Value {
    let name = match action.action {
        Removal::DeleteItem => "delete_item",
        Removal::Clear => "clear",
    };
    object([
        ("action", Value::from(name)),
        ("realtimeKeyEventId", Value::from(call.id(Kind::KeyEvent, &action.key_event))),
        ("filterRule", action.filter.as_ref().map_or(Value::Null, |filter| condition(call, filter))),
    ])
}

fn increment_of(increment: &Increment) -> Value {
    match increment {
        Increment::Constant(step) => object([("type", Value::from("const")), ("value", Value::from(*step))]),
        Increment::Column(column) => {
            object([("type", Value::from("field")), ("value", Value::from(column.as_str()))])
        }
    }
}

fn counter_part(part: &CounterPart) -> Value {
    let Value::Object(mut fields) = duration(part.window_ms) else { return Value::Null };
    fields.push(("name".to_owned(), Value::from(part.name.as_str())));
    fields.push(("identifier".to_owned(), Value::from(part.name.as_str())));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_of_the_calendar() {
        assert_eq!(instant(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(instant(1_790_000_000_123), "2026-09-21T14:13:20.123Z");
        assert_eq!(instant(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(instant(-1), "1969-12-31T23:59:59.999Z");
    }
}
