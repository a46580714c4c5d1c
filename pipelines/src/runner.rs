//! The loop around streams: arrivals from a source, outputs to a sink.
//!
//! Sources and sinks are what a broker, files or a test provide. They know nothing of pipelines.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use usher_engine::value::Value;

use crate::chain::{Chain, Given, Out};
use crate::limits::REFUSED_BYTES_MAX;
use crate::output::{Ended, Output, OutputRow};
use crate::plan::Plan;
use crate::record::Record;
use crate::state::Change;
use crate::stream::Stream;

/// One record as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition; one file is one partition.
    pub partition: u32,
    /// Its offset; in a file its line, counted from 1.
    pub offset: u64,
    /// Its own timestamp in Unix milliseconds; of a line the start of the run.
    pub arrival_ms: i64,
    /// The place after it in its source; in a file the number of bytes up to there.
    pub end: u64,
    /// The key of its message; a line has none.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub payload: Payload,
}

/// The value of a record as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Text that should be JSON.
    Json(Vec<u8>),
    /// A null value: what the record's key brought is deleted.
    Null,
    /// It could not be read, for this reason.
    Unreadable(String),
}

impl Payload {
    /// The bytes as they came, as far as they are there.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Payload::Json(bytes) => bytes,
            Payload::Null | Payload::Unreadable(_) => &[],
        }
    }
}

/// A partition of a topic.
pub type Part = (Arc<str>, u32);

/// The next thing of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// A record.
    Arrival(Arrival),
    /// Partitions of topics of events are this process's from now on.
    Given(Vec<Given>),
    /// Partitions of topics of events become another process's: they are committed and dropped before the source is read on.
    Taken(Vec<Part>),
    /// Nothing came in the time given, and all that there is was read.
    Nothing,
    /// Nothing came in the time given, and there may be more: clocks do not move on.
    Waiting,
    /// Nothing will come any more.
    End,
}

/// Gives records: joined topics to the end that they had at the start, then all as they come.
pub trait Source {
    /// The next record, waiting for it as long as this.
    ///
    /// # Errors
    ///
    /// The source cannot be read any further; the text is for people.
    fn poll(&mut self, wait: Duration) -> Result<Polled, String>;

    /// The partitions that were told as [`Polled::Taken`] are committed.
    ///
    /// # Errors
    ///
    /// The same.
    fn released(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Takes outputs.
pub trait Sink {
    /// A row of a pipeline, for the topic that it writes to.
    ///
    /// # Errors
    ///
    /// It cannot be taken; the text is for people.
    fn row(&mut self, topic: &str, row: &OutputRow) -> Result<(), String>;

    /// An event that ended without a row in a pipeline.
    ///
    /// # Errors
    ///
    /// The same.
    fn ended(&mut self, plan: &Plan, ended: &Ended) -> Result<(), String>;

    /// A record that was refused.
    ///
    /// # Errors
    ///
    /// The same.
    fn refused(&mut self, refused: &Refused) -> Result<(), String>;

    /// A step of the stream, before its outputs: the order that a test needs to do the same.
    ///
    /// # Errors
    ///
    /// The same.
    fn trace(&mut self, step: &Step<'_>) -> Result<(), String>;

    /// A look at the running streams, about each second: for monitoring.
    fn look(&mut self, _chain: &Chain, _refused: u64, _wall_ms: i64) {}

    /// Everything that was given is to reach its readers.
    ///
    /// # Errors
    ///
    /// The same.
    fn flush(&mut self) -> Result<(), String>;

    /// Stores, all or nothing: the outputs that were given, the entries of streams that changed, and how far sources were read.
    /// Only streams that [resume](crate::Stream::resumed) commit. `chain` has the clocks as of then.
    ///
    /// # Errors
    ///
    /// The same.
    fn commit(&mut self, changes: Vec<(usize, Change)>, read: Vec<Read>, chain: &Chain)
    -> Result<(), String>;
}

/// The time between two looks at a running chain.
const LOOK_MS: i64 = 1_000;

/// How far a partition was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// The offset of the last record.
    pub offset: u64,
    /// The place after that record.
    pub end: u64,
}

/// A step of a stream.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A record at a time of the wall clock.
    Record(&'a Arrival, i64),
    /// The wall clock moved on while nothing came.
    Tick(i64),
    /// The input ended.
    End,
}

/// A record that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason, as a word for programs.
    pub reason: RefusedReason,
    /// The reason, in words.
    pub detail: String,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// The key of its message.
    pub key: Option<Vec<u8>>,
    /// The record as it came; empty for one that could not be read.
    pub record: Vec<u8>,
}

impl Refused {
    /// The record as text, or its beginning.
    pub fn text(&self) -> String {
        let kept = self.record.get(..REFUSED_BYTES_MAX).unwrap_or(&self.record);
        String::from_utf8_lossy(kept).into_owned()
    }
}

/// The reason for which a record was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// It could not be read as text.
    Unreadable,
    /// It is not JSON.
    NotJson,
    /// It is JSON, and no object.
    NotAnObject,
    /// It is of a joined topic and lacks the column that joins it.
    NoJoinColumn,
}

