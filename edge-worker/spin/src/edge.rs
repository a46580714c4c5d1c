//! The edge that the requests of an instance share. Other requests run wherever one waits, so the edge is lent to closures,
//! which cannot wait.

use std::cell::RefCell;

use usher_edge::Edge;

thread_local! {
    static EDGE: RefCell<Edge> = RefCell::new(Edge::new(None, false));
}

/// Lends the edge to a closure. The closure must not call this function.
pub(crate) fn edge<T>(work: impl FnOnce(&mut Edge) -> T) -> T {
    EDGE.with_borrow_mut(work)
}
