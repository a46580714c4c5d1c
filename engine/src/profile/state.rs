//! Attribute states as bytes: the kind, then the content. State of an unknown kind is kept as it is.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::bytes::{Reader, Writer};
use crate::gather::Gather;

use crate::attribute::{
    Counter, Item, ItemList, Pick, Removed, Ring, Stamped, State, Total, Unit, newest_first,
};
use crate::definition::Keep;
use crate::limits::BUCKETS_MAX;
use crate::progress;
use crate::value::{Nanos, Value};

// Kinds of state as they are stored. Their numbers never change.
const PICKED: u8 = 1;
const SUM: u8 = 2;
const LIST: u8 = 3;
const COUNTER: u8 = 4;
const TOTAL: u8 = 5;
const PICKED_WITHIN: u8 = 6;
const JOURNEY: u8 = 7;

/// Writes a state, its kind first.
pub(super) fn write_state(w: &mut Writer, state: &State) {
    match state {
        State::Picked(pick, stamped) => {
            w.byte(PICKED);
            write_pick(w, *pick);
            write_stamped(w, stamped);
        }
        State::PickedWithin(pick, ring) => {
            w.byte(PICKED_WITHIN);
            write_pick(w, *pick);
            write_ring(w, ring, |w, buckets| {
                buckets.iter().for_each(|(_, stamped)| write_stamped(w, stamped))
            });
        }
        State::Sum(sum) => {
            w.byte(SUM);
            w.wide(sum.0);
        }
        State::List(list) => {
            w.byte(LIST);
            write_list(w, list);
        }
        State::Counter(counter) => {
            w.byte(COUNTER);
            write_unit(w, counter.unit);
            w.list(&counter.rings, |w, ring| write_ring(w, ring, write_amounts));
        }
        State::Total(total) => {
            w.byte(TOTAL);
            write_unit(w, total.unit);
            w.wide(total.earlier);
            w.signed(total.until);
            write_steps(w, &total.hours, |w, amount| w.wide(*amount));
        }
        State::Journey(progress) => {
            w.byte(JOURNEY);
            progress::write(w, progress);
        }
        State::Foreign(kind, bytes) => {
            w.byte(*kind);
            w.bytes(bytes);
        }
    }
}

/// Decodes a state; [`State::Foreign`] when this build cannot.
pub(super) fn read_state(bytes: &[u8]) -> State {
    let Some((kind, content)) = bytes.split_first() else { return State::Foreign(0, Vec::new()) };
    let mut reader = Reader::new(content);
    let state = known_state(&mut reader, *kind);
    if reader.finish().is_ok() { state } else { State::Foreign(*kind, content.into()) }
}

fn known_state(r: &mut Reader<'_>, kind: u8) -> State {
    match kind {
        PICKED => State::Picked(read_pick(r), read_stamped(r)),
        PICKED_WITHIN => State::PickedWithin(
            read_pick(r),
            read_ring(r, |r, count| (0..count).map(|_| read_stamped(r)).gather()),
        ),
        SUM => State::Sum(Nanos(r.wide())),
        LIST => State::List(read_list(r)),
        COUNTER => {
            let unit = read_unit(r);
            let rings = r.many(|r| read_ring(r, read_amounts));
            if !rings.is_sorted_by(|a, b| a.width_ms < b.width_ms) {
                r.fail("rings are not in order");
            }
            State::Counter(Counter { unit, rings })
        }
        TOTAL => {
            let (unit, earlier, until) = (read_unit(r), r.wide(), r.signed());
            State::Total(Total { unit, earlier, until, hours: read_steps(r, Reader::wide) })
        }
        JOURNEY if cfg!(feature = "journeys") => State::Journey(Box::new(progress::read(r))),
        _ => {
            r.fail("a state is of an unknown kind");
            State::Sum(Nanos(0))
        }
    }
}

fn write_pick(w: &mut Writer, pick: Pick) {
    w.byte(pick.number());
}

fn read_pick(r: &mut Reader<'_>) -> Pick {
    Pick::ALL.get(usize::from(r.byte())).copied().unwrap_or_else(|| {
        r.fail("a choice is of an unknown kind");
        Pick::Last
    })
}

fn write_unit(w: &mut Writer, unit: Unit) {
    w.byte(u8::from(unit == Unit::Nanos));
}

fn read_unit(r: &mut Reader<'_>) -> Unit {
    match r.byte() {
        0 => Unit::Events,
        1 => Unit::Nanos,
        _ => {
            r.fail("a unit is of an unknown kind");
            Unit::Events
        }
    }
}

fn write_stamped(w: &mut Writer, stamped: &Stamped) {
    w.signed(stamped.time_ms);
    w.text(&stamped.event_id);
    w.value(&stamped.value);
}

