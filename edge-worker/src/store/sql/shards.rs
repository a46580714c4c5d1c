//! The statements for the rows of a shard of several.

mod alone;

use alone::{found_known, known_reads};

use super::super::shards::{
    GoneRow, IntentRow, PointerRow, SealedRow, ShardBasis, ShardFound, ShardRead, ShardWrite,
};
use super::super::{FoundProfile, HeldKey, StoreFailure};
use super::asked::{all_keys, asked, erased, journals, named, profiles};
use super::cell::{Cell, Rows};
use super::part::cut;
use super::rows::{Row, each, found_erased, found_journal, found_profile, found_profiles, odd, parts_of};
use super::statement::{Statement, bytes, integer, text};
use super::{activations, journeys};
use crate::limits::{AGED_ROWS_MAX, DUE_MAX, UPKEEP_ROWS_MAX};
use crate::message::{Delivery, Place};
use crate::plane::DECIDES;
use usher_engine::gather::Gather;

pub(super) const SCHEMA: [&str; 9] = [
    "CREATE TABLE IF NOT EXISTS key_pointer (
       audience TEXT NOT NULL, hash BLOB NOT NULL, profile BLOB NOT NULL, shard INTEGER NOT NULL,
       generation INTEGER NOT NULL, before BLOB NOT NULL, before_shard INTEGER NOT NULL,
       PRIMARY KEY (audience, hash)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS gone (
       audience TEXT NOT NULL, id BLOB NOT NULL, profile BLOB NOT NULL, shard INTEGER NOT NULL, created_ms INTEGER NOT NULL,
       PRIMARY KEY (audience, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS sealed (
       audience TEXT NOT NULL, id BLOB NOT NULL, intent BLOB NOT NULL, PRIMARY KEY (audience, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS intent (
       id BLOB PRIMARY KEY, audience TEXT NOT NULL, survivor BLOB NOT NULL, source BLOB NOT NULL,
       withdrawn INTEGER NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS intent_of ON intent (audience, survivor)",
    "CREATE TABLE IF NOT EXISTS outbox (
       number INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER NOT NULL, message BLOB NOT NULL, due_ms INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS outbox_due ON outbox (due_ms)",
    // The day on which upkeep first found a row that is of no more use: 0 of `gone`, 1 a closed pointer, 2 a withdrawn intent.
    "CREATE TABLE IF NOT EXISTS aged (
       kind INTEGER NOT NULL, audience TEXT NOT NULL, id BLOB NOT NULL, day INTEGER NOT NULL,
       PRIMARY KEY (kind, audience, id)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS aged_on ON aged (day, kind)",
];

/// The statements of a turn of upkeep: rows that are of no more use get the present day, and go when they have had one before `day`.
/// A bounded number of each kind.
pub(super) fn ages(today: i64, day: i64, push: &mut dyn FnMut(&'static str, Vec<Cell>)) {
    let most = |rows: usize| Cell::Number(i64::try_from(rows).unwrap_or(i64::MAX));
    for found in [
        "INSERT INTO aged (kind, audience, id, day) SELECT 0, r.audience, r.id, ? FROM gone AS r
           WHERE NOT EXISTS (SELECT 1 FROM aged WHERE kind = 0 AND audience = r.audience AND id = r.id) LIMIT ?",
        "INSERT INTO aged (kind, audience, id, day) SELECT 1, r.audience, r.hash, ? FROM key_pointer AS r
           WHERE r.profile = x'' AND NOT EXISTS
             (SELECT 1 FROM aged WHERE kind = 1 AND audience = r.audience AND id = r.hash) LIMIT ?",
        "INSERT INTO aged (kind, audience, id, day) SELECT 2, r.audience, r.id, ? FROM intent AS r
           WHERE r.withdrawn = 1 AND NOT EXISTS
             (SELECT 1 FROM aged WHERE kind = 2 AND audience = r.audience AND id = r.id) LIMIT ?",
    ] {
        push(found, vec![Cell::Number(today), most(AGED_ROWS_MAX)]);
    }
    for (kind, deletes) in (0..).zip([
        "DELETE FROM gone WHERE (audience, id) IN
           (SELECT audience, id FROM aged WHERE day < ? AND kind = ? ORDER BY day, audience, id LIMIT ?)",
        "DELETE FROM key_pointer WHERE profile = x'' AND (audience, hash) IN
           (SELECT audience, id FROM aged WHERE day < ? AND kind = ? ORDER BY day, audience, id LIMIT ?)",
        "DELETE FROM intent WHERE withdrawn = 1 AND (audience, id) IN
           (SELECT audience, id FROM aged WHERE day < ? AND kind = ? ORDER BY day, audience, id LIMIT ?)",
    ]) {
        let which = || vec![Cell::Number(day), Cell::Number(kind), most(UPKEEP_ROWS_MAX)];
        push(deletes, which());
        push(
            "DELETE FROM aged WHERE (kind, audience, id) IN
               (SELECT kind, audience, id FROM aged WHERE day < ? AND kind = ? ORDER BY day, audience, id LIMIT ?)",
            which(),
        );
    }
}

/// A row is of use again, or anew.
fn is_young(kind: i64, audience: &str, id: &[u8; 16], push: &mut dyn FnMut(&'static str, Vec<Cell>)) {
    push(
        "DELETE FROM aged WHERE kind = ? AND audience = ? AND id = ?",
        vec![Cell::Number(kind), text(audience), bytes(id)],
    );
}

/// The number of open merges, and when the oldest began, in Unix milliseconds.
pub const READ_MERGES: &str = "SELECT count(*), ifnull(min(at_ms), 0) FROM intent WHERE withdrawn <> 1";

/// The parts of a read that are asked for, each one statement or several.
pub(super) fn reads(read: &ShardRead) -> Vec<Statement> {
    if !DECIDES {
        return known_reads(read);
    }
    let mut statements: Vec<Statement> = cut(&read.keys, |key| key).into_iter().map(profiles).gather();
    let named = |list: &[(String, [u8; 16])]| named(list.iter().map(|(audience, id)| (audience, id)));
    if !read.keys.is_empty() {
        statements.extend(cut(&read.keys, |key| key).into_iter().map(|keys| Statement {
            sql: "SELECT s.audience, s.id, s.intent FROM json_each(?) AS asked CROSS JOIN profile_key AS k
                    ON k.audience = asked.value ->> 0 AND k.name = asked.value ->> 1 AND k.value = asked.value ->> 2
                  CROSS JOIN sealed AS s ON s.audience = k.audience AND s.id = k.profile",
            params: vec![asked(keys.iter().map(|key| (key, None)))],
        }));
        statements.extend(cut(&read.keys, |key| key).into_iter().map(|keys| Statement {
            sql: "SELECT DISTINCT i.id, i.audience, i.survivor, i.source, i.withdrawn, i.at_ms
                  FROM json_each(?) AS asked CROSS JOIN profile_key AS k
                    ON k.audience = asked.value ->> 0 AND k.name = asked.value ->> 1 AND k.value = asked.value ->> 2
                  CROSS JOIN intent AS i ON i.audience = k.audience AND i.survivor = k.profile",
            params: vec![asked(keys.iter().map(|key| (key, None)))],
        }));
    }
    if !read.pointers.is_empty() {
        statements.push(Statement {
            sql: "SELECT p.audience, p.hash, p.profile, p.shard, p.generation, p.before, p.before_shard
                  FROM json_each(?) AS asked
                  CROSS JOIN key_pointer AS p ON p.audience = asked.value ->> 0 AND p.hash = unhex(asked.value ->> 1)",
            params: vec![named(&read.pointers)],
        });
    }
    if !read.ids.is_empty() {
        let of = |sql| Statement { sql, params: vec![named(&read.ids)] };
        statements.push(of(
            "SELECT '0', p.audience, p.id, p.version, p.state FROM json_each(?) AS asked
              CROSS JOIN profile AS p ON p.audience = asked.value ->> 0 AND p.id = unhex(asked.value ->> 1)",
        ));
        statements.push(of("SELECT g.audience, g.id, g.profile, g.shard, g.created_ms
              FROM json_each(?) AS asked
              CROSS JOIN gone AS g ON g.audience = asked.value ->> 0 AND g.id = unhex(asked.value ->> 1)"));
        statements.push(of("SELECT s.audience, s.id, s.intent FROM json_each(?) AS asked
              CROSS JOIN sealed AS s ON s.audience = asked.value ->> 0 AND s.id = unhex(asked.value ->> 1)"));
        statements.push(of("SELECT i.id, i.audience, i.survivor, i.source, i.withdrawn, i.at_ms
              FROM json_each(?) AS asked
              CROSS JOIN intent AS i ON i.audience = asked.value ->> 0 AND i.survivor = unhex(asked.value ->> 1)"));
    }
    statements.extend(read.intents.iter().map(|intent| Statement {
        sql: "SELECT id, audience, survivor, source, withdrawn, at_ms FROM intent WHERE id = ?",
        params: vec![bytes(intent)],
    }));
    if read.journal {
        // The keys of a lookup are few.
        statements.push(journals(&read.keys));
    }
    if !read.names.is_empty() {
        statements.push(erased(&read.names));
    }
    if read.held {
        statements.push(all_keys(&read.keys));
    }
    if read.sends {
        statements.push(journeys::sends(named(&read.ids)));
    }
    statements.extend(read.row.map(|row| Statement {
        sql: "SELECT number FROM outbox WHERE number = ?",
        params: vec![integer(row)],
    }));
    statements
}

/// The result of [`reads`], whose statements had these rows.
pub(super) fn found(read: &ShardRead, rows: Vec<Rows>) -> Result<ShardFound, StoreFailure> {
    if !DECIDES {
        return found_known(read, rows);
    }
    let mut rows = rows.into_iter();
    let mut next = || rows.next().ok_or_else(odd);
    let parts = cut(&read.keys, |key| key).len();
    let of_keys = (0..parts).map(|_| next()).collect::<Result<Vec<_>, _>>()?;
    let profiles = found_profiles(&read.keys, parts_of(&read.keys, of_keys)?)?;
    let mut found = ShardFound { profiles, ..ShardFound::default() };
    for _ in 0..parts {
        take(&mut found.sealed, next()?, sealed)?;
    }
    for _ in 0..parts {
        take(&mut found.intents, next()?, intent)?;
    }
    if !read.pointers.is_empty() {
        take(&mut found.pointers, next()?, pointer)?;
    }
    if !read.ids.is_empty() {
        for row in next()? {
            let profile = FoundProfile { keys: Vec::new(), ..found_profile(row)? };
            let is = |known: &FoundProfile| (&known.audience, known.id) == (&profile.audience, profile.id);
            if !found.profiles.iter().any(is) {
                found.profiles.push(profile);
            }
        }
        take(&mut found.gone, next()?, gone)?;
        take(&mut found.sealed, next()?, sealed)?;
        take(&mut found.intents, next()?, intent)?;
    }
    for _ in &read.intents {
        take(&mut found.intents, next()?, intent)?;
    }
    if read.journal {
        found.journal = each(vec![next()?], found_journal)?;
    }
    if !read.names.is_empty() {
        found.erased = next()?.into_iter().map(|row| found_erased(row, 0)).collect::<Result<_, _>>()?;
    }
    if read.held {
        let key = |row: &mut Row| HeldKey { profile: row.id(), name: row.text(), value: row.text() };
        found.held = each(vec![next()?], key)?;
    }
    if read.sends {
        found.sends = each(vec![next()?], journeys::send)?;
    }
    found.row = read.row.is_some() && !next()?.is_empty();
    Ok(found)
}

/// Adds what is not there yet.
fn take<T: PartialEq>(list: &mut Vec<T>, rows: Rows, read: fn(&mut Row) -> T) -> Result<(), StoreFailure> {
    for item in each(vec![rows], read)? {
        if !list.contains(&item) {
            list.push(item);
        }
    }
    Ok(())
}

fn pointer(row: &mut Row) -> PointerRow {
    let (audience, hash, id, shard) = (row.text(), row.id(), row.bytes(), row.number());
    let holder = place_of(id, shard & !COMMITTED);
    let (generation, before) = (row.counted(), place(row));
    PointerRow { audience, hash, holder, generation, before, committed: shard & COMMITTED != 0 }
}

/// In the column `shard` of a pointer: its holder is known to list the key. There are fewer shards.
const COMMITTED: i64 = 1 << 16;
/// The column `shard` of a profile that is gone and led nowhere: it was erased.
const ERASED: i64 = 1;

/// Without an id there is none.
fn place(row: &mut Row) -> Option<Place> {
    let (id, shard) = (row.bytes(), row.number());
    place_of(id, shard)
}

fn place_of(id: Vec<u8>, shard: i64) -> Option<Place> {
    Some(Place { id: id.try_into().ok()?, shard: u32::try_from(shard).ok()? })
}

fn gone(row: &mut Row) -> GoneRow {
    let (audience, id, into, shard) = (row.text(), row.id(), row.bytes(), row.number());
    let (place, created_ms) = (place_of(into, shard), row.number());
    let erased = place.is_none() && shard == ERASED;
    GoneRow { audience, id, into: place.map(|place| (place, created_ms)), erased }
}

fn sealed(row: &mut Row) -> SealedRow {
    SealedRow { audience: row.text(), id: row.id(), intent: row.id() }
}

fn intent(row: &mut Row) -> IntentRow {
    let intent = IntentRow {
        id: row.id(),
        audience: row.text(),
        survivor: row.id(),
        source: row.id(),
        withdrawn: false,
        has_person: false,
        at_ms: 0,
    };
    let state = row.number();
    IntentRow {
        withdrawn: state == WITHDRAWN,
        has_person: state == HAS_PERSON,
        at_ms: row.number(),
        ..intent
    }
}

// The column `withdrawn` of an intent that is not merely open.
const WITHDRAWN: i64 = 1;
const HAS_PERSON: i64 = 2;

/// The messages that are due.
pub(super) fn unanswered(now_ms: i64) -> Statement {
    let most = i64::try_from(DUE_MAX).unwrap_or(i64::MAX);
    Statement {
        sql: "SELECT number, shard, message FROM outbox WHERE due_ms <= ? ORDER BY number LIMIT ?",
        params: vec![Cell::Number(now_ms), Cell::Number(most)],
    }
}

pub(super) fn delivery(row: &mut Row) -> Delivery {
    let number = row.counted();
    Delivery { number, shard: u32::try_from(row.number()).unwrap_or(u32::MAX), message: row.bytes() }
}

/// Statements that find a row if what was read of other shards has changed since.
pub(super) fn checks(basis: &ShardBasis) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut check = |sql, params| statements.push(Statement { sql, params });
    for (audience, hash, generation) in &basis.pointers {
        check(
            "SELECT 1 WHERE ifnull((SELECT generation FROM key_pointer WHERE audience = ? AND hash = ?), 0) <> ?",
            vec![text(audience), bytes(hash), integer(*generation)],
        );
    }
    for (audience, id, holder) in &basis.profiles {
        let version = holder.map_or(0, |holder| holder.version);
        check(
            "SELECT 1 WHERE ifnull((SELECT version FROM profile WHERE audience = ? AND id = ?), 0) <> ?",
            vec![text(audience), bytes(id), integer(version)],
        );
    }
    for SealedRow { audience, id, intent } in &basis.sealed {
        check(
            "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sealed WHERE audience = ? AND id = ? AND intent = ?)",
            vec![text(audience), bytes(id), bytes(intent)],
        );
    }
    if let Some(row) = basis.row {
        check("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE number = ?)", vec![integer(row)]);
    }
    statements
}

/// The statements of a write, for the same transaction as the profiles.
pub(super) fn writes(write: &ShardWrite, push: &mut dyn FnMut(&'static str, Vec<Cell>)) {
    let parts = |place: Option<Place>| match place {
        Some(place) => [bytes(&place.id), Cell::Number(i64::from(place.shard))],
        None => [bytes(&[]), Cell::Number(0)],
    };
    for row in &write.pointers {
        let ([profile, _], [before, before_shard]) = (parts(row.holder), parts(row.before));
        let committed = if row.committed { COMMITTED } else { 0 };
        let shard = row.holder.map_or(0, |holder| i64::from(holder.shard) | committed);
        push(
            "INSERT OR REPLACE INTO key_pointer
               (audience, hash, profile, shard, generation, before, before_shard) VALUES (?, ?, ?, ?, ?, ?, ?)",
            vec![
                text(&row.audience),
                bytes(&row.hash),
                profile,
                Cell::Number(shard),
                integer(row.generation),
                before,
                before_shard,
            ],
        );
    }
    for row in &write.pointers {
        is_young(1, &row.audience, &row.hash, push);
    }
    for row in &write.gone {
        is_young(0, &row.audience, &row.id, push);
        let [profile, shard] = match row.into {
            None if row.erased => [bytes(&[]), Cell::Number(ERASED)],
            into => parts(into.map(|(place, _)| place)),
        };
        let created_ms = Cell::Number(row.into.map_or(0, |(_, created_ms)| created_ms));
        push(
            "INSERT OR REPLACE INTO gone (audience, id, profile, shard, created_ms) VALUES (?, ?, ?, ?, ?)",
            vec![text(&row.audience), bytes(&row.id), profile, shard, created_ms],
        );
    }
    for row in &write.sealed {
        push(
            "INSERT OR REPLACE INTO sealed (audience, id, intent) VALUES (?, ?, ?)",
            vec![text(&row.audience), bytes(&row.id), bytes(&row.intent)],
        );
    }
    for (audience, id) in &write.unsealed {
        push("DELETE FROM sealed WHERE audience = ? AND id = ?", vec![text(audience), bytes(id)]);
    }
    for row in &write.intents {
        push(
            "INSERT OR REPLACE INTO intent (id, audience, survivor, source, withdrawn, at_ms) VALUES (?, ?, ?, ?, ?, ?)",
            vec![
                bytes(&row.id),
                text(&row.audience),
                bytes(&row.survivor),
                bytes(&row.source),
                Cell::Number(match (row.withdrawn, row.has_person) {
                    (true, _) => WITHDRAWN,
                    (false, true) => HAS_PERSON,
                    (false, false) => 0,
                }),
                Cell::Number(row.at_ms),
            ],
        );
    }
    for intent in &write.closed {
        push("DELETE FROM intent WHERE id = ?", vec![bytes(intent)]);
    }
    for number in &write.answered {
        // It may have values of a visitor.
        push(
            "UPDATE outbox SET message = zeroblob(length(message)) WHERE number = ?",
            vec![integer(*number)],
        );
        push("DELETE FROM outbox WHERE number = ?", vec![integer(*number)]);
    }
    for (number, due_ms) in &write.again {
        push("UPDATE outbox SET due_ms = ? WHERE number = ?", vec![Cell::Number(*due_ms), integer(*number)]);
    }
    for (name, at_ms) in &write.erased {
        push(
            "INSERT INTO suppression (name, at_ms, imports, copies) VALUES (?, ?, 0, 0)
             ON CONFLICT (name) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)",
            vec![text(name), Cell::Number(*at_ms)],
        );
    }
    for (audience, id) in &write.forgotten {
        // A pointer may still name it.
        push(
            "UPDATE gone SET profile = x'', shard = ?, created_ms = 0 WHERE audience = ? AND id = ?",
            vec![Cell::Number(ERASED), text(audience), bytes(id)],
        );
        push("DELETE FROM journal WHERE audience = ? AND profile = ?", vec![text(audience), bytes(id)]);
        activations::erases(audience, &[*id], push);
        journeys::erases(audience, id, push);
    }
    for row in &write.handed_over {
        journeys::hands_over(row, push);
    }
    for row in &write.outbox {
        push(
            "INSERT INTO outbox (shard, message, due_ms) VALUES (?, ?, ?)",
            vec![Cell::Number(i64::from(row.shard)), bytes(&row.message), Cell::Number(row.due_ms)],
        );
    }
}
