//! Definitions as data: the format of a bundle's `definition`, which may grow but must keep reading what older builds
//! wrote.

use alloc::vec::Vec;

use super::{
    Aggregation, Attribute, AttributeKind, Audience, Backfill, Choice, CounterPart, Definition, EventTable,
    Identity, Increment, Input, Keep, KeyEvent, ListAction, ListAggregation, ListPart, Normalize, Output,
    OutputSource, Personalization, Removal, Section, StitchKey, Trust,
};
use crate::value::data::{names, read_fields, records, tagged, write_fields};
use crate::value::{FromValue, ToValue, Unfit, Value, variant};

records! {
    Definition {
        audience,
        tables = Vec::new(),
        key_events = Vec::new(),
        attributes = Vec::new(),
        identity = Identity::default(),
        event_id_column = None,
        personalizations = Vec::new(),
    }
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
    Personalization { name, description = None, choice, trigger = None, inputs = Vec::new(), sections }
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
}

impl FromValue for AttributeKind {
    fn from_value(value: &Value) -> Result<AttributeKind, Unfit> {
        let (name, content) = variant(value)?;
        let kind = match name {
            "single" => read_fields!(content => AttributeKind::Single {
                key_event, filter = None, column, aggregation, duration_ms = None, data_type = None, backfill = None,
            }),
            "list" => read_fields!(content => AttributeKind::List {
                key_event, filter = None, column = None, keep = Keep::Newest, items_max, duration_ms,
                parts = Vec::new(), actions = Vec::new(),
            }),
            "counter" => read_fields!(content => AttributeKind::Counter {
                key_event, filter = None, increment, window_ms = None, parts = Vec::new(), backfill = None,
            }),
            "batch" => read_fields!(content => AttributeKind::Batch { column, data_type = None }),
            _ => return Err(Unfit::none_of(&["single", "list", "counter", "batch"])),
        };
        kind.map_err(|unfit| unfit.inside(name))
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
        }
    }
}

impl FromValue for Increment {
    fn from_value(value: &Value) -> Result<Increment, Unfit> {
        let (name, content) = variant(value)?;
        let increment = match name {
            "constant" => FromValue::from_value(content).map(Increment::Constant),
            "column" => FromValue::from_value(content).map(Increment::Column),
            _ => return Err(Unfit::none_of(&["constant", "column"])),
        };
        increment.map_err(|unfit| unfit.inside(name))
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
    fn from_value(value: &Value) -> Result<OutputSource, Unfit> {
        let (name, content) = variant(value)?;
        let source = match name {
            "attribute" => read_fields!(content => OutputSource::Attribute { name, part = None }),
            "constant" => FromValue::from_value(content).map(OutputSource::Constant),
            "text" => FromValue::from_value(content).map(OutputSource::Text),
            "template" => FromValue::from_value(content).map(OutputSource::Template),
            _ => return Err(Unfit::none_of(&["attribute", "constant", "text", "template"])),
        };
        source.map_err(|unfit| unfit.inside(name))
    }
}

impl ToValue for OutputSource {
    fn to_value(&self) -> Value {
        match self {
            OutputSource::Attribute { name, part } => tagged("attribute", write_fields!(name, part)),
            OutputSource::Constant(value) => tagged("constant", value.to_value()),
            OutputSource::Text(parts) => tagged("text", parts.to_value()),
            OutputSource::Template(text) => tagged("template", text.to_value()),
        }
    }
}
