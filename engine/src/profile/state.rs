//! Attribute states as bytes: the kind, and what is kept. A kind that this build does not know is carried along.

use alloc::vec::Vec;

use super::bytes::{Reader, Writer};
use super::codec::Damaged;
use crate::attribute::{
    Counter, Item, ItemList, Order, Pick, Removed, Ring, Stamped, State, Total, Unit, newest_first,
};
use crate::definition::Keep;
use crate::limits::{BUCKETS_MAX, LIST_ITEMS_MAX, PARTS_MAX, TOTAL_HOURS_MAX};
use crate::value::Nanos;

// Kinds of state as they are stored. Their numbers are for ever.
const PICKED: u8 = 1;
const SUM: u8 = 2;
const LIST: u8 = 3;
const COUNTER: u8 = 4;
const TOTAL: u8 = 5;
const PICKED_WITHIN: u8 = 6;

/// A state, its kind first.
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
            write_ring(w, ring, write_stamped);
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
            w.list(&counter.rings, |w, ring| write_ring(w, ring, |w, amount| w.wide(*amount)));
        }
        State::Total(total) => {
            w.byte(TOTAL);
            write_unit(w, total.unit);
            w.wide(total.earlier);
            w.signed(total.until);
            write_steps(w, &total.hours, |w, amount| w.wide(*amount));
        }
        State::Foreign(kind, bytes) => {
            w.byte(*kind);
            w.bytes(bytes);
        }
    }
}

/// The state that these bytes are; [`State::Foreign`] when this build cannot tell.
pub(super) fn read_state(bytes: &[u8]) -> State {
    let Some((kind, content)) = bytes.split_first() else { return State::Foreign(0, Vec::new()) };
    let mut reader = Reader(content);
    match known_state(&mut reader, *kind) {
        Ok(state) if reader.0.is_empty() => state,
        _ => State::Foreign(*kind, content.into()),
    }
}

fn known_state(r: &mut Reader<'_>, kind: u8) -> Result<State, Damaged> {
    Ok(match kind {
        PICKED => State::Picked(read_pick(r)?, read_stamped(r)?),
        PICKED_WITHIN => State::PickedWithin(read_pick(r)?, read_ring(r, read_stamped)?),
        SUM => State::Sum(Nanos(r.wide()?)),
        LIST => State::List(read_list(r)?),
        COUNTER => {
            let unit = read_unit(r)?;
            let rings = r.many(PARTS_MAX.saturating_add(1), |r| read_ring(r, Reader::wide))?;
            if !rings.is_sorted_by(|a, b| a.width_ms < b.width_ms) {
                return Err(Damaged("rings are not in order"));
            }
            State::Counter(Counter { unit, rings })
        }
        TOTAL => {
            let (unit, earlier, until) = (read_unit(r)?, r.wide()?, r.signed()?);
            let hours = read_steps(r, TOTAL_HOURS_MAX, Reader::wide)?;
            State::Total(Total { unit, earlier, until, hours })
        }
        _ => return Err(Damaged("a state is of an unknown kind")),
    })
}

/// Their places are for ever, too.
const PICKS: [Pick; 8] = [
    Pick::Last,
    Pick::First,
    Pick::Min(Order::Number),
    Pick::Min(Order::Text),
    Pick::Min(Order::Instant),
    Pick::Max(Order::Number),
    Pick::Max(Order::Text),
    Pick::Max(Order::Instant),
];

fn write_pick(w: &mut Writer, pick: Pick) {
    w.count(PICKS.iter().position(|known| *known == pick).unwrap_or(PICKS.len()));
}

fn read_pick(r: &mut Reader<'_>) -> Result<Pick, Damaged> {
    let place = usize::from(r.byte()?);
    PICKS.get(place).copied().ok_or(Damaged("a choice is of an unknown kind"))
}

fn write_unit(w: &mut Writer, unit: Unit) {
    w.byte(u8::from(unit == Unit::Nanos));
}

fn read_unit(r: &mut Reader<'_>) -> Result<Unit, Damaged> {
    match r.byte()? {
        0 => Ok(Unit::Events),
        1 => Ok(Unit::Nanos),
        _ => Err(Damaged("a unit is of an unknown kind")),
    }
}

fn write_stamped(w: &mut Writer, stamped: &Stamped) {
    w.signed(stamped.time_ms);
    w.text(&stamped.event_id);
    w.value(&stamped.value);
}

fn read_stamped(r: &mut Reader<'_>) -> Result<Stamped, Damaged> {
    Ok(Stamped { time_ms: r.signed()?, event_id: r.text()?, value: r.value()? })
}

fn write_ring<T>(w: &mut Writer, ring: &Ring<T>, write: impl FnMut(&mut Writer, &T)) {
    w.signed(ring.width_ms);
    write_steps(w, &ring.buckets, write);
}

fn read_ring<'a, T>(
    r: &mut Reader<'a>,
    read: impl FnMut(&mut Reader<'a>) -> Result<T, Damaged>,
) -> Result<Ring<T>, Damaged> {
    let mut ring = Ring::new(r.signed()?);
    let max = usize::try_from(BUCKETS_MAX).unwrap_or(usize::MAX).saturating_add(1);
    ring.buckets = read_steps(r, max, read)?;
    Ok(ring)
}

/// Numbered things, ascending: all but the first number by how much more they are than the one before, less one.
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

fn read_steps<'a, T>(
    r: &mut Reader<'a>,
    max: usize,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Damaged>,
) -> Result<Vec<(i64, T)>, Damaged> {
    let mut before: Option<i64> = None;
    r.many(max, |r| {
        let number = match before {
            None => r.signed()?,
            Some(before) => {
                let number = before.checked_add_unsigned(r.unsigned()?).and_then(|n| n.checked_add(1));
                number.ok_or(Damaged("a number is too large"))?
            }
        };
        before = Some(number);
        Ok((number, read(r)?))
    })
}

fn write_list(w: &mut Writer, list: &ItemList) {
    w.byte(u8::from(list.keep == Keep::Oldest));
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

fn read_list(r: &mut Reader<'_>) -> Result<ItemList, Damaged> {
    let keep = match r.byte()? {
        0 => Keep::Newest,
        1 => Keep::Oldest,
        _ => return Err(Damaged("a flag is neither 0 nor 1")),
    };
    let columns = r.many(usize::MAX, Reader::text)?;
    let items = r.many(LIST_ITEMS_MAX as usize, |r| {
        let (time_ms, event_id, id) = (r.signed()?, r.text()?, r.value()?);
        let mut fields = Vec::new();
        for _ in &columns {
            fields.push(r.optional(Reader::value)?);
        }
        Ok(Item { id, time_ms, event_id, fields })
    })?;
    if !columns.is_sorted_by(|a, b| a < b) || !items.is_sorted_by(|a, b| newest_first(a, b).is_lt()) {
        return Err(Damaged("a list is not in order"));
    }
    let removed = r.many(LIST_ITEMS_MAX as usize, |r| {
        Ok(Removed { time_ms: r.signed()?, event_id: r.text()?, id: r.value()? })
    })?;
    let cleared = r.optional(|r| Ok((r.signed()?, r.text()?)))?;
    Ok(ItemList { keep, columns, items, removed, cleared })
}
