//! Examples: somebody comes, and this is what they get. They are written beside a definition, carried with it in a
//! bundle, and played before it runs; nothing of them is in a plan.

use alloc::{string::String, vec::Vec};

use super::event_table::EventTable;
use crate::value::data::{names, records, tagged};
use crate::value::{FromValue, ToValue, Unfit, Value, variant};

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Unique among them.
    pub name: String,
    /// When it takes place, Unix milliseconds; None: at [`EXAMPLE_NOW_MS`](crate::limits::EXAMPLE_NOW_MS).
    pub now_ms: Option<i64>,
    /// Who calls, and sends the events.
    pub sender: Sender,
    /// Batch records, imported before the first event; each an object.
    pub records: Vec<Value>,
    /// What happened before the call, in the order of arrival.
    pub events: Vec<ExampleEvent>,
    /// What asks for an answer.
    pub call: ExampleCall,
    /// Which personalization is asked; None: those that the event triggers.
    pub personalization: Option<String>,
    /// Of a lookup: an object of named values.
    pub inputs: Value,
    /// The sections that answer, in this order and no others.
    pub expect: Vec<Expected>,
}

/// Who sends events and calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sender {
    /// A server, with its key: all keys stitch, and it may look up by all.
    #[default]
    Server,
    /// A page: keys of `trust: verified` do not stitch, and nobody is looked up by them.
    Browser,
}

/// An event of an example.
#[derive(Clone, Debug, PartialEq)]
pub struct ExampleEvent {
    /// Where it arrives.
    pub table: EventTable,
    /// How long before the example takes place it arrives, in milliseconds.
    pub before_ms: i64,
    /// An object of its columns.
    pub columns: Value,
}

/// The call whose answer is expected.
#[derive(Clone, Debug, PartialEq)]
pub enum ExampleCall {
    /// A last event, which is answered.
    Event(ExampleEvent),
    /// A lookup; without a key it is about a visitor whom nobody knows.
    Lookup(Option<ExampleKey>),
}

impl Default for ExampleCall {
    fn default() -> ExampleCall {
        ExampleCall::Lookup(None)
    }
}

/// Who is looked up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExampleKey {
    /// The stitching key.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A section that answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Its name.
    pub section: String,
    /// Outputs that it has, by name; null: it lacks this one. Others may be there.
    pub attributes: Value,
}

records! {
    Example {
        name,
        now_ms = None,
        sender = Sender::Server,
        records = Vec::new(),
        events = Vec::new(),
        call = ExampleCall::Lookup(None),
        personalization = None,
        inputs = Value::Null,
        expect,
    }
    ExampleEvent { table, before_ms = 0, columns }
    ExampleKey { name, value }
    Expected { section, attributes = Value::Null }
}

names! {
    Sender { Server = "server", Browser = "browser" }
}

impl FromValue for ExampleCall {
    fn from_value(value: &Value) -> Result<ExampleCall, Unfit> {
        let (name, content) = variant(value)?;
        let call = match name {
            "event" => FromValue::from_value(content).map(ExampleCall::Event),
            "lookup" => FromValue::from_value(content).map(ExampleCall::Lookup),
            _ => return Err(Unfit::none_of(&["event", "lookup"])),
        };
        call.map_err(|unfit| unfit.inside(name))
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
