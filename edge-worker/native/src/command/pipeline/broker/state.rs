//! The state of partitions that come and go.

use rusqlite::{OptionalExtension, params};
use usher_pipelines::{Bounds, Change, Entry, Part, Plan, Stream, partition_of};

use crate::command::pipeline::state::{State, put};
use crate::exit::Failure;

/// The state of a partition.
pub(super) struct Resumed {
    /// Its entries, by the places of streams.
    pub(super) entries: Vec<(usize, Vec<Entry>)>,
    /// True if it is that of the group's offset, or if there is none yet.
    pub(super) is_whole: bool,
}

impl State {
    /// The state is of what this group reads from a broker.
    pub(super) fn is_read_by(&mut self, group: &str) -> Result<(), Failure> {
        let files: i64 = self
            .connection
            .query_row("SELECT count(*) FROM input", [], |row| row.get(0))
            .map_err(|error| self.unread(&error))?;
        let other = "SELECT name FROM reader WHERE name <> ?";
        let other: Option<String> = self
            .connection
            .query_row(other, [group], |row| row.get(0))
            .optional()
            .map_err(|error| self.unread(&error))?;
        let of = match other {
            Some(other) => format!("the group `{other}`"),
            None if files > 0 => "files".to_owned(),
            None => {
                let put = self.connection.execute("INSERT OR IGNORE INTO reader VALUES (?)", [group]);
                return put.map(|_| ()).map_err(|error| self.unread(&error));
            }
        };
        let message = format!("the state in `{}` is of what {of} had", self.folder.display());
        Err(Failure::new(message).help("name another folder"))
    }

    /// The stream of a pipeline with its rows, and without the state of partitions.
    pub(super) fn rows(&self, plan: Plan, bounds: Bounds) -> Result<Stream, Failure> {
        self.entries_of(plan, |plan, entries| Stream::resumed_rows(plan, bounds, entries))
    }

    /// The offset of the next record of a partition of a joined topic.
    pub(super) fn joined_place(&self, topic: &str, partition: i32) -> Result<u64, String> {
        self.place_of(topic, partition.cast_unsigned()).map(|next| next.unwrap_or(0))
    }

    fn place_of(&self, topic: &str, partition: u32) -> Result<Option<u64>, String> {
        let stored = "SELECT next FROM place WHERE topic = ? AND partition = ?";
        let stored = self.connection.query_row(stored, params![topic, partition], |row| row.get::<_, i64>(0));
        stored
            .optional()
            .map(|next| next.map(i64::cast_unsigned))
            .map_err(|error| self.unread(&error).message)
    }

    /// The state of a partition of events at the offset that the group has committed. One of another offset is of no use to
    /// anybody, and deleted.
    pub(super) fn resume(
        &self,
        topic: &str,
        partition: u32,
        committed: Option<u64>,
    ) -> Result<Resumed, String> {
        let failed = |error: rusqlite::Error| self.unread(&error).message;
        let is_whole = self.place_of(topic, partition)? == committed;
        let mut entries = Vec::new();
        for (place, number) in self.numbers.iter().enumerate() {
            if self.roots.get(place).map(String::as_str) != Some(topic) {
                continue;
            }
            let own = self.of_partition(*number, partition).map_err(failed)?;
            if is_whole {
                entries.push((place, own));
                continue;
            }
            let mut delete = self
                .connection
                .prepare_cached("DELETE FROM entry WHERE stream = ? AND key = ?")
                .map_err(failed)?;
            for (key, _) in own {
                delete.execute(params![number, key]).map_err(failed)?;
            }
        }
        if !is_whole {
            let delete = "DELETE FROM place WHERE topic = ? AND partition = ?";
            self.connection.execute(delete, params![topic, partition]).map_err(failed)?;
        }
        Ok(Resumed { entries, is_whole })
    }

    fn of_partition(&self, stream: i64, partition: u32) -> rusqlite::Result<Vec<Entry>> {
        let mut statement =
            self.connection.prepare_cached("SELECT key, value FROM entry WHERE stream = ?")?;
        let entries = statement.query_map([stream], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let own = |entry: &rusqlite::Result<Entry>| {
            entry.as_ref().map_or(true, |(key, value)| partition_of(key, value) == Some(partition))
        };
        entries.filter(own).collect()
    }

    /// Stores what changed, with how far topics were read. Partitions of events that are not named have no state here.
    pub(super) fn store(
        &mut self,
        changes: Vec<(usize, Change)>,
        joined: &[(Part, u64)],
        events: &[(Part, u64)],
    ) -> Result<(), String> {
        let State { connection, folder, numbers, .. } = self;
        let done = (|| {
            let transaction = connection.transaction()?;
            put(&transaction, changes, numbers)?;
            for ((topic, partition), next) in joined.iter().chain(events) {
                let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO place VALUES (?, ?, ?)")?;
                put.execute(params![&**topic, partition, next.cast_signed()])?;
            }
            transaction.commit()
        })();
        done.map_err(|error: rusqlite::Error| {
            format!("cannot write the state in `{}`: {error}", folder.display())
        })
    }
}
