//! Shapes: what a state must be to be of use to an attribute, and where states wait that are not.
//!
//! Under an attribute's name a profile keeps the state that the running definition reads. What another definition left
//! there, of another kind, aggregation or window, waits beside it under its name and shape, so that a rollback finds it
//! again, and what a kind of this build does not know is not written over. What waits is known to no definition, and
//! purged like what a definition dropped.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::plan::{AttributePlan, Kind};
use super::{Counter, Pick, State, Unit};
use crate::profile::Profile;

/// Between an attribute's name and a shape; a definition whose attributes have it in their names does not compile.
pub(crate) const WAITS: char = '\0';

/// The detail of what cannot be read.
const FOREIGN: u8 = u8::MAX;

/// States of one shape merge; of two shapes neither can be told from the other.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// As it is stored; see `profile::state`.
    kind: u8,
    /// What is picked, what is counted in, or what tells items apart.
    detail: u8,
    /// Of what is kept by buckets. Counters have several, and wait ring by ring.
    width_ms: i64,
}

impl Shape {
    fn of(state: &State) -> Shape {
        let shape = |kind, detail, width_ms| Shape { kind, detail, width_ms };
        match state {
            State::Picked(pick, _) => shape(1, number(*pick), 0),
            State::PickedWithin(pick, ring) => shape(6, number(*pick), ring.width_ms),
            State::Sum(_) => shape(2, 0, 0),
            State::List(list) => shape(3, items(list.has_ids), 0),
            State::Counter(counter) => Shape::of_counter(counter.unit),
            State::Total(total) => shape(5, unit(total.unit), 0),
            State::Foreign(kind, _) => shape(*kind, FOREIGN, 0),
        }
    }

    fn of_counter(counted: Unit) -> Shape {
        Shape { kind: 4, detail: unit(counted), width_ms: 0 }
    }

    /// What an attribute of this kind reads; a batch attribute reads no state.
    fn wanted(kind: &Kind) -> Option<Shape> {
        let shape = |kind, detail, width_ms| Some(Shape { kind, detail, width_ms });
        match kind {
            Kind::Pick { pick, window: None, .. } => shape(1, number(*pick), 0),
            Kind::Pick { pick, window: Some(window), .. } => shape(6, number(*pick), window.width_ms),
            Kind::Sum { window: None, .. } => shape(2, 0, 0),
            Kind::Sum { window: Some(_), .. } => Some(Shape::of_counter(Unit::Nanos)),
            Kind::List(list) => shape(3, items(list.has_ids()), 0),
            Kind::Counter { amount, .. } => Some(Shape::of_counter(amount.unit())),
            Kind::Total { amount, .. } => shape(5, unit(amount.unit()), 0),
            Kind::Batch { .. } => None,
        }
    }

    /// Where a state of this shape waits.
    fn address(self, name: &str) -> String {
        let Shape { kind, detail, width_ms } = self;
        alloc::format!("{name}{WAITS}{kind}.{detail}.{width_ms}")
    }
}

fn number(pick: Pick) -> u8 {
    pick.number()
}

fn items(have_ids: bool) -> u8 {
    u8::from(!have_ids)
}

fn unit(unit: Unit) -> u8 {
    u8::from(unit == Unit::Nanos)
}

/// The widths of the rings that a counter needs, ascending.
fn widths(kind: &Kind) -> &[i64] {
    match kind {
        Kind::Counter { widths_ms, .. } => widths_ms,
        Kind::Sum { window: Some(window), .. } => core::slice::from_ref(&window.width_ms),
        _ => &[],
    }
}

/// Whether two states merge.
pub(crate) fn are_alike(a: &State, b: &State) -> bool {
    Shape::of(a) == Shape::of(b)
}

