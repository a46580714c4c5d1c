//! The statements of delivery.

use super::cell::{Cell, Rows};
use super::rows::{Row, each, odd};
use super::statement::{Statement, bytes, integer, text};
use crate::limits::{SENDING_MS, SENDING_ROWS_MAX, UPKEEP_ROWS_MAX};
use crate::store::activations::{
    ActivationsRead, ActivationsWrite, AttemptRow, DeliveryRow, FoundActivations, FoundMessage, Stage, Wake,
    Which,
};
use crate::store::journeys::SendRow;
use crate::store::{NEVER_MS, StoreFailure};

/// `stage` is 0 for messages that wait, 1 for attempts that are under way until `due_ms`, 2 for parked ones, and 10 more for those that
/// another shard handed over and no turn of this one has seen.
pub(super) const SCHEMA: [&str; 7] = [
    "CREATE TABLE IF NOT EXISTS delivery (
       number INTEGER PRIMARY KEY, destination TEXT NOT NULL, stage INTEGER NOT NULL, attempts INTEGER NOT NULL,
       due_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, sequence INTEGER NOT NULL, by_hand INTEGER NOT NULL,
       last TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS delivery_due ON delivery (destination, due_ms) WHERE stage < 2",
    "CREATE INDEX IF NOT EXISTS delivery_parked ON delivery (number) WHERE stage = 2",
    "CREATE INDEX IF NOT EXISTS delivery_under_way ON delivery (destination) WHERE stage = 1",
    "CREATE TABLE IF NOT EXISTS attempt (
       number INTEGER PRIMARY KEY, audience TEXT NOT NULL, profile BLOB NOT NULL, at_ms INTEGER NOT NULL,
       entry TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS attempt_of ON attempt (audience, profile)",
    "CREATE TABLE IF NOT EXISTS destination (id TEXT PRIMARY KEY, free_us INTEGER NOT NULL) WITHOUT ROWID",
];

/// Added to `stage`.
const CARRIED: i64 = 10;

/// Reads if there are messages that are not delivered, parked ones among them.
pub const READ_UNSENT: &str = "SELECT EXISTS (SELECT 1 FROM sending)";

/// Reads the number of messages that wait, the time of the oldest of them in Unix milliseconds, and the number of parked ones.
pub const READ_ACTIVATIONS: &str = "SELECT
  (SELECT count(*) FROM sending) - (SELECT count(*) FROM delivery WHERE stage = 2),
  ifnull((SELECT at_ms FROM sending AS s LEFT JOIN delivery AS d ON d.number = s.number
          WHERE ifnull(d.stage, 0) <> 2 ORDER BY s.number LIMIT 1), 0),
  (SELECT count(*) FROM delivery WHERE stage = 2)";

macro_rules! message {
    ($rest:literal) => {
        concat!(
            "SELECT s.number, s.audience, s.profile, s.id, s.at_ms, s.message,
               d.destination, d.stage, d.attempts, d.due_ms, d.until_ms, d.sequence, d.by_hand, d.last,
               ifnull((SELECT group_concat(DISTINCT f.destination) FROM sending AS e JOIN delivery AS f ON f.number = e.number
                       WHERE e.audience = s.audience AND e.profile = s.profile AND e.number < s.number
                         AND f.stage IN (0, 1, 10, 11) AND f.by_hand = 0), '') ",
            $rest
        )
    };
}

/// The destinations of messages that are not parked, each by one look into the index, however many messages there are.
macro_rules! destinations {
    () => {
        "WITH RECURSIVE destinations (id) AS (
           SELECT min(destination) FROM delivery WHERE stage < 2 UNION ALL
           SELECT (SELECT min(destination) FROM delivery WHERE stage < 2 AND destination > destinations.id)
           FROM destinations WHERE destinations.id IS NOT NULL) "
    };
}

