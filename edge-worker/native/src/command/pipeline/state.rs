//! The folder of `--state`: an SQLite database with the stream's entries, how far inputs were read and how long outputs were,
//! all as of one commit.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};
use usher_pipelines::{Bounds, Chain, Change, Entry, Plan, Read, Stream};

use crate::exit::Failure;
use crate::terminal::{clean, note};

/// The version of the tables.
const VERSION: i64 = 1;
/// The part of a file by which it is recognized.
const HEAD_BYTES: u64 = 256;

const TABLES: &str = "
    PRAGMA user_version = 1;
    CREATE TABLE IF NOT EXISTS stream (number INTEGER PRIMARY KEY, name TEXT NOT NULL, form TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS entry (stream INTEGER, key BLOB, value BLOB NOT NULL, PRIMARY KEY (stream, key)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS input (topic TEXT, path TEXT, partition INTEGER NOT NULL, line INTEGER NOT NULL,
        bytes INTEGER NOT NULL, head BLOB NOT NULL, PRIMARY KEY (topic, path)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS reader (name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS place (topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS output (path TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
";

/// The state of pipelines on disk, which nobody else has open.
pub(super) struct State {
    pub(super) connection: Connection,
    pub(super) folder: PathBuf,
    /// The numbers of the pipelines, in the order in which their changes are committed.
    pub(super) numbers: Vec<i64>,
    /// The topics that their events come from, in the same order.
    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "read where there are brokers"))]
    pub(super) roots: Vec<String>,
    /// The inputs of this run, by topic and partition.
    inputs: BTreeMap<(String, u32), Input>,
}

/// The path of an input, if it is a file, and its first bytes.
struct Input {
    path: Option<PathBuf>,
    head: Vec<u8>,
}

/// An input as it was committed.
struct Stored {
    path: String,
    partition: u32,
    bytes: u64,
    head: Vec<u8>,
}

/// Where an input is to be read on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: u32,
    /// The lines before it.
    pub(super) line: u64,
    /// The bytes before it.
    pub(super) bytes: u64,
}

impl State {
    /// Opens the state of pipelines in a folder, which is made if it is not there.
    pub(super) fn open(folder: &Path, plans: &[Plan]) -> Result<State, Failure> {
        let failed =
            |error: &dyn Display| Failure::of_file("open the state in", folder.display(), error.to_string());
        fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let connection =
            connect(&folder.join("state.sqlite")).map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    Failure::new(format!("another process uses the state in `{}`", folder.display()))
                        .help("wait for it to end, or name another folder")
                }
                _ => failed(&error),
            })?;
        let (folder, numbers, roots) = (folder.to_owned(), Vec::new(), Vec::new());
        let state = State { connection, folder, numbers, roots, inputs: BTreeMap::new() };
        let version = state.connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
        if version.map_err(|error| state.unread(&error))? > VERSION {
            let message = format!("a newer version wrote the state in `{}`", state.folder.display());
            return Err(Failure::new(message)
                .help("use that version, or name another folder to read everything again"));
        }
        state.connection.execute_batch(TABLES).map_err(|error| state.unread(&error))?;
        state.recognize(plans)?;
        Ok(state)
    }

    /// Compares the pipelines that the state is of with these, or makes it theirs.
    fn recognize(&self, plans: &[Plan]) -> Result<(), Failure> {
        let mut own: Vec<(String, String)> =
            plans.iter().map(|plan| (plan.name().to_owned(), plan.form())).collect();
        own.sort();
        let stored = self.stored_forms().map_err(|error| self.unread(&error))?;
        if stored.is_empty() {
            let new = "INSERT INTO stream (name, form) VALUES (?, ?)";
            let put =
                |(name, form): &(String, String)| self.connection.execute(new, [name, form]).map(|_| ());
            return own.iter().try_for_each(put).map_err(|error| self.unread(&error));
        }
        if stored == own {
            return Ok(());
        }
        let shown = |forms: &[(String, String)]| {
            let forms = forms.iter().map(|(name, form)| format!("`{name}` ({form})"));
            forms.collect::<Vec<_>>().join(" and ")
        };
        let message = format!("the state in `{}` is of another pipeline", self.folder.display());
        Err(Failure::new(message).help(format!(
            "it is of {}, and this is {}; with another folder everything is read again",
            shown(&stored),
            shown(&own)
        )))
    }

    /// The names and forms of the pipelines that the state is of, in their order.
    fn stored_forms(&self) -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement = self.connection.prepare("SELECT name, form FROM stream ORDER BY name, form")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    fn number(&self, name: &str) -> rusqlite::Result<i64> {
        self.connection.query_row("SELECT number FROM stream WHERE name = ?", [name], |row| row.get(0))
    }

    /// The stream of a pipeline as it was committed.
    pub(super) fn stream(&self, plan: Plan, bounds: Bounds) -> Result<Stream, Failure> {
        self.entries_of(plan, |plan, entries| Stream::resumed(plan, bounds, entries))
    }

    /// A stream made of the entries of a pipeline.
    pub(super) fn entries_of(
        &self,
        plan: Plan,
        make: impl FnOnce(Plan, &mut dyn Iterator<Item = Result<Entry, String>>) -> Result<Stream, String>,
    ) -> Result<Stream, Failure> {
        let failed = |error: rusqlite::Error| self.unread(&error);
        let number = self.number(plan.name()).map_err(failed)?;
        let mut statement =
            self.connection.prepare("SELECT key, value FROM entry WHERE stream = ?").map_err(failed)?;
        let entries = statement.query_map([number], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
        let mut entries = entries.map(|entry| entry.map_err(|error| error.to_string()));
        make(plan, &mut entries).map_err(|error| self.unread(&error))
    }

    /// Changes are committed by the places of the streams of this chain.
    pub(super) fn order(&mut self, chain: &Chain) -> Result<(), Failure> {
        let streams = chain.streams();
        let roots = (0..streams.len()).map(|place| chain.root(place).unwrap_or_default().to_owned());
        self.roots = roots.collect();
        let numbers = streams.iter().map(|stream| self.number(stream.plan().name()));
        self.numbers = numbers.collect::<rusqlite::Result<_>>().map_err(|error| self.unread(&error))?;
        Ok(())
    }

    /// Recognizes files of a topic that were renamed since they were read, as logs are rotated: one whose own name is not
    /// known, or is that of a file which has taken its place, and that begins as a file did which was read under another name.
    /// Where several did, it is nobody's, and so it is new.
    pub(super) fn recognize_renamed(&self, topic: &str, paths: &[PathBuf]) -> Result<(), Failure> {
        let failed = |error: rusqlite::Error| self.unread(&error);
        let stored = self.inputs_of(topic).map_err(failed)?;
        let mut files = Vec::new();
        for path in paths.iter().filter(|path| path.is_file()) {
            files.push((path, full(path)?));
        }
        let is = |path: &Path, of: &Stored| head_of(path, of.bytes).as_ref() == Some(&of.head);
        // Those that have their names still.
        let (kept, moved): (Vec<&Stored>, Vec<&Stored>) =
            stored.iter().partition(|of| files.iter().any(|(path, full)| *full == of.path && is(path, of)));
        let is_kept = |full: &str| kept.iter().any(|of| of.path == full);
        let strays: Vec<_> = files.iter().filter(|(_, full)| !is_kept(full)).collect();
        let mut renamed: Vec<(u32, &str)> = Vec::new();
        for of in &moved {
            let mut alike = strays.iter().filter(|(path, _)| is(path, of));
            if let (Some((path, full)), None) = (alike.next(), alike.next())
                && moved.iter().filter(|other| is(path, other)).count() == 1
            {
                renamed.push((of.partition, full.as_str()));
            }
        }
        let transaction = self.connection.unchecked_transaction().map_err(failed)?;
        let name = "UPDATE input SET path = ? WHERE topic = ? AND partition = ?";
        // Names go round in a rotation: nobody has one before everybody gets the next.
        for (partition, _) in &renamed {
            let nobodys = format!("\0{partition}");
            transaction.execute(name, params![nobodys, topic, partition]).map_err(failed)?;
        }
        for (partition, path) in &renamed {
            transaction.execute(name, params![path, topic, partition]).map_err(failed)?;
            note(&format!("`{}` is a file that was read under another name: it is read on", clean(path)));
        }
        transaction.commit().map_err(failed)
    }

    /// The inputs of a topic of which something was read.
    fn inputs_of(&self, topic: &str) -> rusqlite::Result<Vec<Stored>> {
        let all = "SELECT path, partition, bytes, head FROM input WHERE topic = ? AND bytes > 0 AND length(head) > 0";
        let mut statement = self.connection.prepare(all)?;
        let input = |row: &rusqlite::Row<'_>| {
            let bytes: i64 = row.get(2)?;
            Ok(Stored {
                path: row.get(0)?,
                partition: row.get(1)?,
                bytes: bytes.cast_unsigned(),
                head: row.get(3)?,
            })
        };
        statement.query_map([topic], input)?.collect()
    }

    /// The place at which a file of a topic is read on: after what was committed of it, or at its start. A file that is new gets
    /// the next partition of its topic.
    pub(super) fn place(&mut self, topic: &str, path: &Path) -> Result<Place, Failure> {
        let shown = path.display().to_string();
        let is_file = path.is_file();
        let full = if is_file { full(path)? } else { shown.clone() };
        let (mut place, head) = self.stored(topic, &full).map_err(|error| self.unread(&error))?;
        if !is_file {
            // Records of a pipe are gone.
            place.bytes = 0;
        }
        if place.bytes > 0 && head_of(path, place.bytes).as_ref() != Some(&head) {
            let message = format!(
                "`{shown}` is not the file that was read before: it is shorter, or begins in another way"
            );
            return Err(Failure::new(message).help(
                "was it rotated? name the file under its new name, too, with another --input, and it is read on; otherwise only add lines to a file that was read; with another --state folder everything is read again",
            ));
        }
        let path = is_file.then(|| path.to_owned());
        if self.inputs.insert((topic.to_owned(), place.partition), Input { path, head }).is_some() {
            return Err(Failure::usage(format!("`{shown}` is named twice for the topic `{topic}`")));
        }
        Ok(place)
    }

    /// The place and the first bytes of a file, which are stored when it is new.
    fn stored(&self, topic: &str, path: &str) -> rusqlite::Result<(Place, Vec<u8>)> {
        let stored = "SELECT partition, line, bytes, head FROM input WHERE topic = ? AND path = ?";
        let stored = self.connection.query_row(stored, [topic, path], |row| {
            let (line, bytes): (i64, i64) = (row.get(1)?, row.get(2)?);
            let place =
                Place { partition: row.get(0)?, line: line.cast_unsigned(), bytes: bytes.cast_unsigned() };
            Ok((place, row.get(3)?))
        });
        if let Some(stored) = stored.optional()? {
            return Ok(stored);
        }
        let next = "SELECT coalesce(max(partition) + 1, 0) FROM input WHERE topic = ?";
        let partition: u32 = self.connection.query_row(next, [topic], |row| row.get(0))?;
        let new = "INSERT INTO input VALUES (?, ?, ?, 0, 0, x'')";
        self.connection.execute(new, params![topic, path, partition])?;
        Ok((Place { partition, ..Place::default() }, Vec::new()))
    }

    /// The length that was committed of an output; None: it was none.
    pub(super) fn output(&self, path: &str) -> Result<Option<u64>, Failure> {
        let stored = "SELECT bytes FROM output WHERE path = ?";
        let stored = self.connection.query_row(stored, [path], |row| row.get::<_, i64>(0)).optional();
        stored.map(|bytes| bytes.map(i64::cast_unsigned)).map_err(|error| self.unread(&error))
    }

    /// Stores the lengths of outputs, and what streams give to store, all or nothing.
    pub(super) fn commit(
        &mut self,
        changes: Vec<(usize, Change)>,
        read: Vec<Read>,
        outputs: &[(String, u64)],
    ) -> Result<(), String> {
        let State { connection, inputs, folder, numbers, .. } = self;
        let done = (|| {
            let transaction = connection.transaction()?;
            put(&transaction, changes, numbers)?;
            for Read { topic, partition, offset, end } in read {
                let Some(input) = inputs.get_mut(&(topic.to_string(), partition)) else { continue };
                if let Some(path) = input.path.as_ref().filter(|_| (input.head.len() as u64) < HEAD_BYTES) {
                    input.head = head_of(path, end).unwrap_or_default();
                }
                let update =
                    "UPDATE input SET line = ?, bytes = ?, head = ? WHERE topic = ? AND partition = ?";
                let mut update = transaction.prepare_cached(update)?;
                update.execute(params![
                    offset.cast_signed(),
                    end.cast_signed(),
                    input.head,
                    &*topic,
                    partition
                ])?;
            }
            for (path, bytes) in outputs {
                let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO output VALUES (?, ?)")?;
                put.execute(params![path, bytes.cast_signed()])?;
            }
            transaction.commit()
        })();
        done.map_err(|error: rusqlite::Error| {
            format!("cannot write the state in `{}`: {error}", folder.display())
        })
    }

    pub(super) fn unread(&self, error: &dyn Display) -> Failure {
        Failure::of_file("read the state in", self.folder.display(), error)
    }
}

