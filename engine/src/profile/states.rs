//! The states of a profile's attributes: stored ones are found by name and read when they are asked for.
//!
//! ```text
//! count (4 bytes) · count × (end of name, end of state: 4 bytes each) · names, ascending · states, each: kind · content
//! ```
//! Numbers here are little-endian and of fixed size, so that a name is found by halving; ends count from the first name
//! and the first state.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::cmp::Ordering;

use super::bytes::Writer;
use super::state::{read_state, write_state};
use crate::attribute::State;

/// What was stored, what was read of it, and what was changed since.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// One for every stored state.
    read: Vec<OnceCell<Box<State>>>,
    /// What stands instead of what was stored, by name, ascending; None: nothing.
    changed: Vec<(String, Option<State>)>,
    /// What a place that cannot be missing would be, if it were.
    nothing: Option<State>,
}

impl States {
    pub(super) fn of(stored: &[u8]) -> States {
        let mut read = Vec::new();
        read.resize_with(Table(stored).count(), OnceCell::new);
        States { read, changed: Vec::new(), nothing: None }
    }

    pub(super) fn get<'a>(&'a self, stored: &[u8], name: &str) -> Option<&'a State> {
        if !self.changed.is_empty()
            && let Ok(index) = self.changed.binary_search_by(|(known, _)| known.as_str().cmp(name))
        {
            return self.changed.get(index)?.1.as_ref();
        }
        let table = Table(stored);
        self.stored_state(table, table.find(name)?)
    }

    fn stored_state(&self, table: Table<'_>, index: usize) -> Option<&State> {
        let state = self.read.get(index)?.get_or_init(|| Box::new(read_state(table.state(index))));
        Some(state)
    }

    pub(super) fn get_mut(&mut self, stored: &[u8], name: &str) -> &mut Option<State> {
        let index = match self.changed.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(index) => index,
            Err(index) => {
                let table = Table(stored);
                let state = table.find(name).map(|at| {
                    let read = self.read.get_mut(at).and_then(OnceCell::take);
                    read.map_or_else(|| read_state(table.state(at)), |state| *state)
                });
                self.changed.insert(index, (name.into(), state));
                index
            }
        };
        // It is there: found, or put there just now.
        match self.changed.get_mut(index) {
            Some((_, state)) => state,
            None => &mut self.nothing,
        }
    }

    /// All of them, by name, ascending.
    pub(super) fn iter<'a>(&'a self, stored: &'a [u8]) -> impl Iterator<Item = (&'a str, &'a State)> {
        self.sources(stored).filter_map(move |(name, source)| {
            Some((
                name,
                match source {
                    Source::Changed(state) => state,
                    Source::Stored(index) => self.stored_state(Table(stored), index)?,
                },
            ))
        })
    }

    pub(super) fn write(&self, stored: &[u8], out: &mut Writer) {
        let table = Table(stored);
        let (mut ends, mut names, mut states) = (Vec::new(), Vec::new(), Writer::default());
        let mut count = 0_u32;
        for (name, source) in self.sources(stored) {
            names.extend_from_slice(name.as_bytes());
            match source {
                Source::Changed(state) => write_state(&mut states, state),
                Source::Stored(index) => states.bytes(table.state(index)),
            }
            for end in [names.len(), states.0.len()] {
                ends.extend_from_slice(&u32::try_from(end).unwrap_or(u32::MAX).to_le_bytes());
            }
            count = count.saturating_add(1);
        }
        out.bytes(&count.to_le_bytes());
        out.bytes(&ends);
        out.bytes(&names);
        out.bytes(&states.0);
    }

    /// Where each state is, by name, ascending.
    fn sources<'a>(&'a self, stored: &'a [u8]) -> impl Iterator<Item = (&'a str, Source<'a>)> {
        let table = Table(stored);
        let (mut index, mut changed) = (0_usize, self.changed.iter().peekable());
        core::iter::from_fn(move || {
            loop {
                let stored = (index < table.count()).then(|| table.name(index));
                let order = match (stored, changed.peek()) {
                    (None, None) => return None,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(name), Some((other, _))) => name.cmp(other.as_str()),
                };
                if order.is_le() {
                    index = index.saturating_add(1);
                }
                if order.is_lt() {
                    return Some((stored?, Source::Stored(index.saturating_sub(1))));
                }
                if let Some((name, Some(state))) = changed.next() {
                    return Some((name, Source::Changed(state)));
                }
            }
        })
    }
}

enum Source<'a> {
    Stored(usize),
    Changed(&'a State),
}

/// Stored states. What does not add up is not there: the profile's checksum has said that the bytes are as they were
/// written.
#[derive(Clone, Copy)]
struct Table<'a>(&'a [u8]);

impl<'a> Table<'a> {
    fn count(self) -> usize {
        let count = self.number(0).unwrap_or(0) as usize;
        // Each takes 8 bytes at least, so nothing is made for what is not there.
        count.min(self.0.len() / 8)
    }

    fn number(self, at: usize) -> Option<u32> {
        let bytes = self.0.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Where the bytes of an entry are: its name, or its state behind all names.
    fn bytes(self, index: usize, of_state: bool) -> Option<&'a [u8]> {
        let at = |index: usize, of_state: bool| {
            let entry = index.checked_mul(8)?.checked_add(if of_state { 8 } else { 4 })?;
            self.number(entry).map(|end| end as usize)
        };
        let first = self.count().checked_mul(8)?.checked_add(4)?;
        let first =
            if of_state { first.checked_add(at(self.count().checked_sub(1)?, false)?)? } else { first };
        let start = match index.checked_sub(1) {
            Some(before) => at(before, of_state)?,
            None => 0,
        };
        self.0.get(first.checked_add(start)?..first.checked_add(at(index, of_state)?)?)
    }

    fn name(self, index: usize) -> &'a str {
        self.bytes(index, false).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("")
    }

    fn state(self, index: usize) -> &'a [u8] {
        self.bytes(index, true).unwrap_or(&[])
    }

    fn find(self, name: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            match self.bytes(middle, false)?.cmp(name.as_bytes()) {
                Ordering::Equal => return Some(middle),
                Ordering::Less => low = middle.saturating_add(1),
                Ordering::Greater => high = middle,
            }
        }
        None
    }
}