/// The statements of a read.
pub(super) fn reads(read: &ActivationsRead) -> Vec<Statement> {
    let number = Cell::Number;
    let most = || number(i64::try_from(SENDING_ROWS_MAX).unwrap_or(i64::MAX));
    let (now_ms, ended) = match read {
        ActivationsRead::Turn { now_ms, ended } => (*now_ms, ended),
        ActivationsRead::List { audience, listed, after, most } => {
            let most = number(i64::from(*most));
            let sql = match listed {
                Which::Waiting => {
                    "SELECT s.number, s.audience, s.profile, s.id, s.at_ms, s.message, ifnull(d.destination, ''), ifnull(d.stage, 0),
                       ifnull(d.attempts, 0), ifnull(d.due_ms, s.at_ms), ifnull(d.until_ms, 0), ifnull(d.sequence, 0),
                       ifnull(d.by_hand, 0), ifnull(d.last, ''), ''
                     FROM sending AS s LEFT JOIN delivery AS d ON d.number = s.number
                     WHERE s.number > ? AND s.audience = ? AND ifnull(d.stage, 0) % 10 <> 2 ORDER BY s.number LIMIT ?"
                }
                Which::Parked => {
                    "SELECT s.number, s.audience, s.profile, s.id, s.at_ms, s.message, d.destination, d.stage, d.attempts, d.due_ms,
                       d.until_ms, d.sequence, d.by_hand, d.last, ''
                     FROM delivery AS d JOIN sending AS s ON s.number = d.number
                     WHERE d.number > ? AND s.audience = ? AND d.stage = 2 ORDER BY d.number LIMIT ?"
                }
                Which::Attempts => {
                    "SELECT number, audience, profile, at_ms, entry FROM attempt
                     WHERE number < ? AND audience = ? ORDER BY number DESC LIMIT ?"
                }
            };
            let after = if *listed == Which::Attempts && *after == 0 { NEVER_MS } else { *after };
            return vec![Statement { sql, params: vec![number(after), text(audience), most] }];
        }
    };
    let list = |numbers: &[i64]| {
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        Cell::Text(format!("[{}]", numbers.join(",")))
    };
    vec![
        Statement {
            sql: message!(
                "FROM json_each(?) AS a JOIN sending AS s ON s.number = a.value JOIN delivery AS d ON d.number = s.number"
            ),
            params: vec![list(ended)],
        },
        Statement {
            // A turn takes new ones in their order, and numbers ascend, so these are above all others that were not handed over.
            sql: "SELECT s.number, s.audience, s.profile, s.id, s.at_ms, s.message, ifnull(d.destination, ''), ifnull(d.stage, -1),
                    ifnull(d.attempts, 0), ifnull(d.due_ms, 0), ifnull(d.until_ms, 0), ifnull(d.sequence, 0), ifnull(d.by_hand, 0),
                    ifnull(d.last, ''),
                    ifnull((SELECT group_concat(DISTINCT f.destination) FROM sending AS e JOIN delivery AS f ON f.number = e.number
                            WHERE e.audience = s.audience AND e.profile = s.profile AND e.number < s.number
                              AND f.stage IN (0, 1, 10, 11) AND f.by_hand = 0), '')
                  FROM sending AS s LEFT JOIN delivery AS d ON d.number = s.number WHERE s.number > ifnull(
                    (SELECT d.number FROM delivery AS d JOIN sending AS t ON t.number = d.number WHERE d.stage < 10
                     ORDER BY d.number DESC LIMIT 1), 0)
                  ORDER BY s.number LIMIT ?",
            params: vec![most()],
        },
        Statement {
            sql: concat!(
                destinations!(),
                message!(
                    "FROM destinations JOIN delivery AS d ON d.number IN (
                       SELECT number FROM delivery WHERE stage < 2 AND destination = destinations.id AND due_ms <= ?
                       ORDER BY due_ms, number LIMIT ?)
                     JOIN sending AS s ON s.number = d.number ORDER BY d.due_ms, d.number"
                )
            ),
            params: vec![number(now_ms), most()],
        },
        Statement {
            sql: "SELECT destination, count(*) FROM delivery WHERE stage = 1 AND due_ms > ? GROUP BY destination",
            params: vec![number(now_ms)],
        },
        Statement { sql: "SELECT id, free_us FROM destination", params: Vec::new() },
        Statement {
            sql: concat!(
                destinations!(),
                "SELECT ifnull((SELECT value FROM meta WHERE name = 'sequence'), 0),
                   ifnull(min((SELECT due_ms FROM delivery WHERE stage < 2 AND destination = destinations.id AND due_ms > ?
                               ORDER BY due_ms LIMIT 1)), -1) FROM destinations"
            ),
            params: vec![number(now_ms)],
        },
    ]
}

