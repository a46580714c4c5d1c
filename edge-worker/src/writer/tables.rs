//! Reads, imports and deletes rows of tables (docs/tables.md).

use usher_engine::definition::Table;
use usher_engine::value::Value;
use usher_engine::{Plan, RefusedRow};

use super::across::Across;
use crate::edge::{Edge, Running};
use crate::error::Refusal;
use crate::limits::{IMPORT_IGNORED_MAX, IMPORT_REJECTIONS_MAX, IMPORT_ROWS_MAX, IMPORT_VALUES_MAX};
use crate::message::{KeyOf, Load, OfTable, Part, TableAct, ToWriter};
use crate::outcome::{Folded, Outcome, Questions};
use crate::plane::{DECIDES, InControlPlane};
use crate::shard;
use crate::store::tables::{FoundRow, RowName, TableRow, TableState, TableWrite};
use crate::store::{Found, Read, Upkeep, Write};
use crate::wire::frame::FrameWriter;
use crate::wire::json::{Json, Object};
use crate::wire::{Response, read};

/// A message about rows of a table, whose read is pending.
#[derive(Debug)]
pub(crate) struct Work {
    message: OfTable,
    /// None where there is one shard.
    across: Option<Across>,
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
        TableAct::Import { .. } | TableAct::Switch(_) => {
            Some(Read::Table(InControlPlane::new((audience.clone(), table.clone()))))
        }
        TableAct::Delete(_) => None,
    };
    (read, Work { message, across })
}

pub(super) fn fold(edge: &Edge, work: &Work, found: &Found) -> Folded {
    let Work { message, across } = work;
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
            import(message, across.as_ref().filter(|_| DECIDES), running, table, (body, load.as_ref(), state))
        }),
        _ => Outcome::of(Response::problem(Refusal::INTERNAL, None)),
    }
}

/// The rows of tables that are a visitor's own by these keys, and are erased with the profile.
pub(super) fn rows_of(edge: &Edge, keys: &[KeyOf]) -> Vec<RowName> {
    let of_key = |key: &KeyOf| {
        let running = edge.running(&key.audience)?;
        let tables = &running.plan.definition().lookup_tables;
        let own = tables.iter().filter(|table| running.plan.key_of_table(table) == Some(key.name.as_str()));
        let name = |table: &Table| RowName {
            audience: key.audience.clone(),
            table: table.name.clone(),
            key: key.value.clone(),
        };
        Some(own.map(name).collect::<Vec<_>>())
    };
    keys.iter().filter_map(of_key).flatten().collect()
}

/// Deletes rows of other shards. None: they are gone.
pub(super) fn delete_elsewhere(
    (now_ms, number): (i64, u64),
    across: &Across,
    rows: &[RowName],
) -> Option<Folded> {
    for row in rows {
        let RowName { audience, table, .. } = row.clone();
        let message = OfTable { now_ms, audience, number, table, act: TableAct::Find(Vec::new()) };
        let delete = (across.shard_of_row(row), TableAct::Delete(row.key.clone()));
        if let Some(undone) = ask(&message, across, vec![delete]) {
            return Some(undone);
        }
    }
    None
}

/// Decides with the table's definition.
fn with_table(edge: &Edge, message: &OfTable, decide: impl FnOnce(&Running, &Table) -> Folded) -> Folded {
    let OfTable { audience, number, table, .. } = message;
    if edge.was_taken_out_after(audience, *number) {
        return Outcome::of(Response::problem(Refusal::AUDIENCE_UNKNOWN, None));
    }
    let running = match edge.running(audience) {
        Some(running) if running.number >= *number => running,
        _ => return Folded::NeedsNewerBundle { audience: audience.clone(), number: *number },
    };
    match running.plan.definition().lookup_table(table) {
        Some(table) => decide(running, table),
        None => Outcome::of(Response::problem(Refusal::ROWS_UNKNOWN, None)),
    }
}

fn write_to(message: &OfTable, into: u64) -> TableWrite {
    let (audience, table) = (message.audience.clone(), message.table.clone());
    TableWrite { audience, table, into, at_ms: message.now_ms, rows: Vec::new(), state: None }
}

