//! Streams that run together: rows that one writes to a topic are taken by those that read it, in the order in which they come.

use std::collections::{BTreeMap, BTreeSet};

use usher_engine::value::Value;

use crate::output::{Output, OutputRow};
use crate::record::Record;
use crate::state::{Change, Entry};
use crate::stream::Stream;
use crate::written::Rebuilt;

/// One use of a topic.
#[derive(Clone, Copy, Debug)]
enum Use {
    /// As the events of a stream.
    Events(usize),
    /// As the rows of a join, by the stream and the join's place in its query.
    Rows(usize, usize),
}

/// Streams, those that write before those that read what they write.
#[derive(Debug)]
pub struct Chain {
    streams: Vec<Stream>,
    uses: BTreeMap<String, Vec<Use>>,
}

/// A partition of a topic of events that is this process's from now on, with its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset of the next record.
    pub next: u64,
    /// The entries of the state, by the places of streams.
    pub entries: Vec<(usize, Vec<Entry>)>,
    /// Of a state that is made again from records that come again.
    pub rebuilt: Option<Rebuilt>,
    /// By topics that are written: the offsets of events whose rows stand there, and not all of which were committed.
    pub written: BTreeMap<String, BTreeSet<u64>>,
}

/// A thing that came out of the stream at this place.
pub type Out = (usize, Output);

impl Chain {
    /// Joins streams by the topics that they write and read.
    ///
    /// # Errors
    ///
    /// Two of them write to one topic, or one reads what it writes, directly or by others; the text is for people.
    pub fn new(streams: Vec<Stream>) -> Result<Chain, String> {
        let mut chain = Chain { streams: Vec::new(), uses: BTreeMap::new() };
        let mut rest = streams;
        while !rest.is_empty() {
            // The first that reads nothing that another one still has to write.
            let first = rest.iter().position(|stream| {
                let mut reads = stream.plan().topics();
                reads.all(|topic| rest.iter().all(|other| other.plan().output() != topic))
            });
            let Some(first) = first else {
                let names: Vec<&str> = rest.iter().map(|stream| stream.plan().name()).collect();
                return Err(format!("the pipelines {} read in a circle what they write", names.join(", ")));
            };
            let stream = rest.remove(first);
            if let Some(other) = chain.writer(stream.plan().output()) {
                let [name, other] = [&stream, other].map(|stream| stream.plan().name());
                return Err(format!("`{other}` and `{name}` both write to `{}`", stream.plan().output()));
            }
            chain.add(stream);
        }
        Ok(chain)
    }

    fn add(&mut self, mut stream: Stream) {
        let place = self.streams.len();
        let plan = stream.plan();
        let (from, joined) = (plan.from.clone(), plan.joins.iter().map(|join| join.topic.clone()));
        for (join, topic) in joined.enumerate() {
            self.uses.entry(topic).or_default().push(Use::Rows(place, join));
        }
        stream.lag_ms = self.writer(&from).map(Stream::row_lag_ms);
        self.uses.entry(from).or_default().push(Use::Events(place));
        self.streams.push(stream);
    }

