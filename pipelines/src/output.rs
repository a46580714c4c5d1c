//! Outputs of a stream.

use std::rc::Rc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use usher_engine::value::Value;

/// One thing that comes out, in the order in which it does.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A row for the output topic.
    Row(OutputRow),
    /// An event that ends without a row, for the side output.
    Ended(Ended),
}

/// The place of a record of `FROM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
}

/// A row of the query.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputRow {
    /// The event that it is of.
    pub origin: Origin,
    /// The event's id, if it has one.
    pub id: Option<Rc<str>>,
    /// The event's time, Unix milliseconds.
    pub time_ms: i64,
    /// The text of the column that `output.key` names; None without one, or when it is missing.
    pub key: Option<String>,
    /// The columns, in the order of the query; what is missing is null.
    pub columns: Vec<(Rc<str>, Value)>,
    /// True for a row that stands in its output already: it is for those that read it in the process, and not to be written again.
    pub is_written: bool,
}

impl Serialize for OutputRow {
    /// The row alone, as it stands in the output.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (name, value) in &self.columns {
            map.serialize_entry(&**name, value)?;
        }
        map.end()
    }
}

/// An event that left without a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The reason.
    pub reason: EndReason,
    /// Its place.
    pub origin: Origin,
    /// Required columns that it lacks, and aliases of `JOIN`s whose row it lacks.
    pub missing: Vec<String>,
    /// The event as it came.
    pub columns: Vec<(String, Value)>,
}

/// The reason for which an event left without a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its TTL ended.
    Expired,
    /// The state was full, and it had waited longest.
    StateFull,
    /// The input ended.
    EndOfInput,
}

impl EndReason {
    /// As it is written in side outputs.
    pub fn as_str(self) -> &'static str {
        match self {
            EndReason::Expired => "expired",
            EndReason::StateFull => "state_full",
            EndReason::EndOfInput => "end_of_input",
        }
    }
}
