//! Shapes: the kind, aggregation and bucket width of a state. States of one shape merge.
//!
//! Under an attribute's name a profile keeps the state that the running definition reads. State of another shape, left by
//! another definition or build, is parked beside it under an address made of its name and shape
//! ([`merge`](crate::merge)).

use alloc::string::String;

use super::plan::Kind;
use super::{Counter, Pick, State, Unit};

/// Separates name and shape in the address of a parked state; an attribute name that contains it does not compile.
pub(crate) const PARKED_SEPARATOR: char = '\0';

/// The detail of a state that this build cannot read.
pub(crate) const FOREIGN: u8 = u8::MAX;

/// The kind, aggregation and bucket width of a state. States of one shape merge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The stored number of the kind, see `profile::state`.
    pub(crate) kind: u8,
    /// The number of the pick, of the unit, or of the way a list identifies items; [`FOREIGN`] if unreadable.
    pub(crate) detail: u8,
    /// The width of a ring's buckets; 0 for a state without a ring. A counter has several rings, parked one by one.
    pub(crate) width_ms: i64,
}

impl Shape {
    pub(crate) fn of(state: &State) -> Shape {
        let shape = |kind, detail, width_ms| Shape { kind, detail, width_ms };
        match state {
            State::Picked(pick, _) => shape(1, number(*pick), 0),
            State::PickedWithin(pick, ring) => shape(6, number(*pick), ring.width_ms),
            State::Sum(_) => shape(2, 0, 0),
            State::List(list) => shape(3, items(list.has_ids), 0),
            State::Counter(counter) => Shape::of_counter(counter.unit),
            State::Total(total) => shape(5, unit(total.unit), 0),
            State::Journey(_) => shape(7, 0, 0),
            State::Foreign(kind, _) => shape(*kind, FOREIGN, 0),
        }
    }

    /// Of the archived hours of a total, by the stretch of hours that they lie in, which is never 0.
    pub(crate) fn of_archive(counted: Unit, stretch: i64) -> Shape {
        Shape { kind: 5, detail: unit(counted), width_ms: stretch }
    }

    /// The stretch of an archive's address; None for any other name of a state.
    pub(crate) fn archived_stretch(address: &str) -> Option<i64> {
        let (_, shape) = address.split_once(PARKED_SEPARATOR)?;
        let (kind, width) = (shape.split('.').next()?, shape.rsplit('.').next()?);
        // Totals that are parked have no width.
        let stretch = width.parse().ok().filter(|stretch| *stretch != 0);
        stretch.filter(|_| kind == "5")
    }

    pub(crate) fn of_counter(counted: Unit) -> Shape {
        Shape { kind: 4, detail: unit(counted), width_ms: 0 }
    }

    /// The shape that an attribute of this kind reads; None for a batch attribute or a catalog, which read
    /// no state.
    pub(crate) fn wanted(kind: &Kind) -> Option<Shape> {
        let shape = |kind, detail, width_ms| Some(Shape { kind, detail, width_ms });
        match kind {
            Kind::Pick { pick, window: None, .. } => shape(1, number(*pick), 0),
            Kind::Pick { pick, window: Some(window), .. } => shape(6, number(*pick), window.width_ms),
            Kind::Sum { window: None, .. } => shape(2, 0, 0),
            Kind::Sum { window: Some(_), .. } => Some(Shape::of_counter(Unit::Nanos)),
            Kind::List(list) => shape(3, items(list.has_ids()), 0),
            Kind::Counter { amount, .. } => Some(Shape::of_counter(amount.unit())),
            Kind::Total { amount, .. } => shape(5, unit(amount.unit()), 0),
            Kind::Batch { .. } | Kind::Catalog(_) => None,
        }
    }

    /// The name under which a state of this shape is parked.
    pub(crate) fn address(self, name: &str) -> String {
        let Shape { kind, detail, width_ms } = self;
        alloc::format!("{name}{PARKED_SEPARATOR}{kind}.{detail}.{width_ms}")
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
pub(crate) fn widths(kind: &Kind) -> &[i64] {
    match kind {
        Kind::Counter { widths_ms, .. } => widths_ms,
        Kind::Sum { window: Some(window), .. } => core::slice::from_ref(&window.width_ms),
        _ => &[],
    }
}

/// True if two states merge.
pub(crate) fn are_alike(a: &State, b: &State) -> bool {
    Shape::of(a) == Shape::of(b)
}

/// True if a state has exactly the shape that this kind of attribute reads.
#[inline]
pub(crate) fn is_current(kind: &Kind, state: &State) -> bool {
    // Fast path for the most frequent states; comparing shapes gives the same result, but takes longer.
    if let (Kind::Counter { amount, widths_ms, .. }, State::Counter(counter)) = (kind, state) {
        return counter.unit == amount.unit() && has_rings(counter, widths_ms);
    }
    has_shape(kind, state)
}

#[inline(never)]
fn has_shape(kind: &Kind, state: &State) -> bool {
    let rings = match state {
        State::Counter(counter) => has_rings(counter, widths(kind)),
        _ => true,
    };
    rings && Shape::wanted(kind) == Some(Shape::of(state))
}

fn has_rings(counter: &Counter, widths_ms: &[i64]) -> bool {
    counter.rings.iter().map(|ring| &ring.width_ms).eq(widths_ms)
}
