//! Regular expressions: linear time, bounded at compile, searched unanchored; `\d \w \s (?i)` are ASCII.
//!
//! What is really a prefix, suffix, substring or equality is lowered to one, which most event filters are
//! (`^/product/.*`). The rest runs on a Pike VM. Without the `patterns` feature no pattern compiles, and the
//! definition that needs one is refused with a diagnostic.

#[cfg(feature = "patterns")]
mod enabled;
#[cfg(feature = "patterns")]
pub(crate) use enabled::Pattern;

#[cfg(not(feature = "patterns"))]
mod disabled;
#[cfg(not(feature = "patterns"))]
pub(crate) use disabled::Pattern;

#[cfg(all(test, feature = "patterns"))]
mod tests;
