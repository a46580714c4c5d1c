//! Several shards: each message between a front, a shard and another shard is on its own way, and may be lost, late or doubled;
//! a shard keeps messages in memory while it waits for answers, and forgets them when it dies.
//!
//! The steps are those that every host with several shards takes (docs/shards.md).

use usher_edge::drive;
use usher_edge::limits::{COMMITS_MAX, ROUNDS_MAX};
use usher_edge::message::{self, Delivery, Route};
use usher_edge::store::{Basis, CommitError, Found, Read};
use usher_edge::{Answered, Folded, Question, Response, Split, Store};

use crate::objects::Object;
use crate::planted::Bug;
use crate::setting::Fault;
use crate::world::{Due, Exchange, Stage, World};

/// How long a shard or front waits for the answer of another shard, in milliseconds.
const PATIENCE_MS: i64 = 5_000;
/// How long a message waits between two looks at a sealed profile, and how often.
const PAUSE_MS: i64 = 250;
const WAITS_MAX: usize = 8;

/// A message on its way to a shard.
pub struct Envelope {
    shard: u32,
    message: Vec<u8>,
    events: Vec<usize>,
    /// The time at which its front took it; 0: no front did.
    at_ms: i64,
    reply: Reply,
}

/// Who gets an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A request at a front, for one of its parts.
    Request(u64, usize),
    /// A message that waits in a shard, for one of its questions.
    Question(u64, usize),
    /// A row of a shard's outbox.
    Outbox(u32, u64, Vec<u8>),
    /// Nobody.
    Nobody,
}

/// A message in the memory of a shard.
pub struct Task {
    envelope: Envelope,
    answers: Vec<Answered>,
    is_decided: Vec<bool>,
    open: usize,
    rounds: usize,
    waits: usize,
    times_behind: usize,
    /// The answer of the commit, while the merges that it began go on.
    first: Option<Response>,
}

/// The parts of a request that wait for their shards.
pub struct Parts {
    split: Option<Box<Split>>,
    message: Vec<u8>,
    answers: Vec<Option<Response>>,
    is_decided: Vec<bool>,
}

impl World {
    /// Sends a request's message, or its parts, to the shards.
    pub fn give_to_shards(
        &mut self,
        id: u64,
        mut exchange: Exchange,
        parts: Vec<Question>,
        split: Option<Box<Split>>,
    ) -> Option<(Exchange, i64)> {
        let events = self.calls[exchange.call].events.clone();
        let message = parts.first().map(|part| part.message.clone()).unwrap_or_default();
        let (answers, is_decided) = (vec![None; parts.len()], vec![false; parts.len()]);
        let at_ms = exchange.ambient.now_ms;
        exchange.stage = Stage::Parts(Parts { split, message, answers, is_decided });
        self.exchanges.insert(id, exchange);
        for (part, Question { shard, message }) in parts.into_iter().enumerate() {
            self.say(|| format!("#{id}: part {part} goes to shard {shard}"));
            let reply = Reply::Request(id, part);
            self.post(Envelope { shard, message, events: events.clone(), at_ms, reply });
        }
        None
    }

    /// All parts of a request have answers, or none in time.
    pub fn joined(&mut self, exchange: &Exchange, parts: Parts) -> Response {
        match parts.split {
            Some(split) => split.join(&parts.answers),
            None => match parts.answers.into_iter().next().flatten() {
                Some(response) => response,
                None => drive::unavailable(&mut self.isolates[exchange.isolate].edge, &parts.message),
            },
        }
    }

