//! Rows of tables: keyed rows from outside, which answers read.
//!
//! The rows of a table have a generation. Reads see the present one; a replacement fills the next, and one commit switches to it.

use crate::message::KeyOf;
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

/// Asks for the versions of rows of one generation, of those that were deleted, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionsOf {
    /// The generation.
    pub generation: u64,
    /// The rows, each as audience, table and key.
    pub rows: Vec<KeyOf>,
}

/// Asks which rows, of any table and generation, have one of these texts as their key, and whose each table's rows are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnRows {
    /// The audience's id.
    pub audience: String,
    /// Values of stitching keys.
    pub values: Vec<String>,
}

/// The answer to [`OwnRows`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundOwn {
    /// Each row once, by its table and the index of its key among the values.
    pub rows: Vec<(String, usize)>,
    /// The stitching keys by which rows of a table were imported, by table; an empty one: they were nobody's. A table that
    /// is not listed has rows from before this was noted.
    pub owners: Vec<(String, String)>,
}

/// The generations of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableState {
    /// The one that reads see; rows that were never replaced are of generation 0.
    pub generation: u64,
    /// The one that a replacement fills; 0: none does.
    pub filling: u64,
    /// The names of replacements, one a line: of that one or the last one, then of those before. A tab behind a name: rows of
    /// it were refused. Names have no control characters.
    pub load: String,
}

/// Most names of replacements that are kept of a table.
const LOADS_KEPT: usize = 32;

impl TableState {
    /// True if a replacement of this name fills the next generation, or was the last to switch.
    pub fn is_of(&self, load: &str) -> bool {
        self.loads().next() == Some(load)
    }

    /// True if another replacement took the place of that of this name.
    pub fn is_past(&self, load: &str) -> bool {
        !self.is_of(load) && self.loads().any(|known| known == load)
    }

    /// True if rows of the replacement that fills were refused.
    pub fn lacks_rows(&self) -> bool {
        self.load.split('\n').next().is_some_and(|present| present.ends_with('\t'))
    }

    /// Notes that rows of the replacement that fills were refused.
    pub fn note_lack(&mut self) {
        if !self.lacks_rows() {
            let present = self.loads().next().map_or(0, str::len);
            self.load.insert(present, '\t');
        }
    }

    /// Begins a replacement of this name, unless it fills already.
    pub fn begin(&mut self, load: &str) {
        if self.filling != 0 && self.is_of(load) {
            return;
        }
        self.filling = self.generation.max(self.filling) + 1;
        let before = self.loads().filter(|known| !known.is_empty()).take(LOADS_KEPT - 1);
        self.load = [load].into_iter().chain(before).collect::<Vec<_>>().join("\n");
    }

    /// Makes the generation that is filled the one that reads see.
    pub fn switch(&mut self) {
        (self.generation, self.filling) = (self.filling, 0);
    }

    fn loads(&self) -> impl Iterator<Item = &str> {
        self.load.split('\n').map(|load| load.trim_end_matches('\t'))
    }

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
    /// The stitching key of which their keys are values; empty: of none.
    pub owner: String,
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
