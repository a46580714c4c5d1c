//! The statements of rows of tables.

use super::asked::asked;
use super::cell::{Cell, Rows};
use super::part::cut;
use super::rows::{Row, each, odd, parts_of};
use super::statement::{Statement, bytes, integer, text};
use crate::limits::TABLE_ROWS_DROPPED_MAX;
use crate::message::KeyOf;
use crate::store::StoreFailure;
use crate::store::tables::{
    FoundOwn, FoundRow, OwnRows, RowName, TableBasis, TableRow, TableState, TableWrite, VersionsOf,
};
use crate::wire::json::Json;

pub(super) const SCHEMA: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS table_row (
       audience TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL, key TEXT NOT NULL,
       version BLOB NOT NULL, at_ms INTEGER NOT NULL, columns BLOB NOT NULL,
       PRIMARY KEY (audience, name, generation, key)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS table_state (
       audience TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL, filling INTEGER NOT NULL,
       load TEXT NOT NULL, PRIMARY KEY (audience, name)) WITHOUT ROWID",
    // The stitching keys by which rows of a table were imported: a definition may change its mind, or forget the table.
    "CREATE TABLE IF NOT EXISTS table_owner (
       audience TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (audience, name, key)) WITHOUT ROWID",
];

/// The statement of a read of these rows, of the present generation of each table.
pub(super) fn rows(names: &[RowName]) -> Statement {
    let mut json = Json::new();
    json.list(names, |json, name| {
        json.list([&name.audience, &name.table, &name.key], |json, part| json.text(part));
    });
    Statement {
        sql: "SELECT asked.key, r.version, r.at_ms, r.columns FROM json_each(?) AS asked CROSS JOIN table_row AS r
                ON r.audience = asked.value ->> 0 AND r.name = asked.value ->> 1
                AND r.generation = ifnull((SELECT generation FROM table_state AS s
                  WHERE s.audience = asked.value ->> 0 AND s.name = asked.value ->> 1), 0)
                AND r.key = asked.value ->> 2
              WHERE length(r.columns) > 0",
        params: vec![Cell::Text(json.into_text())],
    }
}

pub(super) fn found(rows: Rows) -> Result<Vec<FoundRow>, StoreFailure> {
    let row = |row: &mut Row| {
        let index = usize::try_from(row.counted()).unwrap_or(usize::MAX);
        FoundRow { index, version: row.bytes(), at_ms: row.number(), columns: row.bytes() }
    };
    each(vec![rows], row)
}

/// The statement of a read of a table's generations.
pub(super) fn state((audience, table): &(String, String)) -> Statement {
    Statement {
        sql: "SELECT generation, filling, load FROM table_state WHERE audience = ? AND name = ?",
        params: vec![text(audience), text(table)],
    }
}

pub(super) fn found_state(rows: Vec<Rows>) -> Result<TableState, StoreFailure> {
    let state =
        |row: &mut Row| TableState { generation: row.counted(), filling: row.counted(), load: row.text() };
    let mut states = each(rows, state)?;
    if states.len() > 1 {
        return Err(odd());
    }
    Ok(states.pop().unwrap_or_default())
}

/// The statements of a read of rows by their keys' texts: those rows, then the owners of tables. Tables and generations are found
/// one after the other.
pub(super) fn own(own: &OwnRows) -> Vec<Statement> {
    let OwnRows { audience, values } = own;
    let mut json = Json::new();
    // SQLite ends a JSON text at U+0000, and would find another row. No stored key contains it.
    json.list(values, |json, value| if value.contains('\0') { json.null() } else { json.text(value) });
    let of = || text(audience);
    vec![
        Statement {
            sql: "WITH RECURSIVE t (name) AS (
                    SELECT (SELECT min(name) FROM table_row WHERE audience = ?)
                    UNION ALL SELECT (SELECT min(name) FROM table_row WHERE audience = ? AND name > t.name)
                      FROM t WHERE t.name IS NOT NULL),
                  g (name, n) AS (
                    SELECT name, (SELECT min(generation) FROM table_row WHERE audience = ? AND name = t.name)
                      FROM t WHERE t.name IS NOT NULL
                    UNION ALL SELECT name,
                        (SELECT min(generation) FROM table_row WHERE audience = ? AND name = g.name AND generation > g.n)
                      FROM g WHERE g.n IS NOT NULL)
                  SELECT DISTINCT r.name, asked.key FROM g CROSS JOIN json_each(?) AS asked CROSS JOIN table_row AS r
                    ON r.audience = ? AND r.name = g.name AND r.generation = g.n AND r.key = asked.value
                  ORDER BY r.name, asked.key",
            params: vec![of(), of(), of(), of(), Cell::Text(json.into_text()), of()],
        },
        Statement {
            sql: "SELECT name, key FROM table_owner WHERE audience = ? ORDER BY name, key",
            params: vec![of()],
        },
    ]
}

