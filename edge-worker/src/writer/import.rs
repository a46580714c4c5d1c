//! Imports batch records into the profiles that have their key.

mod apart;

use core::ops::Range;

use usher_engine::profile::codec::Unreadable;
use usher_engine::{Keys, Plan, Record, RefusedColumn};

use super::across::{Across, restored};
use super::decide::Deciding;
use super::mint;
use super::parts::Parts;
use super::set::{KeysRead, ProfileIndex, ProfileSet, unreadable};
use crate::edge::Edge;
use crate::error::Refusal;
use crate::limits::{IMPORT_IGNORED_MAX, IMPORT_REFUSALS_MAX, IMPORT_REJECTIONS_MAX};
use crate::log::Line;
use crate::message::Import;
use crate::outcome::{Folded, Outcome, forget_all};
use crate::plane::HAS_SHARDS;
use crate::store::index::HashIndex;
use crate::store::shards::ShardFound;
use crate::store::{ErasedKey, FoundProfile, Read, Write};
use crate::wire::json::Json;
use crate::wire::{Response, read};

/// The rows of an import: records and rejected lines, each in the order of the lines.
#[derive(Debug)]
pub(crate) struct Rows {
    message: Import,
    /// None where there is one shard.
    across: Option<Across>,
    /// The hash of the bundle whose plan they are records of; None: nothing ran.
    bundle: Option<String>,
    /// The number of keys to read.
    keys: usize,
    records: Vec<Row>,
    /// Lines and reasons, ascending.
    rejected: Vec<(usize, &'static str)>,
    ignored: Ignored,
    pub(super) parts: Parts,
    /// The result of the parts so far.
    imported: Imported,
    /// For each record, the reason if it is rejected when it is folded.
    left_out: Vec<Option<&'static str>>,
    log: Vec<Line>,
}

/// A row that is a record. The record is read again when it is folded: those of a whole import would take many times the
/// memory of its bytes.
#[derive(Debug)]
struct Row {
    /// The line in the request, from 1.
    line: usize,
    /// The place of the line in the body.
    place: Range<usize>,
    /// Index of its key among those of the message; None: it was handed on to another shard.
    key: Option<usize>,
}

/// The first columns that no attribute reads, each once.
#[derive(Debug, Default)]
struct Ignored {
    columns: Vec<String>,
    known: HashIndex,
    /// There are more of them.
    more: bool,
}

impl Ignored {
    fn add(&mut self, columns: Vec<String>) {
        for column in columns {
            let is = |at: usize| self.columns.get(at).is_some_and(|known| *known == column);
            if self.known.find(&[column.as_bytes()], is).is_some() {
                continue;
            }
            if self.columns.len() == IMPORT_IGNORED_MAX {
                self.more = true;
                return;
            }
            self.known.find_or_put(&[column.as_bytes()], self.columns.len(), |_| false);
            self.columns.push(column);
        }
    }
}

// Reasons to reject a row that is a valid record.
const TOO_LARGE: &str = "The profile would be too large.";
const UNREADABLE: &str = "The stored profile cannot be read.";
const ERASED: &str = "erased";

pub(super) fn open(
    edge: &Edge,
    message: Import,
    across: Option<Across>,
) -> Result<(Option<Read>, Rows), Response> {
    let Some(running) = edge.running(&message.audience) else {
        // The fold reports that this writer must catch up first.
        return Ok((None, Rows::new(message, across, None)));
    };
    let mut keys = KeysRead::new(&message.ambient);
    let mut lines = read::lines(&message.body);
    let (mut records, mut rejected, mut ignored) = (Vec::new(), Vec::new(), Ignored::default());
    let handed = across.as_ref().map_or_else(Vec::new, Across::handed_lines);
    // Of a part the lines are numbered as in the whole.
    let mut numbers = across.as_ref().and_then(|across| across.part.as_ref()).map(|part| part.places.iter());
    while let Some((line, place, row)) = lines.next() {
        if let Some(detail) = lines.over_bound(records.len() + rejected.len()) {
            return Err(Response::problem(Refusal::TOO_LARGE, Some(&detail)));
        }
        let number = numbers.as_mut().and_then(Iterator::next);
        let line = number.map_or(line, |(number, _)| usize::try_from(*number).unwrap_or(line));
        match record_of(&running.plan, row, message.ambient.now_ms) {
            Ok((record, _)) => {
                ignored.add(record.ignored);
                let is_open = handed.binary_search(&line).is_err();
                let key = is_open.then(|| keys.index(&message.audience, &record.key));
                records.push(Row { line, place, key });
            }
            Err(reason) => rejected.push((line, reason)),
        }
    }
    let (bundle, left_out) = (Some(running.hash.clone()), vec![None; records.len()]);
    let (count, read) = (keys.len(), keys.read_rows(edge, across.as_ref()));
    let rows =
        Rows { keys: count, records, rejected, ignored, left_out, ..Rows::new(message, across, bundle) };
    Ok((read, rows))
}

/// The record of a line, and what was put right in it.
fn record_of(
    plan: &Plan,
    row: Result<read::Row, read::Unreadable>,
    now_ms: i64,
) -> Result<(Record, read::Repairs), &'static str> {
    let row = row.map_err(|_| "not a JSON object within the bounds of an event")?;
    Ok((plan.record(&row.columns, now_ms)?, row.repairs))
}

