//! The databases of a data directory: one for each shard. The first one is also the control object.
//!
//! `usher.sqlite3` is the first shard, `shards/0001.sqlite3` the second, and so on. Each says which of how many it is, because
//! the number decides where a key is found: it is fixed when the first database is made.
//!
//! Shards have files of their own because SQLite takes one writer a file: so the syncs of a commit that concerns several run at
//! the same time, and what empties a log or overwrites deleted data touches the part of one shard.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use rusqlite::OptionalExtension;
use usher_edge::Form;
use usher_edge::store::{Basis, CommitError, Found, Pointer, Read, Store, StoreFailure, Write, sql};

use super::{SqliteStore, failure, in_doubt, make_private};
use crate::exit::Failure;
use crate::limits::{COMMITS_AT_ONCE_MAX, CONNECTIONS_MAX};

const READ_NUMBER: &str = "SELECT value FROM meta WHERE name = ?";
const WRITE_NUMBER: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)";
/// In the first database: all others are made.
const COMPLETE: &str = "shards_made";
/// The number of shards.
const SHARDS: &str = "shards";
/// The number of this one.
const SHARD: &str = "shard";
/// Files of an open database: itself, its log, and the index of that.
const FILES_OF_SHARD: u64 = 3;
/// Files that a process has besides databases and connections, at most.
const OTHER_FILES: u64 = 64;

/// The stores of all shards.
pub(crate) struct Shards(Vec<SqliteStore>);

impl Shards {
    /// Opens the databases of a directory, and makes what is not there yet. `wanted` is the number of shards that was asked for;
    /// without one, data keeps its number, and new data has one shard.
    ///
    /// # Errors
    ///
    /// The data has another number, or a database is missing, or is another shard's.
    pub(crate) fn open(directory: &Path, wanted: Option<u32>) -> Result<Shards, Failure> {
        let first = SqliteStore::open(directory)?;
        let unreadable = |error: StoreFailure| Failure::new(format!("the number of shards: {error}"));
        let known = match first.number(SHARDS).map_err(unreadable)? {
            // From before there were several.
            None if !first.is_empty().map_err(unreadable)? => Some(1),
            None => None,
            known => known.and_then(|known| u32::try_from(known).ok()),
        };
        let shards = match (known, wanted) {
            (Some(known), Some(wanted)) if known != wanted => {
                let plural = if known == 1 { "" } else { "s" };
                return Err(Failure::new(format!(
                    "the data in `{}` has {known} shard{plural}, not {wanted}",
                    directory.display()
                ))
                .help(format!(
                    "the number decides where a profile lies, and is fixed when data is first made. Start with --shards {known}, \
                     or with a new --data directory, into which profiles come by export and import: docs/shards.md"
                )));
            }
            (known, wanted) => known.or(wanted).unwrap_or(1),
        };
        enough_files(shards)?;
        let complete = first.number(COMPLETE).map_err(unreadable)?.is_some();
        first.identify(0, shards).map_err(unreadable)?;
        let mut stores = vec![first];
        let folder = directory.join("shards");
        if shards > 1 {
            make_private(&folder).map_err(|error| Failure::of_file("make", folder.display(), error))?;
        }
        let opened = at_once((1..shards).collect(), |shard| {
            let file = folder.join(format!("{shard:04}.sqlite3"));
            if complete && !file.exists() {
                return Err(Failure::new(format!(
                    "`{}` is missing: a shard's profiles are in it",
                    file.display()
                ))
                .help("restore all databases of the directory to one time, from one backup"));
            }
            SqliteStore::of_shard(file, shard, shards)
        });
        stores.extend(opened.into_iter().collect::<Result<Vec<_>, _>>()?);
        if let Some(first) = stores.first().filter(|_| !complete) {
            first.write_number(COMPLETE, 1).map_err(unreadable)?;
        }
        Ok(Shards(stores))
    }

    /// The number of shards.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// The store of a shard; None: there is no such shard.
    pub(crate) fn of(&mut self, shard: u32) -> Option<&mut SqliteStore> {
        self.0.get_mut(usize::try_from(shard).ok()?)
    }

