//! The partitions of topics, as the client has them.

use std::sync::atomic::AtomicBool;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::clients::{ANSWER, Named, Patience, Waiting, shown};

/// Partitions with the offsets at which they are read.
pub(super) fn list<'a>(nexts: impl IntoIterator<Item = (&'a Named, &'a u64)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), next) in nexts {
        let offset = match i64::try_from(*next) {
            Ok(next) if next > 0 => Offset::Offset(next),
            _ => Offset::Beginning,
        };
        // Both kinds of offset are valid everywhere.
        let _ = list.add_partition_offset(topic, *partition, offset);
    }
    list
}

/// The partitions of a topic, when it is there. What is waited for is told in these words.
pub(super) fn partitions<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    what: &str,
    stop: &AtomicBool,
) -> Result<Vec<i32>, String> {
    let mut waiting = Waiting::new(stop);
    loop {
        let why = match found(client, topic) {
            Ok(partitions) if !partitions.is_empty() => return Ok(partitions),
            Ok(_) => "it is not there".to_owned(),
            Err(error) => shown(&error),
        };
        waiting.again(what, &why, Patience::None)?;
    }
}

/// The partitions of a topic; none of one that is not there. A broker that makes topics makes one that a writer asks for.
pub(super) fn found<C: ClientContext>(client: &Client<C>, topic: &str) -> KafkaResult<Vec<i32>> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER)?;
    let of = metadata.topics().iter().find(|of| of.name() == topic && of.error().is_none());
    Ok(of.map(|of| of.partitions().iter().map(|partition| partition.id()).collect()).unwrap_or_default())
}