pub(super) fn found_own(rows: Vec<Rows>) -> Result<FoundOwn, StoreFailure> {
    let [rows, owners] = <[Rows; 2]>::try_from(rows).map_err(|_| odd())?;
    let row = |row: &mut Row| (row.text(), usize::try_from(row.counted()).unwrap_or(usize::MAX));
    let rows = each(vec![rows], row)?;
    Ok(FoundOwn { rows, owners: each(vec![owners], |row| (row.text(), row.text()))? })
}

/// The statements of a read of versions.
pub(super) fn versions(of: &VersionsOf) -> Vec<Statement> {
    let statement = |rows: &[KeyOf]| Statement {
        sql: "SELECT asked.key, r.version FROM json_each(?) AS asked CROSS JOIN table_row AS r
                ON r.audience = asked.value ->> 0 AND r.name = asked.value ->> 1 AND r.generation = ?
                AND r.key = asked.value ->> 2",
        params: vec![asked(rows.iter().map(|row| (row, None))), integer(of.generation)],
    };
    cut(&of.rows, |row| row).into_iter().map(statement).collect()
}

pub(super) fn found_versions(
    of: &VersionsOf,
    rows: Vec<Rows>,
) -> Result<Vec<(usize, Vec<u8>)>, StoreFailure> {
    let mut found = Vec::new();
    for (first, rows) in parts_of(&of.rows, rows)? {
        let row = |row: &mut Row| {
            (usize::try_from(row.counted()).unwrap_or(usize::MAX).saturating_add(first), row.bytes())
        };
        found.append(&mut each(vec![rows], row)?);
    }
    Ok(found)
}

/// Finds a row if the generations have changed.
pub(super) fn check(basis: &TableBasis) -> Statement {
    let TableBasis { audience, table, state } = basis;
    Statement {
        sql: "SELECT 1 WHERE ifnull((SELECT generation || ' ' || filling || ' ' || load FROM table_state
                WHERE audience = ? AND name = ?), '0 0 ') <> ?",
        params: vec![
            text(audience),
            text(table),
            Cell::Text(format!("{} {} {}", state.generation, state.filling, state.load)),
        ],
    }
}

/// Finds a row if the write was made: the last of its rows, or the state that it leaves.
pub(super) fn trace(write: &TableWrite) -> Option<Statement> {
    let TableWrite { audience, table, into, at_ms, rows, state, .. } = write;
    if let Some(state) = state {
        return Some(Statement {
            sql: "SELECT 1 FROM table_state WHERE audience = ? AND name = ? AND generation = ? AND filling = ? AND load = ?",
            params: vec![
                text(audience),
                text(table),
                integer(state.generation),
                integer(state.filling),
                text(&state.load),
            ],
        });
    }
    let row = rows.iter().rev().find(|row| !row.removes())?;
    Some(Statement {
        // One with a greater version was there before, or came since.
        sql: "SELECT 1 FROM table_row WHERE audience = ? AND name = ? AND generation = ? AND key = ?
                AND (at_ms >= ? OR version > ?)",
        params: vec![
            text(audience),
            text(table),
            integer(*into),
            text(&row.key),
            Cell::Number(*at_ms),
            bytes(&row.version),
        ],
    })
}