    /// The store of the first shard, which is the control object's.
    fn control(&mut self) -> Result<&mut SqliteStore, StoreFailure> {
        self.0.first_mut().ok_or_else(|| StoreFailure("there is no shard".to_owned()))
    }

    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut SqliteStore> {
        self.0.iter_mut()
    }

    /// True if nothing was in the first one when it was opened.
    pub(crate) fn is_new(&self) -> bool {
        self.0.first().is_some_and(SqliteStore::is_new)
    }

    /// The newest form in which something was written in any shard; 0: none was said.
    pub(crate) fn form(&self) -> Result<i64, StoreFailure> {
        self.0.iter().map(SqliteStore::form).try_fold(0, |newest, form| Ok(newest.max(form?)))
    }

    /// Remembers in every shard the form in which is written from now on.
    pub(crate) fn set_form(&mut self, form: Form) -> Result<(), StoreFailure> {
        self.all().try_for_each(|store| store.set_form(form))
    }

    /// True if it is not known of some shard what its database holds.
    pub(crate) fn any_in_doubt(&self) -> bool {
        self.0.iter().any(SqliteStore::is_in_doubt)
    }

    /// From here on writes wait for [`Shards::close_groups`].
    pub(crate) fn open_groups(&mut self) {
        self.all().for_each(SqliteStore::open_group);
    }

    /// Makes the writes that wait durable: one commit for each shard, several at the same time. Each shard that had some, and what
    /// came of them.
    pub(crate) fn close_groups(&mut self) -> Vec<(u32, Result<(), StoreFailure>)> {
        let (mut waiting, mut rest): (Vec<_>, Vec<_>) =
            (0..).zip(&mut self.0).partition(|(_, store)| store.waiting() > 0);
        rest.iter_mut().for_each(|(_, store)| drop(store.close_group()));
        if let [(shard, store)] = waiting.as_mut_slice() {
            return vec![(*shard, store.close_group())];
        }
        at_once(waiting, |(shard, store)| (shard, store.close_group()))
    }

    /// Overwrites in every shard what an earlier build deleted, once.
    ///
    /// # Errors
    ///
    /// The first failure; other shards are done all the same.
    pub(crate) fn scrub(&mut self) -> Result<(), StoreFailure> {
        at_once(self.all().collect(), SqliteStore::scrub).into_iter().collect()
    }
}

/// Does the same with each of these, with several at the same time; the results in their order.
fn at_once<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let size = items.len().div_ceil(COMMITS_AT_ONCE_MAX).max(1);
    let (mut parts, mut items) = (Vec::new(), items.into_iter());
    loop {
        let part: Vec<T> = items.by_ref().take(size).collect();
        if part.is_empty() {
            break;
        }
        parts.push(part);
    }
    let work = &work;
    thread::scope(|scope| {
        let run = |part: Vec<T>| scope.spawn(move || part.into_iter().map(work).collect::<Vec<R>>());
        let threads: Vec<_> = parts.into_iter().map(run).collect();
        // They run SQLite's statements alone, and panic as little as those.
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    })
}

/// The control object, which lies in the first shard. What wrote profiles is asked of every shard.
impl Store for Shards {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        if !matches!(read, Read::Written) {
            return self.control()?.read(read);
        }
        let mut newest: Vec<Pointer> = Vec::new();
        for store in self.all() {
            let Found::Pointers(found) = store.read(read)? else { continue };
            for pointer in found {
                match newest.iter_mut().find(|known| known.audience == pointer.audience) {
                    Some(known) if known.number < pointer.number => *known = pointer,
                    Some(_) => {}
                    None => newest.push(pointer),
                }
            }
        }
        Ok(Found::Pointers(newest))
    }

    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.control()?.stage(basis, write)
    }

    fn undo(&mut self) {
        if let Ok(control) = self.control() {
            control.undo();
        }
    }

    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.control()?.commit(basis, write)
    }
}

