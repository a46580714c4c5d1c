//! `usher pipeline run`: a pipeline over files and pipes, or on a broker.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use usher_engine::definition::pipeline::Pipeline;
use usher_pipelines::{Bounds, Chain, Plan, Runner, Stream};

use super::files::{File, Files};
use super::loaded::{Loaded, not_compiled};
use super::metrics::{Board, Seen};
use super::outputs::Outputs;
use super::state::{Place, State};
use super::topics::{self, Named};
use crate::clock::now_ms;
use crate::definitions::many;
use crate::exit::{Exit, Failure};
use crate::server::Signals;
use crate::terminal::{clean, note};

/// Run pipelines over files and pipes, or on a broker
///
/// Reads NDJSON, a record a line: first the joined topics, each to its end, then the events, from their files or from
/// standard input; a file is a partition. Writes a row a line, and the counts to standard error at the end. SIGINT and SIGTERM
/// end it as the end of the input does.
///
/// A joined topic keeps the newest row of each key. A line with its join column and "_deleted": true deletes one. An event
/// that still lacks what `require` names when its TTL or the input ends goes to the file of --expired with what it lacks; a
/// line that cannot be used goes to that of --dead with the reason. Without these options they are counted.
///
/// Several pipelines run as one: rows of a topic that another one reads go to it at once, and into a file only where --output
/// names one for that topic.
///
/// With --state, the state is stored in a folder each second, together with how far files were read and how long outputs were.
/// Another run goes on from there, also after a kill: files are read on behind what was read of them, files of outputs are cut
/// back to what was stored and go on, and events wait on. No row is lost, and none is in a file twice. What went to standard
/// output since the last commit comes again, and what came from standard input since then is lost.
///
/// With --brokers, topics are those of a broker that speaks Kafka's protocol: those of events are shared by the processes of a consumer
/// group, joined ones are read as a whole, and rows are written to their topics. Offsets are committed with the state. Events that end go
/// to the topic of the output with `.expired`, refused records to their own with `.dead`. It waits for a broker that does not answer.
///
/// Examples:
///   usher pipeline run pipeline.yaml --input clicks=clicks.ndjson --input products=products.ndjson
///   tail -f clicks.ndjson | usher pipeline run pipeline.yaml --input products=products.ndjson --output rows.ndjson
///   usher pipeline run pipeline.yaml --input products=products.ndjson --expired late.ndjson --dead bad.ndjson < clicks.ndjson
///   usher pipeline run enriched.yaml scored.yaml --input clicks=clicks.ndjson --input products=products.ndjson
///   usher pipeline run pipeline.yaml --brokers localhost:9092 --state state --metrics
///   usher pipeline run pipeline.yaml --state state --input clicks=clicks.ndjson --input products=products.ndjson --output rows.ndjson
///
/// Exit status: 0 fine, 1 when a file cannot be read or written, or lines were refused and there is no --dead, 2 when the
/// pipeline has errors, 64 for a wrong command line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Files of pipelines
    #[arg(required = true, value_name = "FILE")]
    pub(super) pipelines: Vec<PathBuf>,
    /// A file of a topic, or - for standard input, which the events come from unless this says otherwise
    #[arg(long = "input", value_name = "TOPIC=PATH", value_parser = input)]
    inputs: Vec<Named>,
    /// The file for rows, or - for standard output, which is usual; a file is replaced
    #[arg(long = "output", value_name = "[TOPIC=]PATH")]
    outputs: Vec<String>,
    /// A file for events that ended without a row, with what they lacked
    #[arg(long, value_name = "PATH")]
    expired: Option<PathBuf>,
    /// A file for lines that were refused, with the reason
    #[arg(long, value_name = "PATH")]
    dead: Option<PathBuf>,
    /// A file for every record in the order in which it was taken, with the time
    #[arg(long, value_name = "PATH")]
    pub(super) trace: Option<PathBuf>,
    /// A folder for the state: another run with it goes on where this one stops, also after a kill
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// The time between commits of the state, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, requires = "state")]
    pub(super) commit_ms: u64,
    /// The most events that wait; the one that waited longest ends before there are more
    #[arg(long, value_name = "COUNT", default_value_t = usher_pipelines::limits::HELD_MAX)]
    pub(super) held_max: usize,
    /// The most bytes of state, roughly: rows, waiting events and ids
    #[arg(long, value_name = "BYTES", default_value_t = usher_pipelines::limits::STATE_BYTES_MAX)]
    pub(super) state_bytes_max: u64,
    /// Show figures at http://HOST:PORT/metrics, in Prometheus' format; without an address at port 8080
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, require_equals = true, default_missing_value = "0.0.0.0:8080")]
    metrics: Option<SocketAddr>,
    /// Read and write topics of a broker in place of files: host:port, with commas between several
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["inputs", "outputs", "expired", "dead"])]
    pub(super) brokers: Option<String>,
    /// The consumer group; the names of the pipelines when missing
    #[arg(long, value_name = "NAME", requires = "brokers")]
    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "read where there are brokers"))]
    pub(super) group: Option<String>,
    /// A setting of the broker's client, as librdkafka names it, such as fetch.wait.max.ms=100
    #[arg(long, value_name = "KEY=VALUE", requires = "brokers", value_parser = setting)]
    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "read where there are brokers"))]
    pub(super) client: Vec<(String, String)>,
    /// Write JSON also where a pipeline says Avro
    #[arg(long, requires = "brokers")]
    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "read where there are brokers"))]
    pub(super) json: bool,
}

