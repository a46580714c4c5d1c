//! A deployment as in Spin: several instances on one database. Between the read and the commit of a message others come,
//! which the commit finds out by what it names.

use usher_edge::drive::{self, Opened};
use usher_edge::limits::COMMITS_MAX;
use usher_edge::lookup::{self, Candidate};
use usher_edge::store::{Basis, CommitError, Found};
use usher_edge::{Folded, Outcome, Response, Step, message};

use crate::isolate::POINTERS_MS;
use crate::planted::Bug;
use crate::setting::Fault;
use crate::world::{Exchange, Stage, World};

/// A message and how far it is.
pub struct Attempt {
    message: Vec<u8>,
    purpose: Purpose,
    tries: usize,
    times_behind: usize,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Write,
    LookUp,
    /// For the control object, whose data are in the same database.
    Instruct,
}

enum At {
    Open,
    Read(Opened),
    Fold(Opened, Basis, Found),
    Commit(Opened, Basis, Box<Outcome>),
}

impl Attempt {
    fn stage(message: Vec<u8>, purpose: Purpose) -> Stage {
        Stage::Shared(Box::new(Attempt { message, purpose, tries: 0, times_behind: 0, at: At::Open }))
    }
}

impl World {
    /// One step of a request.
    pub fn step_on_shared(&mut self, id: u64, mut exchange: Exchange) -> Option<(Exchange, i64)> {
        if !self.is_calm && self.meets(Fault::Crash) && self.chance.percent(25) {
            let setting = self.isolates[exchange.isolate].setting;
            self.crash(exchange.isolate, setting);
            return None;
        }
        match std::mem::replace(&mut exchange.stage, Stage::Front) {
            Stage::Front => self.front_on_shared(id, exchange),
            Stage::Shared(attempt) => self.attempt(id, exchange, *attempt),
            _ => None,
        }
    }

    fn front_on_shared(&mut self, id: u64, mut exchange: Exchange) -> Option<(Exchange, i64)> {
        let index = exchange.isolate;
        exchange.ambient.now_ms = self.clock(index);
        let isolate = &self.isolates[index];
        if !isolate.is_known || exchange.ambient.now_ms - isolate.checked_ms >= POINTERS_MS {
            self.refresh(index);
        }
        exchange.stage = match self.ask_front(&exchange) {
            Step::Respond(response) => return self.answer(id, exchange, response),
            Step::Write { message, .. } => Attempt::stage(message, Purpose::Write),
            Step::LookUp(pending) => {
                if let Err(refused) = lookup::meter(&mut self.isolates[index].edge, &pending) {
                    return self.answer(id, exchange, refused);
                }
                Attempt::stage(pending.message(&self.isolates[index].edge), Purpose::LookUp)
            }
            Step::Publish { message, restore, .. } => {
                if let Some(restore) = restore {
                    self.deliver_alone(index, &restore);
                }
                Attempt::stage(message, Purpose::Instruct)
            }
            Step::Control { message } => Attempt::stage(message, Purpose::Instruct),
            _ => {
                self.fail("a front of one shard and both planes hands a request over");
                return None;
            }
        };
        Some((exchange, 0))
    }

