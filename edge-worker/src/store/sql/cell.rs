//! The values that statements take and find.

/// A value of a parameter or a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// BLOB
    Bytes(Vec<u8>),
    /// INTEGER
    Number(i64),
    /// TEXT
    Text(String),
}

/// The rows that one statement found.
pub type Rows = Vec<Vec<Cell>>;
