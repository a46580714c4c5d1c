//! Delivery of activations: SQLite keeps and finds what the reference store does.

use std::fs;

use usher_edge::limits::SENDING_MS;
use usher_edge::store::activations::{
    ActivationsRead, ActivationsWrite, AttemptRow, DeliveryRow, Stage, Wake, Which,
};
use usher_edge::store::journeys::SendRow;
use usher_edge::store::memory::MemoryStore;
use usher_edge::store::shards::{ShardRead, ShardWrite};
use usher_edge::store::{Basis, Erased, Found, Read, Retired, Store, Upkeep, Write};

use super::super::SqliteStore;
const NOW_MS: i64 = SENDING_MS * 2;

fn row(number: i64, destination: &str, stage: Stage, due_ms: i64) -> DeliveryRow {
    DeliveryRow {
        number,
        carried: false,
        destination: destination.to_owned(),
        stage,
        attempts: 3,
        due_ms,
        until_ms: NOW_MS * 2,
        sequence: number + 7,
        by_hand: number == 5,
        last: "503".to_owned(),
    }
}

fn send(id: u8, profile: u8, delivery: Option<DeliveryRow>) -> SendRow {
    SendRow {
        audience: "7".to_owned(),
        profile: [profile; 16],
        id: [id; 16],
        at_ms: NOW_MS + i64::from(id),
        message: format!("{{\"to\": {id}}}"),
        delivery: delivery.map(Box::new),
    }
}

fn delivers(write: ActivationsWrite) -> Write {
    Write { activations: Some(Box::new(ActivationsWrite { now_ms: NOW_MS, ..write })), ..Write::default() }
}

fn sends(sends: Vec<SendRow>) -> Write {
    Write { sends, ..Write::default() }
}

#[test]
fn delivery_is_as_in_the_reference_store() {
    use Stage::{Parked, UnderWay, Waiting};
    let directory = std::env::temp_dir().join(format!("usher-deliveries-{}", std::process::id()));
    let mut store = SqliteStore::open(&directory).unwrap();
    let mut reference = MemoryStore::default();
    let wake =
        |after| Wake { audience: "7".to_owned(), profile: [1; 16], destination: "a".to_owned(), after };
    let attempt = |profile: u8, at_ms| AttemptRow {
        audience: "7".to_owned(),
        profile: [profile; 16],
        at_ms,
        entry: format!("{{\"of\": {profile}}}"),
    };
    let writes = [
        sends((1..8).map(|id| send(id, 1 + id % 2, None)).collect()),
        delivers(ActivationsWrite {
            rows: vec![
                row(1, "a", UnderWay, NOW_MS + 60),
                row(2, "a", Waiting, NOW_MS - 9),
                row(3, "a", Waiting, NOW_MS + 9),
                row(4, "b", Parked, NOW_MS),
                row(5, "b", Waiting, NOW_MS),
            ],
            attempts: vec![attempt(1, 1), attempt(2, NOW_MS), attempt(1, NOW_MS)],
            free: vec![("a".to_owned(), 5), ("b".to_owned(), 6)],
            sequence: Some(99),
            ..ActivationsWrite::default()
        }),
        // Handed over by another shard, before a turn of this one has seen the last of its own.
        sends(vec![
            send(20, 1, Some(row(0, "a", Parked, NOW_MS))),
            send(21, 1, Some(row(0, "a", UnderWay, NOW_MS + 50))),
            send(22, 2, None),
            send(23, 2, Some(row(0, "c", Waiting, NOW_MS))),
        ]),
        delivers(ActivationsWrite {
            delivered: vec![1],
            wakes: vec![wake(1)],
            ..ActivationsWrite::default()
        }),
        delivers(ActivationsWrite { resumes: true, ..ActivationsWrite::default() }),
        delivers(ActivationsWrite {
            rows: vec![
                row(6, "a", UnderWay, NOW_MS + 60),
                row(8, "a", Parked, NOW_MS),
                row(9, "a", UnderWay, NOW_MS + 50),
            ],
            ..ActivationsWrite::default()
        }),
        Write {
            retired: vec![Retired { audience: "7".to_owned(), id: [2; 16], into: [1; 16] }],
            ..Write::default()
        },
        Write {
            shard: ShardWrite {
                handed_over: vec![send(21, 1, None), send(2, 1, None)],
                ..ShardWrite::default()
            },
            ..Write::default()
        },
        Write {
            upkeep: Some(Box::new(Upkeep {
                erased: vec![Erased { audience: "7".to_owned(), id: [1; 16], absorbed: vec![[2; 16]] }],
                ..Upkeep::default()
            })),
            ..Write::default()
        },
    ];
    let list = |listed, after| {
        Read::Activations(ActivationsRead::List { audience: "7".to_owned(), listed, after, most: 3 })
    };
    let turn = |now_ms| Read::Activations(ActivationsRead::Turn { now_ms, ended: vec![9, 1, 4, 77] });
    let reads = [
        turn(NOW_MS),
        turn(NOW_MS + 55),
        list(Which::Waiting, 0),
        list(Which::Waiting, 3),
        list(Which::Parked, 0),
        list(Which::Attempts, 0),
        list(Which::Attempts, 3),
        Read::Shard(Box::new(ShardRead {
            ids: vec![("7".to_owned(), [1; 16]), ("7".to_owned(), [2; 16])],
            sends: true,
            ..ShardRead::default()
        })),
    ];
    let mut fresh = Vec::new();
    for write in &writes {
        store.commit(&Basis::default(), write).unwrap();
        reference.commit(&Basis::default(), write).unwrap();
        for read in &reads {
            let found = |store: &mut dyn Store| match store.read(read).unwrap() {
                Found::Activations(mut found) => {
                    // These are in no order.
                    found.under_way.sort();
                    found.free.sort();
                    let all = found.messages.iter_mut().chain(&mut found.fresh).chain(&mut found.due);
                    for message in all {
                        let mut before: Vec<&str> = message.before.split(',').collect();
                        before.sort_unstable();
                        message.before = before.join(",");
                    }
                    found.messages.sort_by_key(|message| message.number);
                    Found::Activations(found)
                }
                Found::Shard(mut found) => {
                    found.sends.sort_by_key(|row| row.id);
                    Found::Shard(found)
                }
                other => other,
            };
            assert_eq!(found(&mut store), found(&mut reference), "{read:?} after {write:?}");
        }
        let Ok(Found::Activations(found)) = store.read(&reads[0]) else { panic!("a turn") };
        fresh.push(found.fresh.iter().map(|message| message.number).collect::<Vec<_>>());
    }
    let handed_over = vec![6, 7, 8, 9, 10, 11];
    assert_eq!(fresh[..4], [(1..8).collect(), vec![6, 7], handed_over.clone(), handed_over]);
    assert_eq!(fresh[8], Vec::<i64>::new());
    drop(store);
    fs::remove_dir_all(directory).unwrap();
}