impl RefusedReason {
    /// As it is written in side outputs.
    pub fn as_str(self) -> &'static str {
        match self {
            RefusedReason::Unreadable => "unreadable",
            RefusedReason::NotJson => "not_json",
            RefusedReason::NotAnObject => "not_an_object",
            RefusedReason::NoJoinColumn => "no_join_column",
        }
    }
}

impl fmt::Display for RefusedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The time after which the clock of an idle partition moves on.
const TICK: Duration = Duration::from_secs(1);

/// Streams between a source and a sink.
#[derive(Debug)]
pub struct Runner<S, K> {
    chain: Chain,
    source: S,
    sink: K,
    refused: u64,
    /// The partitions that were read since the last commit: the offset of the last record, and the place after it.
    read: BTreeMap<Part, (u64, u64)>,
    /// The time between commits, where the stream commits.
    commit_every_ms: Option<i64>,
    committed_ms: i64,
    looked_ms: i64,
    /// True if a record was taken, or something came out, since the last commit.
    uncommitted: bool,
}

impl<S: Source, K: Sink> Runner<S, K> {
    /// The chain takes what the source gives.
    pub fn new(chain: Chain, source: S, sink: K) -> Runner<S, K> {
        Runner {
            chain,
            source,
            sink,
            refused: 0,
            read: BTreeMap::new(),
            commit_every_ms: None,
            committed_ms: i64::MIN,
            looked_ms: i64::MIN,
            uncommitted: false,
        }
    }

    /// Commits so often, and at the end.
    pub fn committing(self, every: Duration) -> Runner<S, K> {
        let every_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        Runner { commit_every_ms: Some(every_ms), ..self }
    }

    /// Runs until the source ends, or until it is told to stop. Then the events that wait end, too; those of a stream that
    /// commits wait on in its state.
    ///
    /// # Errors
    ///
    /// The source cannot be read, or the sink does not take an output.
    pub fn run(&mut self, now_ms: &dyn Fn() -> i64, stop: &AtomicBool) -> Result<(), String> {
        let mut out = Vec::new();
        self.committed_ms = now_ms();
        while !stop.load(Ordering::Relaxed) {
            let polled = match self.source.poll(Duration::ZERO)? {
                Polled::Nothing | Polled::Waiting => {
                    self.sink.flush()?;
                    let wait_ms = self.commit_due_ms(now_ms());
                    self.source.poll(wait_ms.map_or(TICK, |ms| TICK.min(Duration::from_millis(ms))))?
                }
                polled => polled,
            };
            let wall_ms = now_ms();
            match polled {
                Polled::Arrival(arrival) => self.take(&arrival, wall_ms, &mut out)?,
                Polled::Nothing => {
                    self.sink.trace(&Step::Tick(wall_ms))?;
                    self.chain.tick(wall_ms, &mut out);
                }
                Polled::Waiting => {}
                Polled::Given(partitions) => {
                    partitions.into_iter().try_for_each(|given| self.chain.give(given, &mut out))?;
                }
                Polled::Taken(partitions) => {
                    self.commit(wall_ms)?;
                    for (topic, partition) in partitions {
                        self.chain.take(&topic, partition);
                    }
                    self.source.released()?;
                }
                Polled::End => break,
            }
            self.give(&mut out)?;
            // A wall clock that goes back does not put it off.
            if wall_ms < self.looked_ms || wall_ms.saturating_sub(self.looked_ms) >= LOOK_MS {
                self.looked_ms = wall_ms;
                self.sink.look(&self.chain, self.refused, wall_ms);
            }
            if self.commit_due_ms(wall_ms) == Some(0) {
                self.commit(wall_ms)?;
            }
        }
        self.sink.trace(&Step::End)?;
        if self.commit_every_ms.is_some() {
            return self.commit(now_ms());
        }
        self.chain.finish(&mut out);
        self.give(&mut out)?;
        self.sink.flush()
    }

