//! The schema and the statements for every host that stores in SQLite.
//!
//! A host runs [`SCHEMA`] when it opens a database, runs the statements of a [`Read`] and passes their rows back, and
//! runs those of a [`Write`] in one transaction. Values are always parameters.

mod activations;
mod asked;
mod cell;
mod control;
mod found;
mod journeys;
mod part;
mod renewal;
mod rows;
mod shards;
mod statement;
mod tables;
mod upkeep;

pub use activations::{READ_ACTIVATIONS, READ_UNSENT};
use asked::{all_keys, asked, erased, journals, profiles, sizes, unerased};
pub use cell::{Cell, Rows};
pub use found::found;
use part::cut;
pub use renewal::SIZE;
pub use shards::READ_MERGES;
pub use statement::Statement;
use statement::{absent, bytes, integer, text};
use upkeep::{keeps_up, trace_of_upkeep};
use usher_engine::gather::Gather;
use usher_engine::planted::{self, Bug};

use super::index::HashIndex;
use super::shards::ShardWrite;
use super::{Basis, Pointer, Published, Read, Release, Write};
use crate::limits::{DAY_MS, JOURNAL_MS, JOURNAL_OF_PROFILE_MAX};
use crate::message::{KeyOf, WhichRelease};
use crate::plane::{DECIDES, HAS_CONTROL_PLANE, HAS_JOURNEYS, HAS_SHARDS};

/// Creates the table with the form of all others. It is read first, because [`SCHEMA`] must not run on data of a newer
/// build.
pub const META: &str =
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID";

/// Reads the newest form that was written here; no row: none, as before there were forms.
pub const READ_FORM: &str = "SELECT value FROM meta WHERE name = 'form'";

/// Stores the form to write. Its parameter is the form's number.
pub const WRITE_FORM: &str = "INSERT INTO meta (name, value) VALUES ('form', ?)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE excluded.value > value";

/// Reads where the data of the deployment are, in the host's words, whether there are any here, and the number of this shard,
/// -1 if it has none yet. Empty words: an earlier build wrote what there is. It is read after [`SCHEMA`] has run.
pub const READ_PLACEMENT: &str = "SELECT ifnull((SELECT value FROM meta WHERE name = 'placement'), ''),
  EXISTS (SELECT 1 FROM profile) OR EXISTS (SELECT 1 FROM release) OR EXISTS (SELECT 1 FROM key_pointer)
    OR EXISTS (SELECT 1 FROM outbox),
  ifnull((SELECT value FROM meta WHERE name = 'shard'), -1)";

/// Stores the number of a shard of several.
pub const WRITE_SHARD: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES ('shard', ?)";

/// Stores where the data of the deployment are. Its parameter must not look like a number.
pub const WRITE_PLACEMENT: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES ('placement', ?)";

