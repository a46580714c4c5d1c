//! The store on SQLite beside the reference store: commits, groups of them, and what failed.

use rusqlite::StatementStatus;
use usher_edge::message::{KeyOf, WhichRelease};
use usher_edge::store::memory::MemoryStore;
use usher_edge::store::{JournalRow, ProfileRow, Published, Release, Retired};

use super::*;

fn opened(name: &str) -> (std::path::PathBuf, SqliteStore) {
    let directory = std::env::temp_dir().join(format!("usher-store-{name}-{}", std::process::id()));
    let store = SqliteStore::open(&directory).unwrap();
    (directory, store)
}

#[test]
fn a_commit_is_synced() {
    let (directory, store) = opened("pragmas");
    let pragma = |name| store.connection.as_ref().unwrap().pragma_query_value(None, name, |row| row.get(0));
    assert_eq!(pragma("journal_mode"), Ok("wal".to_owned()));
    let full = store.connection.as_ref().unwrap().pragma_query_value(None, "synchronous", |row| row.get(0));
    assert_eq!(full, Ok(2));
    assert!(SqliteStore::open(&directory).is_err());
    drop(store);
    assert!(SqliteStore::open(&directory).is_ok());
    fs::remove_dir_all(directory).unwrap();
}

/// A plan made for each value of a parameter took a third of an event's work.
#[test]
fn no_statement_is_planned_anew_for_other_values() {
    let (directory, mut store) = opened("plans");
    let of = |id: u8, version| ProfileRow {
        audience: "7".to_owned(),
        id: [id; 16],
        version,
        touched_ms: 5,
        state: vec![id],
        keys: Some(vec![("email".to_owned(), format!("{id}@shop.example"))]),
    };
    let key = |id: u8| KeyOf {
        audience: "7".to_owned(),
        name: "email".to_owned(),
        value: format!("{id}@shop.example"),
    };
    let write = |id| Write { profiles: vec![of(id, 1)], ..Write::default() };
    let read = |id| Read::Profiles(vec![key(id)]);
    for id in 0..5 {
        store.commit(&Basis::default(), &write(id)).unwrap();
        assert!(matches!(store.read(&read(id)).unwrap(), Found::Profiles(found) if found.len() == 1));
    }
    for statement in sql::reads(&read(0)).into_iter().chain(sql::writes(&write(0))) {
        let prepared = store.connection().prepare_cached(statement.sql).unwrap();
        assert!(prepared.get_status(StatementStatus::Run) >= 5, "{}", statement.sql);
        assert_eq!(prepared.get_status(StatementStatus::RePrepare), 0, "{}", statement.sql);
    }
    drop(store);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn bodies_from_before_there_was_a_history_go() {
    let (directory, mut store) = opened("history");
    let release = Release { number: 3, hash: "runs".to_owned(), origin: 3, at_ms: 5 };
    let (audience, body) = ("7".to_owned(), Some(b"runs".to_vec()));
    let published = Published { audience, release, body, forgotten: 0, dropped: Vec::new() };
    store.commit(&Basis::default(), &Write { bundle: Some(published), ..Write::default() }).unwrap();
    // As an earlier build left it.
    let before = "DROP TABLE release; INSERT INTO bundle (hash, body) VALUES ('old', x'00')";
    store.connection.as_ref().unwrap().execute_batch(before).unwrap();
    drop(store);
    let mut store = SqliteStore::open(&directory).unwrap();
    let mut body = |hash: &str| store.read(&Read::Bundle { hash: hash.to_owned() });
    assert_eq!(body("old"), Ok(Found::Bundle(None)));
    assert_eq!(body("runs"), Ok(Found::Bundle(Some(b"runs".to_vec()))));
    drop(store);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn it_keeps_what_the_reference_keeps() {
    let (directory, mut store) = opened("reference");
    let mut reference = MemoryStore::default();
    let profile = |id: u8, version: u64, keys: &[&str]| ProfileRow {
        audience: "7".to_owned(),
        id: [id; 16],
        version,
        touched_ms: 5,
        state: vec![id, u8::try_from(version).unwrap()],
        keys: Some(keys.iter().map(|value| ("email".to_owned(), (*value).to_owned())).collect()),
    };
    let published = |number: u64, hash: &str, origin: u64| Published {
        audience: "7".to_owned(),
        release: Release { number, hash: hash.to_owned(), origin, at_ms: 5 },
        body: Some(vec![0, u8::try_from(number).unwrap()]),
        forgotten: number.saturating_sub(3),
        dropped: if number == 5 { vec!["x".to_owned()] } else { Vec::new() },
    };
    let journal = |profile, at_ms: i64| JournalRow {
        audience: "7".to_owned(),
        profile,
        at_ms,
        entry: format!("{{\"number\":{at_ms}}}"),
    };
    let bundle =
        |number, hash, origin| Write { bundle: Some(published(number, hash, origin)), ..Write::default() };
    let writes = [
        Write { profiles: vec![profile(1, 1, &["a"]), profile(2, 1, &["b", ""])], ..Write::default() },
        bundle(1, "x", 1),
        // A key moves, another goes.
        Write { profiles: vec![profile(2, 2, &["a"]), profile(1, 2, &[])], ..Write::default() },
        bundle(2, "y", 2),
        // It is brought back; the next one is forgotten with its number.
        bundle(3, "x", 1),
        bundle(4, "y", 2),
        bundle(5, "z", 5),
        Write {
            profiles: vec![profile(2, 3, &["a", "c"])],
            retired: vec![Retired { audience: "7".to_owned(), id: [1; 16], into: [2; 16] }],
            journal: vec![journal([2; 16], 5), journal([3; 16], 6), journal([2; 16], 7)],
            ..Write::default()
        },
    ];
    let key = |audience: &str, value: &str| KeyOf {
        audience: audience.to_owned(),
        name: "email".to_owned(),
        value: value.to_owned(),
    };
    let release = |audience: &str, which| Read::Release { audience: audience.to_owned(), which };
    let reads = [
        Read::Profiles(["a", "b", "c", "", "A"].map(|value| key("7", value)).to_vec()),
        Read::Profiles(vec![key("8", "a")]),
        // By two keys of one profile.
        Read::Journals(vec![key("7", "a"), key("7", "c"), key("8", "a")]),
        Read::Releases { audience: "7".to_owned() },
        Read::Releases { audience: "8".to_owned() },
        release("7", WhichRelease::Previous),
        release("8", WhichRelease::Previous),
        release("7", WhichRelease::Number(2)),
        release("7", WhichRelease::Number(9)),
        release("7", WhichRelease::Hash("y".to_owned())),
        release("7", WhichRelease::Hash("x".to_owned())),
        Read::Pointers,
        Read::Bundle { hash: "x".to_owned() },
        Read::Bundle { hash: "z".to_owned() },
    ];
    for write in &writes {
        store.commit(&Basis::default(), write).unwrap();
        reference.commit(&Basis::default(), write).unwrap();
        for read in &reads {
            assert_eq!(store.read(read), reference.read(read), "{read:?}");
        }
    }
    // A key that moves without end: the newest rows of each profile stay, and those of others.
    let moves = |from: i64| Write {
        journal: (from..from + 130).map(|at_ms| journal([4 + u8::from(at_ms % 2 == 0); 16], at_ms)).collect(),
        ..Write::default()
    };
    let mut rows = Vec::new();
    for write in [moves(10), moves(140)] {
        store.commit(&Basis::default(), &write).unwrap();
        reference.commit(&Basis::default(), &write).unwrap();
        let connection = store.connection.as_ref().unwrap();
        let mut prepared = connection.prepare("SELECT at_ms FROM journal ORDER BY number").unwrap();
        rows = prepared.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<i64>, _>>().unwrap();
        let expected: Vec<i64> = reference.journal.iter().map(|row| row.at_ms).collect();
        assert_eq!(rows, expected);
    }
    assert_eq!((rows.len(), &rows[..4]), (203, &[5, 6, 7, 70][..]));
    // The most keys of a batch: several statements, and profiles with keys in more than one of them.
    let long = |index: usize| format!("{index:0>250}");
    let keys: Vec<KeyOf> = (0..10_000).map(|index| key("7", &long(index))).collect();
    let row = |id: u8, values: &[usize]| {
        let keys = values.iter().map(|value| ("email".to_owned(), long(*value))).collect();
        ProfileRow { keys: Some(keys), ..profile(id, 1, &[]) }
    };
    let many = Write {
        profiles: vec![row(4, &[9_999, 7]), row(5, &[5_000]), row(6, &[3, 5_001, 9_998])],
        ..Write::default()
    };
    let read = Read::Profiles(keys);
    assert!(sql::reads(&read).len() > 2);
    let before = Basis::of(&read, &store.read(&read).unwrap());
    for store in [&mut store as &mut dyn Store, &mut reference] {
        store.commit(&before, &many).unwrap();
        assert_eq!(store.commit(&before, &many), Err(CommitError::Conflict));
    }
    let found = store.read(&read).unwrap();
    assert_eq!(Ok(&found), reference.read(&read).as_ref());
    let Found::Profiles(profiles) = &found else { unreachable!() };
    assert_eq!(profiles.len(), 3);
    // One key of the last statement has moved since.
    let moved = Write { profiles: vec![row(5, &[9_999])], ..Write::default() };
    for store in [&mut store as &mut dyn Store, &mut reference] {
        store.commit(&Basis::of(&read, &found), &moved).unwrap();
        assert_eq!(store.commit(&Basis::of(&read, &found), &moved), Err(CommitError::Conflict));
    }
    drop(store);
    fs::remove_dir_all(directory).unwrap();
}

/// A crash leaves what is on disk at that moment: after each statement the files are copied and opened.
#[test]
fn a_crash_between_the_statements_of_a_bundle_leaves_old_or_new() {
    let (directory, mut store) = opened("crash");
    let bundle = |number: u64| Write {
        bundle: Some(Published {
            audience: "7".to_owned(),
            release: Release { number, hash: format!("h{number}"), origin: number, at_ms: 5 },
            body: Some(vec![u8::try_from(number).unwrap(); 300_000]),
            forgotten: number.saturating_sub(2),
            dropped: number.checked_sub(2).map(|old| format!("h{old}")).into_iter().collect(),
        }),
        ..Write::default()
    };
    for number in 1..=3 {
        store.commit(&Basis::default(), &bundle(number)).unwrap();
    }
    let copied = |count: usize| {
        let copy = std::env::temp_dir().join(format!("usher-store-copy-{count}-{}", std::process::id()));
        fs::create_dir_all(&copy).unwrap();
        for file in fs::read_dir(&directory).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        let mut store = SqliteStore::open(&copy).unwrap();
        let Ok(Found::Pointers(pointers)) = store.read(&Read::Pointers) else { unreachable!() };
        let [pointer] = pointers.as_slice() else { unreachable!("{pointers:?}") };
        let body = store.read(&Read::Bundle { hash: pointer.hash.clone() });
        let whole = vec![u8::try_from(pointer.number).unwrap(); 300_000];
        assert_eq!(body, Ok(Found::Bundle(Some(whole))));
        let releases = store.read(&Read::Releases { audience: "7".to_owned() });
        let Ok(Found::Releases(releases)) = releases else { unreachable!() };
        let numbers: Vec<u64> = releases.iter().map(|release| release.number).collect();
        assert_eq!(numbers, [pointer.number, pointer.number - 1]);
        // The next one works.
        store.commit(&Basis::default(), &bundle(pointer.number + 1)).unwrap();
        drop(store);
        fs::remove_dir_all(copy).unwrap();
        pointer.number
    };
    let statements = sql::writes(&bundle(4));
    assert!(statements.len() >= 5);
    store.connection.as_ref().unwrap().execute_batch("BEGIN IMMEDIATE").unwrap();
    for (count, statement) in statements.iter().enumerate() {
        assert_eq!(copied(count), 3, "before {}", statement.sql);
        let params = rusqlite::params_from_iter(statement.params.iter().map(Bound));
        store.connection.as_ref().unwrap().execute(statement.sql, params).unwrap();
    }
    assert_eq!(copied(statements.len()), 3);
    store.connection.as_ref().unwrap().execute_batch("COMMIT").unwrap();
    assert_eq!(copied(statements.len() + 1), 4);
    drop(store);
    fs::remove_dir_all(directory).unwrap();
}

fn row(id: u8, version: u64) -> ProfileRow {
    ProfileRow {
        audience: "7".to_owned(),
        id: [id; 16],
        version,
        touched_ms: 5,
        state: vec![id, u8::try_from(version).unwrap()],
        keys: Some(vec![("email".to_owned(), format!("{id}"))]),
    }
}

fn stored(store: &mut SqliteStore, id: u8) -> Vec<Vec<u8>> {
    let key = KeyOf { audience: "7".to_owned(), name: "email".to_owned(), value: format!("{id}") };
    let Ok(Found::Profiles(found)) = store.read(&Read::Profiles(vec![key])) else { unreachable!() };
    found.into_iter().map(|found| found.state).collect()
}

#[test]
fn a_commit_that_fails_and_did_not_happen_is_a_failure() {
    let (directory, mut store) = opened("refused-commit");
    store.commit(&Basis::default(), &Write { profiles: vec![row(1, 1)], ..Write::default() }).unwrap();
    store.connection.as_mut().unwrap().commit_hook(Some(|| true)).unwrap();
    let failed =
        store.commit(&Basis::default(), &Write { profiles: vec![row(1, 2), row(2, 1)], ..Write::default() });
    assert!(failed.is_err());
    // The database was opened anew, without the hook.
    assert!(!store.is_in_doubt());
    assert_eq!((stored(&mut store, 1), stored(&mut store, 2)), (vec![vec![1, 1]], vec![]));
    store.commit(&Basis::default(), &Write { profiles: vec![row(1, 2)], ..Write::default() }).unwrap();
    assert_eq!(stored(&mut store, 1), [[1, 2]]);
    drop(store);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn one_commit_stores_a_group_and_the_last_write_tells_whether_it_happened() {
    let (directory, mut store) = opened("group");
    let profiles = |rows: &[ProfileRow]| Write { profiles: rows.to_vec(), ..Write::default() };
    let probe = Write { probed_ms: Some(7), ..Write::default() };
    let other = connect(&store.database).unwrap();
    store.open_group();
    for write in [profiles(&[row(1, 1)]), profiles(&[row(2, 1)]), profiles(&[row(1, 2)]), probe] {
        store.commit(&Basis::default(), &write).unwrap();
    }
    assert_eq!((store.waiting(), stored(&mut store, 1)), (4, vec![vec![1, 2]]));
    // A second connection sees nothing of it before the commit, and all of it after.
    let trace = store.group.as_ref().unwrap().trace.clone().unwrap();
    assert_eq!(rows(&other, &trace).unwrap().len(), 0);
    store.close_group().unwrap();
    assert_eq!((store.waiting(), rows(&other, &trace).unwrap().len()), (0, 1));
    drop(other);
    assert!(store.settle(Some(&trace)).unwrap());
    drop(store);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_write_that_fails_costs_its_group_nothing() {
    let (directory, mut store) = opened("savepoint");
    let profile = |row| Write { profiles: vec![row], ..Write::default() };
    // It fails in its last statement.
    store
        .connection()
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON profile_key WHEN NEW.value = '2'
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
        )
        .unwrap();
    store.open_group();
    store.commit(&Basis::default(), &profile(row(1, 1))).unwrap();
    assert!(store.commit(&Basis::default(), &profile(row(2, 1))).is_err());
    let gone = Basis { running: Some(("7".to_owned(), 9)), ..Basis::default() };
    assert_eq!(store.commit(&gone, &profile(row(4, 1))), Err(CommitError::Conflict));
    store.commit(&Basis::default(), &profile(row(3, 1))).unwrap();
    store.close_group().unwrap();
    let found = [1, 2, 3, 4].map(|id| stored(&mut store, id).len());
    assert_eq!(found, [1, 0, 1, 0]);
    drop(store);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn whether_a_commit_happened_is_asked_of_the_database() {
    let (directory, mut store) = opened("settled");
    let profiles = Write { profiles: vec![row(1, 1)], ..Write::default() };
    let bundle = Write {
        bundle: Some(Published {
            audience: "7".to_owned(),
            release: Release { number: 1, hash: "h".to_owned(), origin: 1, at_ms: 5 },
            body: Some(b"h".to_vec()),
            forgotten: 0,
            dropped: Vec::new(),
        }),
        ..Write::default()
    };
    let retired = Write {
        retired: vec![Retired { audience: "7".to_owned(), id: [1; 16], into: [2; 16] }],
        ..Write::default()
    };
    for write in [profiles, bundle, retired] {
        assert!(!store.settle(sql::trace(&write).as_ref()).unwrap(), "{write:?}");
        store.commit(&Basis::default(), &write).unwrap();
        assert!(store.settle(sql::trace(&write).as_ref()).unwrap(), "{write:?}");
    }
    // A later version, or another state under the same one, is another write.
    let other = ProfileRow { state: vec![7], ..row(1, 1) };
    for row in [row(1, 2), other] {
        let write = Write { profiles: vec![row], ..Write::default() };
        assert!(!store.settle(sql::trace(&write).as_ref()).unwrap());
    }
    // Without its folder there is nothing to ask, and nothing is answered any more.
    fs::remove_dir_all(&directory).unwrap();
    assert!(store.settle(None).is_err());
    assert!(
        store.read(&Read::Pointers).is_err() && store.commit(&Basis::default(), &Write::default()).is_err()
    );
}