fn stored(write: TableWrite, response: Response) -> Folded {
    let is_empty = write.rows.is_empty() && write.state.is_none();
    let table = if is_empty { InControlPlane::default() } else { InControlPlane::new(Box::new(write)) };
    Outcome { write: Write { table, ..Write::default() }, response, log: Vec::new() }.done()
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

/// The generations after the replacement of this name has taken the place of what was there. None: it did before.
fn switched(state: &TableState, load: &str) -> Option<TableState> {
    if state.filling == 0 && state.is_of(load) {
        return None;
    }
    let mut after = state.clone();
    // It may be that nothing of it is in this shard.
    after.begin(load);
    after.switch();
    Some(after)
}

const PAST: &str = "another replacement took the place of this one; begin one with another name";
const FINISHED: &str = "a replacement of this name is finished; begin one with another name";
const LACKING: &str =
    "rows of this replacement were rejected, and the table is as it was; begin one with another name";

fn refused(detail: &str) -> Folded {
    Outcome::of(Response::problem(Refusal::CONFLICT, Some(detail)))
}

/// The rows of a body.
#[derive(Default)]
struct Parsed<'b> {
    rows: Vec<(TableRow, &'b [u8])>,
    deleted: i64,
    rejected: Vec<(usize, RefusedRow)>,
    ignored: Vec<String>,
    more_ignored: bool,
}

/// `Err` is the answer to a body that is over its bounds.
fn parse<'b>(plan: &Plan, table: &Table, body: &'b [u8]) -> Result<Parsed<'b>, Response> {
    let mut parsed = Parsed::default();
    let mut lines = read::lines(body);
    let over = |what: String| {
        let detail = format!("more than {what}; send them in several requests");
        Err(Response::problem(Refusal::TOO_LARGE, Some(&detail)))
    };
    while let Some((line, place, row)) = lines.next() {
        if lines.is_over_bound() {
            return over(format!("{IMPORT_VALUES_MAX} values"));
        }
        if parsed.rows.len() + parsed.rejected.len() == IMPORT_ROWS_MAX {
            return over(format!("{IMPORT_ROWS_MAX} rows"));
        }
        let Ok(row) = row else {
            let reason = "It is no JSON object within the bounds of an event.";
            parsed.rejected.push((line, RefusedRow { column: String::new(), reason }));
            continue;
        };
        parsed.note_ignored(table, &row.columns);
        match plan.imported_row(table, &row.columns) {
            Err(refused) => parsed.rejected.push((line, refused)),
            Ok(row) => {
                parsed.deleted += i64::from(row.columns.is_none());
                let columns = row.columns.map(|columns| {
                    let mut json = Json::new();
                    json.value(&Value::Object(columns));
                    json.into_bytes()
                });
                let row =
                    TableRow { key: row.key, version: row.version, columns: columns.unwrap_or_default() };
                parsed.rows.push((row, body.get(place).unwrap_or_default()));
            }
        }
    }
    Ok(parsed)
}

impl Parsed<'_> {
    fn note_ignored(&mut self, table: &Table, columns: &[(String, Value)]) {
        let is_known = |name: &str| {
            name == table.key
                || name == usher_engine::DELETED_COLUMN
                || table.version.as_deref() == Some(name)
                || table.column(name).is_some()
        };
        for (name, value) in columns {
            if is_known(name) || value.present().is_none() || self.ignored.contains(name) {
                continue;
            }
            if self.ignored.len() == IMPORT_IGNORED_MAX {
                self.more_ignored = true;
                return;
            }
            self.ignored.push(name.clone());
        }
    }

    /// The answer to the last request of a replacement some rows of which are refused.
    fn refusal(&self) -> Response {
        let refusal = Refusal::ROWS_REJECTED;
        let mut body = Json::new();
        body.object(|o| {
            o.field("type").text("about:blank");
            o.field("title").text(refusal.message);
            o.field("status").number(i64::from(refusal.status));
            o.field("code").text(refusal.name);
            self.rejections(o);
        });
        Response::typed(refusal.status, "application/problem+json", body.into_bytes())
    }

    fn rejections(&self, o: &mut Object<'_>) {
        o.field("rejected_count").number(count(self.rejected.len()));
        let first = self.rejected.iter().take(IMPORT_REJECTIONS_MAX);
        o.field("rejected").list(first, |json, (line, refused)| {
            json.object(|o| {
                o.field("line").number(count(*line));
                if !refused.column.is_empty() {
                    o.field("column").text(&refused.column);
                }
                o.field("reason").text(refused.reason);
            });
        });
    }

    fn body(&self) -> Json {
        let mut body = Json::new();
        body.object(|o| {
            o.field("imported").number(count(self.rows.len()) - self.deleted);
            o.field("deleted").number(self.deleted);
            self.rejections(o);
            o.field("ignored_columns").list(&self.ignored, |json, column| json.text(column));
            if self.more_ignored {
                o.field("more_ignored_columns").boolean(true);
            }
        });
        body
    }
}

