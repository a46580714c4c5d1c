//! Bugs that a test plants, one at a time, to see that the simulation finds them.

#[cfg(feature = "planted")]
pub use usher_edge::planted::plant;
pub use usher_edge::planted::{Bug, is};
