//! Imports rows: reads a body, hands rows to their shards, and tells those apart that are older than what is stored.

use std::collections::BTreeMap;

use usher_engine::definition::Table;
use usher_engine::value::{Number, Value};
use usher_engine::{Plan, RefusedRow};

use super::outcomes::{PAST, ask, refused, stored, switched, write_to};
use crate::edge::Running;
use crate::error::Refusal;
use crate::limits::{IMPORT_IGNORED_MAX, IMPORT_REJECTIONS_MAX};
use crate::message::{KeyOf, Load, OfTable, TableAct};
use crate::outcome::{Folded, Outcome};
use crate::shard;
use crate::store::tables::{RowName, TableRow, TableState, TableWrite, VersionsOf};
use crate::wire::json::{Json, Object};
use crate::wire::{Response, read};
use crate::writer::across::Across;

const NOT_BEGUN: &str = "no request of a replacement of this name came before this last one, and the table is as it was; send its \
     rows under one name, or a whole table in one request without `load` and `last`";
const FINISHED: &str = "a replacement of this name is finished; begin one with another name";
const LACKING: &str =
    "rows of this replacement were rejected, and the table is as it was; begin one with another name";

/// Stores rows. In a shard of several, which was handed the whole, those of other shards are stored there first.
pub(super) fn import(
    message: &OfTable,
    across: Option<&Across>,
    (running, table): (&Running, &Table),
    versions: &mut KnownVersions,
    (body, load, state): (&[u8], Option<&Load>, &TableState),
) -> Folded {
    let is_part = across.is_some_and(|across| across.part.is_some());
    let (into, mut after) = match begun(state, load, is_part) {
        Ok(begun) => begun,
        Err(refused) => return refused,
    };
    let mut parsed = match parse(&running.plan, table, body) {
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
    let mut counts = Counts::default();
    let mut rows = core::mem::take(&mut parsed.rows);
    if let Some(across) = across.filter(|_| !is_part) {
        let elsewhere;
        (elsewhere, rows) = rows.into_iter().partition(|(row, _)| !across.has_row(&name_of(message, row)));
        counts = match stored_elsewhere(message, across, load, elsewhere) {
            Ok(counts) => counts,
            Err(undone) => return undone,
        };
    }
    let mut rows: Vec<TableRow> = rows.into_iter().map(|(row, _)| row).collect();
    if table.version.is_some() && !rows.is_empty() {
        let place = |row: &TableRow| {
            let RowName { audience, table: name, key: value } = name_of(message, row);
            KeyOf { audience, name, value }
        };
        let of = VersionsOf { generation: into, rows: rows.iter().map(place).collect() };
        match &versions.known {
            Some((asked, found)) if *asked == of => counts.stale += drop_stale(&mut rows, found),
            _ => {
                versions.wanted = Some(of);
                return Folded::Part(Box::default());
            }
        }
    }
    let deleted = count(rows.iter().filter(|row| row.columns.is_empty()).count());
    counts.deleted += deleted;
    counts.imported += count(rows.len()) - deleted;
    if let Some(load) = load.filter(|load| load.is_last && !is_part) {
        after = switched(&after, &load.name).unwrap_or(after);
    }
    let state = (after != *state).then_some(after);
    let owner = running.plan.key_of_table(table).unwrap_or_default().to_owned();
    let response = Response::json(200, parsed.body(counts));
    stored(TableWrite { rows, owner, state, ..write_to(message, into) }, response)
}

/// The index of each row that there is, and its version.
type Versions = Vec<(usize, Vec<u8>)>;

/// The versions of stored rows, which tell which of an import's rows are older than those.
#[derive(Debug, Default)]
pub(super) struct KnownVersions {
    /// With the versions of those rows that there are.
    known: Option<(VersionsOf, Versions)>,
    wanted: Option<VersionsOf>,
}

impl KnownVersions {
    pub(super) fn take_wanted(&mut self) -> Option<VersionsOf> {
        let wanted = self.wanted.take()?;
        self.known = Some((wanted.clone(), Vec::new()));
        Some(wanted)
    }

    pub(super) fn learn(&mut self, found: Versions) {
        if let Some((_, known)) = &mut self.known {
            *known = found;
        }
    }
}

/// The rows of a body.
#[derive(Default)]
struct Parsed<'b> {
    rows: Vec<(TableRow, &'b [u8])>,
    rejected: Vec<(usize, RefusedRow)>,
    ignored: Vec<String>,
    more_ignored: bool,
}

/// `Err` is the answer to a body that is over its bounds.
fn parse<'b>(plan: &Plan, table: &Table, body: &'b [u8]) -> Result<Parsed<'b>, Response> {
    let mut parsed = Parsed::default();
    let mut lines = read::lines(body);
    while let Some((line, place, row)) = lines.next() {
        if let Some(detail) = lines.over_bound(parsed.rows.len() + parsed.rejected.len()) {
            return Err(Response::problem(Refusal::TOO_LARGE, Some(&detail)));
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
        Response::problem_with(Refusal::ROWS_REJECTED, |o| self.rejections(o))
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

    fn body(&self, counts: Counts) -> Json {
        let mut body = Json::new();
        body.object(|o| {
            o.field("imported").number(counts.imported);
            o.field("deleted").number(counts.deleted);
            o.field("stale").number(counts.stale);
            self.rejections(o);
            o.field("ignored_columns").list(&self.ignored, |json, column| json.text(column));
            if self.more_ignored {
                o.field("more_ignored_columns").boolean(true);
            }
        });
        body
    }
}

/// Rows that were taken, and rows and deletions that are older than what is stored.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    imported: i64,
    deleted: i64,
    stale: i64,
}

