//! The statements of what operators and visitors' requests change.

use super::cell::Cell;
use super::statement::{Statement, absent, bytes, text};
use super::{activations, journeys, renewal, shards, tables};
use crate::limits::{DAY_MS, SUPPRESSION_MS, UPKEEP_ROWS_MAX};
use crate::plane::DECIDES;
use crate::store::{DueBefore, Erased, Turn, Upkeep};

/// Lists a profile on a day.
pub(super) const LIST: &str = "INSERT OR IGNORE INTO idle (day, audience, id) VALUES (?, ?, ?)";

/// The statements of a read of what is due: profiles, those of an earlier build, names of erased keys, a row of counts with
/// the lease, the renewal of tables, and who waits in journeys.
pub(super) fn due(before: &DueBefore) -> Vec<Statement> {
    let most = || Cell::Number(i64::try_from(UPKEEP_ROWS_MAX).unwrap_or(i64::MAX));
    let number = Cell::Number;
    let [size, renewal] = renewal::read();
    let [waiting, next] = journeys::due(before.now_ms);
    vec![
        Statement {
            sql: "SELECT e.day, e.audience, e.id, ifnull(p.touched_ms, -1),
                    CASE WHEN p.touched_ms < ? THEN p.state ELSE x'' END
                  FROM idle AS e LEFT JOIN profile AS p ON p.audience = e.audience AND p.id = e.id
                  WHERE e.day < ? ORDER BY e.day, e.audience, e.id LIMIT ?",
            params: vec![number(before.day.saturating_mul(DAY_MS)), number(before.day), most()],
        },
        Statement {
            // A Durable Object binds numbers as floats, by which a quotient is one, too.
            sql: "SELECT CAST(p.touched_ms / ? AS INTEGER), p.audience, p.id FROM profile AS p
                  WHERE (p.audience, p.id) >
                    (ifnull((SELECT audience FROM listing), ''), ifnull((SELECT id FROM listing), x''))
                    AND NOT EXISTS (SELECT 1 FROM meta WHERE name = 'listed')
                  ORDER BY p.audience, p.id LIMIT ?",
            params: vec![number(DAY_MS), most()],
        },
        Statement {
            sql: "SELECT name FROM suppression WHERE copies = 1 AND at_ms <= ? ORDER BY at_ms, name LIMIT ?",
            params: vec![number(before.entomb_ms), most()],
        },
        Statement {
            sql: "SELECT (SELECT count(*) FROM (SELECT 1 FROM journal WHERE at_ms <= ? LIMIT ?)),
                    (SELECT count(*) FROM (SELECT 1 FROM suppression WHERE at_ms <= ? LIMIT ?)),
                    (SELECT count(*) FROM (SELECT 1 FROM retired LIMIT ?)),
                    (SELECT count(*) FROM meta WHERE name = 'listed'),
                    ifnull((SELECT holder FROM lease WHERE name = 'upkeep'), 0),
                    ifnull((SELECT until_ms FROM lease WHERE name = 'upkeep'), 0),
                    (SELECT count(*) FROM (SELECT 1 FROM aged WHERE day < ? LIMIT ?)),
                    (SELECT count(*) FROM (SELECT 1 FROM table_state AS s CROSS JOIN table_row AS r
                       ON r.audience = s.audience AND r.name = s.name AND r.generation < s.generation LIMIT ?))",
            params: vec![
                number(before.journal_ms),
                most(),
                number(before.suppressed_ms),
                most(),
                most(),
                number(before.suppressed_ms.div_euclid(DAY_MS)),
                most(),
                most(),
            ],
        },
        size,
        renewal,
        waiting,
        next,
    ]
}

/// A statement that finds a row if the changes were made.
pub(super) fn trace_of_upkeep(upkeep: &Upkeep) -> Option<Statement> {
    if let Some(erased) = upkeep.erased.first() {
        return Some(absent(&erased.audience, &erased.id));
    }
    if let Some(turn) = &upkeep.turn {
        return Some(Statement {
            sql: "SELECT 1 FROM lease WHERE name = 'upkeep' AND holder = ? AND until_ms = ?",
            params: vec![Cell::Number(turn.lease.0), Cell::Number(turn.lease.1)],
        });
    }
    if let Some(name) = upkeep.rows.get().and_then(|rows| rows.first()) {
        return Some(tables::gone(name));
    }
    upkeep.admitted.first().map(|name| Statement {
        sql: "SELECT 1 FROM suppression WHERE name = ? AND imports = 0",
        params: vec![text(name)],
    })
}

