//! Reads, imports and deletes rows of tables (docs/tables.md).

mod enriched;
mod import;
mod outcomes;
mod owned;

use usher_engine::definition::Table;
use usher_engine::value::Value;

use super::across::Across;
use super::rows::KnownRows;
use crate::edge::{Edge, Running};
use crate::error::Refusal;
use crate::message::{OfTable, TableAct};
use crate::outcome::{Folded, Outcome};
use crate::plane::{DECIDES, InControlPlane};
use crate::store::tables::{FoundRow, OwnRows, RowName, TableWrite, VersionsOf};
use crate::store::{Found, Read, Upkeep, Write};
use crate::wire::frame::FrameWriter;
use crate::wire::json::Json;
use crate::wire::{Response, read};
use import::{KnownVersions, import};
use outcomes::{PAST, refused, stored, switched, write_to};
pub(super) use owned::{Owned, erase_elsewhere, owned};

/// A message about rows of a table, whose read is pending.
#[derive(Debug)]
pub(crate) struct Work {
    message: OfTable,
    /// None where there is one shard.
    across: Option<Across>,
    versions: KnownVersions,
    /// The rows that a pipeline joins.
    rows: KnownRows,
}

impl Work {
    pub(super) fn rows(&mut self) -> &mut KnownRows {
        &mut self.rows
    }

    /// The versions to read next, once.
    pub(super) fn take_wanted(&mut self) -> Option<VersionsOf> {
        self.versions.take_wanted()
    }

    /// Takes what that read found. Returns the read of before, so that generations and versions are of one moment.
    pub(super) fn learn(&mut self, found: Vec<(usize, Vec<u8>)>) -> Read {
        self.versions.learn(found);
        state_of(&self.message)
    }
}

fn state_of(message: &OfTable) -> Read {
    Read::Table(InControlPlane::new((message.audience.clone(), message.table.clone())))
}

pub(super) fn open(message: OfTable, across: Option<Across>) -> (Option<Read>, Work) {
    let OfTable { audience, table, act, .. } = &message;
    let name = |table: &str, key: &str| RowName {
        audience: audience.clone(),
        table: table.to_owned(),
        key: key.to_owned(),
    };
    let read = match act {
        TableAct::Read { key, .. } => Some(Read::Rows(InControlPlane::new(vec![name(table, key)]))),
        TableAct::Find(rows) => {
            let names = rows.iter().map(|(table, key)| name(table, key)).collect();
            Some(Read::Rows(InControlPlane::new(names)))
        }
        TableAct::Import { .. } | TableAct::Switch(_) => Some(state_of(&message)),
        TableAct::Delete(_) | TableAct::Enrich { .. } => None,
        TableAct::Erase(keys) => {
            let values = keys.iter().map(|(_, value)| value.clone()).collect();
            Some(Read::Own(InControlPlane::new(OwnRows { audience: audience.clone(), values })))
        }
    };
    (read, Work { message, across, versions: KnownVersions::default(), rows: KnownRows::default() })
}