/// Folds the rows of the current part. `erased`: the keys that were erased; `shard`: the same profiles, with what a shard of
/// several has beside them.
pub(super) fn fold(
    edge: &Edge,
    rows: &mut Rows,
    found: &[FoundProfile],
    erased: &[ErasedKey],
    shard: Option<&ShardFound>,
) -> Folded {
    let (audience, number) = (&rows.message.audience, rows.message.number);
    if edge.was_taken_out_after(audience, number) {
        return Outcome::of(Response::problem(Refusal::AUDIENCE_UNKNOWN, None));
    }
    let running = match edge.running(audience) {
        Some(running) if running.number >= number => running,
        _ => return Folded::NeedsNewerBundle { audience: audience.clone(), number },
    };
    if rows.bundle.as_ref() != Some(&running.hash) {
        return Folded::OpenAgain;
    }
    let now_ms = rows.message.ambient.now_ms;
    let nothing = ShardFound::default();
    // A row is for one profile. Rows of a profile that is unreadable or would be too large are left out, and the others
    // are folded again from the stored state.
    let mut reasons_logged = false;
    let write = loop {
        let loaded = ProfileSet::load(&rows.message.audience, running.number, rows.keys, found);
        let mut set = match loaded {
            Ok(set) => set,
            Err(number) => {
                return Folded::NeedsNewerBundle { audience: rows.message.audience.clone(), number };
            }
        };
        if !reasons_logged {
            reasons_logged = true;
            rows.log.extend(set.reasons.iter().map(|why| unreadable(*why)));
            if set.reasons.contains(&Unreadable::TooNew) {
                // The import may be sent again when every writer runs the newer build.
                let response = Response::problem(Refusal::STORAGE, None);
                return rows.refused(response);
            }
            rows.leave_out(&set, erased);
        }
        let across = rows.across.as_ref().filter(|_| HAS_SHARDS);
        let mut deciding = across.map(|across| {
            // Who has the whole of an import reads nothing.
            let found = shard.unwrap_or(&nothing);
            set.seal(&found.sealed);
            let audience = &*rows.message.audience;
            Deciding { across, running: Some(running), audience, found, now_ms, open: Default::default() }
        });
        let of_part = import_rows(&running.plan, rows, &mut set, deciding.as_mut());
        let mut write = Write::default();
        if HAS_SHARDS && let Some(deciding) = &mut deciding {
            if deciding.open.is_lost {
                return restored();
            }
            let handed_on = rows.hand_on(&of_part.there, deciding) && !of_part.is_out_of_reach;
            if !handed_on || (deciding.across.is_last() && !deciding.open.is_empty()) {
                return Outcome::of(Response::problem(Refusal::STORAGE, None));
            }
            if !deciding.open.is_empty() {
                let open = core::mem::take(&mut deciding.open);
                return Folded::Ask(open.questions(deciding.across, deciding.audience, running.number));
            }
            deciding.relocate(&set, &[], &mut write);
        }
        let Err(full) = set.commit(running, edge.form(), now_ms, &mut write) else {
            rows.log.extend((0..set.made_room).map(|_| Line::of("profile_made_room")));
            rows.log.extend(set.trimmed.iter().map(|_| Line::of("profile_trimmed")));
            rows.imported.add(of_part.imported);
            break write;
        };
        let owners = of_part.owners.into_iter();
        let of_full = owners.filter(|(_, own)| full.binary_search(&set.current(*own)).is_ok());
        if !rows.leave_out_too_large(of_full.map(|(index, _)| index)) {
            // Only rows change profiles here.
            let response = Response::problem(Refusal::TOO_LARGE, Some("a profile would be over its bound"));
            return rows.refused(response);
        }
    };
    if rows.parts.advance() {
        return Folded::Part(Box::new(write));
    }
    finish(rows, write)
}

