//! `usher pipeline run --brokers` of a binary without the client of a broker.

use super::run::Args;
use crate::exit::{Exit, Failure};

pub(super) fn run(_: &Args, _: &str) -> Result<Exit, Failure> {
    Err(Failure::usage("this binary was built without the client of a broker")
        .help("build one with it: cargo build --release -p usher --features kafka (docs/pipelines.md)"))
}
