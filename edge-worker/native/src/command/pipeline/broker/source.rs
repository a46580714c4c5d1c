//! Topics of a broker as a source: joined ones to their ends first, then events and joined ones as they come.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use usher_pipelines::{Arrival, Given, Part, Payload, Polled, Source};

use super::clients::{ANSWER, Clients, Named, Patience, Rebalanced, Told, Waiting, lock, shown};
use super::outputs::written;
use super::partitions::{list, partitions};
use super::place::{Ends, Metadata, Place};
use super::state::Resumed;
use super::topics::Topics;
use crate::clock::now_ms;
use crate::command::pipeline::outputs::Outputs;
use crate::command::pipeline::state::State;

/// A broker as the source and the sink of one run.
pub(super) struct Broker {
    pub(super) clients: Clients,
    pub(super) name: String,
    pub(super) topics: Topics,
    pub(super) state: State,
    /// Has the file of the trace.
    pub(super) trace: Outputs,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) told: Told,
    /// The partitions of events that are this process's.
    pub(super) places: BTreeMap<Part, Place>,
    /// Those that are taken when they are committed.
    taken: Vec<Named>,
    joined: Joined,
    /// The numbers of partitions of events that were read to their end once. The client does not name the topic.
    at_end: BTreeSet<u32>,
    /// The consumer that is asked first the next time: neither keeps the other waiting.
    is_joined_next: bool,
}

/// The reading of joined topics.
#[derive(Default)]
struct Joined {
    /// The offset of the next record of each partition.
    next: BTreeMap<Named, u64>,
    /// The topics that are to be read to their ends, the next one last.
    rest: Vec<String>,
    /// The partitions of the topic that is read now whose ends were not seen.
    open: BTreeSet<i32>,
    is_started: bool,
}

/// The broker as the runner has it, twice.
pub(super) struct Shared(pub(super) Rc<RefCell<Broker>>);

impl Source for Shared {
    fn poll(&mut self, wait: Duration) -> Result<Polled, String> {
        self.0.borrow_mut().poll(wait)
    }

    fn released(&mut self) -> Result<(), String> {
        self.0.borrow_mut().released()
    }
}

impl Broker {
    /// Waits until the broker answers, and all joined topics and those of outputs are there.
    pub(super) fn new(
        clients: Clients,
        name: String,
        topics: Topics,
        state: State,
        trace: Outputs,
        stop: Arc<AtomicBool>,
    ) -> Result<Broker, String> {
        let mut joined = Joined { rest: topics.joined.clone(), ..Joined::default() };
        joined.rest.reverse();
        for topic in &topics.joined {
            let what = format!("the topic `{topic}` is read");
            for partition in partitions(clients.whole.client(), topic, &what, &stop)? {
                let next = state.joined_place(topic, partition)?;
                joined.next.insert((topic.clone(), partition), next);
            }
        }
        for topic in topics.written.keys() {
            partitions(clients.producer.client(), topic, &format!("the topic `{topic}` is written"), &stop)?;
        }
        let (places, taken) = (BTreeMap::new(), Vec::new());
        let told = Told::default();
        let (at_end, is_joined_next) = (BTreeSet::new(), false);
        Ok(Broker {
            clients,
            name,
            topics,
            state,
            trace,
            stop,
            told,
            places,
            taken,
            joined,
            at_end,
            is_joined_next,
        })
    }