    fn post(&mut self, envelope: Envelope) {
        if envelope.reply != Reply::Nobody {
            self.schedule(PATIENCE_MS, Due::GiveUp(envelope.reply.clone()));
        }
        // What an outbox sends arrives at least once; nothing else comes twice.
        if matches!(envelope.reply, Reply::Outbox(..)) && self.meets(Fault::Twice) {
            let Envelope { shard, message, events, at_ms, .. } = &envelope;
            let copy = Envelope {
                shard: *shard,
                message: message.clone(),
                events: events.clone(),
                at_ms: *at_ms,
                reply: Reply::Nobody,
            };
            let way = self.way_ms();
            self.schedule(way, Due::Arrive(Box::new(copy)));
        }
        if self.meets(Fault::Lost) {
            self.say(|| format!("a message to shard {} is lost", envelope.shard));
            return;
        }
        let way = self.way_ms();
        self.schedule(way, Due::Arrive(Box::new(envelope)));
    }

    /// A message reaches its shard.
    pub fn arrive(&mut self, envelope: Envelope) {
        self.next_task += 1;
        let number = self.next_task;
        let task = Task {
            envelope,
            answers: Vec::new(),
            is_decided: Vec::new(),
            open: 0,
            rounds: 0,
            waits: 0,
            times_behind: 0,
            first: None,
        };
        self.run_task(number, task);
    }

    /// Time has passed for a message that waits in a shard.
    pub fn wake(&mut self, number: u64) {
        let Some(mut task) = self.tasks.remove(&number) else { return };
        if task.first.is_none() {
            return self.run_task(number, task);
        }
        task.waits += 1;
        if task.waits < WAITS_MAX && self.has_outbox(task.envelope.shard) {
            self.tasks.insert(number, task);
            return self.schedule(PAUSE_MS, Due::Wake(number));
        }
        self.answer_again(task);
    }

    /// Nobody waits for this answer any longer.
    pub fn give_up(&mut self, reply: Reply) {
        self.reply(reply, None);
    }

    fn reply(&mut self, reply: Reply, response: Option<Response>) {
        match reply {
            Reply::Nobody => {}
            Reply::Request(id, part) => {
                let Some(exchange) = self.exchanges.get_mut(&id) else { return };
                let Stage::Parts(parts) = &mut exchange.stage else { return };
                if std::mem::replace(&mut parts.is_decided[part], true) {
                    return;
                }
                parts.answers[part] = response;
                if parts.is_decided.iter().all(|is| *is) {
                    self.schedule(0, Due::Step(id));
                }
            }
            Reply::Question(number, index) => {
                let Some(task) = self.tasks.get_mut(&number) else { return };
                if std::mem::replace(&mut task.is_decided[index], true) {
                    return;
                }
                task.answers[index].response = response;
                task.open -= 1;
                if task.open == 0
                    && let Some(task) = self.tasks.remove(&number)
                {
                    self.run_task(number, task);
                }
            }
            Reply::Outbox(shard, number, message) => {
                if !self.sent.remove(&(shard, number)) {
                    return;
                }
                let answer = response.filter(|response| response.status == 200).map(|response| response.body);
                let to = Route { shard, shards: self.setting.shards };
                let form = self.isolates[self.places[shard as usize]].edge.form();
                let delivery = Delivery { number, shard, message };
                let settle = message::settle(&delivery, answer.as_deref(), self.now_ms, to, form);
                let events = Vec::new();
                self.arrive(Envelope { shard, message: settle, events, at_ms: 0, reply: Reply::Nobody });
            }
        }
    }

