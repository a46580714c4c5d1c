//! Batch records into the profiles that carry their key.

use usher_engine::{Keys, Plan, Record};

use super::events::line;
use super::set::{KeysRead, Mint, Place, ProfileSet, Unusable};
use super::{Folded, Import, Opened, Outcome, Work};
use crate::bundle::Edge;
use crate::error::Refusal;
use crate::host::{FoundProfile, Write};
use crate::limits::{IMPORT_REJECTIONS_MAX, IMPORT_ROWS_MAX};
use crate::wire::json::Json;
use crate::wire::{Response, read};

/// The rows of an import: records, and lines that are none.
#[derive(Debug)]
pub(super) struct Rows {
    message: Import,
    /// How many keys are read.
    keys: usize,
    records: Vec<Row>,
    rejected: Vec<(usize, &'static str)>,
}

#[derive(Debug)]
struct Row {
    /// Of the request, from 1.
    line: usize,
    /// Where its key stands among those that are read.
    key: usize,
    record: Record,
}

/// Why a row is refused that would be a record.
const TOO_LARGE: &str = "The profile would be too large.";

impl Edge {
    pub(super) fn open_import(&self, message: Import) -> Result<Opened, Response> {
        let Some(running) = self.audiences.get(&message.audience) else {
            // Found out when it is folded: this writer must catch up first.
            let rows = Rows { message, keys: 0, records: Vec::new(), rejected: Vec::new() };
            return Ok(Opened { read: None, work: Work::Import(rows) });
        };
        let mut records = Vec::new();
        let mut rejected = Vec::new();
        let about = message.body.iter().filter(|byte| **byte == b'\n').take(IMPORT_ROWS_MAX).count();
        let mut keys = KeysRead::for_about(about);
        let lines = message.body.split(|byte| *byte == b'\n').enumerate();
        for (index, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
            if records.len() + rejected.len() == IMPORT_ROWS_MAX {
                let detail = format!("more than {IMPORT_ROWS_MAX} rows; send them in several requests");
                return Err(Response::problem(Refusal::TOO_LARGE, Some(&detail)));
            }
            let record = read::event(line)
                .map_err(|_| "not a JSON object within the bounds of an event")
                .and_then(|row| running.plan.record(&row, message.moment.now_ms));
            match record {
                Ok(record) => {
                    let key = keys.index(&message.audience, &record.key);
                    records.push(Row { line: index + 1, key, record });
                }
                Err(reason) => rejected.push((index + 1, reason)),
            }
        }
        let work = Work::Import(Rows { message, keys: keys.len(), records, rejected });
        Ok(Opened { read: keys.read(), work })
    }

    pub(super) fn fold_import(&self, rows: &Rows, found: &[FoundProfile]) -> Folded {
        let message = &rows.message;
        let running = match self.audiences.get(&message.audience) {
            Some(running) if running.number >= message.number => running,
            _ => return Folded::Behind,
        };
        // A row is for one profile; those of one that would be too large are left out, and the others folded again from
        // what was found.
        let mut left_out: Vec<usize> = Vec::new();
        loop {
            let mut set = match ProfileSet::load(&message.audience, running.number, rows.keys, found) {
                Ok(set) => set,
                Err(Unusable::Behind) => return Folded::Behind,
                Err(Unusable::Damaged(what)) => {
                    let response =
                        Response::problem(Refusal::STORAGE, Some("a stored profile cannot be read"));
                    let log = vec![line("damaged_profile", &what)];
                    return Outcome { write: Write::default(), response, log }.done();
                }
            };
            let taken = take(&running.plan, rows, &left_out, &mut set);
            let mut write = Write::default();
            let Err(full) = set.commit(&running.plan, message.moment.now_ms, &mut write) else {
                let log = left_out.iter().map(|_| line("profile_too_large", "")).collect();
                let mut rejected = rows.rejected.clone();
                for row in left_out.iter().filter_map(|index| rows.records.get(*index)) {
                    let at = rejected.partition_point(|(line, _)| *line < row.line);
                    rejected.insert(at, (row.line, TOO_LARGE));
                }
                return Outcome { write, response: Response::json(200, taken.told(&rejected)), log }.done();
            };
            let before = left_out.len();
            left_out.extend(
                taken.owners.iter().filter(|(_, own)| full.contains(&set.now(*own))).map(|(index, _)| *index),
            );
            if left_out.len() == before {
                // Nothing but rows changes profiles here.
                let response =
                    Response::problem(Refusal::TOO_LARGE, Some("a profile would be over its bound"));
                return Outcome { write: Write::default(), response, log: Vec::new() }.done();
            }
        }
    }
}

/// What the rows that were taken came to.
#[derive(Default)]
struct Taken<'r> {
    imported: i64,
    unchanged: i64,
    values_refused: i64,
    ignored: Vec<&'r str>,
    /// Whose each row is, by its index.
    owners: Vec<(usize, Place)>,
}

fn take<'r>(plan: &Plan, rows: &'r Rows, left_out: &[usize], set: &mut ProfileSet) -> Taken<'r> {
    let now_ms = rows.message.moment.now_ms;
    let mut mint = Mint::new(rows.message.moment);
    let mut taken = Taken::default();
    for (index, Row { key, record, .. }) in rows.records.iter().enumerate() {
        if left_out.contains(&index) {
            continue;
        }
        let keys = Keys { usable: vec![record.key.clone()], ..Keys::default() };
        let own = set.stitch(plan, &keys, &[*key], mint.uuid(), now_ms);
        taken.owners.push((index, own));
        if set.get_mut(own).is_some_and(|profile| profile.import(record.clone())) {
            taken.imported += 1;
        } else {
            taken.unchanged += 1;
        }
        taken.values_refused += i64::try_from(record.refused.len()).unwrap_or(i64::MAX);
        for column in &record.ignored {
            if !taken.ignored.contains(&column.as_str()) {
                taken.ignored.push(column);
            }
        }
    }
    taken
}

impl Taken<'_> {
    /// What the caller gets. `rejected` are lines and reasons, ascending.
    fn told(&self, rejected: &[(usize, &'static str)]) -> Json {
        let mut body = Json::new();
        body.object(|o| {
            o.field("imported").number(self.imported);
            o.field("unchanged").number(self.unchanged);
            o.field("values_refused").number(self.values_refused);
            o.field("rejected_count").number(i64::try_from(rejected.len()).unwrap_or(i64::MAX));
            o.field("rejected").list(
                rejected.iter().take(IMPORT_REJECTIONS_MAX),
                |json, (number, reason)| {
                    json.object(|o| {
                        o.field("line").number(i64::try_from(*number).unwrap_or(i64::MAX));
                        o.field("reason").text(reason);
                    });
                },
            );
            o.field("ignored_columns").list(&self.ignored, |json, column| json.text(column));
        });
        body
    }
}