impl Counts {
    /// Adds those of a part, as its shard answered.
    fn add(&mut self, part: &Response) {
        let Ok(body) = read::document(&part.body) else { return };
        let of = |name: &str| match body.get(name).and_then(Value::as_number) {
            Some(Number::Integer(count)) => count,
            _ => 0,
        };
        self.imported += of("imported");
        self.deleted += of("deleted");
        self.stale += of("stale");
    }
}

/// The place of an import in the replacement that it is a part of: the generation that it fills, and the generations afterwards.
/// `Err`: the replacement takes no more rows.
fn begun(state: &TableState, load: Option<&Load>, is_part: bool) -> Result<(u64, TableState), Folded> {
    let mut after = state.clone();
    let Some(Load { name, is_last, is_whole }) = load else { return Ok((state.generation, after)) };
    let is_present = state.is_of(name);
    match state.filling {
        _ if state.is_past(name) => Err(refused(PAST)),
        // As after a name that is mistyped: the table would be what this request has.
        _ if *is_last && !is_whole && !is_present => Err(refused(NOT_BEGUN)),
        _ if is_present && *is_last && state.lacks_rows() => Err(refused(LACKING)),
        0 if is_present && !is_part && !is_last => Err(refused(FINISHED)),
        // Its rows again.
        0 if is_present => Ok((state.generation, after)),
        _ => {
            after.begin(name);
            Ok((after.filling, after))
        }
    }
}

/// Drops rows that are older than the stored ones, or than others before them, and returns their number.
fn drop_stale(rows: &mut Vec<TableRow>, stored: &[(usize, Vec<u8>)]) -> i64 {
    let mut newest: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (index, version) in stored {
        if let Some(row) = rows.get(*index) {
            newest.insert(row.key.clone(), version.clone());
        }
    }
    let before = rows.len();
    rows.retain(|row| {
        let is_newer = newest.get(&row.key).is_none_or(|known| row.replaces(known));
        if is_newer {
            newest.insert(row.key.clone(), row.version.clone());
        }
        is_newer
    });
    count(before - rows.len())
}

/// Stores rows of other shards there, and then switches these, where the rows replace the table. `Err`: they are to be asked first.
fn stored_elsewhere(
    message: &OfTable,
    across: &Across,
    load: Option<&Load>,
    rows: Vec<(TableRow, &[u8])>,
) -> Result<Counts, Folded> {
    let by_shard = rows.iter().map(|(row, line)| (across.shard_of_row(&name_of(message, row)), *line));
    let part = |(shard, lines): (u32, Vec<&[u8]>)| {
        let load = load.map(|load| Load { name: load.name.clone(), is_last: false, is_whole: false });
        (shard, TableAct::Import { body: lines.join(&b'\n'), load })
    };
    let parts: Vec<_> = shard::grouped(by_shard).into_iter().map(part).collect();
    let switches = load.filter(|load| load.is_last).into_iter().flat_map(|load| {
        let others = (0..across.route.shards).filter(|shard| *shard != across.route.shard);
        others.map(|shard| (shard, TableAct::Switch(load.name.clone())))
    });
    for round in [parts.clone(), switches.collect()] {
        if let Some(undone) = ask(message, across, round) {
            return Err(undone);
        }
    }
    let mut counts = Counts::default();
    for (shard, act) in parts {
        let is = |sent: &OfTable| sent.table == message.table && sent.act == act;
        across.asked_of_table(shard, is).flatten().into_iter().for_each(|part| counts.add(part));
    }
    Ok(counts)
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn name_of(message: &OfTable, row: &TableRow) -> RowName {
    let OfTable { audience, table, .. } = message;
    RowName { audience: audience.clone(), table: table.clone(), key: row.key.clone() }
}