    /// Leaves the group.
    pub(super) fn close(&self) {
        self.clients.group.context().close();
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled, String> {
        if !self.joined.is_started {
            return self.joined_to_the_end(wait);
        }
        let until = Instant::now().checked_add(wait);
        loop {
            self.clients.wake.reset();
            self.clients.producer.poll(Duration::ZERO);
            for is_joined in [self.is_joined_next, !self.is_joined_next] {
                let arrival = if is_joined { self.next_joined(Duration::ZERO)? } else { self.next_event()? };
                if let Some(arrival) = arrival {
                    self.is_joined_next = !is_joined;
                    return Ok(Polled::Arrival(arrival));
                }
            }
            let change = lock(&self.clients.group.context().changes).pop_front();
            match change {
                Some(Rebalanced::Given(named)) => return self.given(&named).map(Polled::Given),
                Some(Rebalanced::Taken(named)) => {
                    let parts = named.iter().map(part).collect();
                    self.taken = named;
                    return Ok(Polled::Taken(parts));
                }
                None => {}
            }
            let rest = until.map_or(wait, |until| until.saturating_duration_since(Instant::now()));
            if rest.is_zero() {
                let mut numbers = self.places.keys().map(|(_, partition)| *partition);
                let is_all = numbers.all(|number| self.at_end.contains(&number));
                return Ok(if is_all { Polled::Nothing } else { Polled::Waiting });
            }
            self.clients.wake.wait(rest);
        }
    }

    /// Reads joined topics one after the other: the client names the partition whose end it saw, and not its topic.
    fn joined_to_the_end(&mut self, wait: Duration) -> Result<Polled, String> {
        while self.joined.open.is_empty() {
            let Some(topic) = self.joined.rest.pop() else {
                self.assign_joined(|_| true)?;
                let topics: Vec<&str> = self.topics.events.iter().map(String::as_str).collect();
                self.clients.group.subscribe(&topics).map_err(|error| shown(&error))?;
                self.joined.is_started = true;
                return Ok(Polled::Waiting);
            };
            let of_topic = self.joined.next.keys().filter(|(of, _)| *of == topic);
            self.joined.open = of_topic.map(|(_, partition)| *partition).collect();
            self.assign_joined(|of| of == topic)?;
        }
        Ok(self.next_joined(wait)?.map_or(Polled::Waiting, Polled::Arrival))
    }

    fn assign_joined(&self, is_wanted: impl Fn(&str) -> bool) -> Result<(), String> {
        let wanted = self.joined.next.iter().filter(|((topic, _), _)| is_wanted(topic));
        self.clients.whole.assign(&list(wanted)).map_err(|error| shown(&error))
    }

    fn next_joined(&mut self, wait: Duration) -> Result<Option<Arrival>, String> {
        let polled = self.clients.whole.poll(wait);
        if let Some(Err(KafkaError::PartitionEOF(partition))) = polled {
            self.joined.open.remove(&partition);
            return Ok(None);
        }
        let arrival = arrival(polled, &self.told)?;
        if let Some(arrival) = &arrival {
            let named = (arrival.topic.to_string(), arrival.partition.cast_signed());
            self.joined.next.insert(named, arrival.end);
        }
        Ok(arrival)
    }

    fn next_event(&mut self) -> Result<Option<Arrival>, String> {
        let polled = self.clients.group.poll(Duration::ZERO);
        if let Some(Err(KafkaError::PartitionEOF(partition))) = polled {
            self.at_end.insert(partition.cast_unsigned());
            return Ok(None);
        }
        let arrival = arrival(polled, &self.told)?;
        // Records that were fetched before the group decided otherwise.
        Ok(arrival.filter(|arrival| {
            let part = (Arc::clone(&arrival.topic), arrival.partition);
            self.places.get(&part).is_some_and(|place| arrival.offset >= place.next)
        }))
    }

    /// Partitions that the group gives: with the state of their committed offsets, or with one that is made again.
    fn given(&mut self, named: &[Named]) -> Result<Vec<Given>, String> {
        let committed = self.committed(named)?;
        let mut ends: BTreeMap<String, Vec<Ends>> = BTreeMap::new();
        let mut all = Vec::new();
        for (named, committed) in named.iter().zip(committed) {
            let (topic, partition) = part(named);
            let resumed = self.state.resume(&topic, partition, committed.as_ref().map(|(offset, _)| *offset));
            let Resumed { entries, is_whole } = resumed?;
            let (offset, metadata) = committed.unwrap_or_default();
            let begin = if is_whole { Some((offset, metadata.ends.clone())) } else { None };
            let begin = begin.or_else(|| metadata.from.as_ref().map(|from| (from.next, from.ends.clone())));
            let (next, of_outputs) = begin.unwrap_or_default();
            ends.entry(topic.to_string()).or_default().push(of_outputs);
            let rebuilt = (next < offset).then_some(usher_pipelines::Rebuilt {
                until: offset,
                clock_ms: metadata.clock_ms.unwrap_or(i64::MIN),
            });
            self.places.insert((Arc::clone(&topic), partition), Place::new(next, offset, metadata.from));
            let topic = topic.to_string();
            all.push(Given { topic, partition, next, entries, rebuilt, written: BTreeMap::new() });
        }
        let found = written((&self.clients, &self.name, &self.stop), &self.topics, &ends)?;
        for given in &mut all {
            let of = (given.topic.clone(), given.partition);
            given.written = found.get(&of).cloned().unwrap_or_default();
        }
        let nexts: Vec<(Named, u64)> = all
            .iter()
            .map(|given| ((given.topic.clone(), given.partition.cast_signed()), given.next))
            .collect();
        let assigned = self.clients.group.assign(&list(nexts.iter().map(|(named, next)| (named, next))));
        assigned.map_err(|error| shown(&error))?;
        Ok(all)
    }

    /// The committed offsets of partitions, with their metadata.
    fn committed(&self, named: &[Named]) -> Result<Vec<Option<(u64, Metadata)>>, String> {
        let mut wanted = TopicPartitionList::new();
        for (topic, partition) in named {
            wanted.add_partition(topic, *partition);
        }
        let mut waiting = Waiting::new(&self.stop);
        let found = loop {
            match self.clients.group.committed_offsets(wanted.clone(), ANSWER) {
                Ok(found) => break found,
                Err(error) => {
                    waiting.again("the group's offsets are read", &shown(&error), Patience::None)?
                }
            }
        };
        let of = |(topic, partition): &Named| {
            let element = found.find_partition(topic, *partition)?;
            let Offset::Offset(offset) = element.offset() else { return None };
            Some((u64::try_from(offset).ok()?, Metadata::read(element.metadata()).unwrap_or_default()))
        };
        Ok(named.iter().map(of).collect())
    }

    fn released(&mut self) -> Result<(), String> {
        for named in std::mem::take(&mut self.taken) {
            self.places.remove(&part(&named));
            self.at_end.remove(&named.1.cast_unsigned());
        }
        self.clients.group.unassign().map_err(|error| shown(&error))
    }
}

fn part((topic, partition): &Named) -> Part {
    (Arc::from(topic.as_str()), partition.cast_unsigned())
}

/// The record that a consumer gave. What is no record is told, and the client goes on by itself.
fn arrival(polled: Option<KafkaResult<BorrowedMessage<'_>>>, told: &Told) -> Result<Option<Arrival>, String> {
    let message = match polled {
        None => return Ok(None),
        Some(Ok(message)) => message,
        Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
        Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
            return Err(format!("the broker cannot be read any further: {code}"));
        }
        Some(Err(error)) => {
            told.tell(&format!("the broker does not answer, waiting: {}", shown(&error)));
            return Ok(None);
        }
    };
    let offset = message.offset().cast_unsigned();
    Ok(Some(Arrival {
        topic: Arc::from(message.topic()),
        partition: message.partition().cast_unsigned(),
        offset,
        arrival_ms: message.timestamp().to_millis().filter(|ms| *ms > 0).unwrap_or_else(now_ms),
        end: offset.saturating_add(1),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map_or(Payload::Null, |bytes| Payload::Json(bytes.to_vec())),
    }))
}
