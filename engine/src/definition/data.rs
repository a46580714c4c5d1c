//! Definitions as data: the format of a bundle's `definition`, which may grow but must keep reading what older builds
//! wrote.

use alloc::vec::Vec;

use super::{
    Aggregation, Attribute, AttributeKind, Audience, Backfill, CatalogColumn, Choice, CounterPart,
    Definition, EventTable, Identity, Increment, Input, Keep, KeyEvent, ListAction, ListAggregation,
    ListPart, Normalize, Output, OutputSource, Personalization, Removal, Section, Segment, SegmentsAs,
    StitchKey, Table, TableColumn, Trust,
};
use crate::value::data::{names, read_fields, records, tagged, write_fields};
use crate::value::{FromValue, Reading, ToValue, Value, variant};

records! {
    Definition {
        audience,
        tables = Vec::new(),
        key_events = Vec::new(),
        attributes = Vec::new(),
        identity = Identity::default(),
        event_id_column = None,
        discover = false,
        personalizations = Vec::new(),
        journeys = Vec::new(),
        activations = Vec::new(),
        lookup_tables = Vec::new(),
        pipelines = Vec::new(),
    }
    Table { name, key, version = None, public = false, columns = Vec::new(), description = None }
    TableColumn { name, data_type = None, sensitive = None }
    CatalogColumn { name, data_type = None }
    Audience { id, name = None }
    EventTable { database, table }
    KeyEvent { name, table, filter = None, columns = Vec::new(), description = None }
    Attribute { name, kind, sensitive, description = None }
    Identity { primary_key = None, keys = Vec::new(), lookup_key = None, placeholder_list = 0 }
    StitchKey {
        name,
        normalize = Vec::new(),
        valid_regexp = None,
        exclude_regex = None,
        invalid_texts = Vec::new(),
        placeholders = false,
        workflow_only = false,
        trust = Trust::Open,
    }
    ListPart { name, column, aggregation }
    ListAction { action, key_event, filter = None }
    CounterPart { name, window_ms }
    Backfill { attribute, time_attribute = None }
    Personalization {
        name,
        id = None,
        description = None,
        choice,
        segments_as = SegmentsAs::Names,
        device = false,
        trigger = None,
        inputs = Vec::new(),
        sections,
    }
    Input { name, data_type, required }
    Section {
        name,
        key_event = None,
        event_filter = None,
        criteria,
        accept_unknown_profiles = true,
        outputs = Vec::new(),
        segments = Vec::new(),
        include_sensitive = false,
    }
    Output { name, source }
}

names! {
    Aggregation { Last = "last", First = "first", Min = "min", Max = "max", Sum = "sum" }
    Keep { Newest = "newest", Oldest = "oldest" }
    ListAggregation {
        Values = "values",
        DistinctList = "distinct_list",
        First = "first",
        Last = "last",
        Sum = "sum",
        Min = "min",
        Max = "max",
    }
    Removal { DeleteItem = "delete_item", Clear = "clear" }
    Normalize { Trim = "trim", Lowercase = "lowercase" }
    Trust { Open = "open", Verified = "verified" }
    Choice { All = "all", First = "first" }
    SegmentsAs { Names = "names", Ids = "ids", Booleans = "booleans" }
}

impl FromValue for AttributeKind {
    fn read(value: &Value, reading: &mut Reading) -> AttributeKind {
        let (name, content) = variant(value, &["single", "list", "counter", "batch", "catalog"], reading);
        reading.inside(name, |reading| match name {
            "single" => read_fields!(content, reading => AttributeKind::Single {
                key_event, filter = None, column, aggregation, duration_ms = None, data_type = None, backfill = None,
            }),
            "list" => read_fields!(content, reading => AttributeKind::List {
                key_event, filter = None, column = None, keep = Keep::Newest, items_max, duration_ms,
                parts = Vec::new(), actions = Vec::new(),
            }),
            "counter" => read_fields!(content, reading => AttributeKind::Counter {
                key_event, filter = None, increment, window_ms = None, parts = Vec::new(), backfill = None,
            }),
            "batch" => read_fields!(content, reading => AttributeKind::Batch { column, data_type = None }),
            _ => read_fields!(content, reading => AttributeKind::Catalog { table, key, columns, limit }),
        })
    }
}

impl ToValue for AttributeKind {
    fn to_value(&self) -> Value {
        match self {
            AttributeKind::Single {
                key_event,
                filter,
                column,
                aggregation,
                duration_ms,
                data_type,
                backfill,
            } => tagged(
                "single",
                write_fields!(key_event, filter, column, aggregation, duration_ms, data_type, backfill),
            ),
            AttributeKind::List {
                key_event,
                filter,
                column,
                keep,
                items_max,
                duration_ms,
                parts,
                actions,
            } => tagged(
                "list",
                write_fields!(key_event, filter, column, keep, items_max, duration_ms, parts, actions),
            ),
            AttributeKind::Counter { key_event, filter, increment, window_ms, parts, backfill } => {
                tagged("counter", write_fields!(key_event, filter, increment, window_ms, parts, backfill))
            }
            AttributeKind::Batch { column, data_type } => tagged("batch", write_fields!(column, data_type)),
            AttributeKind::Catalog { table, key, columns, limit } => {
                tagged("catalog", write_fields!(table, key, columns, limit))
            }
        }
    }
}

impl FromValue for Segment {
    fn read(value: &Value, reading: &mut Reading) -> Segment {
        match value {
            Value::Object(_) => read_fields!(value, reading => Segment { name, id = None }),
            _ => Segment { name: FromValue::read(value, reading), id: None },
        }
    }
}

impl ToValue for Segment {
    fn to_value(&self) -> Value {
        let Segment { name, id } = self;
        if id.is_none() { name.to_value() } else { write_fields!(name, id) }
    }
}

impl FromValue for Increment {
    fn read(value: &Value, reading: &mut Reading) -> Increment {
        let (name, content) = variant(value, &["constant", "column"], reading);
        reading.inside(name, |reading| match name {
            "constant" => Increment::Constant(FromValue::read(content, reading)),
            _ => Increment::Column(FromValue::read(content, reading)),
        })
    }
}

impl ToValue for Increment {
    fn to_value(&self) -> Value {
        match self {
            Increment::Constant(step) => tagged("constant", step.to_value()),
            Increment::Column(column) => tagged("column", column.to_value()),
        }
    }
}

impl FromValue for OutputSource {
    fn read(value: &Value, reading: &mut Reading) -> OutputSource {
        let (name, content) =
            variant(value, &["attribute", "constant", "text", "template", "expression"], reading);
        reading.inside(name, |reading| match name {
            "attribute" => read_fields!(content, reading => OutputSource::Attribute { name, part = None }),
            "constant" => OutputSource::Constant(FromValue::read(content, reading)),
            "text" => OutputSource::Text(FromValue::read(content, reading)),
            "expression" => OutputSource::Expression(FromValue::read(content, reading)),
            _ => OutputSource::Template(FromValue::read(content, reading)),
        })
    }
}

impl ToValue for OutputSource {
    fn to_value(&self) -> Value {
        match self {
            OutputSource::Attribute { name, part } => tagged("attribute", write_fields!(name, part)),
            OutputSource::Constant(value) => tagged("constant", value.to_value()),
            OutputSource::Text(parts) => tagged("text", parts.to_value()),
            OutputSource::Template(text) => tagged("template", text.to_value()),
            OutputSource::Expression(expr) => tagged("expression", expr.to_value()),
        }
    }
}