    /// Takes a message as far as it comes without an answer of another shard.
    fn run_task(&mut self, number: u64, mut task: Task) {
        let (shard, message) = (task.envelope.shard, task.envelope.message.clone());
        let object = Object::Writer(shard);
        for attempt in 0..COMMITS_MAX {
            let place = self.places[shard as usize];
            if !self.meet_at_object(object) {
                let response = drive::unavailable(&mut self.isolates[place].edge, &message);
                return self.end_task(task, response);
            }
            let is_last = task.rounds >= ROUNDS_MAX || task.waits >= WAITS_MAX;
            let is_again = attempt + task.rounds + task.waits > 0;
            let edge = &mut self.isolates[place].edge;
            let opened = match is_again {
                true => drive::open_with(edge, &message, &task.answers, is_last),
                false => drive::open(edge, &message),
            };
            let mut opened = match opened {
                Ok(opened) => opened,
                Err(refused) => return self.end_task(task, refused),
            };
            let (basis, folded) = loop {
                let found = match &opened.read {
                    None => Found::Profiles(Vec::new()),
                    Some(read) => match self.read(shard as usize, read) {
                        Ok(found) => found,
                        Err(failure) => {
                            self.log(&failure.to_string());
                            let response = drive::unavailable(&mut self.isolates[place].edge, &message);
                            return self.end_task(task, response);
                        }
                    },
                };
                let basis = opened.read.as_ref().map(|read| Basis::of(read, &found)).unwrap_or_default();
                match drive::fold(&mut self.isolates[place].edge, &mut opened, found) {
                    // It reads once more.
                    Folded::Part(write) if write.is_empty() => {}
                    folded => break (basis, folded),
                }
            };
            let outcome = match folded {
                // Few events are folded in one part.
                Folded::OpenAgain | Folded::Part(_) => continue,
                Folded::Ask(asked) => return self.ask(number, task, asked.questions, asked.wait),
                // This build has it.
                Folded::ControlPlane => break,
                Folded::NeedsNewerBundle { audience, number } => {
                    if task.times_behind >= 2 {
                        break;
                    }
                    if task.times_behind == 1 {
                        let raise = message::raise(&audience, number, self.isolates[place].edge.form());
                        self.tell(Object::Control, &raise);
                    }
                    task.times_behind += 1;
                    self.refresh(place);
                    continue;
                }
                Folded::Done(outcome) => outcome,
            };
            if self.meets(Fault::Crash) && !self.has(Bug::AcknowledgesFirst) {
                return self.die(object);
            }
            if !outcome.write.is_empty() {
                let events = task.envelope.events.clone();
                self.taken_ms = task.envelope.at_ms;
                match self.commit(shard as usize, &basis, &outcome.write, &events) {
                    Ok(()) => {}
                    Err(CommitError::Conflict) => continue,
                    Err(_) if self.has(Bug::AcknowledgesFirst) => {}
                    Err(_) if self.has(Bug::RepeatsInDoubt) => continue,
                    Err(CommitError::Failed(failure)) => {
                        self.log(&failure.to_string());
                        // It may have been made: the rows of its outbox are looked at later.
                        self.schedule(PAUSE_MS, Due::Alarm(shard));
                        let response = drive::unavailable(&mut self.isolates[place].edge, &message);
                        return self.end_task(task, response);
                    }
                }
            }
            for line in &outcome.log {
                self.log(&line.record().to_json());
            }
            if self.meets(Fault::Crash) {
                return self.die(object);
            }
            self.send_due(shard);
            let is_awaited = matches!(task.envelope.reply, Reply::Request(..) | Reply::Question(..));
            let has_merges = !outcome.write.shard.outbox.is_empty() && outcome.write.shard.is_awaited();
            if has_merges && is_awaited {
                task.first = Some(outcome.response);
                self.tasks.insert(number, task);
                return self.schedule(PAUSE_MS, Due::Wake(number));
            }
            return self.end_task(task, outcome.response);
        }
        let place = self.places[shard as usize];
        let response = drive::unavailable(&mut self.isolates[place].edge, &message);
        self.end_task(task, response);
    }

