//! A key-value store with locations: a location keeps what it read for a minute, and what it reads may be a minute old.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::chance::Chance;

/// The time for which a location keeps what it read, and the greatest age of what it reads, in milliseconds.
pub const LAG_MS: i64 = 60_000;
/// The lifetime of a snapshot, in milliseconds.
const LIFE_MS: i64 = 24 * 60 * 60 * 1_000;

type Bytes = Option<Rc<[u8]>>;

/// The store, with all that was ever written.
#[derive(Default)]
pub struct Kv {
    values: BTreeMap<String, Vec<(i64, Bytes)>>,
    /// The entries that a location read or wrote, with their times.
    near: BTreeMap<(usize, String), (i64, Bytes)>,
}

impl Kv {
    /// Writes a value, or removes it.
    pub fn put(&mut self, location: usize, name: &str, value: Option<&[u8]>, now_ms: i64) {
        let value: Bytes = value.map(Rc::from);
        self.near.insert((location, name.to_owned()), (now_ms, value.clone()));
        self.values.entry(name.to_owned()).or_default().push((now_ms, value));
    }

    /// Reads a value at a location. With `is_late` it may be one that was replaced up to a minute ago.
    pub fn get(
        &mut self,
        location: usize,
        name: &str,
        now_ms: i64,
        is_late: bool,
        chance: &mut Chance,
    ) -> Bytes {
        let here = (location, name.to_owned());
        if let Some((at_ms, value)) = self.near.get(&here)
            && now_ms - at_ms < LAG_MS
        {
            return value.clone();
        }
        let until_ms = if is_late { now_ms - chance.between(0, LAG_MS) } else { now_ms };
        let versions = self.values.get(name)?;
        let newest = versions.iter().rev().find(|(at_ms, _)| *at_ms <= until_ms);
        let value = newest.filter(|(at_ms, _)| now_ms - at_ms < LIFE_MS).and_then(|(_, value)| value.clone());
        self.near.insert(here, (now_ms, value.clone()));
        value
    }
}