impl Args {
    /// The figures that are shown, where they are.
    pub(super) fn board(&self) -> Result<Option<Board>, Failure> {
        self.metrics.map(Board::listen).transpose()
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let parts = parts.map(|(key, value)| (key.to_owned(), value.to_owned()));
    parts.ok_or_else(|| "write the name and its value: fetch.wait.max.ms=100".to_owned())
}

fn input(text: &str) -> Result<Named, String> {
    match text.split_once('=') {
        Some((topic, path)) if !topic.is_empty() && !path.is_empty() => Ok((topic.to_owned(), path.into())),
        _ => Err("write the topic and its file: products=products.ndjson".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let pipelines = Loaded::valid(&args.pipelines)?;
    let bounds = Bounds { held: args.held_max, bytes: args.state_bytes_max };
    let mut chain = chain(plans(&pipelines)?, |plan| Ok(Stream::new(plan, bounds)))?;
    let (inputs, rows) = (topics::inputs(&chain, &args.inputs)?, topics::outputs(&chain, &args.outputs)?);
    let others = [&args.expired, &args.dead, &args.trace].map(Option::as_ref);
    let written = rows.iter().map(|(_, path)| path).chain(others.into_iter().flatten());
    let mut state = None;
    if let Some(folder) = &args.state {
        let mut opened = State::open(folder, &plans(&pipelines)?)?;
        chain = self::chain(plans(&pipelines)?, |plan| opened.stream(plan, bounds))?;
        opened.order(&chain)?;
        state = Some(opened);
    }
    let read = inputs.iter().flat_map(|(_, paths)| paths).chain(&args.pipelines);
    topics::apart(read, written, args.state.as_deref())?;
    let files = files(inputs, state.as_mut())?;
    let stop = Arc::new(AtomicBool::new(false));
    let source = Files::open(files, now_ms())?;
    let mut sink = Outputs::create(rows, others.map(|path| path.map(PathBuf::as_path)), &stop, state)?;
    stop_on_signal(&stop)?;
    sink.begin().map_err(Failure::new)?;
    let board = args.board()?;
    let (source, sink) = (Seen::new(source, board.as_ref()), Seen::new(sink, board.as_ref()));
    let mut runner = Runner::new(chain, source, sink);
    if args.state.is_some() {
        runner = runner.committing(Duration::from_millis(args.commit_ms));
    }
    let ended = runner.run(&now_ms, &stop);
    note(&clean(&summaries(runner.streams(), runner.refused(), args.state.is_some())));
    ended.map_err(Failure::new)?;
    let lost = runner.refused() > 0 && args.dead.is_none();
    Ok(if lost { Exit::Failure } else { Exit::Fine })
}

/// The plans of pipelines.
pub(super) fn plans(pipelines: &[Pipeline]) -> Result<Vec<Plan>, Failure> {
    pipelines.iter().map(|pipeline| Plan::compile(pipeline).map_err(not_compiled)).collect()
}

/// The streams of pipelines, joined.
pub(super) fn chain(
    plans: Vec<Plan>,
    stream: impl FnMut(Plan) -> Result<Stream, Failure>,
) -> Result<Chain, Failure> {
    let streams = plans.into_iter().map(stream).collect::<Result<_, _>>()?;
    Chain::new(streams).map_err(Failure::new)
}

/// The files with the places at which they are read.
fn files(inputs: Vec<(String, Vec<PathBuf>)>, mut state: Option<&mut State>) -> Result<Vec<File>, Failure> {
    let mut files = Vec::new();
    for (topic, paths) in inputs {
        let shared: Arc<str> = Arc::from(topic.as_str());
        if let Some(state) = &state {
            state.recognize_renamed(&topic, &paths)?;
        }
        for (partition, path) in (0..).zip(paths) {
            let place = match &mut state {
                Some(state) => state.place(&topic, &path)?,
                None => Place { partition, ..Place::default() },
            };
            files.push(File { topic: Arc::clone(&shared), path, place, is_resumed: state.is_some() });
        }
    }
    Ok(files)
}

/// Sets the flag when the process is told to stop.
pub(super) fn stop_on_signal(stop: &Arc<AtomicBool>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot wait for signals: {error}")))?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        runtime.block_on(signals.stop());
        stop.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// The counts of pipelines. Records are refused before any of them takes them.
pub(super) fn summaries(streams: &[Stream], refused: u64, is_kept: bool) -> String {
    let texts = streams.iter().map(|stream| {
        let waiting = if is_kept { stream.held() } else { 0 };
        summary(stream, if streams.len() == 1 { refused } else { 0 }, waiting as u64)
    });
    let mut texts: Vec<String> = texts.collect();
    if streams.len() > 1 && refused > 0 {
        texts.push(format!("{} refused", many(refused as usize, "record")));
    }
    texts.join("\n")
}

/// The counts of a pipeline, a line for each source.
fn summary(stream: &Stream, refused: u64, waiting: u64) -> String {
    let (plan, counts) = (stream.plan(), stream.counts());
    let listed = |counts: &[(u64, &str)]| {
        let shown = counts.iter().filter(|(count, _)| *count > 0);
        shown.map(|(count, name)| format!(", {count} {name}")).collect::<String>()
    };
    let of = |count: u64, name: &str| format!("{count} {name}{}", if count == 1 { "" } else { "s" });
    let mut text = format!(
        "{}: {} of {}{}",
        plan.name(),
        of(counts.emitted, "row"),
        of(counts.events, "event"),
        listed(&[
            (counts.filtered, "filtered"),
            (counts.unjoined, "without a joined row"),
            (counts.duplicates, "duplicate"),
            (counts.expired, "expired"),
            (counts.written_before, "written before"),
            (counts.unfinished, "waited when the input ended"),
            (waiting, "waiting in the state"),
            (counts.state_full, "left because the state was full"),
            (counts.ids_forgotten, "ids forgotten because the state was full"),
            (counts.undated, "without a time of their own, dated by their arrival"),
            (refused, "refused"),
        ]),
    );
    for (topic, counts) in plan.topics().skip(1).zip(&counts.joins) {
        let looked = counts.hits + counts.misses;
        text.push_str(&format!(
            "\n  {topic}: {}{}, met {} of {looked}",
            of(counts.rows, "record"),
            listed(&[
                (counts.deleted, "deleted"),
                (counts.keyless, "without the join column"),
                (counts.forgotten, "forgotten")
            ]),
            counts.hits,
        ));
    }
    text
}
