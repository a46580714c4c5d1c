//! The statements that write the tables of visitors anew, so that the file keeps no bytes of rows that were removed.
//!
//! SQLite leaves what was deleted in the free space of pages and in free pages until that is used again, unless a pragma
//! says otherwise, which a Durable Object cannot set. So its tables are copied, row by row, into tables that never had the
//! removed rows; triggers keep the copies up to date meanwhile. Then these take the place of the others, and zeros are
//! written over all free pages.

use super::cell::Cell;
use super::statement::Statement;
use crate::limits::{RENEWAL_ROWS_MAX, RENEWAL_ZEROS_MAX};
use crate::store::{Renewal, RenewalWork, Renews};

/// Asks for the size of the database in bytes. A host whose SQLite does not overwrite what it deletes answers it itself,
/// with a row of one number; 0: nothing has to be rewritten.
pub const SIZE: &str = "SELECT 0 AS database_size";

pub(super) const SCHEMA: [&str; 2] = [
    // `audience`, `name` and `last` are the key of the last row that was copied; NULL: all are.
    "CREATE TABLE IF NOT EXISTS renewal (
       one INTEGER PRIMARY KEY, step INTEGER NOT NULL, began_ms INTEGER NOT NULL, removed INTEGER NOT NULL,
       size INTEGER NOT NULL, audience TEXT, name TEXT, last)",
    "CREATE TABLE IF NOT EXISTS renewal_zeros (number INTEGER PRIMARY KEY, zeros BLOB NOT NULL)",
];

/// Notes that rows of visitors are removed.
pub(super) const REMOVES: &str =
    "INSERT INTO renewal (one, step, began_ms, removed, size) VALUES (1, 0, 0, 1, 0)
  ON CONFLICT (one) DO UPDATE SET removed = 1";

/// The size of the database, and how far the renewal is.
pub(super) fn read() -> [Statement; 2] {
    let progress = "SELECT step, began_ms, removed, size, last IS NULL, EXISTS (SELECT 1 FROM renewal_zeros)
                    FROM renewal";
    [SIZE, progress].map(|sql| Statement { sql, params: Vec::new() })
}

/// Tables that are like those of [`SCHEMA`](super::SCHEMA), and triggers that keep them up to date while they are filled.
const PROFILES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS profile_renewed (
       audience TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL, touched_ms INTEGER NOT NULL,
       state BLOB NOT NULL, PRIMARY KEY (audience, id)) WITHOUT ROWID",
    "CREATE TRIGGER IF NOT EXISTS profile_added AFTER INSERT ON profile BEGIN
       INSERT OR REPLACE INTO profile_renewed (audience, id, version, touched_ms, state)
         VALUES (new.audience, new.id, new.version, new.touched_ms, new.state);
     END",
    "CREATE TRIGGER IF NOT EXISTS profile_changed AFTER UPDATE ON profile BEGIN
       DELETE FROM profile_renewed WHERE audience = old.audience AND id = old.id;
       INSERT OR REPLACE INTO profile_renewed (audience, id, version, touched_ms, state)
         VALUES (new.audience, new.id, new.version, new.touched_ms, new.state);
     END",
    "CREATE TRIGGER IF NOT EXISTS profile_removed AFTER DELETE ON profile BEGIN
       DELETE FROM profile_renewed WHERE audience = old.audience AND id = old.id;
     END",
];
const KEYS: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS profile_key_renewed (
       audience TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, profile BLOB NOT NULL,
       PRIMARY KEY (audience, name, value)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS profile_key_renewed_of ON profile_key_renewed (audience, profile)",
    "CREATE TRIGGER IF NOT EXISTS profile_key_added AFTER INSERT ON profile_key BEGIN
       INSERT OR REPLACE INTO profile_key_renewed (audience, name, value, profile)
         VALUES (new.audience, new.name, new.value, new.profile);
     END",
    "CREATE TRIGGER IF NOT EXISTS profile_key_changed AFTER UPDATE ON profile_key BEGIN
       DELETE FROM profile_key_renewed WHERE audience = old.audience AND name = old.name AND value = old.value;
       INSERT OR REPLACE INTO profile_key_renewed (audience, name, value, profile)
         VALUES (new.audience, new.name, new.value, new.profile);
     END",
    "CREATE TRIGGER IF NOT EXISTS profile_key_removed AFTER DELETE ON profile_key BEGIN
       DELETE FROM profile_key_renewed WHERE audience = old.audience AND name = old.name AND value = old.value;
     END",
];

