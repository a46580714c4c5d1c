//! Imports batch records into the profiles that have their key.

use usher_engine::profile::codec::Unreadable;
use usher_engine::{Keys, Plan, Record, RefusedColumn};

use super::set::{KeysRead, Mint, ProfileIndex, ProfileSet, unreadable};
use crate::edge::Edge;
use crate::error::Refusal;
use crate::limits::{
    IMPORT_IGNORED_MAX, IMPORT_REFUSALS_MAX, IMPORT_REJECTIONS_MAX, IMPORT_ROWS_MAX, IMPORT_VALUES_MAX,
};
use crate::log::Line;
use crate::message::Import;
use crate::outcome::{Folded, Outcome, forget_all};
use crate::store::{FoundProfile, Read, Write};
use crate::wire::json::Json;
use crate::wire::{Response, read};

/// The rows of an import: records, and rejected lines.
#[derive(Debug)]
pub(crate) struct Rows {
    message: Import,
    /// The number of keys to read.
    keys: usize,
    records: Vec<Row>,
    rejected: Vec<(usize, &'static str)>,
}

#[derive(Debug)]
struct Row {
    /// The line in the request, from 1.
    line: usize,
    /// Index of its key among the keys to read.
    key: usize,
    record: Record,
    /// True if it had a number beyond every float.
    beyond: bool,
}

// Reasons to reject a row that is a valid record.
const TOO_LARGE: &str = "The profile would be too large.";
const UNREADABLE: &str = "The stored profile cannot be read.";

pub(super) fn open(edge: &Edge, message: Import) -> Result<(Option<Read>, Rows), Response> {
    let Some(running) = edge.running(&message.audience) else {
        // The fold reports that this writer must catch up first.
        let rows = Rows { message, keys: 0, records: Vec::new(), rejected: Vec::new() };
        return Ok((None, rows));
    };
    let mut records = Vec::new();
    let mut rejected = Vec::new();
    let mut keys = KeysRead::new(&message.ambient);
    let mut lines = read::lines(&message.body);
    let over = |what: String| {
        let detail = format!("more than {what}; send them in several requests");
        Err(Response::problem(Refusal::TOO_LARGE, Some(&detail)))
    };
    while let Some((line, row)) = lines.next() {
        if lines.is_over_bound() {
            return over(format!("{IMPORT_VALUES_MAX} values"));
        }
        if records.len() + rejected.len() == IMPORT_ROWS_MAX {
            return over(format!("{IMPORT_ROWS_MAX} rows"));
        }
        let record = row
            .map_err(|_| "not a JSON object within the bounds of an event")
            .and_then(|row| Ok((running.plan.record(&row.columns, message.ambient.now_ms)?, row.repairs)));
        let record =
            record.map(|(record, repairs)| (if message.patch { record.patching() } else { record }, repairs));
        match record {
            Ok((record, repairs)) => {
                let key = keys.index(&message.audience, &record.key);
                records.push(Row { line, key, record, beyond: repairs.number });
            }
            Err(reason) => rejected.push((line, reason)),
        }
    }
    let rows = Rows { message, keys: keys.len(), records, rejected };
    Ok((keys.read(), rows))
}

pub(super) fn fold(edge: &Edge, rows: &Rows, found: &[FoundProfile]) -> Folded {
    let message = &rows.message;
    let running = match edge.running(&message.audience) {
        Some(running) if running.number >= message.number => running,
        _ => {
            let (audience, number) = (message.audience.clone(), message.number);
            return Folded::NeedsNewerBundle { audience, number };
        }
    };
    // A row is for one profile. Rows of a profile that is unreadable or would be too large are left out, and the others
    // are folded again from the stored state.
    let mut left_out: Vec<(usize, &'static str)> = Vec::new();
    let mut log = Vec::new();
    let mut reasons_logged = false;
    loop {
        let loaded = ProfileSet::load(&message.audience, running.number, rows.keys, found);
        let mut set = match loaded {
            Ok(set) => set,
            Err(number) => {
                return Folded::NeedsNewerBundle { audience: message.audience.clone(), number };
            }
        };
        if !reasons_logged {
            reasons_logged = true;
            log.extend(set.reasons.iter().map(|why| unreadable(*why)));
            if set.reasons.contains(&Unreadable::TooNew) {
                // The import may be sent again when every writer runs the newer build.
                let response = Response::refused(Refusal::STORAGE);
                return Outcome { write: Write::default(), response, log }.done();
            }
            let damaged = rows.records.iter().enumerate();
            let damaged = damaged.filter(|(_, row)| set.unreadable(&[row.key]).is_some());
            left_out.extend(damaged.map(|(index, _)| (index, UNREADABLE)));
        }
        let imported = import_rows(&running.plan, rows, &left_out, &mut set);
        let mut write = Write::default();
        let committed = set.commit(running, edge.form(), message.ambient.now_ms, &mut write);
        let Err(full) = committed else {
            log.extend((0..set.made_room).map(|_| Line::of("profile_made_room")));
            log.extend(set.trimmed.iter().map(|_| Line::of("profile_trimmed")));
            let mut rejected = rows.rejected.clone();
            for (index, reason) in left_out {
                let Some(row) = rows.records.get(index) else { continue };
                let at = rejected.partition_point(|(line, _)| *line < row.line);
                rejected.insert(at, (row.line, reason));
            }
            let (name, all) = forget_all(message.ambient.now_ms);
            let response = Response::json(200, imported.body(&rejected)).header(name, all);
            return Outcome { write, response, log }.done();
        };
        let before = left_out.len();
        for (index, own) in imported.owners {
            if full.contains(&set.current(own)) {
                log.push(Line::of("profile_too_large"));
                left_out.push((index, TOO_LARGE));
            }
        }
        if left_out.len() == before {
            // Only rows change profiles here.
            let response = Response::problem(Refusal::TOO_LARGE, Some("a profile would be over its bound"));
            return Outcome { write: Write::default(), response, log }.done();
        }
    }
}

/// Counts of the imported rows.
#[derive(Default)]
struct Imported<'r> {
    imported: i64,
    unchanged: i64,
    values_refused: i64,
    /// The first of them, each with its line.
    refused: Vec<(usize, &'r RefusedColumn)>,
    ignored: Vec<&'r str>,
    /// There are more of them.
    ignored_more: bool,
    /// The profile of each row, by the row's index.
    owners: Vec<(usize, ProfileIndex)>,
}

fn import_rows<'r>(
    plan: &Plan,
    rows: &'r Rows,
    left_out: &[(usize, &str)],
    set: &mut ProfileSet,
) -> Imported<'r> {
    let now_ms = rows.message.ambient.now_ms;
    let mut mint = Mint::new(rows.message.ambient);
    let mut imported = Imported::default();
    for (index, Row { line, key, record, beyond }) in rows.records.iter().enumerate() {
        if left_out.iter().any(|(known, _)| *known == index) {
            continue;
        }
        let keys = Keys { usable: vec![record.key.clone()], ..Keys::default() };
        let fresh = mint.profile(&rows.message.audience, &record.key);
        let own = set.stitch(plan, &keys, &[*key], fresh, now_ms);
        imported.owners.push((index, own));
        if set.get_mut(own).is_some_and(|profile| profile.import(record.clone())) {
            imported.imported += 1;
        } else {
            imported.unchanged += 1;
        }
        imported.values_refused +=
            i64::try_from(record.refused.len()).unwrap_or(i64::MAX) + i64::from(*beyond);
        let room = IMPORT_REFUSALS_MAX.saturating_sub(imported.refused.len());
        imported.refused.extend(record.refused.iter().take(room).map(|refused| (*line, refused)));
        for column in &record.ignored {
            if imported.ignored.contains(&column.as_str()) {
                continue;
            }
            if imported.ignored.len() == IMPORT_IGNORED_MAX {
                imported.ignored_more = true;
                break;
            }
            imported.ignored.push(column);
        }
    }
    imported
}