fn read_stamped(r: &mut Reader<'_>) -> Stamped {
    Stamped { time_ms: r.signed(), event_id: r.text(), value: r.value() }
}

/// Buckets lie within 65 of each other: writes the first, a bit map of those that follow, and their content.
fn write_ring<T>(w: &mut Writer, ring: &Ring<T>, write: impl FnOnce(&mut Writer, &[(i64, T)])) {
    w.signed(ring.width_ms);
    let Some((first, _)) = ring.buckets.first() else { return w.bytes(&[0; MAP_BYTES]) };
    let (mut there, mut last) = (0_u64, 0_u8);
    for (bucket, _) in &ring.buckets {
        match u32::try_from(bucket.wrapping_sub(*first)).ok().and_then(|place| 1_u64.checked_shl(place)) {
            Some(bit) => there |= bit,
            // No bucket lies further away than this one.
            None => last = 1,
        }
    }
    w.bytes(&there.to_le_bytes());
    w.byte(last);
    w.signed(*first);
    write(w, &ring.buckets);
}

fn read_ring<'a, T>(r: &mut Reader<'a>, read: impl FnOnce(&mut Reader<'a>, usize) -> Vec<T>) -> Ring<T> {
    let mut ring = Ring::new(r.signed());
    let mut map = [0; 16];
    for (to, from) in map.iter_mut().zip(r.array::<MAP_BYTES>()) {
        *to = from;
    }
    let there = u128::from_le_bytes(map);
    if there == 0 {
        return ring;
    }
    let first = r.signed();
    if there & 1 == 0 || there >> BUCKETS_MAX > 1 || first.checked_add(BUCKETS_MAX).is_none() {
        r.fail("buckets are not in order");
        return ring;
    }
    let mut contents = read(r, there.count_ones() as usize).into_iter();
    for place in (0..=BUCKETS_MAX).filter(|place| there >> place & 1 == 1) {
        ring.buckets.extend(contents.next().map(|content| (first.saturating_add(place), content)));
    }
    ring
}

/// 65 bits, in bytes.
const MAP_BYTES: usize = 9;

/// Writes amounts, all in the width that the widest needs.
fn write_amounts(w: &mut Writer, amounts: &[(i64, i128)]) {
    let most = amounts.iter().fold(0, |most, (_, amount)| most | (amount ^ (amount >> 127)));
    // One bit more, for the sign.
    let bits = i128::BITS.saturating_sub(most.leading_zeros()).saturating_add(1);
    let width = (bits.div_ceil(8) as usize).next_power_of_two();
    w.byte(width as u8);
    w.0.reserve(amounts.len().saturating_mul(width));
    // Truncating loses nothing, because the widest amount fits.
    match width {
        1 => amounts.iter().for_each(|(_, amount)| w.byte(*amount as u8)),
        2 => amounts.iter().for_each(|(_, amount)| w.bytes(&(*amount as i16).to_le_bytes())),
        4 => amounts.iter().for_each(|(_, amount)| w.bytes(&(*amount as i32).to_le_bytes())),
        8 => amounts.iter().for_each(|(_, amount)| w.bytes(&(*amount as i64).to_le_bytes())),
        _ => amounts.iter().for_each(|(_, amount)| w.bytes(&amount.to_le_bytes())),
    }
}

fn read_amounts(r: &mut Reader<'_>, count: usize) -> Vec<i128> {
    fn all<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i128) -> Vec<i128> {
        bytes.as_chunks::<N>().0.iter().map(|bytes| read(*bytes)).gather()
    }
    let width = usize::from(r.byte());
    let bytes = r.take(count.saturating_mul(width));
    match width {
        1 => all(bytes, |bytes| i128::from(i8::from_le_bytes(bytes))),
        2 => all(bytes, |bytes| i128::from(i16::from_le_bytes(bytes))),
        4 => all(bytes, |bytes| i128::from(i32::from_le_bytes(bytes))),
        8 => all(bytes, |bytes| i128::from(i64::from_le_bytes(bytes))),
        16 => all(bytes, i128::from_le_bytes),
        _ => {
            r.fail("amounts of an unknown width");
            Vec::new()
        }
    }
}

/// Writes numbered entries, ascending: the first number, then each difference to the one before, less one.
fn write_steps<T>(w: &mut Writer, steps: &[(i64, T)], mut write: impl FnMut(&mut Writer, &T)) {
    let mut before = None;
    w.list(steps, |w, (number, content)| {
        match before {
            None => w.signed(*number),
            Some(before) => w.unsigned(number.wrapping_sub(before).wrapping_sub(1).cast_unsigned()),
        }
        before = Some(*number);
        write(w, content);
    });
}

