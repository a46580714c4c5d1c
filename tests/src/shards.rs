//! A deployment of several shards in this process, one message at a time.
//!
//! Each hop between the front, a shard and another shard is an [`Envelope`] in a queue. Whoever drives it picks the next one, and
//! may drop, copy or keep one back, and end what a shard has in memory. Nothing else happens by itself.

use usher_edge::drive::{self, Opened};
use usher_edge::limits::{COMMITS_MAX, ROUNDS_MAX};
use usher_edge::message::{self, Delivery, Route};
use usher_edge::store::memory::MemoryStore;
use usher_edge::store::{Basis, CommitError, Found, Pointer, Read, Store, StoreFailure, Write};
use usher_edge::wire::Response;
use usher_edge::{Answered, Edge, Folded, Question, Refusal};

/// A message on its way to a shard.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The shard that it is for.
    pub shard: u32,
    /// The message.
    pub message: Vec<u8>,
    /// Who gets the answer.
    pub reply: Reply,
}

/// Who gets an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The caller of [`Shards::send`], by the number that it returned.
    Caller(usize),
    /// A task, as the answer to one of its questions.
    Task(usize, usize),
    /// A row of a shard's outbox.
    Outbox(u32, u64),
    /// Nobody: the answer to a row of an outbox was taken.
    Nobody,
}

/// A message that waits in a shard for answers, or for the merges that its commit began. A crash of the shard ends it.
#[derive(Debug)]
struct Task {
    envelope: Envelope,
    answers: Vec<Answered>,
    /// Questions of this round without an answer yet.
    open: usize,
    rounds: usize,
    waits: usize,
    /// The answer of the commit, once there is one.
    first: Option<Response>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Asking,
    /// Something is sealed: it is opened again when time has passed.
    Waiting,
    /// It is committed, and waits for merges.
    Settling,
    Ended,
}

/// The most times that a message waits for a sealed profile.
const WAITS_MAX: usize = 4;

/// Several shards, their control object, and what is on its way between them.
pub struct Shards {
    /// Keys and running bundles, as in one isolate.
    pub edge: Edge,
    /// Bundles.
    pub control: MemoryStore,
    /// Profiles, by the shard's number.
    pub stores: Vec<MemoryStore>,
    /// Messages that are sent and not delivered.
    pub queue: Vec<Envelope>,
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Most bytes of profiles that one read has found.
    pub most_read: usize,
    tasks: Vec<Task>,
    callers: Vec<Option<Response>>,
    lines: Vec<String>,
}

impl Shards {
    /// So many empty shards.
    pub fn new(mut edge: Edge, shards: u32) -> Shards {
        edge.set_shards(shards);
        Shards {
            edge,
            control: MemoryStore::default(),
            stores: (0..shards).map(|_| MemoryStore::default()).collect(),
            queue: Vec::new(),
            now_ms: 0,
            most_read: 0,
            tasks: Vec::new(),
            callers: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Sends a message to a shard; [`Shards::answer`] has the answer under the returned number.
    pub fn send(&mut self, shard: u32, message: Vec<u8>) -> usize {
        let number = self.callers.len();
        self.callers.push(None);
        self.queue.push(Envelope { shard, message, reply: Reply::Caller(number) });
        number
    }

    /// The answer to a message, once there is one.
    pub fn answer(&self, number: usize) -> Option<&Response> {
        self.callers.get(number)?.as_ref()
    }

    /// The lines that were logged.
    pub fn log(&self) -> &[String] {
        &self.lines
    }

    /// Delivers the message at this place of the queue. False: there is none.
    pub fn step(&mut self, at: usize) -> bool {
        if at >= self.queue.len() {
            return false;
        }
        let envelope = self.queue.remove(at);
        let task = Task {
            envelope,
            answers: Vec::new(),
            open: 0,
            rounds: 0,
            waits: 0,
            first: None,
            state: State::Asking,
        };
        self.tasks.push(task);
        self.run(self.tasks.len() - 1);
        true
    }

    /// Loses the message at this place of the queue: its sender hears in time that there is no answer.
    pub fn lose(&mut self, at: usize) {
        if at < self.queue.len() {
            let envelope = self.queue.remove(at);
            self.reply(envelope.reply, None, &envelope.message);
        }
    }

    /// Ends everything that a shard has in memory.
    pub fn crash(&mut self, shard: u32) {
        for at in 0..self.tasks.len() {
            if self.tasks[at].envelope.shard == shard && self.tasks[at].state != State::Ended {
                self.tasks[at].state = State::Ended;
                let Envelope { reply, message, .. } = self.tasks[at].envelope.clone();
                self.reply(reply, None, &message);
            }
        }
    }

    /// Sends what is due in the outboxes, and wakes what waits. Returns whether anything is on its way then.
    pub fn tick(&mut self) -> bool {
        for shard in 0..self.stores.len() {
            self.send_due(shard);
        }
        for at in 0..self.tasks.len() {
            let task = &mut self.tasks[at];
            let shard = task.envelope.shard as usize;
            match task.state {
                State::Waiting => self.run(at),
                State::Settling => {
                    task.waits += 1;
                    if task.waits >= WAITS_MAX || self.stores[shard].shard.outbox.is_empty() {
                        self.run(at);
                    }
                }
                State::Asking | State::Ended => {}
            }
        }
        !self.queue.is_empty()
    }

    /// True if a message waits in a shard.
    pub fn is_busy(&self) -> bool {
        !self.queue.is_empty() || self.tasks.iter().any(|task| task.state != State::Ended)
    }

    /// The number of rows in all outboxes.
    pub fn unanswered(&self) -> usize {
        self.stores.iter().map(|store| store.shard.outbox.len()).sum()
    }

    /// Delivers everything in order until nothing is left to do, with time passing where something has to wait.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            while self.step(0) {}
            if self.tick() {
                continue;
            }
            if self.unanswered() == 0 && !self.is_busy() {
                return;
            }
            self.now_ms += 250;
        }
        panic!("the shards do not come to rest: {:?}", self.tasks.last());
    }