impl Imported<'_> {
    /// The answer. `rejected` are lines and reasons, ascending by line.
    fn body(&self, rejected: &[(usize, &'static str)]) -> Json {
        let mut body = Json::new();
        body.object(|o| {
            o.field("imported").number(self.imported);
            o.field("unchanged").number(self.unchanged);
            o.field("values_refused").number(self.values_refused);
            o.field("refused").list(&self.refused, |json, (line, refused)| {
                json.object(|o| {
                    o.field("line").number(i64::try_from(*line).unwrap_or(i64::MAX));
                    o.field("column").text(&refused.column);
                    o.field("reason").text(refused.reason);
                });
            });
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
            if self.ignored_more {
                o.field("more_ignored_columns").boolean(true);
            }
        });
        body
    }
}

#[cfg(test)]
mod tests {
    use usher_engine::definition::{Audience, Definition, Identity};

    use super::*;
    use crate::bundle::{bundle_of, hash_of};
    use crate::message::Ambient;
    use crate::store::Pointer;

    /// Columns that nobody reads cost what columns cost, however many names they have.
    #[test]
    fn names_without_end_are_named_up_to_a_bound_and_cost_no_more_than_one() {
        let edge = edge_of_cards();
        let import = |name: &dyn Fn(usize, usize) -> String| {
            let row = |row: usize| {
                let columns: String = (0..50).map(|column| format!(",\"{}\":1", name(row, column))).collect();
                format!("{{\"card\":\"{row}\"{columns}}}\n")
            };
            let body: String = (0..IMPORT_ROWS_MAX).map(row).collect();
            let (_, rows) = open(&edge, import_of(body.as_bytes())).unwrap();
            let start = std::time::Instant::now();
            let Folded::Done(outcome) = fold(&edge, &rows, &[]) else { panic!("behind") };
            (String::from_utf8(outcome.response.body).unwrap(), start.elapsed())
        };
        let (answer, usual) = import(&|_, column| format!("column-of-all-{column:06}"));
        assert!(answer.contains("column-of-all-000049") && !answer.contains("more_ignored"), "{answer}");
        let (answer, various) = import(&|row, column| format!("column-of-one-{row:04}{column:02}"));
        assert!(
            answer.contains(r#""imported":2000,"#) && answer.ends_with(r#""more_ignored_columns":true}"#)
        );
        assert_eq!(answer.matches("column-of-one-").count(), IMPORT_IGNORED_MAX);
        assert!(various < 5 * usual, "{various:?}, {usual:?} with the same names in each row");
    }

    fn import_of(body: &[u8]) -> Import {
        Import {
            ambient: Ambient { now_ms: 1_790_000_000_000, entropy: [5; 32] },
            audience: "7".to_owned(),
            number: 1,
            patch: false,
            body: body.to_vec(),
        }
    }

    fn edge_of_cards() -> Edge {
        let definition = Definition {
            audience: Audience { id: "7".to_owned(), name: None },
            identity: Identity { lookup_key: Some("card".to_owned()), ..Identity::default() },
            ..Definition::default()
        };
        let body = bundle_of(&definition).unwrap();
        let mut edge = Edge::new(None, false);
        edge.install(&Pointer { audience: "7".to_owned(), number: 1, hash: hash_of(&body) }, body).unwrap();
        edge
    }

    #[test]
    fn a_profile_that_cannot_be_read_keeps_no_other_from_its_rows() {
        let edge = edge_of_cards();
        let body = b"{\"card\":\"a\"}\n{\"card\":\"b\"}\n\n{}\n{\"card\":\"a\"}";
        let (_, rows) = open(&edge, import_of(body)).unwrap();
        // The first key to read is that of the first row.
        let damaged = FoundProfile {
            audience: "7".to_owned(),
            keys: vec![0],
            id: [0; 16],
            version: 1,
            state: b"echo_me_not".to_vec(),
        };
        let Folded::Done(outcome) = fold(&edge, &rows, &[damaged]) else { panic!("behind") };
        let answer = String::from_utf8(outcome.response.body).unwrap();
        assert!(
            answer.starts_with(
                "{\"imported\":1,\"unchanged\":0,\"values_refused\":0,\"refused\":[],\"rejected_count\":3,"
            ),
            "{answer}"
        );
        for (line, reason) in [(1, UNREADABLE), (4, "The key column is missing."), (5, UNREADABLE)] {
            assert!(answer.contains(&format!("{{\"line\":{line},\"reason\":\"{reason}\"}}")), "{answer}");
        }
        let keys: Vec<_> = outcome.write.profiles.iter().map(|row| row.keys.clone().unwrap()).collect();
        assert_eq!(keys, [[("card".to_owned(), "b".to_owned())]]);
        assert_eq!(
            outcome.log.iter().map(Line::to_json).collect::<Vec<_>>(),
            ["{\"event\":\"damaged_profile\",\"detail\":\"damaged profile: not a profile\"}"]
        );
        // A profile of a newer build is intact: the import may be sent again when every writer runs that build.
        let newer = FoundProfile {
            audience: "7".to_owned(),
            keys: vec![0],
            id: [0; 16],
            version: 1,
            state: b"USHP\x09and more".to_vec(),
        };
        let Folded::Done(outcome) = fold(&edge, &rows, &[newer]) else { panic!("behind") };
        assert_eq!((outcome.response.status, outcome.write.is_empty()), (503, true));
        assert_eq!(outcome.log, [Line::of("profile_too_new")]);
    }
}