/// The statements of a write.
pub(super) fn writes(write: &TableWrite, push: &mut (impl FnMut(&'static str, Vec<Cell>) + ?Sized)) {
    let TableWrite { audience, table, into, at_ms, rows, owner, state } = write;
    if !rows.is_empty() {
        push(
            "INSERT OR IGNORE INTO table_owner (audience, name, key) VALUES (?, ?, ?)",
            vec![text(audience), text(table), text(owner)],
        );
    }
    for row in rows {
        let TableRow { key, version, columns } = row;
        if row.removes() {
            let of = vec![text(audience), text(table), integer(*into), text(key)];
            push("DELETE FROM table_row WHERE audience = ? AND name = ? AND generation = ? AND key = ?", of);
            continue;
        }
        push(
            "INSERT INTO table_row (audience, name, generation, key, version, at_ms, columns) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (audience, name, generation, key) DO UPDATE
               SET version = excluded.version, at_ms = excluded.at_ms, columns = excluded.columns
               WHERE excluded.version = x'' OR excluded.version >= version",
            vec![
                text(audience),
                text(table),
                integer(*into),
                text(key),
                bytes(version),
                Cell::Number(*at_ms),
                bytes(columns),
            ],
        );
    }
    if let Some(state) = state {
        push(
            "INSERT OR REPLACE INTO table_state (audience, name, generation, filling, load) VALUES (?, ?, ?, ?, ?)",
            vec![
                text(audience),
                text(table),
                integer(state.generation),
                integer(state.filling),
                text(&state.load),
            ],
        );
    }
    // Nothing reads a generation before the present one. One statement deletes so many that a table of millions goes with the
    // next imports and turns of upkeep.
    push(DROPS, vec![most()]);
}

/// Deletes rows that nothing reads, a bounded number.
const DROPS: &str = "DELETE FROM table_row WHERE (audience, name, generation, key) IN
  (SELECT r.audience, r.name, r.generation, r.key FROM table_state AS s CROSS JOIN table_row AS r
     ON r.audience = s.audience AND r.name = s.name AND r.generation < s.generation LIMIT ?)";

fn most() -> Cell {
    Cell::Number(i64::try_from(TABLE_ROWS_DROPPED_MAX).unwrap_or(i64::MAX))
}

/// The statement of a turn of upkeep.
pub(super) fn drops(push: &mut impl FnMut(&'static str, Vec<Cell>)) {
    push(DROPS, vec![most()]);
}

/// Finds a row if reads find none of this name.
pub(super) fn gone(name: &RowName) -> Statement {
    let RowName { audience, table, key } = name;
    Statement {
        sql: "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM table_row WHERE audience = ? AND name = ? AND generation =
                ifnull((SELECT generation FROM table_state WHERE audience = ? AND name = ?), 0) AND key = ?)",
        params: vec![text(audience), text(table), text(audience), text(table), text(key)],
    }
}

/// A statement about a row in every generation, which are found one after the other.
macro_rules! of_each_generation {
    ($before:literal) => {
        concat!(
            $before,
            " WHERE audience = ? AND name = ? AND generation IN (WITH RECURSIVE g (n) AS (
                SELECT (SELECT min(generation) FROM table_row WHERE audience = ? AND name = ?)
                UNION ALL SELECT (SELECT min(generation) FROM table_row WHERE audience = ? AND name = ? AND generation > g.n)
                  FROM g WHERE g.n IS NOT NULL) SELECT n FROM g) AND key = ?"
        )
    };
}

/// The statements of an erasure, in every generation; columns are overwritten first, as profiles are.
pub(super) fn erases(name: &RowName, push: &mut impl FnMut(&'static str, Vec<Cell>)) {
    let RowName { audience, table, key } = name;
    let of = || {
        let mut params = Vec::new();
        for _ in 0..3 {
            params.extend([text(audience), text(table)]);
        }
        params.push(text(key));
        params
    };
    push(of_each_generation!("UPDATE table_row SET columns = zeroblob(length(columns))"), of());
    push(of_each_generation!("DELETE FROM table_row"), of());
}
