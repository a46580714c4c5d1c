//! Examples: a visitor's events and the expected answer. They are written beside a definition, carried with it in a
//! bundle, and rehearsed before it runs; a plan holds none of them.

use alloc::{string::String, vec::Vec};

use super::event_table::EventTable;
use crate::value::data::{names, records, tagged};
use crate::value::{FromValue, Reading, ToValue, Value, variant};

/// One example.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its name; unique among the examples.
    pub name: String,
    /// The time of its call, Unix milliseconds; None: [`EXAMPLE_NOW_MS`](crate::limits::EXAMPLE_NOW_MS).
    pub now_ms: Option<i64>,
    /// The caller, who also sends the events.
    pub sender: Sender,
    /// Batch records, imported before the first event; each an object.
    pub records: Vec<Value>,
    /// Rows of tables, imported before the first event.
    pub rows: Vec<ExampleRows>,
    /// Events before the call, in the order of arrival.
    pub events: Vec<ExampleEvent>,
    /// The call to answer.
    pub call: ExampleCall,
    /// The personalization that is asked; None: those that the event triggers.
    pub personalization: Option<String>,
    /// Inputs of a lookup: an object of named values.
    pub inputs: Value,
    /// The sections that must answer, in this order and no others.
    pub expect: Vec<Expected>,
}

/// The sender of events and calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sender {
    /// A server with its key: all keys stitch, and any key can be looked up.
    #[default]
    Server,
    /// A page: keys of `trust: verified` neither stitch nor can be looked up.
    Browser,
}

/// Rows of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct ExampleRows {
    /// The table's name.
    pub table: String,
    /// Each an object.
    pub rows: Vec<Value>,
}

/// An event of an example.
#[derive(Clone, Debug, PartialEq)]
pub struct ExampleEvent {
    /// The table that it is sent to.
    pub table: EventTable,
    /// Time from its arrival to the call, in milliseconds.
    pub before_ms: i64,
    /// Its columns, an object.
    pub columns: Value,
}

/// The call whose answer is expected.
#[derive(Clone, Debug, PartialEq)]
pub enum ExampleCall {
    /// A last event, which is answered.
    Event(ExampleEvent),
    /// A lookup; without a key it is for an unknown visitor.
    Lookup(Option<ExampleKey>),
}

impl Default for ExampleCall {
    fn default() -> ExampleCall {
        ExampleCall::Lookup(None)
    }
}

/// The key of a looked-up visitor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExampleKey {
    /// The stitching key.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A section that must answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Its name.
    pub section: String,
    /// Outputs that it must have, by name; null: it must lack this one. It may have others.
    pub attributes: Value,
}

records! {
    Example {
        name,
        now_ms = None,
        sender = Sender::Server,
        records = Vec::new(),
        rows = Vec::new(),
        events = Vec::new(),
        call = ExampleCall::Lookup(None),
        personalization = None,
        inputs = Value::Null,
        expect,
    }
    ExampleRows { table, rows }
    ExampleEvent { table, before_ms = 0, columns }
    ExampleKey { name, value }
    Expected { section, attributes = Value::Null }
}

names! {
    Sender { Server = "server", Browser = "browser" }
}

impl FromValue for ExampleCall {
    fn read(value: &Value, reading: &mut Reading) -> ExampleCall {
        let (name, content) = variant(value, &["event", "lookup"], reading);
        reading.inside(name, |reading| match name {
            "event" => ExampleCall::Event(FromValue::read(content, reading)),
            _ => ExampleCall::Lookup(FromValue::read(content, reading)),
        })
    }
}

impl ToValue for ExampleCall {
    fn to_value(&self) -> Value {
        match self {
            ExampleCall::Event(event) => tagged("event", event.to_value()),
            ExampleCall::Lookup(key) => tagged("lookup", key.to_value()),
        }
    }
}