/// The outcome of an import whose last part has this write.
fn finish(rows: &mut Rows, write: Write) -> Folded {
    let (name, all) = forget_all(rows.message.ambient.now_ms);
    let (imported, rejected) = (core::mem::take(&mut rows.imported), rows.all_rejected());
    let response = match rows.across.as_ref().filter(|_| HAS_SHARDS) {
        None => Response::json(200, imported.body(&rejected, &rows.ignored)),
        Some(across) => match rows.joined(across, imported, rejected) {
            Some(response) => response,
            // Rows that were stored elsewhere change nothing when they are sent again.
            None => return Outcome::of(Response::problem(Refusal::STORAGE, None)),
        },
    };
    let (response, log) = (response.header(name, all), core::mem::take(&mut rows.log));
    Outcome { write, response, log }.done()
}

impl Rows {
    /// Leaves out the rows of the current part whose profile is unreadable or whose key was erased.
    fn leave_out(&mut self, set: &ProfileSet, erased: &[ErasedKey]) {
        let is_erased = |key| erased.iter().any(|erased| erased.key == key && erased.imports);
        let of_part = self.left_out.iter_mut().zip(&self.records).enumerate();
        for (_, (reason, row)) in of_part.filter(|(index, _)| self.parts.has(*index)) {
            let Some(key) = row.key else { continue };
            *reason = set.unreadable(&[key]).map(|_| UNREADABLE);
            // Nearly always none.
            if !erased.is_empty() && is_erased(key) {
                *reason = Some(ERASED);
            }
        }
    }

    /// Leaves out these rows, whose profiles would be too large; false: there are none.
    fn leave_out_too_large(&mut self, indexes: impl Iterator<Item = usize>) -> bool {
        let mut found = false;
        for index in indexes {
            if let Some(reason) = self.left_out.get_mut(index) {
                self.log.push(Line::of("profile_too_large"));
                *reason = Some(TOO_LARGE);
                found = true;
            }
        }
        found
    }

    fn new(message: Import, across: Option<Across>, bundle: Option<String>) -> Rows {
        Rows {
            message,
            across,
            bundle,
            keys: 0,
            records: Vec::new(),
            rejected: Vec::new(),
            ignored: Ignored::default(),
            parts: Parts::default(),
            imported: Imported::default(),
            left_out: Vec::new(),
            log: Vec::new(),
        }
    }

    /// The index of the key of each record.
    pub(super) fn items(&self) -> Vec<Vec<usize>> {
        self.records.iter().map(|row| row.key.into_iter().collect()).collect()
    }

    /// Nothing of it is stored.
    fn refused(&mut self, response: Response) -> Folded {
        Outcome { write: Write::default(), response, log: core::mem::take(&mut self.log) }.done()
    }

