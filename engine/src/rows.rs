//! Rows of tables in one call: which are needed, which a host handed in, and which are not there.

use alloc::string::String;
use alloc::vec::Vec;

use crate::value::Value;

/// A row that a call needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowKey {
    /// The table's name.
    pub table: String,
    /// The text of the row's key.
    pub key: String,
}

/// A row as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundRow {
    /// The time of its arrival, Unix milliseconds.
    pub at_ms: i64,
    /// Its columns; those that nothing reads may be missing.
    pub columns: Vec<(String, Value)>,
}

/// The reason why a row is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The table has no such row.
    Absent,
    /// It did not come in time.
    Late,
    /// It could not be read, or the call needs more rows than it may read.
    Unavailable,
    /// The caller may not read it: a public route finds rows of a public table, and rows of the visitor's own keys.
    NotYours,
}

impl Missed {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Missed::Absent => "absent",
            Missed::Late => "late",
            Missed::Unavailable => "unavailable",
            Missed::NotYours => "not_yours",
        }
    }
}

/// The rows of one call: made by [`Plan::rows`](crate::Plan::rows), completed by [`Plan::hand_in`](crate::Plan::hand_in).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    pub(crate) wanted: Vec<RowKey>,
    /// The rows of each catalog attribute, by their indexes among the wanted ones.
    pub(crate) of_attributes: Vec<(usize, Vec<usize>)>,
    /// Values of facts, ascending by fact, each with the time of its row.
    pub(crate) values: Vec<(u16, Value, i64)>,
    /// Attributes with a row that is not there.
    pub(crate) missed: Vec<(usize, Missed)>,
}

impl Rows {
    /// The rows that are needed, each once.
    pub fn wanted(&self) -> &[RowKey] {
        &self.wanted
    }

    /// The value of a fact, and the time of its row.
    pub(crate) fn value(&self, fact: u16) -> Option<(&Value, i64)> {
        let at = self.values.binary_search_by_key(&fact, |(known, ..)| *known).ok()?;
        self.values.get(at).map(|(_, value, at_ms)| (value, *at_ms))
    }
}
