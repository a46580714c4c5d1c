//! Traps on demand, in builds for tests.

#[cfg(feature = "fault")]
use crate::plane::IS_CONTROL_PLANE;

/// In a fault build these bytes can ask for a trap while they are worked at: a bundle with `x-usher-fault: install from 2`
/// traps on installation under that number or a later one, although it was published, if an answer reads the text; with `compile
/// from 2` where it is compiled, and with `control install from 2` in the control plane alone.
#[cfg(feature = "fault")]
#[expect(clippy::panic, reason = "it is what a fault build is for")]
pub(crate) fn fault(bytes: &[u8], work: &str, number: u64) {
    let text = String::from_utf8_lossy(bytes);
    let asks = |work: &str| {
        let from = text.split_once(&format!("x-usher-fault: {work} from "))?.1;
        // In a plan no quote ends it.
        let digits = from.find(|c: char| !c.is_ascii_digit()).map_or(from, |end| &from[..end]);
        digits.parse().ok().filter(|from: &u64| number >= *from)
    };
    if asks(work).is_some() || (IS_CONTROL_PLANE && asks(&format!("control {work}")).is_some()) {
        panic!("asked for by what was sent");
    }
}

#[cfg(not(feature = "fault"))]
pub(crate) fn fault(_: &[u8], _: &str, _: u64) {}
