//! Sliding counters in other ways: every event kept exactly, and the same ring without anything around it.

use std::collections::VecDeque;

use usher_bench_work::cycle::turns;
use usher_bench_work::usher::{COUNTERS, Counters, NOW_MS, PRICE_NANOS, WINDOW_MS};

/// The width of a bucket and the number in a ring, as in the engine's ring for an hour.
const WIDTH_MS: i64 = 60_000;
const BUCKETS: usize = 65;

/// The amount that one event adds to a counter.
fn amount(counter: usize) -> i128 {
    if counter % 2 == 0 { 1 } else { i128::from(PRICE_NANOS) }
}

/// Every event of the window, and their sum beside them, so that reading is free.
#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
struct Exact {
    events: VecDeque<(i64, i128)>,
    sum: i128,
}

impl Exact {
    fn add(&mut self, time_ms: i64, amount: i128) {
        self.events.push_back((time_ms, amount));
        self.sum += amount;
        while let Some((oldest_ms, amount)) = self.events.front()
            && *oldest_ms <= time_ms - WINDOW_MS
        {
            self.sum -= amount;
            self.events.pop_front();
        }
    }
}

/// Buckets by their number modulo how many there are.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Bare {
    newest: i64,
    /// As many as there are buckets.
    amounts: Vec<i128>,
}

impl Bare {
    fn all() -> Vec<Bare> {
        vec![Bare { newest: NOW_MS / WIDTH_MS, amounts: vec![0; BUCKETS] }; COUNTERS]
    }

    fn add(&mut self, time_ms: i64, amount: i128) {
        let bucket = time_ms.div_euclid(WIDTH_MS);
        let slot = |bucket: i64| bucket.rem_euclid(BUCKETS as i64) as usize;
        if bucket > self.newest {
            let first = (self.newest + 1).max(bucket - BUCKETS as i64 + 1);
            for stale in first..=bucket {
                self.amounts[slot(stale)] = 0;
            }
            self.newest = bucket;
        }
        if bucket > self.newest - BUCKETS as i64 {
            self.amounts[slot(bucket)] += amount;
        }
    }

    fn read(&self, now_ms: i64) -> i128 {
        let from = (now_ms - WINDOW_MS).div_euclid(WIDTH_MS);
        let live = from.max(self.newest - BUCKETS as i64 + 1)..=self.newest;
        live.map(|bucket| self.amounts[bucket.rem_euclid(BUCKETS as i64) as usize]).sum()
    }
}

fn exact(per_window: i64) -> (Vec<Exact>, i64, i64) {
    let (mut all, mut time_ms, step_ms) = (vec![Exact::default(); COUNTERS], NOW_MS, WINDOW_MS / per_window);
    for _ in 0..2 * per_window {
        time_ms += step_ms;
        all.iter_mut().enumerate().for_each(|(index, one)| one.add(time_ms, amount(index)));
    }
    (all, time_ms, step_ms)
}

/// One event into ten deques.
pub fn deques(per_window: i64) -> impl FnMut(u64) -> u64 {
    let (mut all, mut time_ms, step_ms) = exact(per_window);
    move |n| {
        turns(n, 1, |_| {
            time_ms += step_ms;
            all.iter_mut().enumerate().for_each(|(index, one)| one.add(time_ms, amount(index)));
            all.len() as u64
        })
    }
}

/// The same with the deques out of storage and back.
pub fn deques_stored(per_window: i64) -> impl FnMut(u64) -> u64 {
    let (all, mut time_ms, step_ms) = exact(per_window);
    let mut bytes = postcard::to_allocvec(&all).expect("bytes");
    move |n| {
        turns(n, 1, |_| {
            time_ms += step_ms;
            let mut all: Vec<Exact> = postcard::from_bytes(&bytes).expect("deques");
            all.iter_mut().enumerate().for_each(|(index, one)| one.add(time_ms, amount(index)));
            bytes = postcard::to_allocvec(&all).expect("bytes");
            bytes.len() as u64
        })
    }
}

/// Bytes that the deques take in storage.
pub fn deques_bytes(per_window: i64) -> usize {
    postcard::to_allocvec(&exact(per_window).0).expect("bytes").len()
}

/// One event into ten rings.
pub fn rings(per_window: i64) -> impl FnMut(u64) -> u64 {
    let mut all = Bare::all();
    let (mut time_ms, step_ms) = (NOW_MS, WINDOW_MS / per_window);
    move |n| {
        turns(n, 1, |_| {
            time_ms += step_ms;
            all.iter_mut().enumerate().for_each(|(index, one)| one.add(time_ms, amount(index)));
            all.len() as u64
        })
    }
}

/// The same with the rings out of storage and back, after two windows of events.
pub fn rings_stored(per_window: i64) -> impl FnMut(u64) -> u64 {
    let (mut all, mut time_ms, step_ms) = (Bare::all(), NOW_MS, WINDOW_MS / per_window);
    for _ in 0..2 * per_window {
        time_ms += step_ms;
        all.iter_mut().enumerate().for_each(|(index, one)| one.add(time_ms, amount(index)));
    }
    let mut bytes = postcard::to_allocvec(&all).expect("bytes");
    move |n| {
        turns(n, 1, |_| {
            time_ms += step_ms;
            let mut all: Vec<Bare> = postcard::from_bytes(&bytes).expect("rings");
            all.iter_mut().enumerate().for_each(|(index, one)| one.add(time_ms, amount(index)));
            bytes = postcard::to_allocvec(&all).expect("bytes");
            bytes.len() as u64
        })
    }
}

/// All three after every event: the rings agree, and are above the exact sum by one bucket's events at most.
pub fn agree() -> Result<(), String> {
    for per_window in [10, 1_000] {
        let step_ms = WINDOW_MS / per_window;
        let mut ours = Counters::new();
        let mut exact = vec![Exact::default(); COUNTERS];
        let mut bare = Bare::all();
        for event in 0..3 * per_window {
            ours.update(step_ms);
            let now_ms = ours.time_ms();
            for index in 0..COUNTERS {
                exact[index].add(now_ms, amount(index));
                bare[index].add(now_ms, amount(index));
                let (a, b, c) = (ours.read(index), bare[index].read(now_ms), exact[index].sum);
                let room = amount(index) * i128::from(WIDTH_MS / step_ms + 1);
                if a != b || a < c || a > c + room {
                    return Err(format!(
                        "{per_window} per window, event {event}, counter {index}: usher {a}, ring {b}, exact {c}"
                    ));
                }
            }
        }
    }
    Ok(())
}
