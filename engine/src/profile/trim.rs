//! Trims a profile that is full: drops the oldest state that attributes promise to keep, so that a profile can always
//! be written.

use alloc::string::String;
use alloc::vec::Vec;

use super::state::write_state;
use super::{Profile, edit};
use crate::attribute::shape::Shape;
use crate::attribute::{ItemList, Ring, State};
use crate::bytes::Writer;
use crate::gather::Gather;
use crate::order;

impl Profile {
    /// Makes room in a profile that is this many bytes too large, and marks it. It drops, in this order: the oldest
    /// archived hours of totals, which only a base of long ago needs; the oldest items of the largest list; when no list
    /// has any, the oldest parts of counters and windows; the oldest records of other keys. Returns whether anything was
    /// dropped.
    pub fn trim(&mut self, bytes: usize) -> bool {
        let archives = self.trim_archives(bytes);
        let lists = self.trim_states(bytes.saturating_sub(archives), drop_oldest_item);
        let room = archives.saturating_add(lists);
        let parts = self.trim_states(bytes.saturating_sub(room), drop_oldest_part);
        let room = room.saturating_add(parts);
        let records = self.trim_records(bytes.saturating_sub(room));
        let trimmed = room > 0 || records > 0;
        self.trimmed |= trimmed;
        trimmed
    }

    /// Drops archived hours of totals, the oldest stretch first. Returns the number of bytes dropped.
    fn trim_archives(&mut self, bytes: usize) -> usize {
        let archived = self.states().filter_map(|(name, state)| {
            Shape::archived_stretch(name).map(|stretch| (stretch, size(state), String::from(name)))
        });
        let mut archived: Vec<(i64, usize, String)> = archived.gather();
        order::sort(&mut archived, Ord::cmp);
        let mut room = 0_usize;
        for (_, size, name) in archived {
            if room >= bytes {
                break;
            }
            room = room.saturating_add(size);
            *self.state_mut(&name) = None;
        }
        room
    }

    /// Drops from the largest state, again and again, until there is room or nothing is left. Returns the number of
    /// bytes dropped.
    fn trim_states(&mut self, bytes: usize, drop_oldest: fn(&mut State) -> bool) -> usize {
        if bytes == 0 {
            return 0;
        }
        let mut sizes: Vec<(usize, String)> =
            self.states().map(|(name, state)| (size(state), name.into())).gather();
        let mut room = 0_usize;
        while room < bytes {
            let largest = sizes.iter().enumerate().max_by_key(|(_, (size, _))| *size);
            let Some((index, (before, name))) = largest.map(|(index, (size, name))| (index, (*size, name)))
            else {
                break;
            };
            let after =
                self.state_mut(name).as_mut().and_then(|state| drop_oldest(state).then(|| size(state)));
            match (after, sizes.get_mut(index)) {
                (Some(after), Some(entry)) => {
                    room = room.saturating_add(before.saturating_sub(after));
                    entry.0 = after;
                }
                _ => {
                    sizes.swap_remove(index);
                }
            }
        }
        room
    }

    /// Drops the oldest records, all but the newest. Returns about how many bytes were dropped.
    fn trim_records(&mut self, bytes: usize) -> usize {
        let mut room = 0_usize;
        while room < bytes && self.batch().len() > 1 {
            edit(&mut self.batch, |records| {
                let oldest = records.iter().enumerate().min_by_key(|(_, record)| record.age_key());
                if let Some(index) = oldest.map(|(index, _)| index) {
                    let record = records.remove(index);
                    let mut written = Writer::default();
                    super::codec::write_record(&mut written, &record);
                    room = room.saturating_add(written.0.len());
                }
            });
        }
        room
    }
}

fn size(state: &State) -> usize {
    let mut written = Writer::default();
    write_state(&mut written, state);
    written.0.len()
}

/// Drops the oldest item of a list, or its oldest removal.
fn drop_oldest_item(state: &mut State) -> bool {
    let State::List(ItemList { items, removed, .. }) = state else { return false };
    if items.pop().is_some() {
        return true;
    }
    let oldest = removed.iter().enumerate().min_by_key(|(_, removed)| removed.time_ms);
    let Some(index) = oldest.map(|(index, _)| index) else { return false };
    removed.remove(index);
    true
}

/// Drops the oldest part of a counter, window or total.
fn drop_oldest_part(state: &mut State) -> bool {
    fn oldest<T>(ring: &mut Ring<T>) -> bool {
        let any = !ring.buckets.is_empty();
        if any {
            ring.buckets.remove(0);
        }
        any
    }
    match state {
        State::Counter(counter) => {
            let fullest = counter.rings.iter_mut().max_by_key(|ring| ring.buckets.len());
            fullest.is_some_and(oldest)
        }
        State::PickedWithin(_, ring) => oldest(ring),
        State::Total(total) => total.fold_oldest_hour(),
        _ => false,
    }
}
