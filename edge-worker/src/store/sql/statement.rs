//! One statement with its parameters, and values as cells.

use super::cell::Cell;

/// One statement with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// With `?` for each parameter.
    pub sql: &'static str,
    /// The parameters, in order.
    pub params: Vec<Cell>,
}

/// Finds a row if there is no such profile.
pub(super) fn absent(audience: &str, id: &[u8; 16]) -> Statement {
    Statement {
        sql: "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM profile WHERE audience = ? AND id = ?)",
        params: vec![text(audience), bytes(id)],
    }
}

pub(super) fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

pub(super) fn integer(number: u64) -> Cell {
    Cell::Number(signed(number))
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn bytes(bytes: &[u8]) -> Cell {
    Cell::Bytes(bytes.to_vec())
}