    /// The rejected lines and those that are left out, ascending, with their reasons.
    fn all_rejected(&self) -> Vec<(usize, &'static str)> {
        let mut all = Vec::new();
        let mut rejected = self.rejected.iter().copied().peekable();
        for (row, reason) in self.records.iter().zip(&self.left_out) {
            let Some(reason) = reason else { continue };
            while let Some(before) = rejected.next_if(|(line, _)| *line < row.line) {
                all.push(before);
            }
            all.push((row.line, *reason));
        }
        all.extend(rejected);
        all
    }
}

/// The holder of a row.
enum Whose {
    /// Of a profile here, found by these keys, or a new one.
    Here(Keys),
    /// Of another shard; None: it is there by now, or questions are open.
    There(Option<u32>),
    Unknown,
}

/// The rows of the current part.
#[derive(Default)]
struct OfPart {
    imported: Imported,
    /// The profile of each row, by the row's index.
    owners: Vec<(usize, ProfileIndex)>,
    /// Rows of other shards, by the shard and their indexes.
    there: Vec<(u32, usize)>,
    /// True if the profile of a row cannot be reached.
    is_out_of_reach: bool,
}

/// Counts of the imported rows.
#[derive(Debug, Default)]
struct Imported {
    imported: i64,
    unchanged: i64,
    values_refused: i64,
    /// The first of them, each with its line.
    refused: Vec<(usize, RefusedColumn)>,
}

/// Imports the rows of the current part.
fn import_rows(
    plan: &Plan,
    rows: &Rows,
    set: &mut ProfileSet,
    mut deciding: Option<&mut Deciding<'_>>,
) -> OfPart {
    let Import { ambient, audience, patch, body, .. } = &rows.message;
    let OfPart { mut imported, mut owners, mut there, mut is_out_of_reach } = OfPart::default();
    let kept = rows.records.iter().zip(&rows.left_out).enumerate();
    let kept = kept.filter(|(index, (_, reason))| reason.is_none() && rows.parts.has(*index));
    for (index, (Row { line, place, key }, _)) in kept {
        let row = read::event(body.get(place.clone()).unwrap_or_default());
        // It was a record before, under the same plan.
        let Ok((record, repairs)) = record_of(plan, row, ambient.now_ms) else { continue };
        let mut keys = Keys { usable: vec![record.key.clone()], ..Keys::default() };
        let fresh = mint::profile(ambient, index, audience, &record.key);
        if HAS_SHARDS && let Some(deciding) = &mut deciding {
            match rows.decide(deciding, set, &keys, *key, fresh) {
                Whose::Here(here) => keys = here,
                Whose::There(shard) => {
                    there.extend(shard.map(|shard| (shard, index)));
                    continue;
                }
                Whose::Unknown => {
                    is_out_of_reach = true;
                    continue;
                }
            }
        }
        let Some(key) = *key else { continue };
        let own = set.stitch(plan, &keys, &[key], fresh, ambient.now_ms);
        owners.push((index, own));
        let refused = record.refused.len();
        imported.values_refused += i64::try_from(refused).unwrap_or(i64::MAX) + i64::from(repairs.number);
        let room = IMPORT_REFUSALS_MAX.saturating_sub(imported.refused.len());
        imported.refused.extend(record.refused.iter().take(room).map(|refused| (*line, refused.clone())));
        let record = if *patch { record.patching() } else { record };
        if set.get_mut(own).is_some_and(|profile| profile.import(record, ambient.now_ms)) {
            imported.imported += 1;
        } else {
            imported.unchanged += 1;
        }
    }
    OfPart { imported, owners, there, is_out_of_reach }
}

impl Imported {
    /// Adds the result of a part.
    fn add(&mut self, part: Imported) {
        self.imported += part.imported;
        self.unchanged += part.unchanged;
        self.values_refused += part.values_refused;
        let room = IMPORT_REFUSALS_MAX.saturating_sub(self.refused.len());
        self.refused.extend(part.refused.into_iter().take(room));
    }