    fn send_due(&mut self, shard: usize) {
        let Ok(Found::Unanswered(due)) = self.stores[shard].read(&Read::Unanswered(self.now_ms)) else {
            return;
        };
        let number = u32::try_from(shard).unwrap_or(u32::MAX);
        for Delivery { number: row, shard: to, message } in due {
            let reply = Reply::Outbox(number, row);
            if !self.queue.iter().any(|known| known.reply == reply) && !self.is_running(reply) {
                self.queue.push(Envelope { shard: to, message, reply });
            }
        }
    }

    fn is_running(&self, reply: Reply) -> bool {
        self.tasks.iter().any(|task| task.state != State::Ended && task.envelope.reply == reply)
    }

    fn reply(&mut self, reply: Reply, response: Option<Response>, message: &[u8]) {
        match reply {
            Reply::Caller(number) => {
                self.callers[number] = Some(response.unwrap_or_else(|| Response::refused(Refusal::STORAGE)));
            }
            Reply::Task(task, question) => {
                if self.tasks[task].state != State::Asking {
                    return;
                }
                let place = &mut self.tasks[task].answers[question];
                if place.response.is_none() {
                    place.response = response;
                }
                self.tasks[task].open -= 1;
                if self.tasks[task].open == 0 {
                    self.run(task);
                }
            }
            Reply::Outbox(shard, number) => {
                let answer = response.filter(|response| response.status == 200).map(|response| response.body);
                let to = Route { shard, shards: self.edge.shards() };
                let delivery = Delivery { number, shard, message: message.to_vec() };
                let form = self.edge.form();
                let settle = message::settle(&delivery, answer.as_deref(), self.now_ms, to, form);
                self.queue.push(Envelope { shard, message: settle, reply: Reply::Nobody });
            }
            Reply::Nobody => {}
        }
    }

    /// Takes a message as far as it comes without an answer of another shard.
    fn run(&mut self, at: usize) {
        if self.tasks[at].first.is_some() {
            return self.answer_again(at);
        }
        let Envelope { shard, message, reply } = self.tasks[at].envelope.clone();
        let mut caught_up = 0;
        for attempt in 0..COMMITS_MAX {
            let task = &self.tasks[at];
            let is_last = task.rounds >= ROUNDS_MAX || task.waits >= WAITS_MAX;
            let is_again = attempt + task.rounds + task.waits > 0;
            let opened = match is_again {
                true => drive::open_with(&mut self.edge, &message, &task.answers, is_last),
                false => drive::open(&mut self.edge, &message),
            };
            let mut opened: Opened = match opened {
                Ok(opened) => opened,
                Err(refused) => return self.end(at, refused),
            };
            let (basis, folded) = match self.fold(shard as usize, &mut opened) {
                Ok(folded) => folded,
                Err(_) => {
                    self.edge.note_storage_fault();
                    return self.end(at, opened.unavailable());
                }
            };
            match folded {
                Folded::NeedsNewerBundle { .. } if caught_up < 2 => {
                    caught_up += 1;
                    self.refresh();
                }
                Folded::NeedsNewerBundle { .. } => break,
                Folded::OpenAgain | Folded::Part(_) => {}
                Folded::Ask(asked) => return self.ask(at, asked.questions, asked.wait),
                // This build has it.
                Folded::ControlPlane => break,
                Folded::Done(outcome) => {
                    if !outcome.write.is_empty() {
                        match self.stores[shard as usize].commit(&basis, &outcome.write) {
                            Ok(()) => {}
                            Err(CommitError::Conflict) => continue,
                            Err(_) => {
                                self.edge.note_storage_fault();
                                return self.end(at, opened.unavailable());
                            }
                        }
                    }
                    self.lines.extend(outcome.log.iter().map(|line| line.record().to_json()));
                    self.send_due(shard as usize);
                    if !outcome.write.shard.outbox.is_empty()
                        && outcome.write.shard.is_awaited()
                        && matches!(reply, Reply::Caller(_) | Reply::Task(..))
                    {
                        self.tasks[at].first = Some(outcome.response);
                        self.tasks[at].state = State::Settling;
                        return;
                    }
                    return self.end(at, outcome.response);
                }
            }
        }
        let response = drive::unavailable(&mut self.edge, &message);
        self.end(at, response);
    }

