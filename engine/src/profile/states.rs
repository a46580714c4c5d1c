//! The states of a profile's attributes: found by name, decoded on use.
//!
//! ```text
//! count (4 bytes) · count × (end of name, end of state: 4 bytes each) · names, ascending · states, each: kind · content
//! ```
//! Numbers here are little-endian and of fixed size, so that binary search finds a name; ends count from the first name
//! and the first state.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::cmp::Ordering;
use core::ops::Range;

use super::state::{read_state, write_state};
use crate::attribute::State;
use crate::bytes::Writer;
use crate::compare::{equal, order_of};

/// The stored states, those decoded so far, and the changes.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// One cell for every stored state.
    read: Vec<OnceCell<Box<State>>>,
    /// Replacements for stored states, by name, ascending; None: removed.
    changed: Vec<(String, Option<State>)>,
    /// The result for an invalid index, which cannot occur.
    nothing: Option<State>,
}

impl States {
    pub(super) fn of(stored: &[u8]) -> States {
        let mut read = Vec::new();
        read.resize_with(Table::of(stored).ends.len(), OnceCell::new);
        States { read, changed: Vec::new(), nothing: None }
    }

    pub(super) fn get<'a>(&'a self, stored: &[u8], name: &str) -> Option<&'a State> {
        if !self.changed.is_empty()
            && let Ok(index) = self.changed.binary_search_by(|(known, _)| known.as_str().cmp(name))
        {
            return self.changed.get(index)?.1.as_ref();
        }
        let table = Table::of(stored);
        self.stored_state(table, table.find(name)?)
    }

    fn stored_state(&self, table: Table<'_>, index: usize) -> Option<&State> {
        let state = self.read.get(index)?.get_or_init(|| Box::new(read_state(table.state(index))));
        Some(state)
    }

    /// The index among the changed states of a state to change. `near` is a guess of that index, and becomes a guess
    /// for the next one: a caller that changes several by name, ascending, finds all but the first at once.
    pub(super) fn place(&mut self, stored: &[u8], name: &str, near: &mut usize) -> usize {
        let hit = self.changed.get(*near).is_some_and(|(known, _)| equal(known, name));
        let index = if hit { *near } else { self.search(stored, name) };
        *near = index.saturating_add(1);
        index
    }

    // Not inlined: its frame would be made and taken down for every hit.
    #[inline(never)]
    fn search(&mut self, stored: &[u8], name: &str) -> usize {
        match self.changed.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(index) => index,
            Err(index) => {
                let table = Table::of(stored);
                let state = table.find(name).map(|at| {
                    let read = self.read.get_mut(at).and_then(OnceCell::take);
                    read.map_or_else(|| read_state(table.state(at)), |state| *state)
                });
                self.changed.insert(index, (name.into(), state));
                index
            }
        }
    }

    /// The state at an index that [`Self::place`] returned.
    pub(super) fn at(&mut self, place: usize) -> &mut Option<State> {
        match self.changed.get_mut(place) {
            Some((_, state)) => state,
            None => &mut self.nothing,
        }
    }

    /// All states by name, ascending.
    pub(super) fn iter<'a>(&'a self, stored: &'a [u8]) -> impl Iterator<Item = (&'a str, &'a State)> {
        self.sources(stored).filter_map(move |(name, source)| {
            Some((
                name,
                match source {
                    Source::Changed(state) => state,
                    Source::Stored(index) => self.stored_state(Table::of(stored), index)?,
                },
            ))
        })
    }

    /// Their names, ascending.
    pub(super) fn names<'a>(&'a self, stored: &'a [u8]) -> impl Iterator<Item = &'a str> {
        self.sources(stored).map(|(name, _)| name)
    }

    pub(super) fn write(&self, stored: &[u8], out: &mut Writer) {
        if self.changed.is_empty() {
            out.bytes(stored);
            return;
        }
        let table = Table::of(stored);
        let mut ends =
            Vec::with_capacity(table.ends.len().saturating_add(self.changed.len()).saturating_mul(8));
        let mut names = Vec::with_capacity(table.names.len().saturating_add(64));
        let mut states = Writer(Vec::with_capacity(table.states.len().saturating_add(64)));
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

    /// True if a state is not as it was stored.
    pub(super) fn differ(&self, stored: &[u8]) -> bool {
        let table = Table::of(stored);
        self.changed.iter().any(|(name, state)| match (state, table.find(name)) {
            (None, at) => at.is_some(),
            (Some(_), None) => true,
            (Some(state), Some(at)) => {
                let mut written = Writer::default();
                write_state(&mut written, state);
                written.0 != table.state(at)
            }
        })
    }

    /// The source of each state, by name, ascending.
    fn sources<'a>(&'a self, stored: &'a [u8]) -> impl Iterator<Item = (&'a str, Source<'a>)> {
        let table = Table::of(stored);
        let (mut index, mut changed) = (0_usize, self.changed.iter().peekable());
        core::iter::from_fn(move || {
            loop {
                let stored = (index < table.ends.len()).then(|| table.name(index));
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

/// True if the table of stored states is consistent: every entry lies within the bytes, and there is nothing besides.
/// The order of names is not checked: no bound of any build changes it, and the checksum proves that they are as
/// written.
pub(super) fn is_sound(stored: &[u8]) -> bool {
    let Some((count, _)) = stored.split_first_chunk() else { return stored.is_empty() };
    let table = Table::of(stored);
    let (mut name_end, mut state_end) = (0, 0);
    for ends in table.ends {
        let (name, state) = (Table::end(ends, false), Table::end(ends, true));
        if name < name_end || state < state_end {
            return false;
        }
        (name_end, state_end) = (name, state);
    }
    table.ends.len() == u32::from_le_bytes(*count) as usize
        && name_end == table.names.len()
        && state_end == table.states.len()
}

enum Source<'a> {
    Stored(usize),
    Changed(&'a State),
}

/// Stored states, whose table was checked when the profile was opened, see [`is_sound`].
#[derive(Clone, Copy)]
struct Table<'a> {
    /// For each entry, the end of its name and that of its state.
    ends: &'a [[u8; 8]],
    names: &'a [u8],
    states: &'a [u8],
}

impl<'a> Table<'a> {
    fn of(stored: &'a [u8]) -> Table<'a> {
        let Some((count, rest)) = stored.split_first_chunk() else {
            return Table { ends: &[], names: &[], states: &[] };
        };
        // At most as many as fit.
        let count = u32::from_le_bytes(*count) as usize;
        let (ends, rest) = rest.split_at(count.min(rest.len() / 8).saturating_mul(8));
        let ends = ends.as_chunks().0;
        let names = ends.last().map_or(0, |last| Table::end(last, false));
        let (names, states) = rest.split_at(names.min(rest.len()));
        Table { ends, names, states }
    }

    fn end([a, b, c, d, e, f, g, h]: &[u8; 8], of_state: bool) -> usize {
        let end = if of_state { [*e, *f, *g, *h] } else { [*a, *b, *c, *d] };
        u32::from_le_bytes(end) as usize
    }

    fn range(self, index: usize, of_state: bool) -> Option<Range<usize>> {
        let end = Table::end(self.ends.get(index)?, of_state);
        let before = index.checked_sub(1).and_then(|before| self.ends.get(before));
        Some(before.map_or(0, |before| Table::end(before, of_state))..end)
    }

    fn name_bytes(self, index: usize) -> Option<&'a [u8]> {
        self.names.get(self.range(index, false)?)
    }

    fn name(self, index: usize) -> &'a str {
        self.name_bytes(index).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("")
    }

    fn state(self, index: usize) -> &'a [u8] {
        self.range(index, true).and_then(|range| self.states.get(range)).unwrap_or(&[])
    }

    fn find(self, name: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            match order_of(self.name_bytes(middle)?, name.as_bytes()) {
                Ordering::Equal => return Some(middle),
                Ordering::Less => low = middle.saturating_add(1),
                Ordering::Greater => high = middle,
            }
        }
        None
    }
}