    /// The stream that writes to a topic.
    fn writer(&self, topic: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.plan().output() == topic)
    }

    /// The streams, in their order.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// True if one of the streams reads a topic.
    pub fn reads(&self, topic: &str) -> bool {
        self.uses.contains_key(topic)
    }

    /// The topics that come from outside, in the order in which they are to be read: those that are joined, then those of
    /// events; a stream whose rows are joined has all its events before the stream that joins them.
    pub fn inputs(&self) -> Vec<&str> {
        let joined = self.streams.iter().flat_map(|stream| stream.plan().topics().skip(1));
        let events = self.streams.iter().filter_map(|stream| stream.plan().topics().next());
        let mut inputs: Vec<&str> = Vec::new();
        for topic in joined.chain(events) {
            if self.writer(topic).is_none() && !inputs.contains(&topic) {
                inputs.push(topic);
            }
        }
        inputs
    }

    /// The topic from outside whose events a stream takes, directly or by other streams.
    pub fn root(&self, place: usize) -> Option<&str> {
        let from = self.streams.get(place)?.plan().from.as_str();
        match self.streams.iter().position(|stream| stream.plan().output() == from) {
            Some(writer) => self.root(writer),
            None => Some(from),
        }
    }

    /// The places of the streams whose events come from a topic from outside.
    fn places(&self, topic: &str) -> Vec<usize> {
        (0..self.streams.len()).filter(|place| self.root(*place) == Some(topic)).collect()
    }

    /// Takes a partition with its state. Events that wait there come out if their rows came while it was another process's, or
    /// nobody's.
    ///
    /// # Errors
    ///
    /// An entry cannot be read; the text is for people.
    pub fn give(&mut self, given: Given, out: &mut Vec<Out>) -> Result<(), String> {
        let Given { topic, partition, next, mut entries, rebuilt, written } = given;
        let places = self.places(&topic);
        for &place in &places {
            let own = entries.iter_mut().find(|(of, _)| *of == place);
            let own = own.map(|(_, entries)| std::mem::take(entries)).unwrap_or_default();
            let Some(stream) = self.streams.get_mut(place) else { continue };
            stream.give(partition, own)?;
            stream.partition(partition).rebuilt = rebuilt;
            if let Some(offsets) = written.get(stream.plan().output()) {
                stream.mark(partition, offsets, next);
            }
        }
        // Only now every stream that takes another one's rows has its state.
        for place in places {
            let Some(stream) = self.streams.get_mut(place) else { continue };
            let mut came = Vec::new();
            stream.look_again(partition, &mut came);
            self.pass(place, came, out);
        }
        Ok(())
    }

    /// A partition is another process's from now on: its state leaves the memory.
    pub fn take(&mut self, topic: &str, partition: u32) {
        for place in self.places(topic) {
            if let Some(stream) = self.streams.get_mut(place) {
                stream.drop_partition(partition);
            }
        }
    }

    /// The clock of a partition of a topic of events.
    pub fn clock_ms(&self, topic: &str, partition: u32) -> Option<i64> {
        let place = self.places(topic).first().copied()?;
        self.streams.get(place)?.clock_ms(partition).filter(|clock_ms| *clock_ms > i64::MIN)
    }

    /// The longest time for which an event of a topic counts, from its time to the moment at which its id is forgotten.
    pub fn reach_ms(&self, topic: &str) -> i64 {
        let streams = self.places(topic).into_iter().filter_map(|place| self.streams.get(place));
        streams.map(Stream::row_lag_ms).max().unwrap_or(0)
    }

    /// A null value of a joined topic deletes the rows that messages with its key brought.
    pub fn delete(&mut self, topic: &str, message: &[u8], out: &mut Vec<Out>) {
        for used in self.uses.get(topic).cloned().unwrap_or_default() {
            let Use::Rows(place, join) = used else { continue };
            let mut came = Vec::new();
            let Some(stream) = self.streams.get_mut(place) else { continue };
            stream.delete(join, message, &mut came);
            self.pass(place, came, out);
            self.follow(place, out);
        }
    }

    /// The columns by which rows of a topic are joined.
    pub fn join_columns(&self, topic: &str) -> Vec<&str> {
        let uses = self.uses.get(topic).into_iter().flatten();
        let columns = uses.filter_map(|used| match *used {
            Use::Events(_) => None,
            Use::Rows(place, join) => self.streams.get(place)?.plan().join_column(join),
        });
        columns.collect()
    }

    /// Takes a record of a topic at this time of the wall clock, Unix milliseconds. False: it is of use to nobody, because it has
    /// no column by which it would be joined.
    pub fn record(&mut self, topic: &str, record: Record, wall_ms: i64, out: &mut Vec<Out>) -> bool {
        let uses = self.uses.get(topic).cloned().unwrap_or_default();
        let (mut taken, mut rest) = (false, uses.len());
        let mut record = Some(record);
        for used in uses {
            rest -= 1;
            let Some(record) = (if rest == 0 { record.take() } else { record.clone() }) else { break };
            let mut came = Vec::new();
            let (Use::Events(place) | Use::Rows(place, _)) = used;
            let Some(stream) = self.streams.get_mut(place) else { continue };
            match used {
                Use::Events(_) => {
                    stream.event(record, wall_ms, &mut came);
                    taken = true;
                }
                Use::Rows(_, join) => taken |= stream.row(join, record, &mut came),
            }
            self.pass(place, came, out);
            self.follow(place, out);
        }
        taken
    }

    /// Moves the clocks of idle partitions on with the wall clock.
    pub fn tick(&mut self, wall_ms: i64, out: &mut Vec<Out>) {
        for place in 0..self.streams.len() {
            let Some(stream) = self.streams.get_mut(place).filter(|stream| stream.lag_ms.is_none()) else {
                continue;
            };
            let mut came = Vec::new();
            stream.tick(wall_ms, &mut came);
            self.pass(place, came, out);
            self.follow(place, out);
        }
    }

    /// Ends the events that wait: no row will come.
    pub fn finish(&mut self, out: &mut Vec<Out>) {
        for (place, stream) in self.streams.iter_mut().enumerate() {
            let mut came = Vec::new();
            stream.finish(&mut came);
            out.extend(came.into_iter().map(|output| (place, output)));
        }
    }

    /// The entries of the streams' states that changed since the last time, by the place of the stream.
    pub fn changes(&mut self) -> Vec<(usize, Change)> {
        let changes = self.streams.iter_mut().enumerate();
        changes
            .flat_map(|(place, stream)| stream.changes().into_iter().map(move |change| (place, change)))
            .collect()
    }

    /// Passes what came out of a stream on to those that read it.
    fn pass(&mut self, place: usize, came: Vec<Output>, out: &mut Vec<Out>) {
        let uses = self.streams.get(place).and_then(|stream| self.uses.get(stream.plan().output())).cloned();
        for output in came {
            let row = match (&output, &uses) {
                (Output::Row(row), Some(uses)) => Some((row.clone(), uses)),
                _ => None,
            };
            out.push((place, output));
            if let Some((row, uses)) = row {
                uses.iter().for_each(|used| self.read(place, &row, *used, out));
            }
        }
    }

    /// A stream takes a row of another one.
    fn read(&mut self, writer: usize, row: &OutputRow, used: Use, out: &mut Vec<Out>) {
        let clock_ms = self.streams.get(writer).and_then(|stream| stream.clock_ms(row.origin.partition));
        let (Use::Events(place) | Use::Rows(place, _)) = used;
        let Some(stream) = self.streams.get_mut(place) else { return };
        let columns: Vec<(String, Value)> =
            row.columns.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let mut came = Vec::new();
        match used {
            Use::Events(_) => stream.chained(row, columns, clock_ms.unwrap_or(row.time_ms), &mut came),
            Use::Rows(_, join) => {
                stream.row_of(join, columns, row.time_ms, None, &mut came);
            }
        }
        self.pass(place, came, out);
    }

    /// The clocks of streams that take the rows of a stream as events are its own.
    fn follow(&mut self, writer: usize, out: &mut Vec<Out>) {
        let Some(stream) = self.streams.get(writer) else { return };
        let Some(uses) = self.uses.get(stream.plan().output()).cloned() else { return };
        let clocks: Vec<(u32, i64)> = stream.clocks().collect();
        for used in uses {
            let Use::Events(place) = used else { continue };
            let mut came = Vec::new();
            if let Some(stream) = self.streams.get_mut(place) {
                clocks
                    .iter()
                    .for_each(|(partition, clock_ms)| stream.follow(*partition, *clock_ms, &mut came));
            }
            self.pass(place, came, out);
            self.follow(place, out);
        }
    }
}