impl SqliteStore {
    /// Opens the database of a shard that is not the first.
    fn of_shard(file: PathBuf, shard: u32, shards: u32) -> Result<SqliteStore, Failure> {
        let store = SqliteStore::of_file(file.clone(), None)?;
        let unreadable = |error: StoreFailure| Failure::of_file("read", file.display(), error);
        match (store.number(SHARD).map_err(unreadable)?, store.number(SHARDS).map_err(unreadable)?) {
            (_, None) => store.identify(shard, shards).map_err(unreadable)?,
            (Some(own), Some(of)) if (own, of) == (i64::from(shard), i64::from(shards)) => {}
            (own, Some(of)) => {
                let own = own.map_or_else(|| "?".to_owned(), |own| own.to_string());
                let file = file.display();
                return Err(Failure::new(format!(
                    "`{file}` is shard {own} of {of}, not {shard} of {shards}"
                ))
                .help("restore all databases of the directory to one time, from one backup"));
            }
        }
        Ok(store)
    }

    fn number(&self, name: &str) -> Result<Option<i64>, StoreFailure> {
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        connection.query_row(READ_NUMBER, [name], |row| row.get(0)).optional().map_err(failure)
    }

    fn write_number(&self, name: &str, number: i64) -> Result<(), StoreFailure> {
        // What a newer build wrote is left as it is.
        if self.form()? > i64::from(Form::NEWEST.number()) {
            return Ok(());
        }
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        connection.execute(WRITE_NUMBER, (name, number)).map(drop).map_err(failure)
    }

    /// Writes which shard it is, where that is not there. The number of shards last: with it, all is there.
    fn identify(&self, shard: u32, shards: u32) -> Result<(), StoreFailure> {
        if self.number(SHARDS)?.is_none() {
            self.write_number(SHARD, i64::from(shard))?;
            self.write_number(SHARDS, i64::from(shards))?;
        }
        Ok(())
    }

    /// True if nobody has published or sent anything.
    fn is_empty(&self) -> Result<bool, StoreFailure> {
        // A newer build may have other tables.
        if self.form()? > i64::from(Form::NEWEST.number()) {
            return Ok(false);
        }
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let any =
            "SELECT 1 FROM profile UNION ALL SELECT 1 FROM pointer UNION ALL SELECT 1 FROM bundle LIMIT 1";
        connection.prepare(any).and_then(|mut any| any.exists([])).map(|any| !any).map_err(failure)
    }

    /// The number of open intents, and when the oldest was made, in Unix milliseconds.
    pub(crate) fn intents(&self) -> Result<(u64, Option<i64>), StoreFailure> {
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let mut open = connection.prepare_cached(sql::READ_MERGES).map_err(failure)?;
        let (open, since_ms) =
            open.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).map_err(failure)?;
        Ok((open.unsigned_abs(), (open > 0).then_some(since_ms)))
    }

    /// The number of activations that wait, the time of the oldest of them in Unix milliseconds, 0 without any, and the number of
    /// parked ones.
    pub(crate) fn activations(&self) -> Result<(u64, i64, u64), StoreFailure> {
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let mut counts = connection.prepare_cached(sql::READ_ACTIVATIONS).map_err(failure)?;
        let found =
            counts.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, i64>(2)?)));
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        found.map(|(waiting, oldest, parked)| (count(waiting), oldest, count(parked))).map_err(failure)
    }

    /// The number of the latest row of the outbox that is not answered; 0: there is none.
    pub(crate) fn last_row(&self) -> Result<i64, StoreFailure> {
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let mut last =
            connection.prepare_cached("SELECT ifnull(max(number), 0) FROM outbox").map_err(failure)?;
        last.query_row([], |row| row.get(0)).map_err(failure)
    }

    /// True if one of these rows of the outbox is not answered yet.
    pub(crate) fn has_rows(&self, (first, last): (i64, i64)) -> Result<bool, StoreFailure> {
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let mut rows = connection
            .prepare_cached("SELECT 1 FROM outbox WHERE number BETWEEN ? AND ? LIMIT 1")
            .map_err(failure)?;
        rows.exists([first, last]).map_err(failure)
    }

    /// The latest time at which a row of the outbox is due, Unix milliseconds; None: it has none.
    pub(crate) fn latest_due(&self) -> Result<Option<i64>, StoreFailure> {
        let connection = self.connection.as_ref().ok_or_else(in_doubt)?;
        let mut latest = connection.prepare_cached("SELECT max(due_ms) FROM outbox").map_err(failure)?;
        latest.query_row([], |row| row.get(0)).map_err(failure)
    }
}

