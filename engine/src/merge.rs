//! Merging: two profiles into one, and state of several shapes within one profile.
//!
//! Under an attribute's name a profile keeps the state that the running definition reads. State of another kind,
//! aggregation or window, left by another definition or build, is parked beside it under its name and [`Shape`]: a rollback
//! finds it again, and state of a kind that this build does not know is not overwritten. No definition knows parked state;
//! it is purged like the state of a dropped attribute.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::attribute::plan::{AttributePlan, Kind};
use crate::attribute::shape::{FOREIGN, PARKED_SEPARATOR, Shape, are_alike, widths};
use crate::attribute::{Counter, State, Total, Unit};
use crate::gather::Gather;
use crate::limits::{ARCHIVE_STRETCHES_MAX, TOTAL_HOURS_MAX};
use crate::planted::{self, Bug};
use crate::profile::{HAS_RARE, Profile};

/// Merges another profile into this one, once: a profile that is known to be absorbed changes nothing. Returns whether the
/// bound on remembered event ids dropped some.
///
/// Commutative and associative in all but `id` and `created_ms`, which the caller chose by whom it calls. Of two states of
/// different shapes that no attribute reads, the greater by [`State::rank`] stays and the other is parked.
pub(crate) fn absorb(
    profile: &mut Profile,
    mut other: Profile,
    attributes: &[AttributePlan],
    now_ms: i64,
) -> bool {
    // Bundles may have changed since either profile was written.
    for attribute in attributes {
        align(profile, attribute);
        align(&mut other, attribute);
    }
    let Some(forgot) = profile.absorb_all_but_states(&other) else { return false };
    let names: Vec<String> = other.states().map(|(name, _)| name.into()).gather();
    for name in &names {
        let Some(theirs) = other.state_mut(name).take() else { continue };
        let mut collapsed = None;
        let kind = attributes.iter().find(|known| known.name == *name).map(|known| &known.kind);
        let place = profile.state_mut(name);
        let (stays, parked) = match place.take() {
            None => (theirs, None),
            Some(mine) if are_alike(&mine, &theirs) => {
                let (merged, gone) =
                    keeping_hours(mine, theirs, |mine, theirs| join(kind, mine, theirs, now_ms));
                collapsed = gone;
                (merged, None)
            }
            Some(mine) if theirs.rank() > mine.rank() => (theirs, Some(mine)),
            Some(mine) => (mine, Some(theirs)),
        };
        *place = Some(stays);
        if let Some(parked) = parked {
            park(profile, name, parked);
        }
        let is_based = !matches!(kind, Some(Kind::Total { base: None, .. }));
        if let Some((unit, hours)) = collapsed.filter(|_| is_based) {
            // The hours of a parked total are those of its attribute.
            let own = name.split(PARKED_SEPARATOR).next().unwrap_or(name);
            archive(profile, own, unit, hours);
        }
    }
    reunite(profile);
    for attribute in attributes {
        if let Kind::Total { amount, base: Some(_) } = &attribute.kind {
            bound_archive(profile, &attribute.name, amount.unit());
        }
    }
    forgot
}

/// Merges parked state into the state of its name, where both have one shape. Two profiles may have been written under
/// definitions that park differently, and no definition that aligns them need run.
fn reunite(profile: &mut Profile) {
    let names = profile.state_names().filter(|name| name.contains(PARKED_SEPARATOR));
    let parked: Vec<String> = names.map(String::from).gather();
    for address in parked {
        let Some((name, _)) = address.split_once(PARKED_SEPARATOR) else { continue };
        let is_of = |shape: Shape| shape.address(name) == address;
        let belongs_to = |state: &State| match state {
            State::Foreign(..) => false,
            State::Counter(Counter { unit, rings }) => {
                let shape = Shape::of_counter(*unit);
                rings.iter().any(|ring| is_of(Shape { width_ms: ring.width_ms, ..shape }))
            }
            state => is_of(Shape::of(state)),
        };
        if !profile.state(name).is_some_and(belongs_to) {
            continue;
        }
        let (Some(parked), Some(state)) = (profile.unpark(&address), profile.state_mut(name).take()) else {
            continue;
        };
        let (merged, collapsed) = keeping_hours(state, parked, State::merge);
        *profile.state_mut(name) = Some(merged);
        if let Some((unit, hours)) = collapsed {
            archive(profile, name, unit, hours);
        }
    }
}

/// Hours of a total that it does not keep apart any more, with their amounts.
type Hours = (Unit, Vec<(i64, i128)>);

