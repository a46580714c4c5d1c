//! Copies of snapshots in a host's memory, decoded: the nearest tier of a lookup.
//!
//! They are kept in two halves. When the younger one is full it replaces the older one, which is dropped, so that what is
//! dropped came before all that stays, and nothing has to be listed by age.

use std::cmp::Ordering;
use std::rc::Rc;

use usher_engine::profile::codec;

use super::answer::{Opened, answer_from};
use super::tier::Tier;
use super::{PendingLookup, name_of};
use crate::edge::Edge;
use crate::limits::{COPIES_BYTES_MAX, COPY_BYTES};
use crate::message::{KeyOf, Snapshot};
use crate::wire::Response;
use crate::wire::frame::FrameReader;

/// Snapshots by their keys, and by the names of these in caches ([`PendingLookup::cache_key`]).
#[derive(Debug, Default)]
pub struct Copies {
    young: Half,
    old: Half,
    /// Copies that were taken until this time, in Unix milliseconds, are not used.
    forgotten_ms: i64,
}

#[derive(Debug, Default)]
struct Half {
    /// Ascending by key: to hash one for its name would take more than all else of finding its copy.
    by_key: Vec<Rc<Copy>>,
    /// The same ascending by name.
    by_name: Vec<Rc<Copy>>,
    bytes: usize,
}

#[derive(Debug)]
struct Copy {
    key: KeyOf,
    name: String,
    opened: Opened,
    /// The memory that it takes, about.
    bytes: usize,
}

impl Copies {
    /// The answer to a lookup; None if there is no copy that is good enough.
    pub fn answer(&self, edge: &Edge, pending: &PendingLookup) -> Option<Response> {
        let key = pending.first_key()?;
        let copy = self.young.of_key(key).or_else(|| self.old.of_key(key))?;
        answer_from(edge, pending, Tier::Memory, Some(&copy.opened), self.forgotten_ms)
    }

    /// The snapshot under this name, for a host that answers elsewhere.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        let copy = self.young.of_name(name).or_else(|| self.old.of_name(name))?;
        let snapshot = &copy.opened.snapshot;
        let profile = snapshot.profile.as_ref().map(|profile| codec::encode(profile, codec::Form::Three));
        Some(Snapshot::encode(snapshot.taken_ms, &profile.unwrap_or_default(), &[], &snapshot.rows))
    }

    /// Keeps a snapshot in place of the one under this name, which is that of one of the keys ([`PendingLookup::keys`]); a damaged
    /// one is not kept.
    pub fn remember(&mut self, edge: &Edge, name: &str, keys: &[u8], snapshot: &[u8]) {
        let read = |r: &mut FrameReader<'_>| {
            let [audience, name, value] = [r.text()?, r.text()?, r.text()?].map(str::to_owned);
            Some(KeyOf { audience, name, value })
        };
        let keys = FrameReader(keys).list(read).unwrap_or_default();
        let key = keys.into_iter().find(|key| name_of(edge, key).as_deref() == Some(name));
        if let Some(key) = key {
            self.keep(key, name, snapshot);
        }
    }

    fn keep(&mut self, key: KeyOf, name: &str, snapshot: &[u8]) {
        self.forget(name);
        let Some(opened) = Opened::of(snapshot) else { return };
        let bytes = COPY_BYTES + name.len() + key.value.len() + snapshot.len() * 2;
        if self.young.bytes + bytes > COPIES_BYTES_MAX / 2 {
            self.old = core::mem::take(&mut self.young);
        }
        self.young.insert(Copy { key, name: name.to_owned(), opened, bytes });
    }

    /// Forgets the snapshot under this name.
    pub fn forget(&mut self, name: &str) {
        self.young.remove(name);
        self.old.remove(name);
    }

    /// Forgets all that were taken until this time, in Unix milliseconds.
    pub fn forget_all(&mut self, until_ms: i64) {
        let forgotten_ms = self.forgotten_ms.max(until_ms);
        *self = Copies { forgotten_ms, ..Copies::default() };
    }
}

impl Half {
    fn of_key(&self, key: &KeyOf) -> Option<&Copy> {
        self.by_key.get(self.place_of_key(key).ok()?).map(Rc::as_ref)
    }

    fn of_name(&self, name: &str) -> Option<&Copy> {
        self.by_name.get(self.place_of_name(name).ok()?).map(Rc::as_ref)
    }

    /// One whose name, and so its key, it has no copy of.
    fn insert(&mut self, copy: Copy) {
        if let (Err(by_key), Err(by_name)) = (self.place_of_key(&copy.key), self.place_of_name(&copy.name)) {
            self.bytes += copy.bytes;
            let copy = Rc::new(copy);
            self.by_key.insert(by_key, copy.clone());
            self.by_name.insert(by_name, copy);
        }
    }

    fn remove(&mut self, name: &str) {
        if let Ok(by_name) = self.place_of_name(name) {
            let copy = self.by_name.remove(by_name);
            self.bytes -= copy.bytes;
            if let Ok(by_key) = self.place_of_key(&copy.key) {
                self.by_key.remove(by_key);
            }
        }
    }