/// Stores rows. In a shard of several, which was handed the whole, those of other shards are stored there first.
fn import(
    message: &OfTable,
    across: Option<&Across>,
    running: &Running,
    table: &Table,
    (body, load, state): (&[u8], Option<&Load>, &TableState),
) -> Folded {
    let is_part = across.is_some_and(|across| across.part.is_some());
    let mut after = state.clone();
    let mut into = state.generation;
    if let Some(Load { name, is_last }) = load {
        let is_present = state.is_of(name);
        match state.filling {
            _ if state.is_past(name) => return refused(PAST),
            _ if is_present && *is_last && state.lacks_rows() => return refused(LACKING),
            0 if is_present && !is_part && !is_last => return refused(FINISHED),
            // Its rows again.
            0 if is_present => {}
            _ => {
                after.begin(name);
                into = after.filling;
            }
        }
    }
    let parsed = match parse(&running.plan, table, body) {
        Ok(parsed) => parsed,
        Err(response) => return Outcome::of(response),
    };
    if is_part && !parsed.rejected.is_empty() {
        // The whole was read by another bundle: nothing of it is stored, and it is sent again.
        return Outcome::of(Response::problem(Refusal::STORAGE, None));
    }
    if load.is_some() && !parsed.rejected.is_empty() {
        if load.is_some_and(|load| load.is_last) {
            // The rows that are there stay.
            return Outcome::of(parsed.refusal());
        }
        after.note_lack();
    }
    let response = Response::json(200, parsed.body());
    let is_here =
        |row: &TableRow| across.is_none_or(|across| is_part || across.has_row(&name_of(message, row)));
    if let Some(across) = across.filter(|_| !is_part) {
        let elsewhere = parsed.rows.iter().filter(|(row, _)| !is_here(row));
        let by_shard = elsewhere.map(|(row, line)| (across.shard_of_row(&name_of(message, row)), *line));
        let parts = shard::grouped(by_shard).into_iter().map(|(shard, lines)| {
            let load = load.map(|load| Load { name: load.name.clone(), is_last: false });
            (shard, TableAct::Import { body: lines.join(&b'\n'), load })
        });
        let switches = load.filter(|load| load.is_last).into_iter().flat_map(|load| {
            let others = (0..across.route.shards).filter(|shard| *shard != across.route.shard);
            others.map(|shard| (shard, TableAct::Switch(load.name.clone())))
        });
        for round in [parts.collect::<Vec<_>>(), switches.collect()] {
            if let Some(undone) = ask(message, across, round) {
                return undone;
            }
        }
    }
    let rows = parsed.rows.into_iter().map(|(row, _)| row).filter(is_here).collect();
    if let Some(load) = load.filter(|load| load.is_last && !is_part) {
        after = switched(&after, &load.name).unwrap_or(after);
    }
    let state = (after != *state).then_some(after);
    stored(TableWrite { rows, state, ..write_to(message, into) }, response)
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn name_of(message: &OfTable, row: &TableRow) -> RowName {
    let OfTable { audience, table, .. } = message;
    RowName { audience: audience.clone(), table: table.clone(), key: row.key.clone() }
}

/// Sends these acts to their shards, once. None: all of them are done.
fn ask(message: &OfTable, across: &Across, acts: Vec<(u32, TableAct)>) -> Option<Folded> {
    let mut questions = Vec::new();
    for (shard, act) in acts {
        let is = |sent: &OfTable| sent.table == message.table && sent.act == act;
        match across.asked_of_table(shard, is) {
            Some(Some(response)) if response.status == 200 => {}
            Some(Some(response)) if response.status == Refusal::CONFLICT.status => {
                return Some(refused(PAST));
            }
            // What was stored elsewhere changes nothing when it is sent again.
            Some(_) => return Some(Outcome::of(Response::problem(Refusal::STORAGE, None))),
            None => {
                let part = Part { hops: 1, ..Part::default() };
                questions.push(across.hand_on(
                    shard,
                    ToWriter::Table(InControlPlane::new(Box::new(OfTable { act, ..message.clone() }))),
                    part,
                ));
            }
        }
    }
    if questions.is_empty() {
        return None;
    }
    if across.is_last() {
        return Some(Outcome::of(Response::problem(Refusal::STORAGE, None)));
    }
    Some(Folded::Ask(Questions { questions, wait: false }))
}
