//! Rows of tables: keyed rows from outside, which answers read.
//!
//! The rows of a table have a generation. Reads see the present one; a replacement fills the next, and one commit switches to it.

use crate::wire::frame::{FrameReader, FrameWriter};

/// The name of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowName {
    /// The audience's id.
    pub audience: String,
    /// The table's name.
    pub table: String,
    /// The text of the row's key.
    pub key: String,
}

/// A row that a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRow {
    /// Its index among the names that were read.
    pub index: usize,
    /// Bytes that sort as versions do; empty: the table had none.
    pub version: Vec<u8>,
    /// When it arrived, Unix milliseconds.
    pub at_ms: i64,
    /// Its columns, a JSON object.
    pub columns: Vec<u8>,
}

/// The generations of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableState {
    /// The one that reads see; rows that were never replaced are of generation 0.
    pub generation: u64,
    /// The one that a replacement fills; 0: none does.
    pub filling: u64,
    /// The name of that replacement, or of the last one, which its client gave.
    pub load: String,
}

impl TableState {
    /// Appends it to a frame.
    pub fn write(&self, w: &mut FrameWriter) {
        w.long(self.generation.cast_signed()).long(self.filling.cast_signed()).text(&self.load);
    }

    /// Reads what [`write`](TableState::write) wrote.
    pub fn read(r: &mut FrameReader<'_>) -> Option<TableState> {
        let (generation, filling) = (r.long()?.cast_unsigned(), r.long()?.cast_unsigned());
        Some(TableState { generation, filling, load: r.text()?.to_owned() })
    }
}

/// A row to store, unless a newer one is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// The text of its key.
    pub key: String,
    /// Bytes that sort as versions do; empty: it is newer than any.
    pub version: Vec<u8>,
    /// Its columns, a JSON object; empty: it is deleted. With a version, its name stays, so that no older row comes back.
    pub columns: Vec<u8>,
}

impl TableRow {
    /// True if it takes the place of a stored row with this version.
    pub fn replaces(&self, version: &[u8]) -> bool {
        self.version.is_empty() || *self.version >= *version
    }

    /// True if its place is to be empty afterwards.
    pub fn removes(&self) -> bool {
        self.version.is_empty() && self.columns.is_empty()
    }
}

/// The changes of a message to one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableWrite {
    /// The audience's id.
    pub audience: String,
    /// The table's name.
    pub table: String,
    /// The generation that gets the rows.
    pub into: u64,
    /// When they arrived, Unix milliseconds.
    pub at_ms: i64,
    /// The rows, in the order of their arrival.
    pub rows: Vec<TableRow>,
    /// The generations from now on; None: unchanged.
    pub state: Option<TableState>,
}

/// The generations of a table that a write depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableBasis {
    /// The audience's id.
    pub audience: String,
    /// The table's name.
    pub table: String,
    /// As they were read.
    pub state: TableState,
}