    /// The place of a key, or where it belongs.
    fn place_of_key(&self, key: &KeyOf) -> Result<usize, usize> {
        self.by_key.binary_search_by(|copy| order(&copy.key, key))
    }

    /// The same of a name.
    fn place_of_name(&self, name: &str) -> Result<usize, usize> {
        self.by_name.binary_search_by(|copy| copy.name.as_str().cmp(name))
    }
}

/// By what differs most, first.
fn order(one: &KeyOf, other: &KeyOf) -> Ordering {
    let by_value = one.value.cmp(&other.value);
    by_value.then_with(|| one.name.cmp(&other.name)).then_with(|| one.audience.cmp(&other.audience))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::FrameWriter;

    /// A snapshot of nobody, filled up by a journal.
    fn snapshot(taken_ms: i64, bytes: usize) -> Vec<u8> {
        Snapshot::encode(taken_ms, &[], &[(0, &"x".repeat(bytes))], &[])
    }

    fn key(n: usize) -> KeyOf {
        KeyOf { audience: "7".to_owned(), name: "visitor".to_owned(), value: n.to_string() }
    }

    #[test]
    fn the_oldest_copies_leave_first_and_the_bound_holds() {
        let mut copies = Copies::default();
        let name = |n: usize| format!("snapshot/{n}");
        for n in 0..3_000 {
            copies.keep(key(n), &name(n), &snapshot(1, 8_192));
            let held = copies.young.bytes + copies.old.bytes;
            assert!(held <= COPIES_BYTES_MAX, "{held}");
            let counted = |half: &Half| half.by_name.iter().map(|copy| copy.bytes).sum::<usize>();
            assert_eq!(copies.young.by_key.len(), copies.young.by_name.len());
            assert_eq!(held, counted(&copies.young) + counted(&copies.old));
        }
        let kept: Vec<bool> = (0..3_000).map(|n| copies.get(&name(n)).is_some()).collect();
        let first = kept.iter().position(|kept| *kept).unwrap();
        assert!(first > 0 && kept[first..].iter().all(|kept| *kept), "{first}");
        // At least a half of what fits is there.
        assert!((3_000 - first) * (COPY_BYTES + 2 * 8_192) >= COPIES_BYTES_MAX / 2 - 3 * 8_192);
    }

    #[test]
    fn a_copy_belongs_to_the_key_that_has_its_name() {
        let secret = format!(r#"{{"signing_key":"{}","keys":[]}}"#, "07".repeat(32));
        let edge = Edge::new(Some(&secret), false);
        let mut keys = FrameWriter::default();
        keys.list(&[key(1), key(2)], |w, key| {
            w.text(&key.audience).text(&key.name).text(&key.value);
        });
        let (mut copies, bytes) = (Copies::default(), Snapshot::encode(5, &[], &[], &[]));
        let name = name_of(&edge, &key(2)).unwrap();
        copies.remember(&edge, &name, &keys.0, &bytes);
        assert!(copies.young.of_key(&key(2)).is_some() && copies.young.of_key(&key(1)).is_none());
        assert_eq!(copies.get(&name), Some(bytes.clone()));
        // A name of none of them is not kept.
        copies.remember(&edge, "snapshot/other", &keys.0, &bytes);
        assert_eq!((copies.get("snapshot/other"), copies.young.by_name.len()), (None, 1));
    }

    #[test]
    fn a_copy_is_found_until_it_is_replaced_or_forgotten() {
        let mut copies = Copies::default();
        for (n, name, taken_ms) in [(1, "b", 1), (2, "a", 2), (0, "c", 3), (1, "b", 4)] {
            copies.keep(key(n), name, &Snapshot::encode(taken_ms, &[], &[], &[]));
        }
        let of_key =
            |copies: &Copies, n| copies.young.of_key(&key(n)).map(|copy| copy.opened.snapshot.taken_ms);
        assert_eq!([0, 1, 2, 3].map(|n| of_key(&copies, n)), [Some(3), Some(4), Some(2), None]);
        let taken =
            |copies: &Copies, name| copies.get(name).map(|bytes| Snapshot::decode(&bytes).unwrap().taken_ms);
        assert_eq!(["a", "b", "c", "d"].map(|name| taken(&copies, name)), [Some(2), Some(4), Some(3), None]);
        copies.forget("a");
        // A damaged copy is not kept, nor is the one that it would replace.
        copies.keep(key(0), "c", b"damaged");
        assert_eq!(["a", "b", "c"].map(|name| taken(&copies, name)), [None, Some(4), None]);
        assert_eq!([0, 1, 2].map(|n| of_key(&copies, n)), [None, Some(4), None]);
        copies.forget_all(4);
        assert_eq!((taken(&copies, "b"), copies.forgotten_ms), (None, 4));
        copies.forget_all(3);
        assert_eq!(copies.forgotten_ms, 4);
    }
}
