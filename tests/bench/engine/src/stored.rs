//! The stored profile in other people's formats: the same content, and the same attributes read by name.
//!
//! Attributes are what a definition declares, so no format can have them as fields of a struct: they are a list of names
//! and states, in the order of the names, and are found by halving.

use usher_bench_work::cycle::turns;
use usher_bench_work::usher;
use usher_engine::attribute::{Counter, Item, Stamped, State};
use usher_engine::profile::codec::{Form, encode};
use usher_engine::value::{Number, Value};

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, serde::Serialize, serde::Deserialize)]
pub struct Stored {
    id: [u8; 16],
    created_ms: i64,
    version: u64,
    bundle: u64,
    keys: Vec<(String, String, i64)>,
    seen: Vec<(u64, i64)>,
    attributes: Vec<(String, Kept)>,
}

/// An attribute's state; single values and items hold texts and whole numbers here.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, serde::Serialize, serde::Deserialize)]
enum Kept {
    LastText(i64, String, String),
    LastInt(i64, String, i64),
    Sum(i128),
    List(Vec<(String, i64, String)>),
    Counter(i64, Vec<(i64, i128)>),
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn kept(state: &State) -> Kept {
    match state {
        State::Picked(_, Stamped { time_ms, event_id, value: Value::Number(Number::Integer(value)) }) => {
            Kept::LastInt(*time_ms, event_id.clone(), *value)
        }
        State::Picked(_, Stamped { time_ms, event_id, value }) => {
            Kept::LastText(*time_ms, event_id.clone(), text(value))
        }
        State::Sum(sum) => Kept::Sum(sum.0),
        State::List(list) => {
            let item = |item: &Item| (text(&item.id), item.time_ms, item.event_id.clone());
            Kept::List(list.items.iter().map(item).collect())
        }
        State::Counter(Counter { rings, .. }) => Kept::Counter(rings[0].width_ms, rings[0].buckets.clone()),
        other => panic!("the stored profile has no {other:?}"),
    }
}

/// The same profile that usher opens.
fn stored() -> Stored {
    let profile = usher::full();
    Stored {
        id: profile.id.0,
        created_ms: profile.created_ms,
        version: profile.version,
        bundle: profile.bundle,
        keys: profile.keys().iter().map(|key| (key.name.clone(), key.value.clone(), key.seen_ms)).collect(),
        seen: profile.seen_ids().events.clone(),
        attributes: profile.states().map(|(name, state)| (name.to_owned(), kept(state))).collect(),
    }
}

fn print(kept: &Kept) -> u64 {
    match kept {
        Kept::LastText(_, _, text) => text.len() as u64,
        Kept::LastInt(_, _, value) => *value as u64,
        Kept::Sum(sum) => *sum as u64,
        Kept::List(items) => items.len() as u64,
        Kept::Counter(_, buckets) => buckets.iter().map(|(_, amount)| *amount as u64).sum(),
    }
}

fn read(stored: &Stored, names: &[String]) -> u64 {
    let find = |name: &String| stored.attributes.binary_search_by(|(known, _)| known.cmp(name)).ok();
    names.iter().filter_map(find).map(|index| print(&stored.attributes[index].1)).sum()
}

/// Opens by `rkyv`: every byte validated, nothing decoded but what is read.
pub fn rkyv() -> impl FnMut(u64) -> u64 {
    let (bytes, names) = (rkyv_bytes(), usher::read());
    move |n| {
        turns(n, 1, |_| {
            let bytes = std::hint::black_box(&bytes);
            let stored = rkyv::access::<ArchivedStored, rkyv::rancor::Error>(bytes).expect("valid");
            let attributes = &stored.attributes;
            let find =
                |name: &String| attributes.binary_search_by(|entry| entry.0.as_str().cmp(name.as_str())).ok();
            let print = |kept: &ArchivedKept| match kept {
                ArchivedKept::LastText(_, _, text) => text.len() as u64,
                ArchivedKept::LastInt(_, _, value) => value.to_native() as u64,
                ArchivedKept::Sum(sum) => sum.to_native() as u64,
                ArchivedKept::List(items) => items.len() as u64,
                ArchivedKept::Counter(_, buckets) => {
                    buckets.iter().map(|entry| entry.1.to_native() as u64).sum()
                }
            };
            names.iter().filter_map(find).map(|index| print(&attributes[index].1)).sum()
        })
    }
}

fn rkyv_bytes() -> rkyv::util::AlignedVec {
    rkyv::to_bytes::<rkyv::rancor::Error>(&stored()).expect("bytes")
}

/// Opens by `serde_json`.
pub fn json() -> impl FnMut(u64) -> u64 {
    let (bytes, names) = (serde_json::to_vec(&stored()).expect("bytes"), usher::read());
    move |n| {
        turns(n, 1, |_| {
            let stored: Stored = serde_json::from_slice(std::hint::black_box(&bytes)).expect("a profile");
            read(&stored, &names)
        })
    }
}

/// Opens by `postcard`.
pub fn postcard() -> impl FnMut(u64) -> u64 {
    let (bytes, names) = (postcard::to_allocvec(&stored()).expect("bytes"), usher::read());
    move |n| {
        turns(n, 1, |_| {
            let stored: Stored = postcard::from_bytes(std::hint::black_box(&bytes)).expect("a profile");
            read(&stored, &names)
        })
    }
}

/// The number of bytes in each format: usher, rkyv, serde_json, postcard.
pub fn bytes() -> [usize; 4] {
    let stored = stored();
    [
        encode(&usher::full(), Form::Two).len(),
        rkyv_bytes().len(),
        serde_json::to_vec(&stored).expect("bytes").len(),
        postcard::to_allocvec(&stored).expect("bytes").len(),
    ]
}
