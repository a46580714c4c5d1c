//! Joining: what two profiles kept of one attribute, as the running definition sees it.

use super::plan::Kind;
use super::{State, Unit};

/// Both together. Of two states that do not merge, because a definition changed in between, the one that the running
/// definition reads stays. Dead items of lists go first: they do not count toward the cap.
pub(crate) fn join(kind: &Kind, mut mine: State, mut theirs: State, now_ms: i64) -> State {
    match (keeps(kind, &mine), keeps(kind, &theirs)) {
        (true, false) => return mine,
        (false, true) => return theirs,
        _ => {}
    }
    if let Kind::List(list) = kind {
        for state in [&mut mine, &mut theirs] {
            if let State::List(items) = state {
                items.forget(list.bounds, now_ms);
            }
        }
    }
    mine.merge(theirs)
}

/// Whether a state is one of this kind, and not what another definition left.
fn keeps(kind: &Kind, state: &State) -> bool {
    match (kind, state) {
        (Kind::Pick { pick, window: None, .. }, State::Picked(known, _)) => pick == known,
        (Kind::Pick { pick, window: Some(window), .. }, State::PickedWithin(known, ring)) => {
            pick == known && window.width_ms == ring.width_ms
        }
        (Kind::Sum { window: None, .. }, State::Sum(_)) | (Kind::List(_), State::List(_)) => true,
        (Kind::Sum { window: Some(_), .. }, State::Counter(counter)) => counter.unit == Unit::Nanos,
        (Kind::Counter { amount, .. }, State::Counter(counter)) => amount.unit() == counter.unit,
        (Kind::Total { amount, .. }, State::Total(total)) => amount.unit() == total.unit,
        _ => false,
    }
}