/// The statements of the changes.
pub(super) fn keeps_up(upkeep: &Upkeep, mut push: impl FnMut(&'static str, Vec<Cell>)) {
    for erased in &upkeep.erased {
        erases(erased, &mut push);
    }
    if !upkeep.erased.is_empty() || upkeep.rows.get().is_some_and(|rows| !rows.is_empty()) {
        push(renewal::REMOVES, Vec::new());
    }
    for name in upkeep.rows.get().into_iter().flatten() {
        tables::erases(name, &mut push);
    }
    for suppression in &upkeep.suppressed {
        push(
            "INSERT INTO suppression (name, at_ms, imports, copies) VALUES (?, ?, 1, 1)
             ON CONFLICT (name) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms), imports = 1, copies = 1",
            vec![text(&suppression.name), Cell::Number(suppression.at_ms)],
        );
    }
    for name in &upkeep.admitted {
        push("UPDATE suppression SET imports = 0 WHERE name = ?", vec![text(name)]);
    }
    if let Some(turn) = &upkeep.turn {
        takes_turn(turn, push);
    }
}

/// The statements of a turn of upkeep. Each deletes a bounded number of rows.
fn takes_turn(turn: &Turn, mut push: impl FnMut(&'static str, Vec<Cell>)) {
    let most = || Cell::Number(i64::try_from(UPKEEP_ROWS_MAX).unwrap_or(i64::MAX));
    for since in &turn.unlisted {
        push(
            "DELETE FROM idle WHERE day = ? AND audience = ? AND id = ?",
            vec![Cell::Number(since.day), text(&since.audience), bytes(&since.id)],
        );
    }
    for since in &turn.listed {
        push(LIST, vec![Cell::Number(since.day), text(&since.audience), bytes(&since.id)]);
    }
    match &turn.listing {
        Some((audience, id)) => push(
            "INSERT OR REPLACE INTO listing (one, audience, id) VALUES (1, ?, ?)",
            vec![text(audience), bytes(id)],
        ),
        None => push("INSERT OR IGNORE INTO meta (name, value) VALUES ('listed', 1)", Vec::new()),
    }
    push(
        "DELETE FROM journal WHERE number IN (SELECT number FROM journal WHERE at_ms <= ? LIMIT ?)",
        vec![Cell::Number(turn.due.journal_ms), most()],
    );
    push(
        "DELETE FROM suppression WHERE name IN (SELECT name FROM suppression WHERE at_ms <= ? LIMIT ?)",
        vec![Cell::Number(turn.due.suppressed_ms), most()],
    );
    push(
        "DELETE FROM retired WHERE (audience, id) IN (SELECT audience, id FROM retired LIMIT ?)",
        vec![most()],
    );
    if DECIDES {
        let day = |at_ms: i64| at_ms.div_euclid(DAY_MS);
        let DueBefore { suppressed_ms, .. } = turn.due;
        shards::ages(day(suppressed_ms.saturating_add(SUPPRESSION_MS)), day(suppressed_ms), &mut push);
    }
    for name in &turn.entombed {
        push("UPDATE suppression SET copies = 0 WHERE name = ?", vec![text(name)]);
    }
    activations::expires(turn.due.now_ms, &mut push);
    tables::drops(&mut push);
    if let Some(renews) = &turn.renews {
        renewal::renews(renews, &mut push);
    }
    push(
        "INSERT OR REPLACE INTO lease (name, holder, until_ms) VALUES ('upkeep', ?, ?)",
        vec![Cell::Number(turn.lease.0), Cell::Number(turn.lease.1)],
    );
}

/// Rows with a visitor's values are overwritten before they are deleted: not every host's SQLite does so itself. Other
/// values have as many bytes, so they take the same place.
fn erases(erased: &Erased, push: &mut impl FnMut(&'static str, Vec<Cell>)) {
    let of = |id: &[u8; 16]| vec![text(&erased.audience), bytes(id)];
    push("UPDATE profile SET state = zeroblob(length(state)) WHERE audience = ? AND id = ?", of(&erased.id));
    push("DELETE FROM profile WHERE audience = ? AND id = ?", of(&erased.id));
    push(
        "UPDATE OR IGNORE profile_key SET value = substr(hex(randomblob(length(CAST(value AS BLOB)))), 1,
           length(CAST(value AS BLOB))) WHERE audience = ? AND profile = ?",
        of(&erased.id),
    );
    push("DELETE FROM profile_key WHERE audience = ? AND profile = ?", of(&erased.id));
    for id in erased.absorbed.iter().chain([&erased.id]) {
        push("DELETE FROM journal WHERE audience = ? AND profile = ?", of(id));
        push("DELETE FROM retired WHERE audience = ? AND id = ?", of(id));
    }
    activations::erases(&erased.audience, &erased.absorbed, push);
    activations::erases(&erased.audience, &[erased.id], push);
    journeys::erases(&erased.audience, &erased.id, push);
}