/// Refuses what the process has too few files for, where the system says how many that are.
fn enough_files(shards: u32) -> Result<(), Failure> {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let most = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let connections = u64::try_from(CONNECTIONS_MAX).unwrap_or(u64::MAX);
    let needed = FILES_OF_SHARD * u64::from(shards) + connections + OTHER_FILES;
    match most {
        Some(most) if most < needed && shards > 1 => Err(Failure::new(format!(
            "{shards} shards take up to {needed} open files, and this process may have {most}"
        ))
        .help(format!("raise the bound: `ulimit -n {needed}`, or LimitNOFILE={needed} in the unit"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use usher_edge::store::ProfileRow;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            Folder(std::env::temp_dir().join(format!("usher-shards-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn refused(folder: &Folder, wanted: Option<u32>) -> String {
        let Err(failure) = Shards::open(&folder.0, wanted) else { panic!("it is opened") };
        failure.message
    }

    #[test]
    fn the_number_of_shards_stays_what_it_was_at_first() {
        let folder = Folder::new("number");
        assert_eq!(Shards::open(&folder.0, Some(3)).unwrap().count(), 3);
        for wanted in [None, Some(3)] {
            assert_eq!(Shards::open(&folder.0, wanted).unwrap().count(), 3);
        }
        assert!(refused(&folder, Some(4)).contains("has 3 shards, not 4"));
        assert!(refused(&folder, Some(1)).contains("has 3 shards, not 1"));
        let other = Folder::new("one");
        let mut one = Shards::open(&other.0, None).unwrap();
        assert_eq!(one.count(), 1);
        drop(one.control());
        drop(one);
        assert!(refused(&other, Some(2)).contains("has 1 shard, not 2"));
    }

    #[test]
    fn data_of_an_earlier_build_is_one_shard() {
        let folder = Folder::new("earlier");
        let mut store = SqliteStore::open(&folder.0).unwrap();
        let profile = ProfileRow {
            audience: "7".to_owned(),
            id: [1; 16],
            version: 1,
            touched_ms: 5,
            state: vec![1],
            keys: Some(Vec::new()),
        };
        store.commit(&Basis::default(), &Write { profiles: vec![profile], ..Write::default() }).unwrap();
        drop(store);
        assert!(refused(&folder, Some(2)).contains("has 1 shard, not 2"));
        assert_eq!(Shards::open(&folder.0, None).unwrap().count(), 1);
    }

    #[test]
    fn a_start_that_was_cut_off_goes_on() {
        let folder = Folder::new("cut-off");
        // The first database is there, and says nothing yet.
        drop(SqliteStore::open(&folder.0).unwrap());
        drop(Shards::open(&folder.0, Some(4)).unwrap());
        // As if it had ended before the last ones were made.
        let first = SqliteStore::open(&folder.0).unwrap();
        first.connection.as_ref().unwrap().execute("DELETE FROM meta WHERE name = ?", [COMPLETE]).unwrap();
        drop(first);
        fs::remove_file(folder.0.join("shards/0003.sqlite3")).unwrap();
        assert_eq!(Shards::open(&folder.0, Some(4)).unwrap().count(), 4);
    }

    #[test]
    fn a_database_that_is_missing_or_another_shards_is_told() {
        let folder = Folder::new("mixed-up");
        drop(Shards::open(&folder.0, Some(3)).unwrap());
        let file = |number: u32| folder.0.join(format!("shards/{number:04}.sqlite3"));
        fs::rename(file(1), file(9)).unwrap();
        assert!(refused(&folder, None).contains("is missing"));
        fs::copy(file(2), file(1)).unwrap();
        assert!(refused(&folder, None).contains("is shard 2 of 3, not 1 of 3"));
        fs::rename(file(9), file(1)).unwrap();
        assert_eq!(Shards::open(&folder.0, None).unwrap().count(), 3);
    }
}