/// Stores changes of streams, by the numbers of their places.
pub(super) fn put(
    transaction: &Transaction<'_>,
    changes: Vec<(usize, Change)>,
    numbers: &[i64],
) -> rusqlite::Result<()> {
    let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)")?;
    let mut remove = transaction.prepare_cached("DELETE FROM entry WHERE stream = ? AND key = ?")?;
    for (place, Change { key, value }) in changes {
        let number = numbers.get(place);
        match value {
            Some(value) => put.execute(params![number, key, value])?,
            None => remove.execute(params![number, key])?,
        };
    }
    Ok(())
}

/// Opens the database for this process alone.
fn connect(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(database)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The first write takes the lock.
    connection.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
    Ok(connection)
}

/// The path by which a file is known, whatever the working directory.
pub(super) fn full(path: &Path) -> Result<String, Failure> {
    let failed = |error| Failure::of_file("find", path.display(), error);
    let full = match path.file_name() {
        // One that is not there has a folder that is.
        Some(name) if !path.exists() => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            fs::canonicalize(folder.unwrap_or(Path::new("."))).map_err(failed)?.join(name)
        }
        _ => fs::canonicalize(path).map_err(failed)?,
    };
    Ok(full.display().to_string())
}

/// The first bytes of what was read of a file; None: it is shorter than that, or cannot be read.
fn head_of(path: &Path, read: u64) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    if file.metadata().ok()?.len() < read {
        return None;
    }
    let mut head = Vec::new();
    file.take(HEAD_BYTES.min(read)).read_to_end(&mut head).ok()?;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPELINE: &str = "name: p\nquery: SELECT c.a FROM c\noutput: {topic: o, format: json}\n";

    fn plans() -> Vec<Plan> {
        let source = usher_config::Source { name: "p.yaml".to_owned(), text: PIPELINE.to_owned() };
        let read = usher_config::read_pipelines(&[source]);
        read.pipelines.iter().map(|pipeline| Plan::compile(pipeline).unwrap()).collect()
    }

    /// A folder with files and a state in it.
    struct Bed(PathBuf);

    impl Bed {
        fn new(name: &str) -> Bed {
            let folder = std::env::temp_dir().join(format!("usher-inputs-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Bed(folder)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.join(name), text).unwrap();
        }

        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.0.join(from), self.0.join(to)).unwrap();
        }

        /// The places at which these files are read on, in their order; each is then read to its end.
        fn read(&self, names: &[&str]) -> Result<Vec<Place>, String> {
            let paths: Vec<PathBuf> = names.iter().map(|name| self.0.join(name)).collect();
            let mut state = State::open(&self.0.join("state"), &plans()).unwrap();
            state.recognize_renamed("c", &paths).unwrap();
            let mut places = Vec::new();
            for path in &paths {
                places.push(state.place("c", path).map_err(|failure| format!("{failure:?}"))?);
            }
            let read = paths.iter().zip(&places).map(|(path, place)| {
                let text = fs::read_to_string(path).unwrap();
                let (offset, end) = (text.lines().count() as u64, text.len() as u64);
                Read { topic: "c".into(), partition: place.partition, offset, end }
            });
            state.commit(Vec::new(), read.collect(), &[]).unwrap();
            Ok(places)
        }
    }

    impl Drop for Bed {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn place(partition: u32, line: u64, bytes: u64) -> Place {
        Place { partition, line, bytes }
    }

    /// Files move one name on at each rotation; lines that came before it are read under the new name.
    #[test]
    fn a_rotated_file_is_read_on() {
        let bed = Bed::new("rotated");
        bed.write("log", "one\n");
        assert_eq!(bed.read(&["log"]), Ok(vec![place(0, 0, 0)]));
        bed.write("log", "one\ntwo\n");
        bed.rename("log", "log.1");
        bed.write("log", "three\n");
        // The new one alone is not what was read.
        assert!(bed.read(&["log"]).is_err_and(|failure| failure.contains("rotated")));
        assert_eq!(bed.read(&["log", "log.1"]), Ok(vec![place(1, 0, 0), place(0, 1, 4)]));
        bed.rename("log.1", "log.2");
        bed.rename("log", "log.1");
        bed.write("log", "four\n");
        assert_eq!(
            bed.read(&["log.2", "log.1", "log"]),
            Ok(vec![place(0, 2, 8), place(1, 1, 6), place(2, 0, 0)])
        );
        assert_eq!(
            bed.read(&["log.2", "log.1", "log"]),
            Ok(vec![place(0, 2, 8), place(1, 1, 6), place(2, 1, 5)])
        );
    }

    /// A file that begins as two others did is neither.
    #[test]
    fn a_file_that_could_be_either_is_new() {
        let bed = Bed::new("either");
        bed.write("a", "same\n");
        bed.write("b", "same\n");
        assert_eq!(bed.read(&["a", "b"]), Ok(vec![place(0, 0, 0), place(1, 0, 0)]));
        bed.rename("a", "c");
        assert_eq!(bed.read(&["b", "c"]), Ok(vec![place(1, 1, 5), place(0, 1, 5)]), "b has its name still");
        bed.rename("b", "d");
        bed.rename("c", "e");
        assert_eq!(bed.read(&["d", "e"]), Ok(vec![place(2, 0, 0), place(3, 0, 0)]));
    }
}
