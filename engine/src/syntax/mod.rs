//! The one criteria language: text to tree ([`parse`]) and tree to canonical text (`Display`).
//!
//! Three spellings lower to this tree: text, which is parsed here, and the operator tree of service YAML and the
//! condition JSON of the API, which `usher-config` lowers. `parse(&expr.to_string()) == expr` holds for every tree.

mod ast;
mod data;
mod error;
#[cfg(feature = "words")]
mod find;
mod function;
mod parse;
mod print;
mod token;
mod value;

pub use ast::{Comparison, Computed, Expr, Name, Quantity, Question, Test, ValueExpr};
pub use error::ParseError;
#[cfg(feature = "words")]
pub use find::{parts_of_value, parts_within};
pub use function::{Arithmetic, Function, Unit};
#[cfg(feature = "words")]
pub use parse::parse_located;
pub use parse::{parse, parse_value};
