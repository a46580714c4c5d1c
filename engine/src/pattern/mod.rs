//! Regular expressions: linear time, bounded at compile, searched unanchored.
//!
//! A pattern that amounts to a prefix, suffix, substring or equality is lowered to one; most event filters do
//! (`^/product/.*`). Others run as a program over a set of positions. Without the `patterns` feature no pattern
//! compiles, and a definition that needs one is refused with a diagnostic.
//!
//! The syntax is that of the `regex` crate, which is the oracle of the tests, with these differences: `\d \w \s \b` and
//! `(?i)` concern ASCII only, matching is by character and not by byte, and there are no Unicode classes, no nested
//! classes and no class operations.

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
