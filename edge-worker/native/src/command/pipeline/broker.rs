//! `usher pipeline run --brokers`: topics of a broker that speaks Kafka's protocol, as sources and sinks.
//!
//! A process reads the topics of events as a member of a consumer group, and each joined topic as a whole. What makes rows come
//! once although delivery is at least once stands in [`place`] and [`outputs`].

mod clients;
mod outputs;
mod partitions;
mod place;
mod sink;
mod source;
mod state;
mod topics;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use usher_engine::definition::pipeline::{Format, Pipeline};
use usher_pipelines::{Bounds, Runner};

use self::clients::{Clients, Settings};
use self::source::Broker;
use self::topics::Topics;
use super::loaded::Loaded;
use super::metrics::Seen;
use super::outputs::Outputs;
use super::run::{self, Args, plans};
use super::state::State;
use crate::clock::now_ms;
use crate::exit::{Exit, Failure};
use crate::terminal::{clean, note};

pub(super) fn run(args: &Args, brokers: &str) -> Result<Exit, Failure> {
    let pipelines = &*Loaded::valid(&args.pipelines)?;
    let settings = settings(args, brokers, pipelines);
    let Some(folder) = &args.state else {
        let message = "with --brokers a folder for the state is needed";
        return Err(Failure::usage(message).help("add --state DIR; a process has a folder of its own"));
    };
    are_written_as_json(args, pipelines)?;
    let bounds = Bounds { held: args.held_max, bytes: args.state_bytes_max };
    let mut state = State::open(folder, &plans(pipelines)?)?;
    state.is_read_by(&settings.group)?;
    let chain = run::chain(plans(pipelines)?, |plan| state.rows(plan, bounds))?;
    state.order(&chain)?;
    let topics = Topics::of(&chain)?;
    let stop = Arc::new(AtomicBool::new(false));
    run::stop_on_signal(&stop)?;
    let trace = Outputs::create(Vec::new(), [None, None, args.trace.as_deref()], &stop, None)?;
    let board = args.board()?;
    let clients = Clients::connect(&settings, &stop)?;
    let broker = Broker::new(clients, settings.group, topics, state, trace, Arc::clone(&stop));
    let broker = broker.map_err(Failure::new)?;
    let shared = Rc::new(RefCell::new(broker));
    let end = || Seen::new(source::Shared(Rc::clone(&shared)), board.as_ref());
    let commit_every = Duration::from_millis(args.commit_ms);
    let mut runner = Runner::new(chain, end(), end()).committing(commit_every);
    let ended = runner.run(&now_ms, &stop);
    note(&clean(&run::summaries(runner.streams(), runner.refused(), true)));
    shared.borrow_mut().close();
    // A process that was told to stop before its broker answered has done what it could.
    match ended {
        Err(message) => Err(Failure::new(message)),
        Ok(()) if stop.load(Ordering::Relaxed) => Ok(Exit::Fine),
        Ok(()) => Ok(Exit::Failure),
    }
}

fn settings(args: &Args, brokers: &str, pipelines: &[Pipeline]) -> Settings {
    let mut names: Vec<&str> = pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
    names.sort_unstable();
    let group = args.group.clone().unwrap_or_else(|| names.join("+"));
    Settings { brokers: brokers.to_owned(), group, client: args.client.clone() }
}

fn are_written_as_json(args: &Args, pipelines: &[Pipeline]) -> Result<(), Failure> {
    let is_avro = |pipeline: &&Pipeline| pipeline.output.format == Format::Avro;
    match pipelines.iter().find(is_avro).filter(|_| !args.json) {
        None => Ok(()),
        Some(pipeline) => {
            let message = format!("`{}` writes Avro, which is not supported yet", pipeline.name);
            Err(Failure::usage(message).help("--json writes JSON in its place"))
        }
    }
}