    fn attempt(&mut self, id: u64, mut exchange: Exchange, mut attempt: Attempt) -> Option<(Exchange, i64)> {
        let index = exchange.isolate;
        let pause = match self.chance.below(4) {
            0 => 0,
            _ => self.way_ms(),
        };
        attempt.at = match std::mem::replace(&mut attempt.at, At::Open) {
            At::Open => {
                self.meet_form(index);
                let edge = &mut self.isolates[index].edge;
                let opened = match attempt.tries {
                    0 => drive::open(edge, &attempt.message),
                    _ => drive::open_again(edge, &attempt.message),
                };
                match opened {
                    Ok(opened) => At::Read(opened),
                    Err(response) => return self.decided(id, exchange, &attempt, response),
                }
            }
            At::Read(opened) => match &opened.read {
                None => At::Fold(opened, Basis::default(), Found::Profiles(Vec::new())),
                Some(read) => match self.read(0, read) {
                    Ok(found) => {
                        let basis = Basis::of(read, &found);
                        At::Fold(opened, basis, found)
                    }
                    Err(failure) => {
                        self.log(&failure.to_string());
                        return self.gives_up(id, exchange, &attempt);
                    }
                },
            },
            At::Fold(mut opened, basis, found) => {
                match drive::fold(&mut self.isolates[index].edge, &mut opened, found) {
                    // It knows the sizes of its profiles now, which are small here.
                    Folded::Part(write) if write.is_empty() => At::Read(opened),
                    Folded::Done(outcome) => At::Commit(opened, basis, outcome),
                    Folded::NeedsNewerBundle { audience, number } => {
                        self.say(|| format!("#{id} needs bundle {number}"));
                        match attempt.times_behind {
                            0 => {}
                            1 => {
                                let form = self.isolates[index].edge.form();
                                self.deliver_alone(index, &message::raise(&audience, number, form));
                            }
                            _ => return self.gives_up(id, exchange, &attempt),
                        }
                        attempt.times_behind += 1;
                        self.refresh(index);
                        return self.again(id, exchange, attempt, pause);
                    }
                    _ => {
                        self.say(|| format!("#{id} is opened again: another bundle was installed"));
                        return self.again(id, exchange, attempt, pause);
                    }
                }
            }
            At::Commit(_opened, basis, outcome) => {
                let events = self.calls[exchange.call].events.clone();
                if !outcome.write.is_empty() {
                    match self.commit(0, &basis, &outcome.write, &events) {
                        Ok(()) => {}
                        Err(CommitError::Conflict) => {
                            self.say(|| format!("#{id}: another writer was faster"));
                            return self.again(id, exchange, attempt, pause);
                        }
                        Err(CommitError::Failed(_)) if self.has(Bug::RepeatsInDoubt) => {
                            return self.again(id, exchange, attempt, pause);
                        }
                        Err(CommitError::Failed(_)) if self.has(Bug::AcknowledgesFirst) => {}
                        Err(CommitError::Failed(failure)) => {
                            self.log(&failure.to_string());
                            return self.gives_up(id, exchange, &attempt);
                        }
                    }
                }
                for line in &outcome.log {
                    self.log(&line.record().to_json());
                }
                return self.decided(id, exchange, &attempt, outcome.response);
            }
        };
        exchange.stage = Stage::Shared(Box::new(attempt));
        Some((exchange, pause))
    }

    fn again(
        &mut self,
        id: u64,
        mut exchange: Exchange,
        mut attempt: Attempt,
        pause: i64,
    ) -> Option<(Exchange, i64)> {
        attempt.tries += 1;
        if attempt.tries >= COMMITS_MAX {
            return self.gives_up(id, exchange, &attempt);
        }
        attempt.at = At::Open;
        exchange.stage = Stage::Shared(Box::new(attempt));
        Some((exchange, pause))
    }

    fn gives_up(&mut self, id: u64, exchange: Exchange, attempt: &Attempt) -> Option<(Exchange, i64)> {
        let response = drive::unavailable(&mut self.isolates[exchange.isolate].edge, &attempt.message);
        self.decided(id, exchange, attempt, response)
    }

    /// A message has its answer.
    fn decided(
        &mut self,
        id: u64,
        exchange: Exchange,
        attempt: &Attempt,
        mut response: Response,
    ) -> Option<(Exchange, i64)> {
        // What only hosts read.
        response.headers.retain(|(name, _)| ![usher_edge::FORGET, usher_edge::DROPPED].contains(name));
        match attempt.purpose {
            Purpose::Write => {}
            Purpose::Instruct => self.refresh(exchange.isolate),
            Purpose::LookUp => {
                let candidate = match response.status {
                    200 => Candidate::Writer(&response.body),
                    _ => Candidate::Nothing,
                };
                response = match self.ask_front(&exchange) {
                    Step::LookUp(pending) => {
                        let edge = &self.isolates[exchange.isolate].edge;
                        let answer = lookup::answer(edge, &pending, candidate, i64::MIN);
                        answer.unwrap_or_else(|| self.failed(&exchange))
                    }
                    Step::Respond(response) => response,
                    _ => self.failed(&exchange),
                };
            }
        }
        self.answer(id, exchange, response)
    }

    /// A message that is taken to its end at once.
    fn deliver_alone(&mut self, index: usize, message: &[u8]) {
        for _ in 0..COMMITS_MAX {
            let Ok(mut opened) = drive::open(&mut self.isolates[index].edge, message) else { return };
            let Some(read) = &opened.read else { return };
            let Ok(found) = self.read(0, read) else { return };
            let basis = Basis::of(read, &found);
            let folded = drive::fold(&mut self.isolates[index].edge, &mut opened, found);
            let Folded::Done(outcome) = folded else { return };
            if outcome.write.is_empty() {
                return;
            }
            match self.commit(0, &basis, &outcome.write, &[]) {
                Err(CommitError::Conflict) => {}
                _ => return,
            }
        }
    }
}