pub(super) fn fold(edge: &Edge, work: &mut Work, found: &Found) -> Folded {
    let Work { message, across, versions, rows } = work;
    if let TableAct::Enrich { row, sensitive } = &message.act {
        let rows = (rows, across.as_ref().filter(|_| DECIDES));
        return with_running(edge, message, |running| {
            enriched::fold(running, message, (row, *sensitive), rows)
        });
    }
    if let (TableAct::Erase(keys), Found::Own(own)) = (&message.act, found)
        && let Some(own) = own.get()
    {
        return owned::erase(edge, message, keys, own);
    }
    let (rows, state) = match found {
        Found::Rows(rows) => (rows.get(), None),
        Found::Table(state) => (None, state.get()),
        _ => (None, None),
    };
    match (&message.act, rows, state) {
        (TableAct::Find(rows), Some(found), _) => find(rows.len(), found),
        (TableAct::Read { key, sensitive }, Some(found), _) => {
            with_table(edge, message, |_, table| show(table, key, *sensitive, found))
        }
        (TableAct::Delete(key), ..) => {
            let row = RowName {
                audience: message.audience.clone(),
                table: message.table.clone(),
                key: key.clone(),
            };
            let upkeep = Some(Box::new(Upkeep { rows: InControlPlane::new(vec![row]), ..Upkeep::default() }));
            let mut body = Json::new();
            body.object(|o| o.field("deleted").boolean(true));
            let write = Write { upkeep, ..Write::default() };
            Outcome { write, response: Response::json(200, body), log: Vec::new() }.done()
        }
        (TableAct::Switch(load), _, Some(state)) => {
            if state.is_past(load) {
                return refused(PAST);
            }
            let state = switched(state, load);
            let write = TableWrite { state, ..write_to(message, 0) };
            stored(write, Response::json(200, Json::new()))
        }
        (TableAct::Import { body, load }, _, Some(state)) => with_table(edge, message, |running, table| {
            let across = across.as_ref().filter(|_| DECIDES);
            import(message, across, (running, table), versions, (body, load.as_ref(), state))
        }),
        _ => Outcome::of(Response::problem(Refusal::INTERNAL, None)),
    }
}

/// Decides with the table's definition.
fn with_table(edge: &Edge, message: &OfTable, decide: impl FnOnce(&Running, &Table) -> Folded) -> Folded {
    with_running(edge, message, |running| match running.plan.definition().lookup_table(&message.table) {
        Some(table) => decide(running, table),
        None => Outcome::of(Response::problem(Refusal::ROWS_UNKNOWN, None)),
    })
}

/// Decides with the bundle that its sender runs, or a newer one.
fn with_running(edge: &Edge, message: &OfTable, decide: impl FnOnce(&Running) -> Folded) -> Folded {
    let OfTable { audience, number, .. } = message;
    if edge.was_taken_out_after(audience, *number) {
        return Outcome::of(Response::problem(Refusal::AUDIENCE_UNKNOWN, None));
    }
    match edge.running(audience) {
        Some(running) if running.number >= *number => decide(running),
        _ => Folded::NeedsNewerBundle { audience: audience.clone(), number: *number },
    }
}

/// The answer for another shard: of each row its arrival, its version and its columns, which are empty where there is none.
fn find(count: usize, found: &[FoundRow]) -> Folded {
    let mut all: Vec<Option<&FoundRow>> = vec![None; count];
    for row in found {
        if let Some(place) = all.get_mut(row.index) {
            *place = Some(row);
        }
    }
    let mut frame = FrameWriter::default();
    frame.list(&all, |w, row| {
        let (at_ms, version, columns) =
            row.map_or((0, &[][..], &[][..]), |row| (row.at_ms, &row.version, &row.columns));
        w.long(at_ms).bytes(version).bytes(columns);
    });
    Outcome::of(Response::typed(200, "application/octet-stream", frame.0))
}

/// The answer with a row.
fn show(table: &Table, key: &str, sensitive: bool, found: &[FoundRow]) -> Folded {
    let Some(row) = found.first() else {
        return Outcome::of(Response::problem(Refusal::ROW_UNKNOWN, None));
    };
    let Ok(Value::Object(columns)) = read::document(&row.columns) else {
        return Outcome::of(Response::problem(Refusal::STORAGE, None));
    };
    let may_show =
        |name: &str| sensitive || table.column(name).is_some_and(|column| !table.is_sensitive(column));
    let (shown, withheld): (Vec<_>, Vec<_>) = columns.iter().partition(|(name, _)| may_show(name));
    let mut body = Json::new();
    body.object(|o| {
        o.field("key").text(key);
        o.field("at_ms").number(row.at_ms);
        o.field("columns").object(|o| {
            for (name, value) in &shown {
                o.field(name).value(value);
            }
        });
        o.field("withheld").list(&withheld, |json, (name, _)| json.text(name));
    });
    Outcome::of(Response::json(200, body))
}