/// Creates the tables that are missing. Every statement may run again, and only adds.
pub const SCHEMA: &[&str] = &[
    shards::SCHEMA[0],
    shards::SCHEMA[1],
    shards::SCHEMA[2],
    shards::SCHEMA[3],
    shards::SCHEMA[4],
    shards::SCHEMA[5],
    shards::SCHEMA[6],
    shards::SCHEMA[7],
    shards::SCHEMA[8],
    "CREATE TABLE IF NOT EXISTS profile (
       audience TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, touched_ms INTEGER NOT NULL,
       state BLOB NOT NULL, PRIMARY KEY (audience, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS profile_key (
       audience TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, profile BLOB NOT NULL,
       PRIMARY KEY (audience, name, value)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS profile_key_of ON profile_key (audience, profile)",
    // Release 0.1.0 writes it, and nothing reads it.
    "CREATE TABLE IF NOT EXISTS retired (
       audience TEXT NOT NULL, id BLOB NOT NULL, merged_into BLOB NOT NULL,
       PRIMARY KEY (audience, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS journal (
       number INTEGER PRIMARY KEY, audience TEXT NOT NULL, profile BLOB NOT NULL, at_ms INTEGER NOT NULL,
       entry TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS journal_at ON journal (at_ms)",
    "CREATE INDEX IF NOT EXISTS journal_of ON journal (audience, profile)",
    "CREATE TABLE IF NOT EXISTS bundle (hash TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS pointer (
       audience TEXT PRIMARY KEY, number INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS release (
       audience TEXT NOT NULL, number INTEGER NOT NULL, hash TEXT NOT NULL, origin INTEGER NOT NULL,
       at_ms INTEGER NOT NULL, PRIMARY KEY (audience, number)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS written (
       audience TEXT PRIMARY KEY, number INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID",
    // Each profile once, on a day since 1970 on which it was seen.
    "CREATE TABLE IF NOT EXISTS idle (
       day INTEGER NOT NULL, audience TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (day, audience, id)) WITHOUT ROWID",
    // The last profile of an earlier build that is listed there.
    "CREATE TABLE IF NOT EXISTS listing (one INTEGER PRIMARY KEY, audience TEXT NOT NULL, id BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS lease (name TEXT PRIMARY KEY, holder INTEGER NOT NULL, until_ms INTEGER NOT NULL) WITHOUT ROWID",
    // Keys whose profiles were erased, by a keyed hash.
    "CREATE TABLE IF NOT EXISTS suppression (
       name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, imports INTEGER NOT NULL, copies INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS suppression_at ON suppression (at_ms)",
    "CREATE INDEX IF NOT EXISTS suppression_copies ON suppression (at_ms, name) WHERE copies = 1",
    journeys::SCHEMA[0],
    journeys::SCHEMA[1],
    journeys::SCHEMA[2],
    journeys::SCHEMA[3],
    activations::SCHEMA[0],
    activations::SCHEMA[1],
    activations::SCHEMA[2],
    activations::SCHEMA[3],
    activations::SCHEMA[4],
    activations::SCHEMA[5],
    activations::SCHEMA[6],
    control::SCHEMA[0],
    control::SCHEMA[1],
    renewal::SCHEMA[0],
    renewal::SCHEMA[1],
    tables::SCHEMA[0],
    tables::SCHEMA[1],
    tables::SCHEMA[2],
    "CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL)",
    // What ran before there was a history is its beginning.
    "INSERT OR IGNORE INTO release (audience, number, hash, origin, at_ms)
       SELECT audience, number, hash, number, 0 FROM pointer",
    // Removes bodies that no history refers to. The body of the last writing bundle stays, in case the history is lost.
    "DELETE FROM bundle WHERE hash NOT IN (SELECT hash FROM release UNION SELECT hash FROM written)",
];

/// The statements of a read.
///
/// # Examples
///
/// A host runs them in order, and gives the rows of each to [`found`]:
///
/// ```
/// use usher_edge::store::{Found, Read, sql};
///
/// let read = Read::Bundle { hash: "b1".to_owned() };
/// let [statement] = &sql::reads(&read)[..] else { panic!("one statement") };
/// assert_eq!(statement.sql, "SELECT body FROM bundle WHERE hash = ?");
/// assert_eq!(statement.params, [sql::Cell::Text("b1".to_owned())]);
///
/// let rows = vec![vec![vec![sql::Cell::Bytes(b"{}".to_vec())]]];
/// assert_eq!(sql::found(&read, rows), Ok(Found::Bundle(Some(b"{}".to_vec()))));
/// ```
pub fn reads(read: &Read) -> Vec<Statement> {
    match read {
        Read::Profiles(keys) => cut(keys, |key| key).into_iter().map(profiles).gather(),
        Read::Sizes(keys) => cut(keys, |key| key).into_iter().map(sizes).gather(),
        Read::Unerased { keys, names } => {
            let mut names = names.as_slice();
            let mut part = |keys: &[KeyOf]| {
                let (own, rest) = names.split_at_checked(keys.len()).unwrap_or((names, &[]));
                names = rest;
                unerased(keys, own)
            };
            cut(keys, |key| key).into_iter().map(&mut part).gather()
        }
        Read::Whole { .. } | Read::Due(_) if !HAS_CONTROL_PLANE => Vec::new(),
        Read::Due(before) => upkeep::due(before),
        Read::Whole { keys, names } => vec![profiles(keys), all_keys(keys), erased(names)],
        // The keys of a lookup, whose body is far below the bound of a statement.
        Read::Journals(keys) => vec![profiles(keys), journals(keys)],
        Read::Pointers => vec![Statement {
            sql: "SELECT audience, number, hash FROM pointer ORDER BY audience",
            params: Vec::new(),
        }],
        Read::Releases { .. } | Read::Release { .. } | Read::Control(_) | Read::Activations(_)
            if !HAS_CONTROL_PLANE =>
        {
            Vec::new()
        }
        Read::Activations(read) => activations::reads(read),
        Read::Control(read) => control::reads(read),
        Read::Releases { audience } => vec![releases(audience)],
        Read::Release { audience, which } => vec![releases(audience), release(audience, which)],
        Read::Bundle { hash } => {
            vec![Statement { sql: "SELECT body FROM bundle WHERE hash = ?", params: vec![text(hash)] }]
        }
        Read::Written => vec![written()],
        Read::Probe => vec![written(), Statement { sql: SIZE, params: Vec::new() }],
        Read::Shard(_) | Read::Unanswered(_) if !HAS_SHARDS => Vec::new(),
        Read::Shard(read) => shards::reads(read),
        Read::Unanswered(now_ms) => vec![shards::unanswered(*now_ms)],
        Read::Rows(names) => names.get().map(|names| tables::rows(names)).into_iter().gather(),
        Read::WithRows(both) => {
            let Some(both) = both.get() else { return Vec::new() };
            let mut statements = reads(&both.0);
            statements.push(tables::rows(&both.1));
            statements
        }
        Read::Table(of) => of.get().map(tables::state).into_iter().gather(),
        Read::Own(own) => own.get().map(tables::own).unwrap_or_default(),
        Read::Versions(of) => of.get().map(tables::versions).unwrap_or_default(),
    }
}

/// The newest bundle of each audience that wrote profiles here.
fn written() -> Statement {
    Statement { sql: "SELECT audience, number, hash FROM written ORDER BY audience", params: Vec::new() }
}

/// The audience's bundles, newest first.
fn releases(audience: &str) -> Statement {
    Statement {
        sql: "SELECT number, hash, origin, at_ms FROM release WHERE audience = ? ORDER BY number DESC",
        params: vec![text(audience)],
    }
}

/// One bundle with its body.
fn release(audience: &str, which: &WhichRelease) -> Statement {
    match which {
        WhichRelease::Previous => Statement {
            sql: "SELECT r.number, r.hash, r.origin, r.at_ms, b.body FROM release r
                  JOIN bundle b ON b.hash = r.hash
                  JOIN pointer p ON p.audience = r.audience
                  JOIN release now ON now.audience = r.audience AND now.number = p.number
                  WHERE r.audience = ? AND r.number < now.origin AND r.hash <> now.hash
                  ORDER BY r.number DESC LIMIT 1",
            params: vec![text(audience)],
        },
        WhichRelease::Number(number) => Statement {
            sql: "SELECT r.number, r.hash, r.origin, r.at_ms, b.body FROM release r
                  JOIN bundle b ON b.hash = r.hash WHERE r.audience = ? AND r.number = ?",
            params: vec![text(audience), integer(*number)],
        },
        WhichRelease::Before(number) => Statement {
            sql: "SELECT r.number, r.hash, r.origin, r.at_ms, b.body FROM release r
                  JOIN bundle b ON b.hash = r.hash WHERE r.audience = ? AND r.number < ?
                  ORDER BY r.number DESC LIMIT 1",
            params: vec![text(audience), integer(*number)],
        },
        WhichRelease::Hash(hash) => Statement {
            sql: "SELECT r.number, r.hash, r.origin, r.at_ms, b.body FROM release r
                  JOIN bundle b ON b.hash = r.hash WHERE r.audience = ? AND r.hash = ?
                  ORDER BY r.number DESC LIMIT 1",
            params: vec![text(audience), text(hash)],
        },
    }
}

/// A statement that finds a row if the write was made; None if the write leaves no unique row. A write is atomic, so
/// one part of it proves the whole.
pub fn trace(write: &Write) -> Option<Statement> {
    if let Some(row) = write.profiles.first() {
        return Some(Statement {
            sql: "SELECT 1 FROM profile WHERE audience = ? AND id = ? AND version = ? AND state = ?",
            params: vec![text(&row.audience), bytes(&row.id), integer(row.version), bytes(&row.state)],
        });
    }
    if let Some(Published { audience, release, .. }) = &write.bundle {
        return Some(Statement {
            sql: "SELECT 1 FROM release WHERE audience = ? AND number = ? AND hash = ?",
            params: vec![text(audience), integer(release.number), text(&release.hash)],
        });
    }
    if HAS_CONTROL_PLANE && let Some(write) = &write.control {
        return Some(control::trace(write));
    }
    if HAS_CONTROL_PLANE && let Some(upkeep) = &write.upkeep {
        return trace_of_upkeep(upkeep);
    }
    if let Some(table) = write.table.get() {
        return tables::trace(table);
    }
    write.retired.first().map(|retired| absent(&retired.audience, &retired.id))
}

/// Statements that find a row if the basis has changed since; a host whose storage has another writer runs them in the
/// transaction of [`writes`], and returns [`CommitError::Conflict`](super::CommitError::Conflict) if one does.
pub fn checks(basis: &Basis) -> Vec<Statement> {
    if planted::is(Bug::CommitsWithoutCondition) {
        return Vec::new();
    }
    let keys = cut(&basis.keys, |(key, _)| key).into_iter().map(|keys| Statement {
        sql: "SELECT 1 FROM json_each(?) AS asked
              LEFT JOIN profile_key AS k ON k.audience = asked.value ->> 0 AND k.name = asked.value ->> 1
                AND k.value = asked.value ->> 2
              LEFT JOIN profile AS p ON p.audience = k.audience AND p.id = k.profile
              WHERE hex(p.id) <> asked.value ->> 3 OR ifnull(p.version, 0) <> asked.value ->> 4 LIMIT 1",
        params: vec![asked(keys.iter().map(|(key, holder)| (key, Some(*holder))))],
    });
    let running = basis.running.as_ref().map(|(audience, number)| Statement {
        sql: "SELECT 1 WHERE ifnull((SELECT number FROM pointer WHERE audience = ?), 0) <> ?",
        params: vec![text(audience), integer(*number)],
    });
    let shard = if DECIDES { shards::checks(&basis.shard) } else { Vec::new() };
    let control = basis.control.as_ref().filter(|_| HAS_CONTROL_PLANE).map(control::check);
    let table = basis.table.get().map(tables::check);
    keys.chain(running).chain(shard).chain(control).chain(table).gather()
}

/// The statements of a write, for one transaction.
pub fn writes(write: &Write) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut push = |sql, params| statements.push(Statement { sql, params });
    // Keys move between profiles within one write, so all of them are released before any is assigned.
    for row in write.profiles.iter().filter(|row| row.keys.is_some()) {
        push(
            "DELETE FROM profile_key WHERE audience = ? AND profile = ?",
            vec![text(&row.audience), bytes(&row.id)],
        );
    }
    for retired in &write.retired {
        let of = || vec![text(&retired.audience), bytes(&retired.id)];
        push("DELETE FROM profile_key WHERE audience = ? AND profile = ?", of());
        push("DELETE FROM profile WHERE audience = ? AND id = ?", of());
        if HAS_JOURNEYS {
            journeys::retires(retired, &mut push);
        }
    }
    for row in &write.profiles {
        push(
            "INSERT OR REPLACE INTO profile (audience, id, version, touched_ms, state) VALUES (?, ?, ?, ?, ?)",
            vec![
                text(&row.audience),
                bytes(&row.id),
                integer(row.version),
                Cell::Number(row.touched_ms),
                bytes(&row.state),
            ],
        );
        // A later version was listed with the first.
        if row.version == 1 {
            let day = Cell::Number(row.touched_ms.div_euclid(DAY_MS));
            push(upkeep::LIST, vec![day, text(&row.audience), bytes(&row.id)]);
        }
        for (name, value) in row.keys.iter().flatten() {
            push(
                "INSERT OR REPLACE INTO profile_key (audience, name, value, profile) VALUES (?, ?, ?, ?)",
                vec![text(&row.audience), text(name), text(value), bytes(&row.id)],
            );
        }
    }
    // It grows by nothing else, so it is cut whenever it grows, by age and by profile.
    if let Some(newest_ms) = write.journal.iter().map(|row| row.at_ms).max() {
        push(
            "DELETE FROM journal WHERE at_ms <= ?",
            vec![Cell::Number(newest_ms.saturating_sub(JOURNAL_MS))],
        );
    }
    for row in &write.journal {
        push(
            "INSERT INTO journal (audience, profile, at_ms, entry) VALUES (?, ?, ?, ?)",
            vec![text(&row.audience), bytes(&row.profile), Cell::Number(row.at_ms), text(&row.entry)],
        );
    }
    let mut profiles = HashIndex::default();
    for (at, row) in write.journal.iter().enumerate() {
        let is = |known: usize| {
            let known = write.journal.get(known);
            known.is_some_and(|known| (&known.audience, known.profile) == (&row.audience, row.profile))
        };
        if profiles.find_or_put(&[row.audience.as_bytes(), &row.profile], at, is) == at {
            let of = || [text(&row.audience), bytes(&row.profile)];
            let most = Cell::Number(i64::try_from(JOURNAL_OF_PROFILE_MAX).unwrap_or(i64::MAX));
            push(
                "DELETE FROM journal WHERE audience = ? AND profile = ? AND number <=
                   (SELECT number FROM journal WHERE audience = ? AND profile = ?
                    ORDER BY number DESC LIMIT 1 OFFSET ?)",
                of().into_iter().chain(of()).chain([most]).gather(),
            );
        }
    }
    if let Some(at_ms) = write.probed_ms {
        push("INSERT OR REPLACE INTO probe (id, at_ms) VALUES (0, ?)", vec![Cell::Number(at_ms)]);
    }
    for Pointer { audience, number, hash } in &write.written {
        push(
            "INSERT INTO written (audience, number, hash) VALUES (?, ?, ?)
             ON CONFLICT (audience) DO UPDATE SET number = excluded.number, hash = excluded.hash
             WHERE excluded.number > number",
            vec![text(audience), integer(*number), text(hash)],
        );
    }
    if HAS_JOURNEYS {
        journeys::writes(write, &mut push);
    }
    if DECIDES && write.shard != ShardWrite::default() {
        shards::writes(&write.shard, &mut push);
    }
    if HAS_CONTROL_PLANE {
        if let Some(published) = &write.bundle {
            publishes(published, &mut push);
        }
        if let Some(control) = &write.control {
            control::writes(control, &mut push);
        }
        if let Some(table) = write.table.get() {
            tables::writes(table, &mut push);
        }
        if let Some(write) = &write.activations {
            activations::writes(write, &mut push);
        }
        if let Some(upkeep) = &write.upkeep {
            keeps_up(upkeep, push);
        }
    }
    statements
}

/// The statements of a published bundle.
fn publishes(published: &Published, mut push: impl FnMut(&'static str, Vec<Cell>)) {
    let Published { audience, release, body, forgotten, dropped } = published;
    let Release { number, hash, origin, at_ms } = release;
    if let Some(body) = body {
        push("INSERT OR REPLACE INTO bundle (hash, body) VALUES (?, ?)", vec![text(hash), bytes(body)]);
    }
    push(
        "INSERT OR REPLACE INTO pointer (audience, number, hash) VALUES (?, ?, ?)",
        vec![text(audience), integer(*number), text(hash)],
    );
    push(
        "INSERT OR REPLACE INTO release (audience, number, hash, origin, at_ms) VALUES (?, ?, ?, ?, ?)",
        vec![text(audience), integer(*number), text(hash), integer(*origin), Cell::Number(*at_ms)],
    );
    push("DELETE FROM release WHERE audience = ? AND number <= ?", vec![text(audience), integer(*forgotten)]);
    for hash in dropped {
        push("DELETE FROM bundle WHERE hash = ?", vec![text(hash)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ASKED_BYTES_MAX;
    use crate::store::{Found, Holder};

    fn key(value: &str) -> KeyOf {
        KeyOf { audience: "7".to_owned(), name: "cookie".to_owned(), value: value.to_owned() }
    }

    fn parameter(statement: &Statement) -> &str {
        match statement.params.as_slice() {
            [Cell::Text(text)] => text,
            other => panic!("one text, not {other:?}"),
        }
    }

    /// The most keys of a lawful batch: 500 events with 20 keys of 256 bytes, here of bytes that are escaped.
    #[test]
    fn a_statement_has_a_bounded_number_of_keys() {
        for value in [
            "x".repeat(250),
            "\u{1}".repeat(250),
            "\u{e9}\"".repeat(80),
            "<".repeat(250),
            "\u{2028}".repeat(80),
        ] {
            let keys: Vec<KeyOf> = (0..10_000).map(|index| key(&format!("{index:04}{value}"))).collect();
            let statements = reads(&Read::Profiles(keys.clone()));
            assert!(statements.len() > 2, "{}", statements.len());
            assert!(statements.iter().all(|statement| parameter(statement).len() <= ASKED_BYTES_MAX));
            let lists = statements.iter().map(|statement| {
                let list: serde_json::Value = serde_json::from_str(parameter(statement)).unwrap();
                list.as_array().unwrap().clone()
            });
            let expected = keys.iter().map(|key| serde_json::json!([key.audience, key.name, key.value]));
            assert!(lists.flatten().eq(expected), "each once, in order");
            let holder = Holder { id: [255; 16], version: u64::MAX };
            let keys = keys.into_iter().map(|key| (key, Some(holder))).collect();
            let checks = checks(&Basis { keys, ..Basis::default() });
            assert!(checks.len() > 2 && checks.iter().all(|check| parameter(check).len() <= ASKED_BYTES_MAX));
        }
        // Few keys are one statement, and no keys are none.
        assert_eq!(reads(&Read::Profiles(vec![key("a"), key("b")])).len(), 1);
        assert_eq!((reads(&Read::Profiles(Vec::new())).len(), checks(&Basis::default()).len()), (0, 0));
    }

    #[test]
    fn a_profile_with_keys_in_several_statements_is_found_once() {
        let keys: Vec<KeyOf> = (0..10_000).map(|index| key(&format!("{index:0>250}"))).collect();
        let read = Read::Profiles(keys);
        let Read::Profiles(keys) = &read else { unreachable!() };
        let sizes: Vec<usize> = cut(keys, |key| key).iter().map(|part| part.len()).collect();
        let row = |id: u8, named: &str| {
            let named = Cell::Text(named.to_owned());
            vec![named, text("7"), bytes(&[id; 16]), Cell::Number(3), bytes(&[id])]
        };
        let mut rows: Vec<Rows> = vec![Vec::new(); sizes.len()];
        rows[0] = vec![row(1, "5,2")];
        rows[1] = vec![row(2, "0"), row(1, "1")];
        let Ok(Found::Profiles(profiles)) = found(&read, rows.clone()) else { panic!("profiles") };
        let keys: Vec<(u8, Vec<usize>)> =
            profiles.into_iter().map(|profile| (profile.state[0], profile.keys)).collect();
        assert_eq!(keys, [(1, vec![2, 5, sizes[0] + 1]), (2, vec![sizes[0]])]);
        rows.pop();
        assert!(found(&read, rows).is_err(), "rows of every statement");
    }
}
