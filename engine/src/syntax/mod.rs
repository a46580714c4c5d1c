//! The one criteria language: text to tree ([`parse`]) and tree to canonical text (`Display`).
//!
//! Three spellings lower to this tree: text, which is parsed here, and the operator tree of service YAML and the
//! condition JSON of the API, which `usher-config` lowers. `parse(&expr.to_string()) == expr` holds for every tree.

mod ast;
mod data;
mod error;
mod parse;
mod print;
mod token;

pub use ast::{Comparison, Expr, Name, Quantity, Test};
pub use error::ParseError;
pub use parse::parse;
#[cfg(feature = "words")]
pub use parse::parse_located;
