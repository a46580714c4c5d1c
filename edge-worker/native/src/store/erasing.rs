//! Keeps erased data out of the files of the database.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

/// Moves the log into the database, and leaves an empty one.
pub(super) const EMPTY_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
/// The time between two tries to empty the log while a reader holds it up.
const EMPTY_PAUSE: Duration = Duration::from_secs(1);
/// Reads the mark of a database that was always written with `secure_delete`, or cleaned once.
const READ_SCRUBBED: &str = "SELECT value FROM meta WHERE name = 'scrubbed'";
const WRITE_SCRUBBED: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES ('scrubbed', 1)";

/// The state of the log after an erasure.
#[derive(Debug, Default)]
pub(super) struct Erasing {
    /// The log may still have something of an erased profile.
    is_open: bool,
    /// When it was tried last to empty it.
    tried: Option<Instant>,
}

impl Erasing {
    /// A crash may have interrupted an erasure.
    pub(super) fn at_start() -> Erasing {
        Erasing { is_open: true, tried: None }
    }

    /// After a commit: empties the log if it erased something, and waits for readers as long as the connection does. Where a
    /// reader held that up, it is tried again at most once a second, without waiting.
    pub(super) fn forget(&mut self, connection: &Connection, erased: bool, patience: Duration) {
        self.is_open |= erased;
        let waited = self.tried.is_none_or(|tried| tried.elapsed() >= EMPTY_PAUSE);
        if erased || (self.is_open && waited) {
            self.empty(connection, if erased { patience } else { Duration::ZERO }, patience);
        }
    }

    /// Moves the log into the database and empties it. `now` is the time to wait for readers here, `patience` afterwards.
    fn empty(&mut self, connection: &Connection, now: Duration, patience: Duration) {
        let busy = connection
            .busy_timeout(now)
            .and_then(|()| connection.query_row(EMPTY_LOG, [], |row| row.get::<_, i64>(0)));
        let is_ready = connection.busy_timeout(patience).is_ok();
        *self = Erasing { is_open: busy != Ok(0) || !is_ready, tried: Some(Instant::now()) };
    }
}

/// Overwrites the free space of a database that an earlier build wrote, which left there what it deleted. Once: it copies
/// the whole database. True if it did; then the log has to be emptied.
pub(super) fn scrub(connection: &Connection, is_new: bool) -> rusqlite::Result<bool> {
    if connection.query_row(READ_SCRUBBED, [], |_| Ok(())).optional()?.is_some() {
        return Ok(false);
    }
    if !is_new {
        connection.execute_batch("VACUUM")?;
    }
    connection.execute(WRITE_SCRUBBED, [])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Data that an earlier build deleted are in the file until it is opened the first time.
    #[test]
    fn what_was_deleted_is_overwritten() {
        let file = std::env::temp_dir().join(format!("usher-erasing-{}", std::process::id()));
        let log = file.with_file_name(format!("usher-erasing-{}-wal", std::process::id()));
        let _ = fs::remove_file(&file);
        let patience = Duration::from_millis(20);
        let connection = Connection::open(&file).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER)").unwrap();
        let has = |what: &str| {
            let bytes = fs::read(&file).unwrap();
            bytes.windows(what.len()).any(|window| window == what.as_bytes())
        };
        let fill_and_delete = |name: &str| {
            let statements = format!("CREATE TABLE t (a); INSERT INTO t VALUES ('{name}'); {EMPTY_LOG};");
            connection.execute_batch(&statements).unwrap();
            assert!(has(name));
            connection.execute_batch(&format!("DROP TABLE t; {EMPTY_LOG}")).unwrap();
        };
        connection.pragma_update(None, "secure_delete", "OFF").unwrap();
        fill_and_delete("canary one");
        assert!(has("canary one"));
        let mut erasing = Erasing::at_start();
        assert_eq!(scrub(&connection, false), Ok(true));
        erasing.forget(&connection, true, patience);
        assert!(!has("canary one") && !erasing.is_open);
        assert_eq!(scrub(&connection, false), Ok(false));
        connection.pragma_update(None, "secure_delete", "ON").unwrap();
        fill_and_delete("canary two");
        assert!(!has("canary two"));
        // A reader holds the log up.
        let reader = Connection::open(&file).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM meta").unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        erasing.forget(&connection, true, patience);
        assert!(erasing.is_open && fs::metadata(&log).unwrap().len() > 0);
        reader.execute_batch("COMMIT").unwrap();
        // Not at once.
        erasing.forget(&connection, false, patience);
        assert!(erasing.is_open);
        erasing.tried = None;
        erasing.forget(&connection, false, patience);
        assert!(!erasing.is_open && fs::metadata(&log).unwrap().len() == 0);
        drop((connection, reader));
        fs::remove_file(&file).unwrap();
    }
}
