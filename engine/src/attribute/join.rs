//! Joining: what two profiles kept of one attribute, as the running definition sees it.

use super::State;
use super::plan::Kind;

/// Both together, of one shape. Dead items of lists go first: they do not count toward the cap.
pub(crate) fn join(kind: &Kind, mut mine: State, mut theirs: State, now_ms: i64) -> State {
    if let Kind::List(list) = kind {
        for state in [&mut mine, &mut theirs] {
            if let State::List(items) = state {
                items.forget(list.bounds, now_ms);
            }
        }
    }
    mine.merge(theirs)
}
