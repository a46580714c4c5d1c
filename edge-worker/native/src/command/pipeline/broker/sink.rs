//! Topics of a broker as a sink: rows, events that ended, refused records, and commits.

use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use usher_pipelines::{Chain, Change, Ended, OutputRow, Part, Plan, Read, Refused, Sink, Step};

use super::clients::{Named, Patience, Waiting, lock, shown};
use super::outputs::{GROUP, OFFSET, PARTITION, TOPIC};
use super::place::by_topic;
use super::source::{Broker, Shared};
use crate::command::pipeline::outputs::record_line;

/// The time for which acknowledgements are waited for before that is said.
const ACKS: Duration = Duration::from_millis(200);
/// The time for which one look at them waits.
const REPORTS: Duration = Duration::from_millis(1);

impl Sink for Shared {
    fn row(&mut self, topic: &str, row: &OutputRow) -> Result<(), String> {
        let broker = self.0.borrow();
        let from = broker.topics.written.get(topic).map(String::as_str).unwrap_or_default();
        let headers = broker.headers(from, row.origin.partition, row.origin.offset);
        let value = serde_json::to_vec(row).map_err(|error| error.to_string())?;
        broker.send(topic, row.key.as_deref().map(str::as_bytes), &value, headers)
    }

    fn ended(&mut self, plan: &Plan, ended: &Ended) -> Result<(), String> {
        let broker = self.0.borrow();
        let from = broker.topics.written.get(plan.output()).map(String::as_str).unwrap_or_default();
        let headers = broker.headers(from, ended.origin.partition, ended.origin.offset);
        let headers = with(headers, "usher-reason", ended.reason.as_str());
        let headers = with(headers, "usher-pipeline", plan.name());
        let headers = with(headers, "usher-missing", &ended.missing.join(","));
        let value = serde_json::to_vec(&record_line(ended)).map_err(|error| error.to_string())?;
        broker.send(&format!("{}.expired", plan.output()), None, &value, headers)
    }

    fn refused(&mut self, refused: &Refused) -> Result<(), String> {
        let broker = self.0.borrow();
        let Refused { reason, detail, topic, partition, offset, key, record } = refused;
        let headers = broker.headers(topic, *partition, *offset);
        let headers = with(with(headers, "usher-reason", reason.as_str()), "usher-detail", detail);
        broker.send(&format!("{topic}.dead"), key.as_deref(), record, headers)
    }

    fn trace(&mut self, step: &Step<'_>) -> Result<(), String> {
        self.0.borrow_mut().trace.trace(step)
    }

    fn flush(&mut self) -> Result<(), String> {
        let mut broker = self.0.borrow_mut();
        broker.clients.producer.poll(Duration::ZERO);
        broker.is_taken()?;
        broker.trace.flush()
    }

    fn commit(
        &mut self,
        changes: Vec<(usize, Change)>,
        read: Vec<Read>,
        chain: &Chain,
    ) -> Result<(), String> {
        self.0.borrow_mut().commit(changes, read, chain)
    }
}

fn with(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
}

impl Broker {
    /// The headers of a record by its event.
    fn headers(&self, topic: &str, partition: u32, offset: u64) -> OwnedHeaders {
        let headers = with(OwnedHeaders::new_with_capacity(7), GROUP, &self.name);
        let headers = with(headers, TOPIC, topic);
        with(with(headers, PARTITION, &partition.to_string()), OFFSET, &offset.to_string())
    }

    /// Gives a record to the client. Where it has no room the loop waits, and with it everything that is read.
    fn send(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: &[u8],
        headers: OwnedHeaders,
    ) -> Result<(), String> {
        let mut record = BaseRecord::to(topic).payload(value).headers(headers);
        if let Some(key) = key {
            record = record.key(key);
        }
        let mut waiting = Waiting::new(&self.stop);
        loop {
            match self.clients.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    self.clients.producer.poll(ACKS);
                    self.is_taken()?;
                    waiting.again("rows are acknowledged", "too many are on their way", Patience::Some)?;
                }
                Err((error, _)) => {
                    return Err(format!("the client refused a record of `{topic}`: {}", shown(&error)));
                }
            }
        }
    }

    /// Fails when the broker refused a record.
    fn is_taken(&self) -> Result<(), String> {
        lock(&self.clients.acks.refused).take().map_or(Ok(()), Err)
    }

    fn commit(
        &mut self,
        changes: Vec<(usize, Change)>,
        read: Vec<Read>,
        chain: &Chain,
    ) -> Result<(), String> {
        let mut waiting = Waiting::new(&self.stop);
        let mut since = Instant::now();
        // `flush` would not do: it ends when the broker has all records, and leaves its reports unread.
        while self.clients.producer.in_flight_count() > 0 {
            self.clients.producer.poll(REPORTS);
            self.is_taken()?;
            if since.elapsed() >= ACKS {
                waiting.again("rows are acknowledged", "no answer", Patience::Some)?;
                since = Instant::now();
            }
        }
        self.is_taken()?;
        let mut joined = Vec::new();
        for Read { topic, partition, end, .. } in read {
            let part: Part = (topic, partition);
            match self.places.get_mut(&part) {
                Some(place) => place.next = end,
                None => joined.push((part, end)),
            }
        }
        let is_complete = |(_, place): &(&Part, &super::place::Place)| place.next >= place.commits_from;
        let complete: Vec<(Part, u64)> =
            self.places.iter().filter(is_complete).map(|(part, place)| (part.clone(), place.next)).collect();
        self.state.store(changes, &joined, &complete)?;
        self.commit_offsets(&complete, chain)
    }

    /// Commits how far partitions were read, with what the next process has to know.
    fn commit_offsets(&mut self, complete: &[(Part, u64)], chain: &Chain) -> Result<(), String> {
        if complete.is_empty() {
            return Ok(());
        }
        let is_output = |(named, _): &(&Named, &u64)| self.topics.written.contains_key(&named.0);
        let ends = by_topic(lock(&self.clients.acks.ends).iter().filter(is_output));
        let mut list = TopicPartitionList::new();
        for (part, next) in complete {
            let Some(place) = self.places.get_mut(part) else { continue };
            let (topic, partition) = part;
            let clock_ms = chain.clock_ms(topic, *partition);
            let metadata = place.metadata(clock_ms, chain.reach_ms(topic), &ends).text();
            let mut element = list.add_partition(topic, partition.cast_signed());
            let offset = Offset::Offset(next.cast_signed());
            element.set_offset(offset).map_err(|error| shown(&error))?;
            element.set_metadata(metadata);
        }
        let mut waiting = Waiting::new(&self.stop);
        loop {
            let Err(error) = self.clients.group.commit(&list, CommitMode::Sync) else { return Ok(()) };
            match error.rdkafka_error_code() {
                // The next owner begins at the commit before, and finds in their topics the rows that were written since.
                Some(
                    RDKafkaErrorCode::IllegalGeneration
                    | RDKafkaErrorCode::UnknownMemberId
                    | RDKafkaErrorCode::RebalanceInProgress
                    | RDKafkaErrorCode::FencedInstanceId
                    | RDKafkaErrorCode::UnknownPartition
                    | RDKafkaErrorCode::AssignmentLost,
                ) => {
                    self.told.tell(&format!("partitions are another process's: {}", shown(&error)));
                    return Ok(());
                }
                _ => waiting.again("offsets are committed", &shown(&error), Patience::Some)?,
            }
        }
    }
}
