//! A process with an edge: its bundles, its clock, its copies of snapshots.

use std::collections::BTreeMap;

use usher_edge::Edge;

use crate::deployment::{self, Kind};

/// The time for which an isolate uses the pointers that it knows, in milliseconds.
pub const POINTERS_MS: i64 = 15_000;

/// An isolate, instance or process.
pub struct Isolate {
    /// The service's state.
    pub edge: Edge,
    /// The form that it is set to write; 0: none.
    pub setting: u8,
    /// The number of shards that it knows.
    shards: u32,
    /// Rises with each restart: what was in flight before is gone.
    pub epoch: u32,
    /// Its location, for KV.
    pub location: usize,
    /// Its clock: what it is ahead, and what it drifts in a million milliseconds.
    pub skew_ms: i64,
    drift: i64,
    /// True if it has caught up once.
    pub is_known: bool,
    /// By its own clock.
    pub checked_ms: i64,
    /// Copies of snapshots.
    pub copies: Copies,
    /// The greatest number of a bundle that answered here.
    pub bundle: u64,
    /// True if a definition runs here: another one takes its place when it is installed, and not before.
    pub runs: bool,
    /// The definition that runs here in place of another.
    pub standing: Option<Kind>,
}

/// Copies of snapshots in an isolate's memory, after the Cloudflare entry.
#[derive(Default)]
pub struct Copies {
    /// Each with the step at which it was kept.
    snapshots: BTreeMap<String, (Vec<u8>, usize)>,
    /// Copies up to this time are invalid, in milliseconds.
    pub forgotten_ms: i64,
    /// Counts the answers that made copies invalid.
    pub invalidations: u64,
}

impl Copies {
    /// A copy.
    pub fn get(&self, name: &str) -> Option<&Vec<u8>> {
        self.snapshots.get(name).map(|(snapshot, _)| snapshot)
    }

    /// The step at which a copy was kept.
    pub fn kept_at(&self, name: &str) -> Option<usize> {
        self.snapshots.get(name).map(|(_, at)| *at)
    }

    /// Keeps a copy.
    pub fn keep(&mut self, name: &str, snapshot: &[u8], at: usize) {
        self.snapshots.insert(name.to_owned(), (snapshot.to_vec(), at));
    }

    /// Forgets a copy.
    pub fn forget(&mut self, name: &str) {
        self.snapshots.remove(name);
    }

    /// Does what an answer's header says. Returns the names that KV has to delete, and what takes their place.
    pub fn invalidate(&mut self, forget: &str) -> (Vec<String>, Option<Vec<u8>>) {
        self.invalidations += 1;
        let mut parts = forget.split(' ');
        let (time, names) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let tombstone = parts.next().map(|digits| {
            let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2).unwrap_or("0"), 16).unwrap_or(0);
            (0..digits.len()).step_by(2).map(byte).collect()
        });
        if names == "*" {
            self.forgotten_ms = self.forgotten_ms.max(time.parse().unwrap_or(0));
            self.snapshots.clear();
            return (Vec::new(), None);
        }
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        names.iter().for_each(|name| self.forget(name));
        (names, tombstone)
    }
}

impl Isolate {
    /// One that has just started.
    pub fn start(setting: u8, shards: u32, location: usize, skew_ms: i64, drift: i64) -> Isolate {
        Isolate {
            edge: edge(setting, shards),
            setting,
            shards,
            epoch: 0,
            location,
            skew_ms,
            drift,
            is_known: false,
            checked_ms: i64::MIN / 2,
            copies: Copies::default(),
            bundle: 0,
            runs: false,
            standing: None,
        }
    }

    /// Starts again, with nothing in memory.
    pub fn restart(&mut self, setting: u8) {
        let epoch = self.epoch + 1;
        *self = Isolate {
            epoch,
            ..Isolate::start(setting, self.shards, self.location, self.skew_ms, self.drift)
        };
    }

    /// The time on its clock when it is `true_ms`, `since` milliseconds after the beginning.
    pub fn now_ms(&self, true_ms: i64, since: i64) -> i64 {
        true_ms + self.skew_ms + since * self.drift / 1_000_000
    }
}

fn edge(setting: u8, shards: u32) -> Edge {
    let mut edge = Edge::new(Some(deployment::secret()), false);
    edge.set_form(&if setting == 0 { String::new() } else { setting.to_string() });
    edge.set_shards(shards);
    edge
}
