//! The file of events, attributes and identity.

use usher_engine::definition::{
    Aggregation, Attribute, AttributeKind, Backfill, CatalogColumn, CounterPart, Definition, EventTable,
    Increment, Keep, KeyEvent, ListAction, ListAggregation, ListPart, Removal, Table, TableColumn,
};
use usher_engine::limits::DAY_MS;
use usher_engine::value::DataType;

use super::criteria::{duration, filter};
use super::identity::identity;
use super::yaml::{Map, Yaml};

pub(super) fn text(definition: &Definition) -> String {
    let spaced = |items: Vec<Yaml>| (!items.is_empty()).then_some(Yaml::Spaced(items));
    let tables = definition.tables.iter().map(|it| Yaml::Map(table(Map::default(), it))).collect();
    let events: Vec<Yaml> = definition.key_events.iter().map(event).collect();
    let attributes: Vec<Yaml> = definition.attributes.iter().map(attribute).collect();
    let lookup_tables: Vec<Yaml> = definition.lookup_tables.iter().map(lookup_table).collect();
    let id_stitching = identity(&definition.identity);
    // Without any of these keys the file would not be recognized as an rt_config.
    let bare = attributes.is_empty() && id_stitching.is_none() && lookup_tables.is_empty();
    Map::default()
        .text("parent_segment_id", &definition.audience.id)
        .maybe_text("parent_segment_name", definition.audience.name.as_ref())
        .list("event_tables", tables)
        .maybe("events", if bare { Some(Yaml::Spaced(events)) } else { spaced(events) })
        .maybe("tables", spaced(lookup_tables))
        .maybe("attributes", spaced(attributes))
        .maybe("id_stitching", id_stitching.map(Yaml::Map))
        .maybe_text("event_id_column", definition.event_id_column.as_ref())
        .maybe("discover", definition.discover.then(|| Yaml::Word("on".to_owned())))
        .document()
}

fn table(map: Map, table: &EventTable) -> Map {
    map.text("database", &table.database).text("table", &table.table)
}

fn event(event: &KeyEvent) -> Yaml {
    let map = table(Map::default().text("name", &event.name), &event.table);
    Yaml::Map(
        map.maybe_text("description", event.description.as_ref())
            .maybe("filter", event.filter.as_ref().map(filter))
            .texts("columns", &event.columns),
    )
}

fn attribute(attribute: &Attribute) -> Yaml {
    let map = Map::default().text("name", &attribute.name);
    let described =
        |map: Map, word| map.word("type", word).maybe_text("description", attribute.description.as_ref());
    let fed = |map: Map, word, key_event: &str, own: &Option<_>| {
        described(map, word).text("source_event", key_event).maybe("filter", own.as_ref().map(filter))
    };
    let map = match &attribute.kind {
        AttributeKind::Single {
            key_event,
            filter,
            column,
            aggregation,
            duration_ms,
            data_type,
            backfill,
        } => fed(map, "single", key_event, filter)
            .text("source_field", column)
            .word("aggregation", single(*aggregation))
            .maybe("duration", duration_ms.map(duration))
            .maybe("data_type", data_type.map(|it| Yaml::Word(it.as_str().to_owned())))
            .maybe("backfill", backfill.as_ref().map(base)),
        AttributeKind::List { key_event, filter, column, keep, items_max, duration_ms, parts, actions } => {
            let map = kept(fed(map, "list", key_event, filter), column.as_ref(), *keep, parts);
            let map = map.word("max_items", items_max);
            let map = if duration_ms % DAY_MS == 0 {
                map.word("expiry_days", duration_ms / DAY_MS)
            } else {
                map.with("duration", duration(*duration_ms))
            };
            map.list("actions", actions.iter().map(action).collect())
        }
        AttributeKind::Counter { key_event, filter, increment, window_ms, parts, backfill } => {
            let map = fed(map, "counter", key_event, filter);
            let map = match increment {
                Increment::Column(column) => map.text("source_field", column).word("aggregation", "sum"),
                Increment::Constant(1) => map.word("aggregation", "count"),
                Increment::Constant(step) => map.word("aggregation", "count").word("increment", step),
            };
            map.maybe("window_duration", window_ms.map(duration))
                .list("sub_durations", parts.iter().map(window).collect())
                .maybe("backfill", backfill.as_ref().map(base))
        }
        AttributeKind::Batch { column, data_type } => described(map, "imported_batch")
            .word("source", "parent_segment")
            .text("column", column)
            .maybe("data_type", data_type.map(typed)),
        AttributeKind::Catalog { table, key, columns, limit } => {
            let column = |column: &CatalogColumn| {
                let map = Map::default().text("name", &column.name);
                Yaml::Map(map.maybe("type", column.data_type.map(typed)))
            };
            let map = described(map, "catalog").text("table", table).text("key", key);
            map.list("columns", columns.iter().map(column).collect()).word("limit", limit)
        }
    };
    // The columns of a row say for themselves whether they are sensitive.
    if matches!(attribute.kind, AttributeKind::Catalog { .. }) && !attribute.sensitive {
        return Yaml::Map(map);
    }
    Yaml::Map(map.word("sensitivity", if attribute.sensitive { "sensitive" } else { "non-sensitive" }))
}

