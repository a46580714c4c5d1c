//! Vectors and the hosts that run them.
//!
//! A vector is a scenario in TOML: what is published and imported, then requests and what they must answer; or a table
//! of criteria, of visits, of ways through journeys or of keys. Every [`Target`](target::Target) runs every case; one that cannot says so with a reason, and the reason
//! is printed. `vectors/README.md` describes the formats.

pub mod bed;
pub mod calculations;
pub mod criteria;
pub mod definitions;
pub mod deployment;
pub mod expressions;
pub mod keys;
pub mod lines;
pub mod on_device;
pub mod pattern;
pub mod random;
pub mod run;
pub mod shards;
pub mod target;
pub mod tokens;
pub mod vector;
pub mod visits;
pub mod ways;