    /// Reads and folds a message, part by part. Those before the last are staged.
    fn fold(&mut self, shard: usize, opened: &mut Opened) -> Result<(Basis, Folded), StoreFailure> {
        loop {
            let store = &mut self.stores[shard];
            let found = match &opened.read {
                None => Found::Profiles(Vec::new()),
                Some(read) => store.read(read)?,
            };
            if let Found::Shard(found) = &found {
                self.most_read = self.most_read.max(found.profiles.iter().map(|row| row.state.len()).sum());
            }
            let basis = opened.read.as_ref().map(|read| Basis::of(read, &found)).unwrap_or_default();
            match drive::fold(&mut self.edge, opened, found) {
                Folded::Part(write) if write.is_empty() => {}
                Folded::Part(write) => {
                    let staged = self.stores[shard].stage(&basis, &write);
                    staged.map_err(|_| StoreFailure("nobody else writes here".to_owned()))?;
                }
                folded => return Ok((basis, folded)),
            }
        }
    }

    fn ask(&mut self, at: usize, questions: Vec<Question>, wait: bool) {
        let task = &mut self.tasks[at];
        if wait {
            task.waits += 1;
        } else {
            task.rounds += 1;
        }
        if questions.is_empty() {
            task.state = State::Waiting;
            return;
        }
        task.state = State::Asking;
        task.open = questions.len();
        for question in questions {
            let (shard, message) = (question.shard, question.message.clone());
            let reply = Reply::Task(at, self.tasks[at].answers.len());
            self.tasks[at].answers.push(Answered { question, response: None });
            self.queue.push(Envelope { shard, message, reply });
        }
    }

    /// The answer of a message whose merges are done, or have taken too long.
    fn answer_again(&mut self, at: usize) {
        let Envelope { shard, message, .. } = self.tasks[at].envelope.clone();
        let Some(first) = self.tasks[at].first.clone() else { return };
        let Some(message) = drive::committed(&message) else { return self.end(at, first) };
        let Ok(mut opened) = drive::open_with(&mut self.edge, &message, &[], true) else {
            return self.end(at, first);
        };
        let store = &mut self.stores[shard as usize];
        let Some(Ok(found)) = opened.read.as_ref().map(|read| store.read(read)) else {
            return self.end(at, first);
        };
        match drive::fold(&mut self.edge, &mut opened, found) {
            Folded::Done(outcome) if outcome.response.status == 200 => self.end(at, outcome.response),
            _ => self.end(at, first),
        }
    }

    fn end(&mut self, at: usize, response: Response) {
        self.tasks[at].state = State::Ended;
        let Envelope { reply, message, .. } = self.tasks[at].envelope.clone();
        self.reply(reply, Some(response), &message);
    }

    /// Catches up with the control object, as [`usher_edge::refresh`] does for one store.
    pub fn refresh(&mut self) {
        let mut written: Vec<Pointer> = Vec::new();
        for store in &mut self.stores {
            let Ok(Found::Pointers(found)) = store.read(&Read::Written) else { continue };
            for pointer in found {
                match written.iter_mut().find(|known| known.audience == pointer.audience) {
                    Some(known) if known.number < pointer.number => *known = pointer,
                    Some(_) => {}
                    None => written.push(pointer),
                }
            }
        }
        let mut control = WithWritten { control: &mut self.control, written };
        usher_edge::refresh(&mut self.edge, &mut control, &mut |_| ());
    }
}

/// The control object, and the newest bundles that wrote to any shard.
struct WithWritten<'s> {
    control: &'s mut MemoryStore,
    written: Vec<Pointer>,
}

impl Store for WithWritten<'_> {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        match read {
            Read::Written => Ok(Found::Pointers(self.written.clone())),
            read => self.control.read(read),
        }
    }

    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.control.stage(basis, write)
    }

    fn undo(&mut self) {
        self.control.undo();
    }

    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.control.commit(basis, write)
    }
}
