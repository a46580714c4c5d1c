//! The service of this process, and what waits in it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use usher_edge::lookup::PendingLookup;
use usher_edge::message::AttemptResult;
use usher_edge::{Edge, Question, Response, Split};

use super::task::{Next, Reply, Task};
use crate::limits::FIRST_UPKEEP_TIME;
use crate::server::job::Job;
use crate::server::sender::Sender;
use crate::store::Shards;

/// The service of this process: its edge, its shards, and the messages between them.
pub(in crate::server) struct Service {
    pub(in crate::server) edge: Edge,
    pub(in crate::server) shards: Shards,
    /// Requests without an answer.
    pub(super) requests: HashMap<u64, Asking>,
    /// Messages without an answer, and those that are read next, in their order.
    pub(super) tasks: HashMap<u64, Task>,
    pub(super) ready: VecDeque<u64>,
    /// Messages that wait for time to pass.
    pub(super) sleeping: Vec<u64>,
    /// Work that waits for the commit of its shard.
    pub(super) held: Vec<Held>,
    /// Rows of outboxes that are on their way.
    pub(super) underway: HashSet<(u32, u64)>,
    /// When the outbox of each shard is looked at next; None: it is empty.
    pub(super) due: Vec<Option<Instant>>,
    /// By how much the clock was set back since the latest stored message, in milliseconds.
    pub(super) behind_ms: i64,
    /// When the upkeep of each shard is due.
    pub(super) upkeep: Vec<Instant>,
    /// When logs that an erasure left are looked at next.
    pub(super) forget: Instant,
    /// The next time at which drafts of the control API are looked at; None: there is none to publish.
    pub(super) drafts: Option<Instant>,
    /// The delivery of activations, of each shard, and its attempts.
    pub(super) sending: Vec<Sending>,
    pub(super) sender: Sender,
    pub(super) last: u64,
}

impl Service {
    /// Resumes the messages that are stored.
    pub(in crate::server) fn new(edge: Edge, shards: Shards) -> Service {
        let now = Instant::now();
        let count = usize::try_from(shards.count()).unwrap_or(usize::MAX);
        let mut service = Service {
            edge,
            shards,
            requests: HashMap::new(),
            tasks: HashMap::new(),
            ready: VecDeque::new(),
            sleeping: Vec::new(),
            held: Vec::new(),
            underway: HashSet::new(),
            due: vec![None; count],
            behind_ms: 0,
            upkeep: vec![now + FIRST_UPKEEP_TIME; count],
            forget: now,
            // One may have been left when the process ended.
            drafts: Some(now),
            sending: vec![Sending::new(now); count],
            sender: Sender::default(),
            last: 0,
        };
        if count > 1 {
            service.resume();
        }
        service
    }

    /// Notified when an attempt to deliver an activation has ended.
    pub(in crate::server) fn woken(&self) -> Arc<Notify> {
        self.sender.woken()
    }

    /// True if there are messages that wait for nothing.
    pub(in crate::server) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn ask(&mut self, number: u64, mut task: Task, questions: Vec<Question>) {
        for (place, question) in task.asks(questions) {
            let about = task.about.clone();
            self.deliver(Task::about(about, question.shard, question.message, Reply::Task(number, place)));
        }
        self.tasks.insert(number, task);
    }

    /// Hands a message to its shard.
    pub(super) fn deliver(&mut self, task: Task) {
        self.last += 1;
        self.tasks.insert(self.last, task);
        self.ready.push_back(self.last);
    }
}

/// A request whose messages are not answered yet.
pub(super) struct Asking {
    pub(super) job: Job,
    pub(super) reply: oneshot::Sender<Response>,
    pub(super) kind: Kind,
    pub(super) since: Instant,
    pub(super) computing: Duration,
}

/// The use of the answers to a request's messages.
pub(super) enum Kind {
    /// The answer is the request's.
    Write,
    LookUp(Box<PendingLookup>),
    /// The answers to the parts are joined.
    Split {
        split: Box<Split>,
        answers: Vec<Option<Response>>,
        open: usize,
    },
}

/// The first step of a request.
pub(super) enum Begun {
    Answered(Response, Duration),
    /// Messages are sent, each to its shard.
    Sent(Kind, Vec<(u32, Vec<u8>)>, Duration),
    /// It has commits of its own, because a failed one of the control object's must be seen at once.
    Alone,
}

/// What a message says, which leaves its shard when that has committed.
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) task: Task,
    pub(super) next: Next,
}

/// The service panicked, in an unwinding build: its caller got an answer, and the edge has to be made again.
#[derive(Debug)]
pub(in crate::server) struct Panicked;

/// The delivery of a shard.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    /// When the next turn is due; None: when something is stored.
    pub(super) due: Option<Instant>,
    /// True from the first turn on, before which attempts of another process may be noted.
    pub(super) resumed: bool,
    pub(super) is_under_way: bool,
    /// Results that no turn has noted, and those of the turn that is under way.
    pub(super) ended: Vec<AttemptResult>,
    pub(super) told: Vec<AttemptResult>,
}

impl Sending {
    pub(super) fn new(now: Instant) -> Sending {
        let (ended, told) = (Vec::new(), Vec::new());
        Sending { due: Some(now), resumed: false, is_under_way: false, ended, told }
    }
}