fn typed(data_type: DataType) -> Yaml {
    Yaml::Word(data_type.as_str().to_owned())
}

fn lookup_table(table: &Table) -> Yaml {
    let column = |column: &TableColumn| {
        let map = Map::default().text("name", &column.name).maybe("type", column.data_type.map(typed));
        Yaml::Map(map.maybe("sensitive", column.sensitive.map(|it| Yaml::Word(it.to_string()))))
    };
    Yaml::Map(
        Map::default()
            .text("name", &table.name)
            .maybe_text("description", table.description.as_ref())
            .text("key", &table.key)
            .maybe_text("version", table.version.as_ref())
            .flag("public", table.public)
            .list("columns", table.columns.iter().map(column).collect()),
    )
}

/// The columns and parts of a list, in the short form where that is possible.
fn kept(map: Map, column: Option<&String>, keep: Keep, parts: &[ListPart]) -> Map {
    match (column, keep, parts) {
        (Some(column), Keep::Newest, []) => {
            return map.text("source_field", column).word("aggregation", "distinct_list");
        }
        (None, keep, [ListPart { name, column, aggregation: ListAggregation::Values }])
            if name == "items" =>
        {
            let word = if keep == Keep::Oldest { "first" } else { "last" };
            return map.text("source_field", column).word("aggregation", word);
        }
        _ => {}
    }
    let part = |part: &ListPart| {
        let map = Map::default().text("identifier", &part.name);
        Yaml::Map(map.word("aggregation_type", list(part.aggregation)).text("column", &part.column))
    };
    map.maybe_text("id_column", column)
        .word("keep", if keep == Keep::Oldest { "oldest" } else { "newest" })
        .list("aggregations", parts.iter().map(part).collect())
}

fn action(action: &ListAction) -> Yaml {
    let word = match action.action {
        Removal::DeleteItem => "delete_item",
        Removal::Clear => "clear",
    };
    let map = Map::default().word("action", word).text("source_event", &action.key_event);
    Yaml::Map(map.maybe("filter", action.filter.as_ref().map(filter)))
}

fn window(part: &CounterPart) -> Yaml {
    let map = Map::default().text("identifier", &part.name);
    Yaml::Map(map.with("window_duration", duration(part.window_ms)))
}

fn base(backfill: &Backfill) -> Yaml {
    let map = Map::default().text("attribute_identifier", &backfill.attribute);
    Yaml::Map(map.maybe_text("timestamp_identifier", backfill.time_attribute.as_ref()))
}

fn single(aggregation: Aggregation) -> &'static str {
    match aggregation {
        Aggregation::Last => "last",
        Aggregation::First => "first",
        Aggregation::Min => "min",
        Aggregation::Max => "max",
        Aggregation::Sum => "sum",
    }
}

fn list(aggregation: ListAggregation) -> &'static str {
    match aggregation {
        ListAggregation::Values => "values",
        ListAggregation::DistinctList => "distinct_list",
        ListAggregation::First => "first",
        ListAggregation::Last => "last",
        ListAggregation::Sum => "sum",
        ListAggregation::Min => "min",
        ListAggregation::Max => "max",
    }
}
