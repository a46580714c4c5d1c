//! The verbs, one file each. The doc comment of a verb's `Args` is what `--help` prints.

pub(crate) mod activations;
pub(crate) mod api;
pub(crate) mod codes;
pub(crate) mod completions;
pub(crate) mod databases;
pub(crate) mod describe;
pub(crate) mod device;
pub(crate) mod erase;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod pipeline;
pub(crate) mod profile;
pub(crate) mod ps;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod rollback;
mod seen;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod tables;
pub(crate) mod unpublish;
pub(crate) mod validate;
