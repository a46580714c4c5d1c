//! `usher pipeline`: events of a topic joined with others, checked, explained and run.

#[cfg(feature = "kafka")]
mod broker;
mod explain;
mod files;
mod loaded;
mod metrics;
#[cfg(not(feature = "kafka"))]
mod no_broker;
mod outputs;
mod query;
mod run;
mod state;
mod topics;
mod validate;

use clap::Subcommand;
#[cfg(not(feature = "kafka"))]
use no_broker as broker;

use crate::exit::{Exit, Failure};

/// Check, explain and run pipelines, and query what they wrote
///
/// A pipeline takes the events of one topic, joins each with the newest rows of others, and writes one row for it: YAML as
/// KaflowSQL has it, with the query as SQL.
///
/// Examples:
///   usher init pipeline -o pipelines
///   usher pipeline validate pipelines/pipeline.yaml
///   usher pipeline run pipelines/pipeline.yaml --input products=pipelines/products.ndjson < pipelines/clicks.ndjson
///
/// Exit status: 0 fine, 1 failure, 2 when a pipeline has errors, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Validate(validate::Args),
    Explain(explain::Args),
    Run(Box<run::Args>),
    Query(query::Args),
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Validate(args) => validate::run(args),
        Verb::Explain(args) => explain::run(args),
        Verb::Run(args) => match &args.brokers {
            Some(brokers) => broker::run(args, brokers),
            None => run::run(args),
        },
        Verb::Query(args) => query::run(args),
    }
}