/// The statements of a turn.
pub(super) fn renews(renews: &Renews, mut push: impl FnMut(&'static str, Vec<Cell>)) {
    let rows = || vec![Cell::Number(i64::from(RENEWAL_ROWS_MAX))];
    // Fewer rows are the last ones, after which NULL is stored: what is added meanwhile, the triggers copy.
    let before_last = || vec![Cell::Number(i64::from(RENEWAL_ROWS_MAX).saturating_sub(1))];
    match renews.work {
        None => {}
        Some(RenewalWork::Fill) => {
            // The first row fills the page that the table always has.
            push(
                "INSERT OR IGNORE INTO renewal_zeros (number, zeros) VALUES (0, zeroblob(4050))",
                Vec::new(),
            );
            for _ in 0..RENEWAL_ZEROS_MAX {
                push("INSERT INTO renewal_zeros (zeros) VALUES (zeroblob(1000000))", Vec::new());
            }
        }
        // In a transaction of its own: pages that are freed in the one that fills them are not written.
        Some(RenewalWork::Empty) => push(
            "DELETE FROM renewal_zeros WHERE number IN
               (SELECT number FROM renewal_zeros ORDER BY number DESC LIMIT ?)",
            vec![Cell::Number(i64::from(RENEWAL_ZEROS_MAX))],
        ),
        Some(RenewalWork::CopyProfiles) => {
            PROFILES.iter().for_each(|sql| push(sql, Vec::new()));
            push(
                "INSERT OR REPLACE INTO profile_renewed (audience, id, version, touched_ms, state)
                 SELECT audience, id, version, touched_ms, state FROM profile
                 WHERE (audience, id) > ((SELECT audience FROM renewal), (SELECT last FROM renewal))
                 ORDER BY audience, id LIMIT ?",
                rows(),
            );
            push(
                "UPDATE renewal SET (audience, last) =
                   (SELECT audience, id FROM profile
                    WHERE (audience, id) > ((SELECT audience FROM renewal), (SELECT last FROM renewal))
                    ORDER BY audience, id LIMIT 1 OFFSET ?)",
                before_last(),
            );
        }
        Some(RenewalWork::SwapProfiles) => {
            push("DROP TABLE profile", Vec::new());
            push("ALTER TABLE profile_renewed RENAME TO profile", Vec::new());
        }
        Some(RenewalWork::CopyKeys) => {
            KEYS.iter().for_each(|sql| push(sql, Vec::new()));
            push(
                "INSERT OR REPLACE INTO profile_key_renewed (audience, name, value, profile)
                 SELECT audience, name, value, profile FROM profile_key
                 WHERE (audience, name, value) >
                   ((SELECT audience FROM renewal), (SELECT name FROM renewal), (SELECT last FROM renewal))
                 ORDER BY audience, name, value LIMIT ?",
                rows(),
            );
            push(
                "UPDATE renewal SET (audience, name, last) =
                   (SELECT audience, name, value FROM profile_key
                    WHERE (audience, name, value) >
                      ((SELECT audience FROM renewal), (SELECT name FROM renewal), (SELECT last FROM renewal))
                    ORDER BY audience, name, value LIMIT 1 OFFSET ?)",
                before_last(),
            );
        }
        Some(RenewalWork::SwapKeys) => {
            push("DROP TABLE profile_key", Vec::new());
            push("ALTER TABLE profile_key_renewed RENAME TO profile_key", Vec::new());
        }
        // Again under the name in the schema. Meanwhile there are two, and never none.
        Some(RenewalWork::Index) => {
            push("CREATE INDEX IF NOT EXISTS profile_key_of ON profile_key (audience, profile)", Vec::new());
            push("DROP INDEX IF EXISTS profile_key_renewed_of", Vec::new());
        }
    }
    let Renewal { step, began_ms, is_due, filled_from } = renews.renewal;
    if renews.is_next_step {
        push("UPDATE renewal SET audience = '', name = '', last = ''", Vec::new());
    }
    push(
        "UPDATE renewal SET step = ?, began_ms = ?, removed = ?, size = ?",
        [step, began_ms, i64::from(is_due), filled_from].map(Cell::Number).to_vec(),
    );
}
