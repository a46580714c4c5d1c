//! Rows that stand in their topics although their events were not committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};

use super::clients::{ANSWER, Clients, Patience, Waiting, lock, shown};
use super::partitions::{found, list};
use super::place::Ends;
use super::topics::Topics;

/// The headers of a record by which it is found again.
pub(super) const GROUP: &str = "usher-group";
pub(super) const TOPIC: &str = "usher-topic";
pub(super) const PARTITION: &str = "usher-partition";
pub(super) const OFFSET: &str = "usher-offset";

/// The offsets of events, by the topic that rows were written to.
type Offsets = BTreeMap<String, BTreeSet<u64>>;

/// The clients, the group's name, and the flag of a process that is told to stop.
type Reading<'a> = (&'a Clients, &'a str, &'a AtomicBool);

/// The events whose rows stand behind these ends, by their topic and partition. The ends are those of outputs, by the topic of
/// the events; of several the lowest counts.
pub(super) fn written(
    reading: Reading<'_>,
    topics: &Topics,
    ends: &BTreeMap<String, Vec<Ends>>,
) -> Result<BTreeMap<(String, u32), Offsets>, String> {
    let mut all: BTreeMap<(String, u32), Offsets> = BTreeMap::new();
    for (output, events) in &topics.written {
        let Some(of_events) = ends.get(events) else { continue };
        let begin = |partition: i32| {
            let of = |ends: &Ends| ends.get(output).and_then(|of| of.get(&partition)).copied().unwrap_or(0);
            of_events.iter().map(of).min().unwrap_or(0)
        };
        for (topic, partition, offset) in behind(reading, output, begin)? {
            let of = all.entry((topic, partition)).or_default();
            of.entry(output.clone()).or_default().insert(offset);
        }
    }
    Ok(all)
}

/// The events of this group's rows in a topic behind an offset of each partition, up to the end that it has now.
fn behind(
    (clients, group, stop): Reading<'_>,
    output: &str,
    begin: impl Fn(i32) -> u64,
) -> Result<Vec<(String, u32, u64)>, String> {
    let mut waiting = Waiting::new(stop);
    let reader = clients.reader()?;
    let partitions = loop {
        match found(reader.client(), output) {
            // One that is not there has no rows.
            Ok(partitions) => break partitions,
            Err(error) => waiting.again(&format!("`{output}` is read"), &shown(&error), Patience::None)?,
        }
    };
    let mut nexts: BTreeMap<_, _> =
        partitions.iter().map(|partition| ((output.to_owned(), *partition), begin(*partition))).collect();
    let mut open: BTreeSet<i32> = partitions.into_iter().collect();
    reader.assign(&list(&nexts)).map_err(|error| shown(&error))?;
    let mut events = Vec::new();
    while !open.is_empty() {
        match reader.poll(ANSWER) {
            Some(Ok(message)) => {
                let end = message.offset().cast_unsigned().saturating_add(1);
                nexts.insert((output.to_owned(), message.partition()), end);
                events.extend(origin(&message, group));
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => {
                waiting.again(&format!("`{output}` is read"), &shown(&error), Patience::None)?;
            }
            None => waiting.again(&format!("`{output}` is read"), "no answer", Patience::None)?,
        }
    }
    // Records up to here are known from now on.
    let mut ends = lock(&clients.acks.ends);
    for (named, end) in nexts {
        let known = ends.entry(named).or_default();
        *known = end.max(*known);
    }
    Ok(events)
}

/// The event of a row that this group wrote.
fn origin(message: &BorrowedMessage<'_>, group: &str) -> Option<(String, u32, u64)> {
    let headers = message.headers()?;
    let text = |name: &str| {
        let header = headers.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok()
    };
    if text(GROUP) != Some(group) {
        return None;
    }
    Some((text(TOPIC)?.to_owned(), text(PARTITION)?.parse().ok()?, text(OFFSET)?.parse().ok()?))
}