/// Merges two states. Of totals also returns the hours that the merged one does not keep apart any more.
fn keeping_hours(
    mine: State,
    theirs: State,
    merge: impl FnOnce(State, State) -> State,
) -> (State, Option<Hours>) {
    let mut hours = Vec::new();
    for state in [&mine, &theirs] {
        if let State::Total(total) = state {
            hours.extend_from_slice(&total.hours);
        }
    }
    let merged = merge(mine, theirs);
    let State::Total(total) = &merged else { return (merged, None) };
    hours.retain(|(hour, _)| *hour <= total.until);
    let unit = total.unit;
    (merged, (!hours.is_empty()).then_some((unit, hours)))
}

/// Keeps hours of a total apart that the total itself does not: in states beside it, each of a stretch of hours that one
/// total holds. A base of long ago is added to what came after it, and to nothing else. The newest stretches are kept,
/// up to a bound: of which times events come is the sender's choice.
pub(crate) fn archive(profile: &mut Profile, name: &str, unit: Unit, hours: Vec<(i64, i128)>) {
    for (hour, amount) in hours {
        let stretch = stretch(hour);
        if stretch == 0 {
            // Events of 1970 are none.
            continue;
        }
        let state = profile.state_mut(&Shape::of_archive(unit, stretch).address(name));
        match state {
            Some(State::Total(total)) => total.put_archived(hour, amount),
            state => {
                let mut total = Total::new(unit);
                total.put_archived(hour, amount);
                *state = Some(State::Total(total));
            }
        }
    }
    bound_archive(profile, name, unit);
}

/// Drops the oldest stretches over the bound. What is left does not depend on the order in which hours came.
fn bound_archive(profile: &mut Profile, name: &str, unit: Unit) {
    let stretches = profile.state_names().filter_map(|state| archived_stretch(state, name, unit));
    let mut stretches: Vec<i64> = stretches.filter(|stretch| *stretch != 0).gather();
    while stretches.len() > ARCHIVE_STRETCHES_MAX
        && let Some(oldest) = stretches.iter().copied().min()
    {
        stretches.retain(|stretch| *stretch != oldest);
        *profile.state_mut(&Shape::of_archive(unit, oldest).address(name)) = None;
    }
}

/// The hours before this one that a total has archived.
pub(crate) fn archived_before(profile: &Profile, name: &str, unit: Unit, hour: i64) -> i128 {
    let is_before = |stretch_of: &i64| *stretch_of != 0 && *stretch_of <= stretch(hour);
    let stretches = profile.state_names().filter_map(|state| archived_stretch(state, name, unit));
    let states = stretches.filter(is_before).filter_map(|stretch| {
        match profile.state(&Shape::of_archive(unit, stretch).address(name)) {
            Some(State::Total(total)) => Some(total),
            _ => None,
        }
    });
    let hours = states.flat_map(|total| &total.hours).filter(|(known, _)| *known < hour);
    hours.fold(0_i128, |sum, (_, amount)| sum.saturating_add(*amount))
}

/// True if an attribute reads a state of this name: its own, or what its total archived.
pub(crate) fn reads(attribute: &AttributePlan, state: &str) -> bool {
    let archives = |unit| archived_stretch(state, &attribute.name, unit).is_some_and(|stretch| stretch != 0);
    attribute.name == state
        || matches!(&attribute.kind, Kind::Total { amount, .. } if archives(amount.unit()))
}

fn archived_stretch(state: &str, name: &str, unit: Unit) -> Option<i64> {
    let shape = state.strip_prefix(name)?;
    let zero = Shape::of_archive(unit, 0).address("");
    shape.strip_prefix(zero.strip_suffix('0')?)?.parse().ok()
}

fn stretch(hour: i64) -> i64 {
    hour.div_euclid(i64::try_from(TOTAL_HOURS_MAX).unwrap_or(i64::MAX))
}

/// Merges two states of one shape as the running definition sees them. Expired items of lists go first: they do not count
/// toward the cap. What lies in the future is not newer than the rest.
fn join(kind: Option<&Kind>, mut mine: State, mut theirs: State, now_ms: i64) -> State {
    for state in [&mut mine, &mut theirs] {
        match state {
            State::List(items) => {
                items.settle(now_ms);
                if let Some(Kind::List(list)) = kind {
                    items.forget(list.bounds, now_ms);
                }
            }
            State::Picked(_, kept) => kept.settle(now_ms),
            _ => {}
        }
    }
    mine.merge(theirs)
}

