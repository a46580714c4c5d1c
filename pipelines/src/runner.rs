//! The loop around a stream: arrivals from a source, outputs to a sink.
//!
//! Sources and sinks are what a broker, files or a test provide. They know nothing of pipelines.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use usher_engine::value::Value;

use crate::limits::REFUSED_BYTES_MAX;
use crate::output::{Ended, Output, OutputRow};
use crate::record::Record;
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
    /// Its value as JSON; `Err`: why it could not be read.
    pub text: Result<Vec<u8>, String>,
}

/// The next thing of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// A record.
    Arrival(Arrival),
    /// Nothing came in the time given.
    Nothing,
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
}

/// Takes outputs.
pub trait Sink {
    /// A row of the query.
    ///
    /// # Errors
    ///
    /// It cannot be taken; the text is for people.
    fn row(&mut self, row: &OutputRow) -> Result<(), String>;

    /// An event that ended without a row.
    ///
    /// # Errors
    ///
    /// The same.
    fn ended(&mut self, topic: &str, ended: &Ended) -> Result<(), String>;

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

    /// Everything that was given is to reach its readers.
    ///
    /// # Errors
    ///
    /// The same.
    fn flush(&mut self) -> Result<(), String>;
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
    /// The record as it came, or its beginning.
    pub record: String,
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

/// A stream between a source and a sink.
#[derive(Debug)]
pub struct Runner<S, K> {
    stream: Stream,
    /// The topic of `FROM`.
    from: Arc<str>,
    /// The joins of each joined topic.
    joins: Vec<(Arc<str>, Vec<usize>)>,
    source: S,
    sink: K,
    refused: u64,
}

impl<S: Source, K: Sink> Runner<S, K> {
    /// `from` and `joined` are the topics of the query, in its order.
    pub fn new(stream: Stream, from: &str, joined: &[&str], source: S, sink: K) -> Runner<S, K> {
        let mut joins: Vec<(Arc<str>, Vec<usize>)> = Vec::new();
        for (index, topic) in joined.iter().enumerate() {
            match joins.iter_mut().find(|(known, _)| **known == **topic) {
                Some((_, joins)) => joins.push(index),
                None => joins.push((Arc::from(*topic), vec![index])),
            }
        }
        Runner { stream, from: Arc::from(from), joins, source, sink, refused: 0 }
    }

    /// Runs until the source ends, or until it is told to stop; then the events that wait end, too.
    ///
    /// # Errors
    ///
    /// The source cannot be read, or the sink does not take an output.
    pub fn run(&mut self, now_ms: &dyn Fn() -> i64, stop: &AtomicBool) -> Result<(), String> {
        let mut out = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let polled = match self.source.poll(Duration::ZERO)? {
                Polled::Nothing => {
                    self.sink.flush()?;
                    self.source.poll(TICK)?
                }
                polled => polled,
            };
            match polled {
                Polled::Arrival(arrival) => self.take(&arrival, now_ms(), &mut out)?,
                Polled::Nothing => {
                    let wall_ms = now_ms();
                    self.sink.trace(&Step::Tick(wall_ms))?;
                    self.stream.tick(wall_ms, &mut out);
                }
                Polled::End => break,
            }
            self.give(&mut out)?;
        }
        self.sink.trace(&Step::End)?;
        self.stream.finish(&mut out);
        self.give(&mut out)?;
        self.sink.flush()
    }

    /// The stream, for its counts.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The number of records that were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn take(&mut self, arrival: &Arrival, wall_ms: i64, out: &mut Vec<Output>) -> Result<(), String> {
        self.sink.trace(&Step::Record(arrival, wall_ms))?;
        let columns = match columns(&arrival.text) {
            Ok(columns) => columns,
            Err((reason, detail)) => return self.refuse(arrival, reason, detail),
        };
        let record = |columns| Record {
            partition: arrival.partition,
            offset: arrival.offset,
            arrival_ms: arrival.arrival_ms,
            columns,
        };
        if arrival.topic == self.from {
            self.stream.event(record(columns), wall_ms, out);
            return Ok(());
        }
        let Some((_, joins)) = self.joins.iter().find(|(topic, _)| *topic == arrival.topic) else {
            return Ok(());
        };
        let mut taken = false;
        for &join in joins {
            taken |= self.stream.row(join, record(columns.clone()), out);
        }
        if taken {
            return Ok(());
        }
        let names: Vec<&str> =
            joins.iter().filter_map(|join| self.stream.plan().join_column(*join)).collect();
        let detail = format!("it has no `{}`, by which it would be joined", names.join("` and no `"));
        self.refuse(arrival, RefusedReason::NoJoinColumn, detail)
    }

    fn refuse(&mut self, arrival: &Arrival, reason: RefusedReason, detail: String) -> Result<(), String> {
        self.refused += 1;
        let bytes = arrival.text.as_deref().unwrap_or_default();
        let kept = bytes.get(..REFUSED_BYTES_MAX).unwrap_or(bytes);
        self.sink.refused(&Refused {
            reason,
            detail,
            topic: Arc::clone(&arrival.topic),
            partition: arrival.partition,
            offset: arrival.offset,
            record: String::from_utf8_lossy(kept).into_owned(),
        })
    }

    fn give(&mut self, out: &mut Vec<Output>) -> Result<(), String> {
        for output in out.drain(..) {
            match output {
                Output::Row(row) => self.sink.row(&row)?,
                Output::Ended(ended) => self.sink.ended(&self.from, &ended)?,
            }
        }
        Ok(())
    }
}

/// The columns of a record, or why it has none.
fn columns(text: &Result<Vec<u8>, String>) -> Result<Vec<(String, Value)>, (RefusedReason, String)> {
    let bytes = text.as_ref().map_err(|why| (RefusedReason::Unreadable, why.clone()))?;
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(columns)) => Ok(columns),
        Ok(_) => Err((RefusedReason::NotAnObject, "a record is a JSON object".to_owned())),
        Err(error) => Err((RefusedReason::NotJson, error.to_string())),
    }
}
