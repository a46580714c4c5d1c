//! Batch records into the profiles that carry their key.

use usher_engine::{Keys, Record};

use super::events::line;
use super::set::{KeysRead, Mint, ProfileSet, Unusable};
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
    /// Each with where its key stands among them.
    records: Vec<(usize, Record)>,
    rejected: Vec<(usize, &'static str)>,
}

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
                Ok(record) => records.push((keys.index(&message.audience, &record.key), record)),
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
        let mut set = match ProfileSet::load(&message.audience, running.number, rows.keys, found) {
            Ok(set) => set,
            Err(Unusable::Behind) => return Folded::Behind,
            Err(Unusable::Damaged(what)) => {
                let response = Response::problem(Refusal::STORAGE, Some("a stored profile cannot be read"));
                let log = vec![line("damaged_profile", &what)];
                return Outcome { write: Write::default(), response, log }.done();
            }
        };
        let now_ms = message.moment.now_ms;
        let mut mint = Mint::new(message.moment);
        let (mut imported, mut unchanged, mut values_refused) = (0_i64, 0_i64, 0_i64);
        let mut ignored: Vec<&str> = Vec::new();
        for (key, record) in &rows.records {
            let keys = Keys { usable: vec![record.key.clone()], ..Keys::default() };
            let own = set.stitch(&running.plan, &keys, &[*key], mint.uuid(), now_ms);
            let newer = set.get_mut(own).is_some_and(|profile| profile.import(record.clone()));
            if newer {
                imported += 1;
            } else {
                unchanged += 1;
            }
            values_refused += i64::try_from(record.refused.len()).unwrap_or(i64::MAX);
            for column in &record.ignored {
                if !ignored.contains(&column.as_str()) {
                    ignored.push(column);
                }
            }
        }
        let mut write = Write::default();
        if set.commit(&running.plan, now_ms, &mut write).is_err() {
            let response = Response::problem(Refusal::TOO_LARGE, Some("a profile would be over its bound"));
            return Outcome { write: Write::default(), response, log: Vec::new() }.done();
        }
        let mut body = Json::new();
        body.object(|o| {
            o.field("imported").number(imported);
            o.field("unchanged").number(unchanged);
            o.field("values_refused").number(values_refused);
            o.field("rejected_count").number(i64::try_from(rows.rejected.len()).unwrap_or(i64::MAX));
            o.field("rejected").list(
                rows.rejected.iter().take(IMPORT_REJECTIONS_MAX),
                |json, (number, reason)| {
                    json.object(|o| {
                        o.field("line").number(i64::try_from(*number).unwrap_or(i64::MAX));
                        o.field("reason").text(reason);
                    });
                },
            );
            o.field("ignored_columns").list(ignored, |json, column| json.text(column));
        });
        Outcome { write, response: Response::json(200, body), log: Vec::new() }.done()
    }
}