    fn ask(&mut self, number: u64, mut task: Task, questions: Vec<Question>, wait: bool) {
        match wait {
            true => task.waits += 1,
            false => task.rounds += 1,
        }
        if questions.is_empty() {
            self.tasks.insert(number, task);
            return self.schedule(PAUSE_MS, Due::Wake(number));
        }
        task.open = questions.len();
        let first = task.answers.len();
        for question in &questions {
            task.answers.push(Answered { question: question.clone(), response: None });
            task.is_decided.push(false);
        }
        let Envelope { events, shard, at_ms, .. } = &task.envelope;
        let (events, shard, at_ms) = (events.clone(), *shard, *at_ms);
        self.tasks.insert(number, task);
        for (index, Question { shard: to, message }) in questions.into_iter().enumerate() {
            self.say(|| format!("shard {shard} asks shard {to}"));
            let reply = Reply::Question(number, first + index);
            self.post(Envelope { shard: to, message, events: events.clone(), at_ms, reply });
        }
    }

    /// The answer of a message whose merges are done, or take too long.
    fn answer_again(&mut self, mut task: Task) {
        let Some(first) = task.first.take() else { return };
        let shard = task.envelope.shard;
        let place = self.places[shard as usize];
        let Some(message) = drive::committed(&task.envelope.message) else {
            return self.end_task(task, first);
        };
        let opened = drive::open_with(&mut self.isolates[place].edge, &message, &[], true);
        let Ok(mut opened) = opened else { return self.end_task(task, first) };
        let found = opened.read.as_ref().map(|read| self.disks[shard as usize].read(read));
        let Some(Ok(found)) = found else { return self.end_task(task, first) };
        match drive::fold(&mut self.isolates[place].edge, &mut opened, found) {
            Folded::Done(outcome) if outcome.response.status == 200 => self.end_task(task, outcome.response),
            _ => self.end_task(task, first),
        }
    }

    fn end_task(&mut self, task: Task, response: Response) {
        let Envelope { shard, reply, .. } = task.envelope;
        if reply == Reply::Nobody {
            return;
        }
        self.say(|| format!("shard {shard} answers {} to {}", response.status, named(&reply)));
        if self.meets(Fault::Lost) {
            self.say(|| "that answer is lost".to_owned());
            return;
        }
        let way = self.way_ms();
        self.schedule(way, Due::Reply(reply, Box::new(response)));
    }

    /// An answer reaches who waits for it.
    pub fn answered(&mut self, reply: Reply, response: Response) {
        self.reply(reply, Some(response));
    }

    /// What a shard had in memory is gone.
    pub fn forget_tasks(&mut self, shard: u32) {
        self.tasks.retain(|_, task| task.envelope.shard != shard);
        self.sent.retain(|(of, _)| *of != shard);
        self.schedule(PAUSE_MS, Due::Alarm(shard));
    }

    /// Sends what is due in a shard's outbox, as its alarm does.
    pub fn send_due(&mut self, shard: u32) {
        let Ok(Found::Unanswered(due)) = self.disks[shard as usize].read(&Read::Unanswered(self.now_ms))
        else {
            return;
        };
        for Delivery { number, shard: to, message } in due {
            if self.sent.insert((shard, number)) {
                self.say(|| format!("shard {shard} sends row {number} of its outbox to shard {to}"));
                let reply = Reply::Outbox(shard, number, message.clone());
                self.post(Envelope { shard: to, message, events: Vec::new(), at_ms: 0, reply });
            }
        }
        if self.has_outbox(shard) && self.alarms.insert(shard) {
            self.schedule(1_000, Due::Alarm(shard));
        }
    }

    /// A shard's alarm.
    pub fn alarm(&mut self, shard: u32) {
        self.alarms.remove(&shard);
        self.send_due(shard);
    }

    fn has_outbox(&mut self, shard: u32) -> bool {
        matches!(self.disks[shard as usize].read(&Read::Unanswered(i64::MAX)), Ok(Found::Unanswered(due)) if !due.is_empty())
    }
}

fn named(reply: &Reply) -> String {
    match reply {
        Reply::Request(id, _) => format!("#{id}"),
        Reply::Question(..) => "another shard".to_owned(),
        Reply::Outbox(shard, row, _) => format!("row {row} of shard {shard}"),
        Reply::Nobody => "nobody".to_owned(),
    }
}
