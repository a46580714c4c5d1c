//! Statements of the control API's state.

use super::Cell;
use super::cell::Rows;
use super::rows::{Row, each, found_one_release, odd};
use super::statement::{Statement, bytes, integer, text};
use crate::store::{ControlBasis, ControlRead, ControlRow, ControlWrite, FoundControl, StoreFailure};

pub(super) const SCHEMA: [&str; 2] = [
    // `base` is -1 where there is no draft.
    "CREATE TABLE IF NOT EXISTS control (
       audience TEXT PRIMARY KEY, version INTEGER NOT NULL, due_ms INTEGER NOT NULL, base INTEGER NOT NULL,
       state BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS object (id INTEGER PRIMARY KEY, audience TEXT NOT NULL)",
];

/// The audience of a read, by its three parameters.
macro_rules! with_audience {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "coalesce(nullif(?, ''), (SELECT audience FROM object WHERE id = ?),
               (SELECT audience FROM control WHERE due_ms <= ? ORDER BY due_ms LIMIT 1), '')",
            $after
        )
    };
}

pub(super) fn reads(read: &ControlRead) -> Vec<Statement> {
    let statements = [
        with_audience!("SELECT ", ", ifnull((SELECT max(id) FROM object), 0)"),
        with_audience!(
            "SELECT number, hash, origin, at_ms FROM release WHERE audience = ",
            " ORDER BY number DESC"
        ),
        with_audience!(
            "SELECT b.body FROM pointer AS p JOIN bundle AS b ON b.hash = p.hash WHERE p.audience = ",
            ""
        ),
        with_audience!("SELECT version, due_ms, base, state FROM control WHERE audience = ", ""),
    ];
    let params = || vec![text(&read.audience), integer(read.object), Cell::Number(read.due_ms)];
    statements.map(|sql| Statement { sql, params: params() }).into()
}

pub(super) fn found(rows: Vec<Rows>) -> Result<FoundControl, StoreFailure> {
    let [names, releases, body, state] = <[Rows; 4]>::try_from(rows).map_err(|_| odd())?;
    let (audience, last_id) = each(vec![names], |row| (row.text(), row.counted()))?.pop().ok_or_else(odd)?;
    let row = |row: &mut Row| ControlRow {
        version: row.counted(),
        due_ms: row.number(),
        base: u64::try_from(row.number()).ok(),
        state: row.bytes(),
    };
    Ok(FoundControl {
        audience,
        last_id,
        releases: each(vec![releases], found_one_release)?,
        body: each(vec![body], Row::bytes)?.pop(),
        state: each(vec![state], row)?.pop(),
    })
}

pub(super) fn writes(write: &ControlWrite, mut push: impl FnMut(&'static str, Vec<Cell>)) {
    let ControlWrite { audience, row, ids } = write;
    let base = row.base.map_or(Cell::Number(-1), integer);
    push(
        "INSERT OR REPLACE INTO control (audience, version, due_ms, base, state) VALUES (?, ?, ?, ?, ?)",
        vec![text(audience), integer(row.version), Cell::Number(row.due_ms), base, bytes(&row.state)],
    );
    for id in ids {
        push("INSERT OR IGNORE INTO object (id, audience) VALUES (?, ?)", vec![integer(*id), text(audience)]);
    }
}

/// Finds a row if the write was made.
pub(super) fn trace(write: &ControlWrite) -> Statement {
    let ControlWrite { audience, row, .. } = write;
    Statement {
        sql: "SELECT 1 FROM control WHERE audience = ? AND version = ? AND state = ?",
        params: vec![text(audience), integer(row.version), bytes(&row.state)],
    }
}

/// Finds a row if the basis has changed.
pub(super) fn check(basis: &ControlBasis) -> Statement {
    Statement {
        sql: "SELECT 1 WHERE ifnull((SELECT version FROM control WHERE audience = ?), 0) <> ?
                OR ifnull((SELECT max(id) FROM object), 0) <> ?",
        params: vec![text(&basis.audience), integer(basis.version), integer(basis.last_id)],
    }
}