    /// The time until the next commit; None where there is nothing to commit.
    fn commit_due_ms(&self, wall_ms: i64) -> Option<u64> {
        let every_ms = self.commit_every_ms.filter(|_| self.uncommitted)?;
        let since_ms = wall_ms.saturating_sub(self.committed_ms);
        // A wall clock that goes back does not put it off.
        let rest_ms = if since_ms < 0 { 0 } else { every_ms.saturating_sub(since_ms).max(0) };
        Some(rest_ms.cast_unsigned())
    }

    fn commit(&mut self, wall_ms: i64) -> Result<(), String> {
        (self.committed_ms, self.uncommitted) = (wall_ms, false);
        let read = std::mem::take(&mut self.read).into_iter();
        let read = read.map(|((topic, partition), (offset, end))| Read { topic, partition, offset, end });
        let changes = self.chain.changes();
        self.sink.commit(changes, read.collect(), &self.chain)
    }

    /// The streams, for their counts.
    pub fn streams(&self) -> &[Stream] {
        self.chain.streams()
    }

    /// The number of records that were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn take(&mut self, arrival: &Arrival, wall_ms: i64, out: &mut Vec<Out>) -> Result<(), String> {
        self.sink.trace(&Step::Record(arrival, wall_ms))?;
        if self.commit_every_ms.is_some() {
            let of = (Arc::clone(&arrival.topic), arrival.partition);
            self.read.insert(of, (arrival.offset, arrival.end));
            self.uncommitted = true;
        }
        if let (Payload::Null, Some(key)) = (&arrival.payload, &arrival.key)
            && !self.chain.join_columns(&arrival.topic).is_empty()
        {
            self.chain.delete(&arrival.topic, key, out);
            return Ok(());
        }
        let columns = match columns(&arrival.payload) {
            Ok(columns) => columns,
            Err((reason, detail)) => return self.refuse(arrival, reason, detail),
        };
        let record = Record {
            partition: arrival.partition,
            offset: arrival.offset,
            arrival_ms: arrival.arrival_ms,
            key: arrival.key.clone(),
            columns,
        };
        if self.chain.record(&arrival.topic, record, wall_ms, out) {
            return Ok(());
        }
        let names = self.chain.join_columns(&arrival.topic);
        if names.is_empty() {
            return Ok(());
        }
        let detail = format!("it has no `{}`, by which it would be joined", names.join("` and no `"));
        self.refuse(arrival, RefusedReason::NoJoinColumn, detail)
    }

    fn refuse(&mut self, arrival: &Arrival, reason: RefusedReason, detail: String) -> Result<(), String> {
        self.refused += 1;
        self.sink.refused(&Refused {
            reason,
            detail,
            topic: Arc::clone(&arrival.topic),
            partition: arrival.partition,
            offset: arrival.offset,
            key: arrival.key.clone(),
            record: arrival.payload.bytes().to_vec(),
        })
    }

    fn give(&mut self, out: &mut Vec<Out>) -> Result<(), String> {
        self.uncommitted |= !out.is_empty();
        for (place, output) in out.drain(..) {
            let Some(plan) = self.chain.streams().get(place).map(Stream::plan) else { continue };
            match output {
                Output::Row(row) if row.is_written => {}
                Output::Row(row) => self.sink.row(plan.output(), &row)?,
                Output::Ended(ended) => self.sink.ended(plan, &ended)?,
            }
        }
        Ok(())
    }
}

/// The columns of a record, or why it has none.
fn columns(payload: &Payload) -> Result<Vec<(String, Value)>, (RefusedReason, String)> {
    let bytes = match payload {
        Payload::Json(bytes) => bytes,
        Payload::Null => return Err((RefusedReason::NotAnObject, "it has no value".to_owned())),
        Payload::Unreadable(why) => return Err((RefusedReason::Unreadable, why.clone())),
    };
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(columns)) => Ok(columns),
        Ok(_) => Err((RefusedReason::NotAnObject, "a record is a JSON object".to_owned())),
        Err(error) => Err((RefusedReason::NotJson, error.to_string())),
    }
}
