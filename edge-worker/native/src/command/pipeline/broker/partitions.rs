//! The partitions of topics, as the client has them.

use std::sync::atomic::AtomicBool;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::clients::{ANSWER, Named, Patience, Plain, Waiting, shown};

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

/// The partitions of a topic, when it is there.
pub(super) fn partitions(
    consumer: &BaseConsumer<Plain>,
    topic: &str,
    stop: &AtomicBool,
) -> Result<Vec<i32>, String> {
    let mut waiting = Waiting::new(stop);
    loop {
        let why = match found(consumer, topic) {
            Ok(partitions) if !partitions.is_empty() => return Ok(partitions),
            Ok(_) => "it is not there".to_owned(),
            Err(error) => shown(&error),
        };
        waiting.again(&format!("the topic `{topic}` is read"), &why, Patience::None)?;
    }
}

/// The partitions of a topic; none of one that is not there.
pub(super) fn found<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str) -> KafkaResult<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER)?;
    let of = metadata.topics().iter().find(|of| of.name() == topic && of.error().is_none());
    Ok(of.map(|of| of.partitions().iter().map(|partition| partition.id()).collect()).unwrap_or_default())
}