/// Whether a state is what this kind of attribute goes on with, and nothing besides.
#[inline]
pub(crate) fn is_current(kind: &Kind, state: &State) -> bool {
    let rings = |counter: &Counter| counter.rings.iter().map(|ring| &ring.width_ms).eq(widths(kind));
    match (kind, state) {
        // What most are; shapes say the same, and take longer.
        (Kind::Counter { amount, .. }, State::Counter(counter)) => {
            counter.unit == amount.unit() && rings(counter)
        }
        (_, State::Counter(counter)) => {
            Shape::wanted(kind) == Some(Shape::of_counter(counter.unit)) && rings(counter)
        }
        _ => Shape::wanted(kind) == Some(Shape::of(state)),
    }
}

/// What the running definition reads of an attribute, also from where another one made it wait. Of a counter the state
/// that has this ring.
pub(crate) fn find<'p>(profile: &'p Profile, attribute: &AttributePlan, width_ms: i64) -> Option<&'p State> {
    let wanted = Shape::wanted(&attribute.kind)?;
    let has_ring = |state: &State| match state {
        State::Counter(counter) => counter.rings.iter().any(|ring| ring.width_ms == width_ms),
        _ => true,
    };
    match profile.state(&attribute.name) {
        Some(state) if Shape::of(state) == wanted && has_ring(state) => Some(state),
        _ if !profile.has_waiting() => None,
        _ => {
            let width_ms = if widths(&attribute.kind).is_empty() { wanted.width_ms } else { width_ms };
            profile.state(&Shape { width_ms, ..wanted }.address(&attribute.name))
        }
    }
}

/// Makes a state wait that is in the way; what waits there already becomes one with it.
pub(crate) fn wait(profile: &mut Profile, name: &str, state: State) {
    match state {
        State::Counter(Counter { unit, rings }) => {
            for ring in rings.into_iter().filter(|ring| !ring.buckets.is_empty()) {
                let address = Shape { width_ms: ring.width_ms, ..Shape::of_counter(unit) }.address(name);
                profile.wait(&address, State::Counter(Counter { unit, rings: vec![ring] }));
            }
        }
        state => profile.wait(&Shape::of(&state).address(name), state),
    }
}

/// Brings a profile into the shape that an attribute reads: what is not of it waits, what waited for it is there again.
pub(crate) fn align(profile: &mut Profile, attribute: &AttributePlan) {
    let (name, kind) = (attribute.name.as_str(), &attribute.kind);
    let wanted = Shape::wanted(kind);
    let widths = widths(kind);
    let in_the_way = profile.state(name).is_some_and(|state| {
        let is_needed = |width_ms: &i64| widths.contains(width_ms);
        wanted != Some(Shape::of(state))
            || matches!(state, State::Counter(counter) if !counter.rings.iter().all(|ring| is_needed(&ring.width_ms)))
    });
    if in_the_way && let Some(state) = profile.state_mut(name).take() {
        match state {
            State::Counter(Counter { unit, rings }) if wanted == Some(Shape::of_counter(unit)) => {
                let (stay, go): (Vec<_>, Vec<_>) =
                    rings.into_iter().partition(|ring| widths.contains(&ring.width_ms));
                *profile.state_mut(name) =
                    (!stay.is_empty()).then_some(State::Counter(Counter { unit, rings: stay }));
                wait(profile, name, State::Counter(Counter { unit, rings: go }));
            }
            state => wait(profile, name, state),
        }
    }
    let Some(wanted) = wanted.filter(|_| profile.has_waiting()) else { return };
    // What a build waited with that did not know this kind; this one does.
    let unknown = Shape { detail: FOREIGN, width_ms: 0, ..wanted }.address(name);
    if profile.state(&unknown).is_some_and(|state| !matches!(state, State::Foreign(..)))
        && let Some(state) = profile.take_waiting(&unknown)
    {
        wait(profile, name, state);
    }
    let of_rings = widths.iter().map(|width_ms| Shape { width_ms: *width_ms, ..wanted });
    let shapes: Vec<Shape> = if widths.is_empty() { vec![wanted] } else { of_rings.collect() };
    for address in shapes.into_iter().map(|shape| shape.address(name)) {
        if let Some(waited) = profile.take_waiting(&address) {
            let state = profile.state_mut(name);
            *state = Some(match state.take() {
                Some(state) => state.merge(waited),
                None => waited,
            });
        }
    }
}
