//! The statements of journeys: visitors who wait, and messages that are not sent yet.

use super::activations;
use super::cell::Cell;
use super::rows::Row;
use super::statement::{Statement, bytes, text};
use crate::limits::UPKEEP_ROWS_MAX;
use crate::plane::FOLDS_ALL;
use crate::store::activations::DeliveryRow;
use crate::store::journeys::{SendRow, WaitRow};
use crate::store::{Retired, Write};

pub(super) const SCHEMA: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS waiting (
       audience TEXT NOT NULL, profile BLOB NOT NULL, due_ms INTEGER NOT NULL,
       PRIMARY KEY (audience, profile)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS waiting_due ON waiting (due_ms)",
    "CREATE TABLE IF NOT EXISTS sending (
       number INTEGER PRIMARY KEY, audience TEXT NOT NULL, profile BLOB NOT NULL, id BLOB NOT NULL,
       at_ms INTEGER NOT NULL, message TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS sending_of ON sending (audience, profile)",
];

/// The statements of a read of who waits no longer, and until when the next one does.
pub(super) fn due(now_ms: i64) -> [Statement; 2] {
    let most = Cell::Number(i64::try_from(UPKEEP_ROWS_MAX).unwrap_or(i64::MAX));
    [
        Statement {
            sql: "SELECT w.audience, w.profile, ifnull(p.version, 0), ifnull(p.state, x'')
                  FROM waiting AS w LEFT JOIN profile AS p ON p.audience = w.audience AND p.id = w.profile
                  WHERE w.due_ms <= ? ORDER BY w.due_ms, w.audience, w.profile LIMIT ?",
            params: vec![Cell::Number(now_ms), most],
        },
        Statement {
            sql: "SELECT due_ms FROM waiting WHERE due_ms > ? ORDER BY due_ms LIMIT 1",
            params: vec![Cell::Number(now_ms)],
        },
    ]
}

/// The statements of a write.
pub(super) fn writes(write: &Write, push: &mut impl FnMut(&'static str, Vec<Cell>)) {
    for WaitRow { audience, profile, due_ms } in &write.waits {
        match due_ms {
            Some(due_ms) => push(
                "INSERT OR REPLACE INTO waiting (audience, profile, due_ms) VALUES (?, ?, ?)",
                vec![text(audience), bytes(profile), Cell::Number(*due_ms)],
            ),
            None => push(
                "DELETE FROM waiting WHERE audience = ? AND profile = ?",
                vec![text(audience), bytes(profile)],
            ),
        }
    }
    for SendRow { audience, profile, id, at_ms, message, delivery } in
        write.sends.iter().filter(|_| FOLDS_ALL)
    {
        push(
            "INSERT INTO sending (audience, profile, id, at_ms, message) VALUES (?, ?, ?, ?, ?)",
            vec![text(audience), bytes(profile), bytes(id), Cell::Number(*at_ms), text(message)],
        );
        if let Some(delivery) = delivery {
            let carried = DeliveryRow { carried: true, ..(**delivery).clone() };
            push(
                "INSERT OR REPLACE INTO delivery
                   (number, destination, stage, attempts, due_ms, until_ms, sequence, by_hand, last)
                 SELECT max(number), ?, ?, ?, ?, ?, ?, ?, ? FROM sending",
                activations::columns(&carried).into(),
            );
        }
    }
}

/// The statement of a read of what is not sent yet of these profiles.
pub(super) fn sends(named: Cell) -> Statement {
    Statement {
        sql: "SELECT s.audience, s.profile, s.id, s.at_ms, s.message, ifnull(d.destination, ''), ifnull(d.stage % 10, -1),
                ifnull(d.attempts, 0), ifnull(d.due_ms, 0), ifnull(d.until_ms, 0), ifnull(d.sequence, 0), ifnull(d.by_hand, 0),
                ifnull(d.last, '')
              FROM json_each(?) AS asked
              CROSS JOIN sending AS s ON s.audience = asked.value ->> 0 AND s.profile = unhex(asked.value ->> 1)
              LEFT JOIN delivery AS d ON d.number = s.number
              ORDER BY s.number",
        params: vec![named],
    }
}

/// A row of it.
pub(super) fn send(row: &mut Row) -> SendRow {
    let (audience, profile, id) = (row.text(), row.id(), row.id());
    let (at_ms, message) = (row.number(), row.text());
    let delivery = activations::delivery(0, row).map(Box::new);
    SendRow { audience, profile, id, at_ms, message, delivery }
}

/// The statement of a message that another shard sends from now on. Its text is overwritten with it.
pub(super) fn hands_over(row: &SendRow, push: &mut (impl FnMut(&'static str, Vec<Cell>) + ?Sized)) {
    let of = || vec![text(&row.audience), bytes(&row.profile), bytes(&row.id)];
    push(
        "DELETE FROM delivery WHERE number IN
           (SELECT number FROM sending WHERE audience = ? AND profile = ? AND id = ?)",
        of(),
    );
    push("DELETE FROM sending WHERE audience = ? AND profile = ? AND id = ?", of());
}

/// The statements of a merge: its due times end, and what is not sent yet moves.
pub(super) fn retires(retired: &Retired, push: &mut impl FnMut(&'static str, Vec<Cell>)) {
    let of = || vec![text(&retired.audience), bytes(&retired.id)];
    push("DELETE FROM waiting WHERE audience = ? AND profile = ?", of());
    let into = [bytes(&retired.into)].into_iter().chain(of()).collect();
    push("UPDATE sending SET profile = ? WHERE audience = ? AND profile = ?", into);
}

/// The statements of an erasure; texts are overwritten first, as those of profiles are.
pub(super) fn erases(
    audience: &str,
    id: &[u8; 16],
    push: &mut (impl FnMut(&'static str, Vec<Cell>) + ?Sized),
) {
    let of = || vec![text(audience), bytes(id)];
    push("DELETE FROM waiting WHERE audience = ? AND profile = ?", of());
    push(
        "DELETE FROM delivery WHERE number IN (SELECT number FROM sending WHERE audience = ? AND profile = ?)",
        of(),
    );
    push(
        "UPDATE sending SET message = substr(hex(zeroblob(length(CAST(message AS BLOB)))), 1,
           length(CAST(message AS BLOB))) WHERE audience = ? AND profile = ?",
        of(),
    );
    push("DELETE FROM sending WHERE audience = ? AND profile = ?", of());
}