    /// The answer. `rejected` are lines and reasons, ascending by line.
    fn body(&self, rejected: &[(usize, &str)], ignored: &Ignored) -> Json {
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
            o.field("ignored_columns").list(&ignored.columns, |json, column| json.text(column));
            if ignored.more {
                o.field("more_ignored_columns").boolean(true);
            }
        });
        body
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    use usher_engine::definition::{Attribute, AttributeKind, Audience, Definition, Identity};
    use usher_engine::profile::codec::{Form, encode};
    use usher_engine::profile::{Key, Profile, ProfileId};

    use super::*;
    use crate::bundle::{bundle_of, hash_of};
    use crate::limits::{BATCH_BYTES_MAX, IMPORT_ROWS_MAX};
    use crate::message::Ambient;
    use crate::store::Pointer;

    /// Nobody was erased.
    fn fold(edge: &Edge, rows: &mut Rows, found: &[FoundProfile]) -> Folded {
        super::fold(edge, rows, found, &[], None)
    }

    /// Columns that nobody reads cost what columns cost, however many names they have.
    #[test]
    fn names_without_end_are_named_up_to_a_bound_and_cost_no_more_than_one() {
        let edge = edge_of_cards();
        let import = |name: &dyn Fn(usize, usize) -> String| {
            let row = |row: usize| {
                let columns: String = (0..50).map(|column| format!(",\"{}\":1", name(row, column))).collect();
                format!("{{\"card\":\"{row}\"{columns}}}\n")
            };
            let body: String = (0..2_000).map(row).collect();
            let (_, mut rows) = open(&edge, import_of(body.as_bytes()), None).unwrap();
            let start = cpu_time();
            let Folded::Done(outcome) = fold(&edge, &mut rows, &[]) else { panic!("behind") };
            (String::from_utf8(outcome.response.body).unwrap(), cpu_time() - start)
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

    #[test]
    fn an_audience_that_was_taken_out_is_unknown() {
        let mut edge = edge_of_cards();
        let (_, before) = open(&edge, import_of(b"{\"card\":\"1\"}"), None).unwrap();
        let out = |number| Pointer { audience: "7".to_owned(), number, hash: String::new() };
        edge.update_pointers(vec![out(2)], Vec::new());
        let (_, after) = open(&edge, import_of(b"{\"card\":\"1\"}"), None).unwrap();
        for mut rows in [before, after] {
            let Folded::Done(outcome) = fold(&edge, &mut rows, &[]) else { panic!("behind") };
            let unknown = Response::problem(Refusal::AUDIENCE_UNKNOWN, None);
            assert_eq!((outcome.response.status, outcome.response.body), (404, unknown.body));
            assert!(outcome.write.is_empty());
        }
        // The front runs what was published since.
        let (_, mut rows) =
            open(&edge, Import { number: 3, ..import_of(b"{\"card\":\"1\"}") }, None).unwrap();
        assert!(matches!(fold(&edge, &mut rows, &[]), Folded::NeedsNewerBundle { number: 3, .. }));
    }

    /// Rows of an import's most rows, each with a key and these columns.
    fn rows_with(columns: &dyn Fn(usize) -> String) -> Vec<u8> {
        let row = |row: usize| format!("{{\"card\":\"{row:06}\"{}}}\n", columns(row));
        (0..IMPORT_ROWS_MAX).map(row).collect::<String>().into_bytes()
    }

    /// From the message to the statements of its write. Here a pointer has twice the bytes that it has in an isolate, and
    /// memory may grow to 96 MiB there.
    #[test]
    fn an_import_at_its_bounds_fits_an_isolate() {
        let edge = edge_of_cards();
        let long = "x".repeat(BATCH_BYTES_MAX / IMPORT_ROWS_MAX / 2 - 30);
        let ignored = |row: usize| (0..48).map(|column| format!(",\"{row}.{column}\":1")).collect::<String>();
        let numbers = |_: usize| (0..COLUMNS).map(|column| format!(",\"c{column}\":1.5")).collect::<String>();
        let texts = |_: usize| format!(",\"c1\":\"{long}\",\"c2\":\"{long}\"");
        let shapes: [(&str, &dyn Fn(usize) -> String); 4] = [
            ("keys alone", &|_| String::new()),
            ("names that nobody reads", &ignored),
            ("numbers", &numbers),
            ("texts", &texts),
        ];
        for (what, columns) in shapes {
            let body = rows_with(columns);
            let mut found: Vec<FoundProfile> = Vec::new();
            // New visitors, and then the same again.
            for later_ms in 0..2 {
                let mut stored = Vec::new();
                let counted = allocation_counter::measure(|| {
                    let mut message = import_of(&body);
                    message.ambient.now_ms += later_ms;
                    let (_, mut rows) = open(&edge, message, None).unwrap();
                    let Folded::Done(outcome) = fold(&edge, &mut rows, &found) else { panic!("behind") };
                    drop(crate::store::sql::writes(&outcome.write));
                    stored = outcome.write.profiles;
                });
                assert_eq!(stored.len(), IMPORT_ROWS_MAX, "{what}");
                assert!(counted.bytes_max < 64 * 1024 * 1024, "{what}: {}", counted.bytes_max);
                found = stored.into_iter().enumerate().map(|(at, row)| found_at(at, row.state)).collect();
            }
        }
    }

    /// Four times as many rows take about four times as long, whatever becomes of them.
    #[test]
    fn an_import_takes_time_by_its_rows() {
        let edge = edge_of_cards();
        let time = |body: &[u8], found: &[FoundProfile]| {
            let start = cpu_time();
            for _ in 0..5 {
                let (_, mut rows) = open(&edge, import_of(body), None).unwrap();
                let Folded::Done(outcome) = fold(&edge, &mut rows, found) else { panic!("behind") };
                assert_eq!(outcome.response.status, 200);
            }
            cpu_time() - start
        };
        let rows = |count: usize, row: &dyn Fn(usize) -> String| {
            (0..count).map(row).collect::<String>().into_bytes()
        };
        let damaged = |at: usize| found_at(at, b"echo_me_not".to_vec());
        let mut large = Profile::new(ProfileId([0; 16]), 0);
        large.bundle = 1;
        large.edit_keys(|keys| keys.push(Key { name: "card".to_owned(), value: "0".to_owned(), seen_ms: 0 }));
        large.edit_seen_ids(|seen| seen.events = (0..1_000).map(|id| (id, 0)).collect());
        let large = found_at(0, encode(&large, Form::Two));
        type Shape<'a> = (&'a str, &'a dyn Fn(usize) -> String, &'a dyn Fn(usize) -> Vec<FoundProfile>);
        let shapes: [Shape<'_>; 4] = [
            ("new", &|row| format!("{{\"card\":\"{row}\"}}\n"), &|_| Vec::new()),
            ("of one visitor", &|_| "{\"card\":\"0\",\"c1\":1}\n".to_owned(), &|_| vec![large.clone()]),
            ("no objects", &|_| "[]\n".to_owned(), &|_| Vec::new()),
            ("damaged, and no objects between", &|row| format!("{{\"card\":\"{row}\"}}\n[]\n"), &|count| {
                (0..count).map(damaged).collect()
            }),
        ];
        for (what, row, found) in shapes {
            let most = IMPORT_ROWS_MAX / 2;
            let of = |count: usize| time(&rows(count, row), &found(count));
            let (few, many) = (of(most / 4), of(most));
            // The clock of a thread is read to some milliseconds.
            assert!(
                many < 8 * few + Duration::from_millis(60),
                "{what}: {few:?}, and {many:?} for four times as many"
            );
        }
    }

    /// The time that this thread has run: others on the machine do not count. Where the system does not say it, the time
    /// that has passed.
    fn cpu_time() -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        let said = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanoseconds = said.as_ref().and_then(|said| said.split(' ').next()?.parse().ok());
        nanoseconds.map_or_else(|| START.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
    }

    /// A profile with the key of this index among those that are read.
    fn found_at(key: usize, state: Vec<u8>) -> FoundProfile {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(key as u64).to_be_bytes());
        FoundProfile { audience: "7".to_owned(), keys: vec![key], id, version: 1, state }
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

    /// The number of columns that attributes read, `c0` and so on.
    const COLUMNS: usize = 38;

    fn edge_of_cards() -> Edge {
        let mut edge = Edge::new(None, false);
        install(&mut edge, 1, "card");
        edge
    }

    /// Installs a bundle whose records have this key.
    fn install(edge: &mut Edge, number: u64, key: &str) {
        let column = |column: usize| Attribute {
            name: format!("c{column}"),
            kind: AttributeKind::Batch { column: format!("c{column}"), data_type: None },
            sensitive: false,
            description: None,
        };
        let definition = Definition {
            audience: Audience { id: "7".to_owned(), name: None },
            attributes: (0..COLUMNS).map(column).collect(),
            identity: Identity { lookup_key: Some(key.to_owned()), ..Identity::default() },
            ..Definition::default()
        };
        let body = bundle_of(&definition).unwrap();
        let pointer = Pointer { audience: "7".to_owned(), number, hash: hash_of(&body) };
        edge.install(&pointer, body).unwrap();
    }

    /// A host that waits between the two may install a bundle there, under which other lines are records.
    #[test]
    fn an_import_that_was_opened_under_the_bundle_before_is_opened_again() {
        let message = || import_of(b"{\"card\":\"a\",\"c1\":1}\n{\"badge\":\"b\",\"c1\":1}");
        let rejected = |edge: &Edge, rows: &mut Rows| match fold(edge, rows, &[]) {
            Folded::Done(outcome) => {
                let answer = String::from_utf8(outcome.response.body).unwrap();
                assert!(answer.starts_with(r#"{"imported":1,"#), "{answer}");
                [1, 2].into_iter().find(|line| answer.contains(&format!("{{\"line\":{line},")))
            }
            other => panic!("{other:?}"),
        };
        let mut edge = Edge::new(None, false);
        let (_, mut under_none) = open(&edge, message(), None).unwrap();
        install(&mut edge, 1, "card");
        assert!(matches!(fold(&edge, &mut under_none, &[]), Folded::OpenAgain));
        let (_, mut under_cards) = open(&edge, message(), None).unwrap();
        assert_eq!(rejected(&edge, &mut under_cards), Some(2));
        install(&mut edge, 2, "badge");
        assert!(matches!(fold(&edge, &mut under_cards, &[]), Folded::OpenAgain));
        let (_, mut under_badges) = open(&edge, message(), None).unwrap();
        assert_eq!(rejected(&edge, &mut under_badges), Some(1));
    }

    #[test]
    fn a_profile_that_cannot_be_read_keeps_no_other_from_its_rows() {
        let edge = edge_of_cards();
        let body = b"{\"card\":\"a\"}\n{\"card\":\"b\"}\n\n{}\n{\"card\":\"a\"}";
        let (_, mut rows) = open(&edge, import_of(body), None).unwrap();
        // The first key to read is that of the first row.
        let damaged = FoundProfile {
            audience: "7".to_owned(),
            keys: vec![0],
            id: [0; 16],
            version: 1,
            state: b"echo_me_not".to_vec(),
        };
        let Folded::Done(outcome) = fold(&edge, &mut rows, &[damaged]) else { panic!("behind") };
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
            outcome.log.iter().map(|line| line.record().to_json()).collect::<Vec<_>>(),
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
        let Folded::Done(outcome) = fold(&edge, &mut rows, &[newer]) else { panic!("behind") };
        assert_eq!((outcome.response.status, outcome.write.is_empty()), (503, true));
        assert_eq!(outcome.log, [Line::of("profile_too_new")]);
    }
}