fn found_message(row: &mut Row) -> FoundMessage {
    let number = row.number();
    let (audience, profile, id) = (row.text(), row.id(), row.id());
    let send = SendRow { audience, profile, id, at_ms: row.number(), message: row.text(), delivery: None };
    FoundMessage { number, row: send, delivery: delivery(number, row), before: row.text() }
}

/// How the delivery of a message stands, from eight columns. None: there is no such row, and `stage` is -1.
pub(super) fn delivery(number: i64, row: &mut Row) -> Option<DeliveryRow> {
    let (destination, stage) = (row.text(), row.number());
    let delivery = DeliveryRow {
        number,
        carried: stage >= CARRIED,
        destination,
        stage: match stage.rem_euclid(CARRIED) {
            1 => Stage::UnderWay,
            2 => Stage::Parked,
            _ => Stage::Waiting,
        },
        attempts: u32::try_from(row.counted()).unwrap_or(u32::MAX),
        due_ms: row.number(),
        until_ms: row.number(),
        sequence: row.number(),
        by_hand: row.number() != 0,
        last: row.text(),
    };
    (stage >= 0).then_some(delivery)
}

/// The columns of how a delivery stands, without the number.
pub(super) fn columns(row: &DeliveryRow) -> [Cell; 8] {
    let number = Cell::Number;
    let stage = match row.stage {
        Stage::Waiting => 0,
        Stage::UnderWay => 1,
        Stage::Parked => 2,
    };
    [
        text(&row.destination),
        number(if row.carried { stage + CARRIED } else { stage }),
        integer(u64::from(row.attempts)),
        number(row.due_ms),
        number(row.until_ms),
        number(row.sequence),
        number(i64::from(row.by_hand)),
        text(&row.last),
    ]
}

/// The result of a read from the rows of its statements.
pub(super) fn found(read: &ActivationsRead, rows: Vec<Rows>) -> Result<FoundActivations, StoreFailure> {
    match read {
        ActivationsRead::List { listed: Which::Attempts, .. } => {
            let attempt = |row: &mut Row| {
                let number = row.number();
                let (audience, profile) = (row.text(), row.id());
                (number, AttemptRow { audience, profile, at_ms: row.number(), entry: row.text() })
            };
            Ok(FoundActivations { attempts: each(rows, attempt)?, ..FoundActivations::default() })
        }
        ActivationsRead::List { .. } => {
            Ok(FoundActivations { messages: each(rows, found_message)?, ..FoundActivations::default() })
        }
        ActivationsRead::Turn { .. } => {
            let [ended, fresh, due, under_way, free, last] =
                <[Rows; 6]>::try_from(rows).map_err(|_| odd())?;
            let last = each(vec![last], |row| (row.number(), row.number()))?;
            let (sequence, next_due_ms) = last.first().copied().ok_or_else(odd)?;
            Ok(FoundActivations {
                messages: each(vec![ended], found_message)?,
                fresh: each(vec![fresh], found_message)?,
                due: each(vec![due], found_message)?,
                under_way: each(vec![under_way], |row| {
                    (row.text(), u32::try_from(row.counted()).unwrap_or(u32::MAX))
                })?,
                free: each(vec![free], |row| (row.text(), row.number()))?,
                sequence,
                next_due_ms: (next_due_ms >= 0).then_some(next_due_ms),
                attempts: Vec::new(),
            })
        }
    }
}

