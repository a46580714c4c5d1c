//! Erasures and turns of upkeep: SQLite keeps and finds what the reference store does.

use std::fs;

use usher_edge::limits::{DAY_MS, SUPPRESSION_MS, UPKEEP_ROWS_MAX};
use usher_edge::message::{KeyOf, Place};
use usher_edge::store::journeys::{SendRow, WaitRow};
use usher_edge::store::memory::MemoryStore;
use usher_edge::store::shards::{GoneRow, IntentRow, PointerRow, ShardRead, ShardWrite};
use usher_edge::store::sql;
use usher_edge::store::{
    Basis, DueBefore, Erased, Found, IdleSince, JournalRow, ProfileRow, Read, Retired, Store, StoreFailure,
    Suppression, Turn, Upkeep, Write,
};

use super::super::SqliteStore;

fn profile(id: u8, version: u64, day: i64, keys: &[&str]) -> ProfileRow {
    ProfileRow {
        audience: "7".to_owned(),
        id: [id; 16],
        version,
        touched_ms: day * DAY_MS + 5,
        state: vec![id, 1],
        keys: Some(keys.iter().map(|value| ("email".to_owned(), (*value).to_owned())).collect()),
    }
}

fn upkeep(upkeep: Upkeep) -> Write {
    Write { upkeep: Some(Box::new(upkeep)), ..Write::default() }
}

fn suppression(value: &str, at_ms: i64) -> Suppression {
    Suppression { name: format!("n/{value}"), at_ms }
}

fn erased(id: u8, absorbed: u8) -> Erased {
    Erased { audience: "7".to_owned(), id: [id; 16], absorbed: vec![[absorbed; 16]] }
}

fn since(day: i64, id: u8) -> IdleSince {
    IdleSince { day, audience: "7".to_owned(), id: [id; 16] }
}

fn before(day: i64) -> DueBefore {
    DueBefore { day, journal_ms: 7, suppressed_ms: 8, entomb_ms: 9, now_ms: 10 }
}

fn wait(id: u8, due_ms: Option<i64>) -> WaitRow {
    WaitRow { audience: "7".to_owned(), profile: [id; 16], due_ms }
}

fn send(id: u8, at_ms: i64) -> SendRow {
    let message = format!("{{\"to\": {id}}}");
    SendRow { audience: "7".to_owned(), profile: [id; 16], id: [9; 16], at_ms, message, delivery: None }
}

/// Keys and erased keys are in no order; the reference has no profiles of earlier builds, and lists merged ones.
fn sorted(found: Result<Found, StoreFailure>) -> Result<Found, StoreFailure> {
    found.map(|found| match found {
        Found::Whole(profiles, mut keys, mut erased) => {
            erased.sort_by_key(|erased| erased.key);
            keys.sort_by(|a, b| (a.profile, &a.value).cmp(&(b.profile, &b.value)));
            Found::Whole(profiles, keys, erased)
        }
        Found::Unerased(profiles, mut erased) => {
            erased.sort_by_key(|erased| erased.key);
            Found::Unerased(profiles, erased)
        }
        Found::Due(mut due) => {
            (due.unlisted, due.is_listing, due.retired) = (Vec::new(), false, 0);
            Found::Due(due)
        }
        found => found,
    })
}

