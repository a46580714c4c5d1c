//! The schema and the statements, once for every host that stores in SQLite.
//!
//! A host runs [`SCHEMA`] when it opens a database, runs the statements of a [`Read`] and hands back what they found,
//! and runs those of a [`Write`] in one transaction. Values only enter as parameters.

use super::index::HashIndex;
use super::{Found, FoundProfile, Pointer, Published, Read, Release, StoreFailure, Write};
use crate::message::WhichRelease;

/// Makes the tables, if they are not there. Every statement may be run again.
pub const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS profile (
       audience TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, touched_ms INTEGER NOT NULL,
       state BLOB NOT NULL, PRIMARY KEY (audience, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS profile_key (
       audience TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, profile BLOB NOT NULL,
       PRIMARY KEY (audience, name, value)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS profile_key_of ON profile_key (audience, profile)",
    "CREATE TABLE IF NOT EXISTS retired (
       audience TEXT NOT NULL, id BLOB NOT NULL, merged_into BLOB NOT NULL,
       PRIMARY KEY (audience, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS journal (
       number INTEGER PRIMARY KEY, audience TEXT NOT NULL, profile BLOB NOT NULL, at_ms INTEGER NOT NULL,
       entry TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bundle (hash TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS pointer (
       audience TEXT PRIMARY KEY, number INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS release (
       audience TEXT NOT NULL, number INTEGER NOT NULL, hash TEXT NOT NULL, origin INTEGER NOT NULL,
       at_ms INTEGER NOT NULL, PRIMARY KEY (audience, number)) WITHOUT ROWID",
    // What ran before there was a history is its beginning.
    "INSERT OR IGNORE INTO release (audience, number, hash, origin, at_ms)
       SELECT audience, number, hash, number, 0 FROM pointer",
    // Bodies from before there was one, to which nobody can go back.
    "DELETE FROM bundle WHERE hash NOT IN (SELECT hash FROM release)",
];

/// One statement with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// With `?` for each parameter.
    pub sql: &'static str,
    /// In order.
    pub params: Vec<Cell>,
}

/// A value of a parameter or a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// BLOB
    Bytes(Vec<u8>),
    /// INTEGER
    Number(i64),
    /// TEXT
    Text(String),
}

/// The rows that one statement found.
pub type Rows = Vec<Vec<Cell>>;

/// The statements of a read.
pub fn reads(read: &Read) -> Vec<Statement> {
    match read {
        Read::Profiles(keys) => keys
            .iter()
            .map(|key| Statement {
                sql: "SELECT p.audience, p.id, p.state FROM profile_key k
                      JOIN profile p ON p.audience = k.audience AND p.id = k.profile
                      WHERE k.audience = ? AND k.name = ? AND k.value = ?",
                params: vec![text(&key.audience), text(&key.name), text(&key.value)],
            })
            .collect(),
        Read::Pointers => vec![Statement {
            sql: "SELECT audience, number, hash FROM pointer ORDER BY audience",
            params: Vec::new(),
        }],
        Read::Releases { audience } => vec![releases(audience)],
        Read::Release { audience, which } => vec![releases(audience), release(audience, which)],
        Read::Bundle { hash } => {
            vec![Statement { sql: "SELECT body FROM bundle WHERE hash = ?", params: vec![text(hash)] }]
        }
    }
}

/// The audience's bundles, newest first.
fn releases(audience: &str) -> Statement {
    Statement {
        sql: "SELECT number, hash, origin, at_ms FROM release WHERE audience = ? ORDER BY number DESC",
        params: vec![text(audience)],
    }
}

/// One of them with its body.
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
        WhichRelease::Hash(hash) => Statement {
            sql: "SELECT r.number, r.hash, r.origin, r.at_ms, b.body FROM release r
                  JOIN bundle b ON b.hash = r.hash WHERE r.audience = ? AND r.hash = ?
                  ORDER BY r.number DESC LIMIT 1",
            params: vec![text(audience), text(hash)],
        },
    }
}

/// The result of a read's statements, each with its rows in the order of [`reads`].
///
/// # Errors
///
/// A row is not what its statement selects.
pub fn found(read: &Read, rows: Vec<Rows>) -> Result<Found, StoreFailure> {
    if let Read::Release { .. } = read {
        return found_release(rows);
    }
    match read {
        Read::Profiles(_) => {
            let mut profiles: Vec<FoundProfile> = Vec::new();
            let mut ids: Vec<Vec<u8>> = Vec::new();
            let mut known = HashIndex::default();
            for (key, row) in rows
                .into_iter()
                .enumerate()
                .flat_map(|(key, rows)| rows.into_iter().map(move |row| (key, row)))
            {
                let [Cell::Text(audience), Cell::Bytes(id), Cell::Bytes(state)] =
                    <[Cell; 3]>::try_from(row).map_err(|_| odd())?
                else {
                    return Err(odd());
                };
                let same = |index: usize| {
                    ids.get(index) == Some(&id)
                        && profiles.get(index).is_some_and(|profile| profile.audience == audience)
                };
                let index = known.find_or_put(&[audience.as_bytes(), &id], ids.len(), same);
                // Two keys of one profile find it twice.
                if let Some(profile) = profiles.get_mut(index) {
                    profile.keys.push(key);
                } else {
                    profiles.push(FoundProfile { audience, keys: vec![key], state });
                    ids.push(id);
                }
            }
            Ok(Found::Profiles(profiles))
        }
        Read::Releases { .. } => {
            let releases = rows.into_iter().flatten().map(read_release);
            Ok(Found::Releases(releases.collect::<Result<_, _>>()?))
        }
        // Its statements find rows of two kinds.
        Read::Release { .. } => Err(odd()),
        Read::Pointers => {
            let pointer = |row: Vec<Cell>| match <[Cell; 3]>::try_from(row) {
                Ok([Cell::Text(audience), Cell::Number(number), Cell::Text(hash)]) => {
                    Ok(Pointer { audience, number: u64::try_from(number).map_err(|_| odd())?, hash })
                }
                _ => Err(odd()),
            };
            Ok(Found::Pointers(rows.into_iter().flatten().map(pointer).collect::<Result<_, _>>()?))
        }
        Read::Bundle { .. } => match rows.into_iter().flatten().next() {
            None => Ok(Found::Bundle(None)),
            Some(row) => match <[Cell; 1]>::try_from(row) {
                Ok([Cell::Bytes(body)]) => Ok(Found::Bundle(Some(body))),
                _ => Err(odd()),
            },
        },
    }
}

/// All of them, then the wanted one with its body.
fn found_release(rows: Vec<Rows>) -> Result<Found, StoreFailure> {
    let [releases, mut wanted] = <[Rows; 2]>::try_from(rows).map_err(|_| odd())?;
    let releases = releases.into_iter().map(read_release).collect::<Result<_, _>>()?;
    let wanted = match wanted.pop() {
        None => None,
        Some(mut row) => match row.pop() {
            Some(Cell::Bytes(body)) => Some((read_release(row)?, body)),
            _ => return Err(odd()),
        },
    };
    Ok(Found::Release { releases, wanted })
}

fn read_release(row: Vec<Cell>) -> Result<Release, StoreFailure> {
    match <[Cell; 4]>::try_from(row) {
        Ok([Cell::Number(number), Cell::Text(hash), Cell::Number(origin), Cell::Number(at_ms)]) => {
            let counted = |number| u64::try_from(number).map_err(|_| odd());
            Ok(Release { number: counted(number)?, hash, origin: counted(origin)?, at_ms })
        }
        _ => Err(odd()),
    }
}

fn odd() -> StoreFailure {
    StoreFailure("a row is not what its statement selects".to_owned())
}

/// Finds a row if the write was made; None for one of which nothing can be found again. What a write changes is changed
/// together, so one part of it speaks for all.
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
    write.retired.first().map(|retired| Statement {
        sql: "SELECT 1 FROM retired WHERE audience = ? AND id = ?",
        params: vec![text(&retired.audience), bytes(&retired.id)],
    })
}

/// The statements of a write, to be run in one transaction.
pub fn writes(write: &Write) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut push = |sql, params| statements.push(Statement { sql, params });
    // Keys move between profiles within one write, so all of them let go before any takes hold.
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
        push(
            "INSERT OR REPLACE INTO retired (audience, id, merged_into) VALUES (?, ?, ?)",
            vec![text(&retired.audience), bytes(&retired.id), bytes(&retired.into)],
        );
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
        for (name, value) in row.keys.iter().flatten() {
            push(
                "INSERT OR REPLACE INTO profile_key (audience, name, value, profile) VALUES (?, ?, ?, ?)",
                vec![text(&row.audience), text(name), text(value), bytes(&row.id)],
            );
        }
    }
    for row in &write.journal {
        push(
            "INSERT INTO journal (audience, profile, at_ms, entry) VALUES (?, ?, ?, ?)",
            vec![text(&row.audience), bytes(&row.profile), Cell::Number(row.at_ms), text(&row.entry)],
        );
    }
    if let Some(Published { audience, release, body, forgotten, dropped }) = &write.bundle {
        let Release { number, hash, origin, at_ms } = release;
        push("INSERT OR REPLACE INTO bundle (hash, body) VALUES (?, ?)", vec![text(hash), bytes(body)]);
        push(
            "INSERT OR REPLACE INTO pointer (audience, number, hash) VALUES (?, ?, ?)",
            vec![text(audience), integer(*number), text(hash)],
        );
        push(
            "INSERT OR REPLACE INTO release (audience, number, hash, origin, at_ms) VALUES (?, ?, ?, ?, ?)",
            vec![text(audience), integer(*number), text(hash), integer(*origin), Cell::Number(*at_ms)],
        );
        push(
            "DELETE FROM release WHERE audience = ? AND number <= ?",
            vec![text(audience), integer(*forgotten)],
        );
        for hash in dropped {
            push("DELETE FROM bundle WHERE hash = ?", vec![text(hash)]);
        }
    }
    statements
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn integer(number: u64) -> Cell {
    Cell::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

fn bytes(bytes: &[u8]) -> Cell {
    Cell::Bytes(bytes.to_vec())
}