/// The statements of a write.
pub(super) fn writes(write: &ActivationsWrite, push: &mut impl FnMut(&'static str, Vec<Cell>)) {
    let number = Cell::Number;
    if write.resumes {
        push(
            "UPDATE delivery SET stage = 0, attempts = max(attempts - 1, 0), due_ms = ? WHERE stage = 1",
            vec![number(write.now_ms)],
        );
    }
    for delivered in &write.delivered {
        push("DELETE FROM delivery WHERE number = ?", vec![number(*delivered)]);
        push(
            "UPDATE sending SET message = substr(hex(zeroblob(length(CAST(message AS BLOB)))), 1,
               length(CAST(message AS BLOB))) WHERE number = ?",
            vec![number(*delivered)],
        );
        push("DELETE FROM sending WHERE number = ?", vec![number(*delivered)]);
    }
    for row in &write.rows {
        push(
            "INSERT OR REPLACE INTO delivery
               (number, destination, stage, attempts, due_ms, until_ms, sequence, by_hand, last)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [number(row.number)].into_iter().chain(columns(row)).collect(),
        );
    }
    for Wake { audience, profile, destination, after } in &write.wakes {
        push(
            "UPDATE delivery SET due_ms = min(due_ms, ?) WHERE number =
               (SELECT s.number FROM sending AS s JOIN delivery AS d ON d.number = s.number
                WHERE s.audience = ? AND s.profile = ? AND s.number > ? AND d.destination = ? AND d.stage = 0
                ORDER BY s.number LIMIT 1)",
            vec![number(write.now_ms), text(audience), bytes(profile), number(*after), text(destination)],
        );
    }
    for AttemptRow { audience, profile, at_ms, entry } in &write.attempts {
        push(
            "INSERT INTO attempt (audience, profile, at_ms, entry) VALUES (?, ?, ?, ?)",
            vec![text(audience), bytes(profile), number(*at_ms), text(entry)],
        );
    }
    for (id, free_us) in &write.free {
        push(
            "INSERT OR REPLACE INTO destination (id, free_us) VALUES (?, ?)",
            vec![text(id), number(*free_us)],
        );
    }
    if let Some(sequence) = write.sequence {
        push("INSERT OR REPLACE INTO meta (name, value) VALUES ('sequence', ?)", vec![number(sequence)]);
    }
}

/// The statements of an erasure: attempts go; messages do with their journeys.
pub(super) fn erases(
    audience: &str,
    profiles: &[[u8; 16]],
    push: &mut (impl FnMut(&'static str, Vec<Cell>) + ?Sized),
) {
    for id in profiles {
        let of = || vec![text(audience), bytes(id)];
        push(
            "UPDATE attempt SET entry = substr(hex(zeroblob(length(CAST(entry AS BLOB)))), 1,
               length(CAST(entry AS BLOB))) WHERE audience = ? AND profile = ?",
            of(),
        );
        push("DELETE FROM attempt WHERE audience = ? AND profile = ?", of());
    }
}

/// The statements of a turn of upkeep: what is over its time goes. Rows are in the order of their times, so the oldest ones tell.
pub(super) fn expires(now_ms: i64, push: &mut impl FnMut(&'static str, Vec<Cell>)) {
    let before = || {
        let most = i64::try_from(UPKEEP_ROWS_MAX).unwrap_or(i64::MAX);
        vec![Cell::Number(most), Cell::Number(now_ms.saturating_sub(SENDING_MS))]
    };
    push(
        "DELETE FROM delivery WHERE number IN
           (SELECT number FROM (SELECT number, at_ms FROM sending ORDER BY number LIMIT ?) WHERE at_ms <= ?)",
        before(),
    );
    push(
        "DELETE FROM sending WHERE number IN
           (SELECT number FROM (SELECT number, at_ms FROM sending ORDER BY number LIMIT ?) WHERE at_ms <= ?)",
        before(),
    );
    push(
        "DELETE FROM attempt WHERE number IN
           (SELECT number FROM (SELECT number, at_ms FROM attempt ORDER BY number LIMIT ?) WHERE at_ms <= ?)",
        before(),
    );
}
