//! The clients of a broker: a member of the group, a reader of whole topics, and a writer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, DeliveryResult, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use crate::exit::Failure;
use crate::terminal::{clean, note};

/// The time between two lines that say the same.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// The time for which one request waits for its answer.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// The time for which a process that is told to stop waits for a broker that does not answer.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// The time between two requests for the same.
const AGAIN: Duration = Duration::from_millis(100);

/// Where and as whom topics are read and written.
#[derive(Debug)]
pub(super) struct Settings {
    /// `host:port`, with commas between them.
    pub(super) brokers: String,
    /// The consumer group.
    pub(super) group: String,
    /// Settings of the client, as its documentation names them.
    pub(super) client: Vec<(String, String)>,
}

/// A partition of a topic as the client names it.
pub(super) type Named = (String, i32);

pub(super) struct Clients {
    pub(super) group: BaseConsumer<Member>,
    pub(super) whole: BaseConsumer<Plain>,
    pub(super) producer: BaseProducer<Acks>,
    pub(super) acks: Arc<Acked>,
    pub(super) wake: Arc<Wake>,
    config: ClientConfig,
}

impl Clients {
    /// Makes the clients. They connect by themselves, now and whenever a connection ends.
    pub(super) fn connect(settings: &Settings, stop: &Arc<AtomicBool>) -> Result<Clients, Failure> {
        let config = config(settings);
        let mut group = config.clone();
        group.set("group.id", &settings.group).set("auto.offset.reset", "earliest");
        group.set("enable.partition.eof", "true");
        // The same partitions of all topics to the same member.
        group.set("partition.assignment.strategy", "range");
        let mut whole = config.clone();
        whole.set("group.id", &settings.group).set("auto.offset.reset", "earliest");
        whole.set("enable.partition.eof", "true");
        let mut producer = config.clone();
        // Rows wait for as long as the broker does not answer, in the order in which they came.
        producer.set("message.timeout.ms", "0").set("enable.idempotence", "true");
        producer.set("linger.ms", "1").set("queue.buffering.max.kbytes", "65536");
        // The partition of a key is that of every other client.
        producer.set("partitioner", "murmur2_random");
        for (name, value) in &settings.client {
            for config in [&mut group, &mut whole, &mut producer] {
                config.set(name, value);
            }
        }
        let acks = Arc::new(Acked::default());
        let wake = Arc::new(Wake::default());
        let member = Member { changes: Mutex::default(), is_closing: AtomicBool::new(false) };
        let mut group: BaseConsumer<Member> = create(&group, member)?;
        let mut whole: BaseConsumer<Plain> = create(&whole, Plain)?;
        let woken = || {
            let wake = Arc::clone(&wake);
            move || wake.wake()
        };
        group.set_nonempty_callback(woken());
        whole.set_nonempty_callback(woken());
        let context = Acks { acked: Arc::clone(&acks), told: Told::default(), stop: Arc::clone(stop) };
        let producer: BaseProducer<Acks> = create(&producer, context)?;
        Ok(Clients { group, whole, producer, acks, wake, config })
    }

    /// One more reader of whole topics.
    pub(super) fn reader(&self) -> Result<BaseConsumer<Plain>, String> {
        let mut config = self.config.clone();
        config
            .set("group.id", "usher")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true");
        config.create_with_context(Plain).map_err(|error| shown(&error))
    }
}

fn create<C, T: FromClientConfigAndContext<C>>(config: &ClientConfig, context: C) -> Result<T, Failure>
where
    C: ClientContext,
{
    config.create_with_context(context).map_err(|error| match &error {
        KafkaError::ClientConfig(_, description, name, value) => {
            Failure::usage(format!("`--client {name}={value}`: {description}"))
                .help("names and values are those of librdkafka's CONFIGURATION.md")
        }
        error => Failure::new(format!("cannot make a client of the broker: {}", shown(error))),
    })
}

fn config(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("client.id", "usher");
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    // Reading is no further ahead of processing than this.
    config.set("queued.min.messages", "10000").set("queued.max.messages.kbytes", "16384");
    config.set_log_level(RDKafkaLogLevel::Critical);
    for (name, value) in &settings.client {
        config.set(name, value);
    }
    config
}

/// An error of the client in words.
pub(super) fn shown(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(code) => code.to_string(),
        None => error.to_string(),
    }
}

/// Lines that say why nothing goes on, not more often than is of use.
#[derive(Default)]
pub(super) struct Told(Mutex<Option<Instant>>);