/// The state that the running definition reads of an attribute, parked or not. For a counter, the state that has the ring
/// of this width.
pub(crate) fn find<'p>(profile: &'p Profile, attribute: &AttributePlan, width_ms: i64) -> Option<&'p State> {
    let wanted = Shape::wanted(&attribute.kind)?;
    let has_ring = |state: &State| match state {
        State::Counter(counter) => counter.rings.iter().any(|ring| ring.width_ms == width_ms),
        _ => true,
    };
    match profile.state(&attribute.name) {
        Some(state) if Shape::of(state) == wanted && has_ring(state) => Some(state),
        _ if !profile.has_parked() => None,
        _ => {
            let width_ms = if widths(&attribute.kind).is_empty() { wanted.width_ms } else { width_ms };
            profile.state(&Shape { width_ms, ..wanted }.address(&attribute.name))
        }
    }
}

/// Parks a state under the address of its name and shape, a counter ring by ring; it merges with what is parked there. Hours
/// that a total does not keep apart then are archived, as those of the total that the definition reads are.
pub(crate) fn park(profile: &mut Profile, name: &str, state: State) {
    if planted::is(Bug::DropsParkedState) {
        return;
    }
    match state {
        State::Counter(Counter { unit, rings }) => {
            for ring in rings.into_iter().filter(|ring| !ring.buckets.is_empty()) {
                let address = Shape { width_ms: ring.width_ms, ..Shape::of_counter(unit) }.address(name);
                profile.park(&address, State::Counter(Counter { unit, rings: vec![ring] }));
            }
        }
        state => {
            let address = Shape::of(&state).address(name);
            let (state, collapsed) = match profile.unpark(&address) {
                Some(known) => keeping_hours(known, state, State::merge),
                None => (state, None),
            };
            profile.park(&address, state);
            if let Some((unit, hours)) = collapsed {
                archive(profile, name, unit, hours);
            }
        }
    }
}

/// Brings the state of an attribute into the shape that the attribute reads: state of another shape is parked, parked state
/// of this shape is taken back.
pub(crate) fn align(profile: &mut Profile, attribute: &AttributePlan) {
    let (name, kind) = (attribute.name.as_str(), &attribute.kind);
    let wanted = Shape::wanted(kind);
    let widths = widths(kind);
    let other_shape = profile.state(name).is_some_and(|state| {
        let is_needed = |width_ms: &i64| widths.contains(width_ms);
        wanted != Some(Shape::of(state))
            || matches!(state, State::Counter(counter) if !counter.rings.iter().all(|ring| is_needed(&ring.width_ms)))
    });
    if other_shape && !HAS_RARE {
        return profile.leave_unfinished();
    }
    if other_shape && let Some(state) = profile.state_mut(name).take() {
        match state {
            State::Counter(Counter { unit, rings }) if wanted == Some(Shape::of_counter(unit)) => {
                let (keep, other): (Vec<_>, Vec<_>) =
                    rings.into_iter().partition(|ring| widths.contains(&ring.width_ms));
                *profile.state_mut(name) =
                    (!keep.is_empty()).then_some(State::Counter(Counter { unit, rings: keep }));
                park(profile, name, State::Counter(Counter { unit, rings: other }));
            }
            state => park(profile, name, state),
        }
    }
    let Some(wanted) = wanted.filter(|_| profile.has_parked()) else { return };
    // Parked by a build that did not know this kind; this one does.
    let unknown = Shape { detail: FOREIGN, width_ms: 0, ..wanted }.address(name);
    if profile.state(&unknown).is_some_and(|state| !matches!(state, State::Foreign(..))) {
        if !HAS_RARE {
            return profile.leave_unfinished();
        }
        let Some(state) = profile.unpark(&unknown) else { return };
        park(profile, name, state);
    }
    let of_rings = widths.iter().map(|width_ms| Shape { width_ms: *width_ms, ..wanted });
    let shapes: Vec<Shape> = if widths.is_empty() { vec![wanted] } else { of_rings.gather() };
    for address in shapes.into_iter().map(|shape| shape.address(name)) {
        if !HAS_RARE && profile.state(&address).is_some() {
            return profile.leave_unfinished();
        }
        if HAS_RARE && let Some(parked) = profile.unpark(&address) {
            let state = profile.state_mut(name);
            let (merged, collapsed) = match state.take() {
                Some(state) => keeping_hours(state, parked, State::merge),
                None => (parked, None),
            };
            *state = Some(merged);
            if let Some((unit, hours)) = collapsed {
                archive(profile, name, unit, hours);
            }
        }
    }
}

#[cfg(test)]
mod tests;
