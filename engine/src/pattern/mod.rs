//! Regular expressions: linear time, bounded at compile, searched unanchored.
//!
//! What is really a prefix, suffix, substring or equality is lowered to one, which most event filters are
//! (`^/product/.*`). The rest runs as a program over a set of places. Without the `patterns` feature no pattern
//! compiles, and the definition that needs one is refused with a diagnostic.
//!
//! The syntax is that of the `regex` crate, whose answers are the tests' oracle, with these differences: `\d \w \s \b`
//! and `(?i)` are about ASCII, everything is about characters and nothing about bytes, and there are no Unicode
//! classes, no classes within classes and no operations on them.

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