impl Told {
    pub(super) fn tell(&self, line: &str) {
        let mut last = lock(&self.0);
        if last.is_none_or(|last| last.elapsed() >= TOLD_EVERY) {
            *last = Some(Instant::now());
            note(&clean(line));
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waiting for a broker: until it answers, or until a process that was told to stop has waited long enough.
pub(super) struct Waiting<'a> {
    stop: &'a AtomicBool,
    told: Told,
    since_stop: Option<Instant>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(stop: &'a AtomicBool) -> Waiting<'a> {
        Waiting { stop, told: Told::default(), since_stop: None }
    }

    /// Says what is waited for and why.
    ///
    /// # Errors
    ///
    /// The process was told to stop, and waits no longer.
    pub(super) fn again(&mut self, what: &str, why: &str, patience: Patience) -> Result<(), String> {
        self.told.tell(&format!("waiting: {what}: {why}"));
        if self.stop.load(Ordering::Relaxed) {
            let since = *self.since_stop.get_or_insert_with(Instant::now);
            if patience == Patience::None || since.elapsed() >= STOP_WAIT {
                return Err(format!("told to stop before {what}: {why}"));
            }
        }
        // Some requests fail at once.
        std::thread::sleep(AGAIN);
        Ok(())
    }
}

/// The willingness of a process that was told to stop to wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Nothing would be lost.
    None,
    /// Rows are on their way.
    Some,
}

/// Wakes the loop when one of several consumers has something.
#[derive(Default)]
pub(super) struct Wake {
    is_due: Mutex<bool>,
    changed: Condvar,
}

impl Wake {
    fn wake(&self) {
        *lock(&self.is_due) = true;
        self.changed.notify_all();
    }

    /// Forgets what woke it before. Then consumers are looked at, then it waits.
    pub(super) fn reset(&self) {
        *lock(&self.is_due) = false;
    }

    pub(super) fn wait(&self, time: Duration) {
        let waited = self.changed.wait_timeout_while(lock(&self.is_due), time, |is_due| !*is_due);
        drop(waited);
    }
}

/// A client that only reads.
pub(super) struct Plain;

impl ClientContext for Plain {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Plain {}

/// A member of the group. What the group decides is done by the loop, between two records.
pub(super) struct Member {
    pub(super) changes: Mutex<VecDeque<Rebalanced>>,
    is_closing: AtomicBool,
}

/// A decision of the group.
pub(super) enum Rebalanced {
    Given(Vec<Named>),
    Taken(Vec<Named>),
}

impl Member {
    /// From now on nothing is done with what the group decides.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }
}

impl ClientContext for Member {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Member {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        decided: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.is_closing.load(Ordering::Relaxed) {
            // It leaves the group whatever becomes of this.
            let _ = consumer.unassign();
            return;
        }
        let elements = partitions.elements();
        let named =
            elements.iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        let is_given = decided == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let change = if is_given { Rebalanced::Given(named) } else { Rebalanced::Taken(named) };
        lock(&self.changes).push_back(change);
    }
}

/// The records that the broker acknowledged.
#[derive(Default)]
pub(super) struct Acked {
    /// By topic and partition: the offset after the last record that was acknowledged.
    pub(super) ends: Mutex<BTreeMap<Named, u64>>,
    /// The first record that the broker did not take.
    pub(super) refused: Mutex<Option<String>>,
}

/// The writer's context.
pub(super) struct Acks {
    acked: Arc<Acked>,
    told: Told,
    stop: Arc<AtomicBool>,
}

impl ClientContext for Acks {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        if !self.stop.load(Ordering::Relaxed) {
            self.told.tell(&format!("the broker does not answer, waiting: {}: {reason}", shown(&error)));
        }
    }
}

impl ProducerContext for Acks {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => {
                let end = u64::try_from(message.offset().saturating_add(1)).unwrap_or(0);
                let mut ends = lock(&self.acked.ends);
                let known = ends.entry((message.topic().to_owned(), message.partition())).or_default();
                *known = end.max(*known);
            }
            Err((error, message)) => {
                let is_absent = error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition)
                    || error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopic);
                let help = if is_absent { "; create it, because this broker does not" } else { "" };
                let why = shown(error);
                let text = format!("the broker refused a record of `{}`: {why}{help}", message.topic());
                lock(&self.acked.refused).get_or_insert(text);
            }
        }
    }
}