fn read_steps<'a, T>(r: &mut Reader<'a>, mut read: impl FnMut(&mut Reader<'a>) -> T) -> Vec<(i64, T)> {
    let mut before: Option<i64> = None;
    r.many(|r| {
        let number = match before {
            None => r.signed(),
            Some(before) => {
                let number = before.checked_add_unsigned(r.unsigned()).and_then(|n| n.checked_add(1));
                number.unwrap_or_else(|| {
                    r.fail("a number is too large");
                    before
                })
            }
        };
        before = Some(number);
        (number, read(r))
    })
}

fn write_list(w: &mut Writer, list: &ItemList) {
    w.byte(u8::from(list.keep == Keep::Oldest) | u8::from(!list.has_ids) << 1);
    w.list(&list.columns, |w, column| w.text(column));
    w.list(&list.items, |w, item| {
        w.signed(item.time_ms);
        w.text(&item.event_id);
        w.value(&item.id);
        item.fields.iter().for_each(|field| w.optional(field.as_ref(), Writer::value));
    });
    w.list(&list.removed, |w, removed| {
        w.signed(removed.time_ms);
        w.text(&removed.event_id);
        w.value(&removed.id);
    });
    w.optional(list.cleared.as_ref(), |w, (time_ms, event_id)| {
        w.signed(*time_ms);
        w.text(event_id);
    });
}

fn read_list(r: &mut Reader<'_>) -> ItemList {
    let kind = r.byte();
    if kind > 3 {
        r.fail("a list is of no kind");
    }
    let keep = if kind & 1 == 0 { Keep::Newest } else { Keep::Oldest };
    let columns = r.many(Reader::text);
    let items = r.many(|r| {
        let (time_ms, event_id, id) = (r.signed(), r.text(), r.value());
        let mut fields = Vec::new();
        for _ in &columns {
            fields.push(r.optional(Reader::value));
        }
        Item { id, time_ms, event_id, fields }
    });
    if !columns.is_sorted_by(|a, b| a < b) || !items.is_sorted_by(|a, b| newest_first(a, b).is_lt()) {
        r.fail("a list is not in order");
    }
    let removed = r.many(|r| Removed { time_ms: r.signed(), event_id: r.text(), id: r.value() });
    let cleared = r.optional(|r| (r.signed(), r.text()));
    // Earlier builds did not store it.
    let has_ids = kind & 2 == 0 && items.iter().all(|item| item.id != Value::Null);
    ItemList { has_ids, keep, columns, items, removed, cleared }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use super::*;
    use crate::value::Value;

    /// Invalid state, which only a faulty build could have written, is kept but reads as missing.
    #[test]
    fn what_is_out_of_order_is_not_read() {
        let reads = |bytes: &[u8]| !matches!(read_state(bytes), State::Foreign(..));
        // A counter of events with one ring of 1 ms: its map, its first bucket, and a byte for each.
        let counter = |map: u128, first: i64, amounts: &[u8]| {
            let mut w = Writer::default();
            w.bytes(&[COUNTER, 0, 1]);
            w.signed(1);
            w.bytes(&map.to_le_bytes()[..MAP_BYTES]);
            w.signed(first);
            w.byte(1);
            w.bytes(amounts);
            w.0
        };
        assert!(reads(&counter(0b101, 5, &[1, 1])));
        assert!(reads(&counter(1 | 1 << 64, 5, &[1, 1])));
        assert!(!reads(&counter(0b100, 5, &[1])), "the first bucket is the first");
        assert!(!reads(&counter(1 | 1 << 65, 5, &[1, 1])), "there is room for 65");
        assert!(!reads(&counter(1, i64::MAX, &[1])), "no bucket lies beyond numbers");
        assert!(reads(&counter(1, i64::MAX - BUCKETS_MAX, &[1])));
        assert!(!reads(&[counter(1, 5, &[1]), vec![0]].concat()), "nothing comes after it");

        let rings = |widths: [i64; 2]| {
            let rings = widths.map(|width_ms| Ring { width_ms, buckets: vec![(5, 1)] }).into();
            let mut w = Writer::default();
            write_state(&mut w, &State::Counter(Counter { unit: Unit::Events, rings }));
            reads(&w.0)
        };
        assert_eq!([[1, 2], [2, 1], [2, 2]].map(rings), [true, false, false]);

        let list = |columns: [&str; 2], times: [i64; 2]| {
            let item =
                |time_ms| Item { id: Value::from(5), time_ms, event_id: "e".into(), fields: vec![None; 2] };
            let (columns, items) = (columns.map(String::from).into(), times.map(item).into());
            let mut w = Writer::default();
            write_state(&mut w, &State::List(ItemList { columns, items, ..ItemList::default() }));
            reads(&w.0)
        };
        assert!(list(["a", "b"], [2, 1]));
        assert!(!list(["a", "b"], [1, 2]));
        assert!(!list(["a", "b"], [2, 2]));
        assert!(!list(["b", "a"], [2, 1]));
        assert!(!list(["a", "a"], [2, 1]));
    }
}