#[test]
fn it_keeps_what_the_reference_keeps() {
    let directory = std::env::temp_dir().join(format!("usher-upkeep-{}", std::process::id()));
    let mut store = SqliteStore::open(&directory).unwrap();
    let mut reference = MemoryStore::default();
    let journal = |id: u8, at_ms: i64| JournalRow {
        audience: "7".to_owned(),
        profile: [id; 16],
        at_ms,
        entry: "{}".to_owned(),
    };
    let turn = |day, unlisted, listed, entombed: &[&str]| {
        let entombed = entombed.iter().map(|name| (*name).to_owned()).collect();
        let (due, lease) = (before(day), (-5, day));
        let turn = Turn { due, unlisted, listed, listing: None, entombed, lease, renews: None };
        Upkeep { turn: Some(turn), ..Upkeep::default() }
    };
    let writes = [
        Write {
            profiles: vec![
                profile(1, 1, 10, &["a", "b"]),
                profile(2, 1, 10, &["c"]),
                profile(3, 1, 11, &["d"]),
            ],
            journal: vec![journal(1, 6), journal(9, 6), journal(2, 7), journal(2, 8)],
            waits: vec![wait(1, Some(9)), wait(2, Some(10)), wait(3, Some(11)), wait(4, Some(8))],
            sends: vec![send(1, 5), send(2, 6), send(3, 7)],
            ..Write::default()
        },
        Write { waits: vec![wait(3, Some(4)), wait(4, None), wait(5, None)], ..Write::default() },
        // A later version is listed where the first was.
        Write { profiles: vec![profile(3, 2, 20, &["d", "e"])], ..Write::default() },
        upkeep(Upkeep {
            erased: vec![erased(1, 9)],
            suppressed: vec![suppression("a", 9), suppression("b", 9), suppression("z", 8)],
            ..Upkeep::default()
        }),
        upkeep(Upkeep { admitted: vec!["n/a".to_owned(), "n/g".to_owned()], ..Upkeep::default() }),
        // Erased again, by a clock that lags behind.
        upkeep(Upkeep { suppressed: vec![suppression("a", 8)], ..Upkeep::default() }),
        upkeep(Upkeep {
            erased: vec![erased(2, 8)],
            ..turn(12, vec![since(10, 1), since(10, 2)], vec![], &[])
        }),
        upkeep(turn(12, vec![since(11, 3)], vec![since(20, 3)], &["n/a", "n/b"])),
        Write { profiles: vec![profile(1, 1, 30, &["a"])], ..Write::default() },
        Write { waits: vec![wait(1, Some(3))], sends: vec![send(1, 9)], ..Write::default() },
        Write {
            retired: vec![Retired { audience: "7".to_owned(), id: [1; 16], into: [3; 16] }],
            ..Write::default()
        },
    ];
    let keys = |values: &[&str]| {
        let key = |value: &&str| KeyOf {
            audience: "7".to_owned(),
            name: "email".to_owned(),
            value: (*value).to_owned(),
        };
        values.iter().map(key).collect::<Vec<_>>()
    };
    let names = ["n/a", "n/c", "n/b", "n/z"].map(str::to_owned).to_vec();
    let reads = [
        Read::Whole { keys: keys(&["a", "c", "b", "d"]), names: names.clone() },
        Read::Unerased { keys: keys(&["a", "c", "b", "z"]), names },
        Read::Journals(keys(&["a", "c"])),
        Read::Due(before(5)),
        Read::Due(before(12)),
        Read::Due(before(40)),
    ];
    for write in &writes {
        store.commit(&Basis::default(), write).unwrap();
        reference.commit(&Basis::default(), write).unwrap();
        // Whether it happened is asked of the database.
        if let Some(trace) = sql::trace(write) {
            assert!(store.settle(Some(&trace)).unwrap(), "{write:?}");
        }
        for read in &reads {
            assert_eq!(sorted(store.read(read)), sorted(reference.read(read)), "{read:?}");
        }
    }
    // What did not happen.
    let others = [
        upkeep(turn(13, vec![], vec![], &[])),
        upkeep(Upkeep { admitted: vec!["n/z".to_owned()], ..Upkeep::default() }),
    ];
    for other in others {
        assert!(!store.settle(sql::trace(&other).as_ref()).unwrap(), "{other:?}");
    }
    // Many are read and deleted in parts.
    let id = |number: u16| {
        let mut id = [7; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        id
    };
    let many = u16::try_from(UPKEEP_ROWS_MAX).unwrap() + 50;
    let profiles = (0..many).map(|number| ProfileRow { id: id(number), ..profile(0, 1, 1, &[]) }).collect();
    store.commit(&Basis::default(), &Write { profiles, ..Write::default() }).unwrap();
    let Ok(Found::Due(due)) = store.read(&Read::Due(before(5))) else { panic!("what is due") };
    assert_eq!(due.idle.len(), UPKEEP_ROWS_MAX);
    assert_eq!((due.idle[7].since.id, &due.idle[7].state[..]), (id(7), &[0, 1][..]));
    let connection = store.connection.as_ref().unwrap();
    let mut sending = connection.prepare("SELECT profile, message FROM sending ORDER BY number").unwrap();
    let rows = sending.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(Vec<u8>, String)> = rows.map(Result::unwrap).collect();
    drop(sending);
    let kept = reference.journeys.sends.iter().map(|row| (row.profile.to_vec(), row.message.clone()));
    assert_eq!(rows, kept.collect::<Vec<_>>());
    drop(store);
    fs::remove_dir_all(directory).unwrap();
}

/// Rows about other shards that are of no more use go as in the reference, and one that is written again begins anew.
#[test]
fn rows_about_other_shards_go_by_age() {
    let directory = std::env::temp_dir().join(format!("usher-aged-{}", std::process::id()));
    let mut store = SqliteStore::open(&directory).unwrap();
    let mut reference = MemoryStore::default();
    let audience = || "7".to_owned();
    let pointer = |id: u8, generation, holder: Option<u8>| PointerRow {
        audience: audience(),
        hash: [id; 16],
        holder: holder.map(|id| Place { id: [id; 16], shard: 1 }),
        generation,
        before: None,
        committed: holder == Some(5),
    };
    let gone = |id: u8, into: Option<u8>| GoneRow {
        audience: audience(),
        id: [id; 16],
        into: into.map(|id| (Place { id: [id; 16], shard: 1 }, 5)),
        erased: id == 2,
    };
    let intent = |id: u8, withdrawn, has_person| IntentRow {
        id: [id; 16],
        audience: audience(),
        survivor: [1; 16],
        source: [2; 16],
        withdrawn,
        has_person,
        at_ms: 5,
    };
    /// Behind every day of a turn, in Unix milliseconds.
    const DAYS: i64 = 2_000 * DAY_MS;
    let shard = |shard: ShardWrite| Write { shard, ..Write::default() };
    let turn = |day: i64| {
        let due = DueBefore { suppressed_ms: day * DAY_MS - SUPPRESSION_MS, ..before(day) };
        let (unlisted, listed, entombed) = (Vec::new(), Vec::new(), Vec::new());
        let turn = Turn { due, unlisted, listed, listing: None, entombed, lease: (-5, day), renews: None };
        upkeep(Upkeep { turn: Some(turn), ..Upkeep::default() })
    };
    let all = |ids: std::ops::Range<u8>| ids.map(|id| (audience(), [id; 16])).collect::<Vec<_>>();
    let rows = Read::Shard(Box::new(ShardRead {
        pointers: all(1..6),
        ids: all(1..6),
        intents: (1..6).map(|id| [id; 16]).collect(),
        names: vec!["n/a".to_owned(), "n/b".to_owned()],
        sends: true,
        ..ShardRead::default()
    }));
    let writes = [
        shard(ShardWrite {
            pointers: vec![pointer(1, 1, Some(1)), pointer(2, 2, None), pointer(3, 1, None)],
            gone: vec![gone(1, Some(2)), gone(2, None), gone(4, None)],
            intents: vec![intent(1, false, false), intent(2, true, false), intent(3, false, true)],
            erased: vec![("n/a".to_owned(), 7), ("n/a".to_owned(), 6), ("n/b".to_owned(), 5)],
            ..ShardWrite::default()
        }),
        turn(500),
        shard(ShardWrite {
            pointers: vec![pointer(3, 2, Some(5)), pointer(2, 3, None)],
            forgotten: vec![(audience(), [4; 16])],
            ..ShardWrite::default()
        }),
        turn(501),
        turn(901),
        shard(ShardWrite { intents: vec![intent(3, true, false)], ..ShardWrite::default() }),
        turn(902),
        turn(1_303),
        // Unsent messages of a profile that another shard absorbs, and of one that was erased elsewhere.
        Write {
            waits: vec![wait(2, Some(9)), wait(3, Some(9))],
            sends: vec![
                send(2, DAYS),
                send(5, DAYS),
                SendRow { id: [8; 16], ..send(2, DAYS + 1) },
                send(3, DAYS),
            ],
            ..Write::default()
        },
        shard(ShardWrite {
            handed_over: vec![send(2, DAYS), send(5, DAYS)],
            forgotten: vec![(audience(), [3; 16])],
            ..ShardWrite::default()
        }),
    ];
    let mut sends = Vec::new();
    let mut left = Vec::new();
    for write in &writes {
        store.commit(&Basis::default(), write).unwrap();
        reference.commit(&Basis::default(), write).unwrap();
        let read = |store: &mut dyn Store| match store.read(&rows) {
            Ok(Found::Shard(mut found)) => {
                found.elsewhere = false;
                found.pointers.sort_by_key(|row| row.hash);
                found.gone.sort_by_key(|row| row.id);
                found.intents.sort_by_key(|row| row.id);
                found
            }
            other => panic!("rows of a shard: {other:?}"),
        };
        let found = read(&mut store);
        assert_eq!(found, read(&mut reference), "{write:?}");
        for day in [900, 901, 902, 1_304] {
            let due = Read::Due(DueBefore { suppressed_ms: day * DAY_MS - SUPPRESSION_MS, ..before(5) });
            assert_eq!(sorted(store.read(&due)), sorted(reference.read(&due)), "day {day}");
        }
        left.push((found.pointers.len(), found.gone.len(), found.intents.len()));
        sends.push(found.sends.len());
    }
    assert_eq!(
        left,
        [
            (3, 3, 3),
            (3, 3, 3),
            // Where one went that is forgotten, it is void: a pointer may name it.
            (3, 3, 3),
            (3, 3, 3),
            (3, 0, 2),
            (3, 0, 2),
            (2, 0, 2),
            (2, 0, 1),
            (2, 0, 1),
            (2, 0, 1)
        ]
    );
    assert_eq!(sends, [0, 0, 0, 0, 0, 0, 0, 0, 4, 1]);
    drop(store);
    fs::remove_dir_all(directory).unwrap();
}
