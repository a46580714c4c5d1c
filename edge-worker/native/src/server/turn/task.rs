//! A message in a shard: it is read, folded and applied, asks other shards, or waits for a merge.

use std::time::{Duration, Instant};

use usher_edge::limits::{COMMITS_MAX, MERGE_MS, ROUNDS_MAX};
use usher_edge::log::STORAGE_FAILED;
use usher_edge::message;
use usher_edge::store::{CommitError, Store};
use usher_edge::{
    Ambient, Answered, Edge, Folded, Line, Question, Questions, Refusal, Request, Response, Step, drive,
    refresh,
};

use crate::limits::MERGE_PAUSE;
use crate::store::Shards;

/// Who gets the answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A request, for this part of it.
    Request(u64, usize),
    /// A message in another shard, as the answer to this question.
    Task(u64, usize),
    /// A row of a shard's outbox, by its number.
    Outbox(u32, u64),
    /// The shard has heard what came of the row.
    Settled(u32, u64),
    /// The upkeep of a shard.
    Upkeep(u32),
    /// The delivery of a shard.
    Sending(u32),
    Nobody,
}

/// What a message waits for, besides answers.
#[derive(Debug)]
pub(super) enum Sleep {
    /// For a while, before these questions are sent.
    Until(Instant, Vec<Question>),
    /// For merges that its commit began, at most so long: these rows of the outbox.
    Merges(Instant, (i64, i64)),
}

/// What is next with a message.
pub(super) enum Next {
    Answer(Response),
    Ask(Questions),
}

/// A message, and what is known of it so far.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) shard: u32,
    pub(super) message: Vec<u8>,
    pub(super) reply: Reply,
    /// The id of the request for which it is; empty: for none.
    pub(super) about: String,
    since: Instant,
    answers: Vec<Answered>,
    /// Questions without an answer yet.
    open: usize,
    rounds: usize,
    /// It was opened before.
    again: bool,
    pub(super) sleep: Option<Sleep>,
    /// The answer of its commit, when it has waited for merges.
    first: Option<Response>,
    /// It has written in this turn.
    pub(super) wrote: bool,
    /// The rows of the outbox that it has written.
    pub(super) rows: Option<(i64, i64)>,
    /// Its answer waits for those.
    pub(super) is_awaited: bool,
    /// It has stored messages to send, and it has erased something.
    pub(super) sends: bool,
    pub(super) erases: bool,
    /// Lines for the log, once it is durable.
    pub(super) lines: Vec<Line>,
    /// The time that the service computed.
    pub(super) computing: Duration,
}

impl Task {
    pub(super) fn new(shard: u32, message: Vec<u8>, reply: Reply) -> Task {
        Task::about(String::new(), shard, message, reply)
    }

    /// For the request with this id.
    pub(super) fn about(about: String, shard: u32, message: Vec<u8>, reply: Reply) -> Task {
        Task {
            shard,
            message,
            reply,
            about,
            since: Instant::now(),
            answers: Vec::new(),
            open: 0,
            rounds: 0,
            again: false,
            sleep: None,
            first: None,
            wrote: false,
            rows: None,
            is_awaited: false,
            sends: false,
            erases: false,
            lines: Vec::new(),
            computing: Duration::ZERO,
        }
    }

    /// It starts over, because what it has read is not stored.
    pub(super) fn start_over(&mut self) {
        (self.answers, self.open, self.rounds, self.again) = (Vec::new(), 0, 0, true);
        self.lines.clear();
    }

    /// It waits a little, and sends these questions then.
    pub(super) fn pause(&mut self, questions: Vec<Question>) {
        self.sleep = Some(Sleep::Until(Instant::now() + MERGE_PAUSE, questions));
    }

    /// Counts a round of questions that were not waited for.
    pub(super) fn counts_round(&mut self) {
        self.rounds += 1;
    }

    /// Notes the questions of a round; the messages to send, each with its place.
    pub(super) fn asks(&mut self, questions: Vec<Question>) -> Vec<(usize, Question)> {
        self.open = questions.len();
        let from = self.answers.len();
        let answered = |question: &Question| Answered { question: question.clone(), response: None };
        self.answers.extend(questions.iter().map(answered));
        questions.into_iter().enumerate().map(|(at, question)| (from + at, question)).collect()
    }

    /// Takes the answer to a question. True if it was the last one that was open.
    pub(super) fn hears(&mut self, question: usize, response: Option<Response>, computing: Duration) -> bool {
        self.computing += computing;
        if let Some(answered) = self.answers.get_mut(question) {
            answered.response = response;
        }
        self.open = self.open.saturating_sub(1);
        self.open == 0
    }

    /// Takes the answer of its commit, until the merges that this began are done.
    pub(super) fn waits_for_merges(&mut self, rows: (i64, i64), first: Response) {
        self.first = Some(first);
        self.sleep = Some(Sleep::Merges(Instant::now() + merge_time(), rows));
    }

    /// Takes it as far as it comes without another shard, and notes the time.
    pub(super) fn run(&mut self, edge: &mut Edge, shards: &mut Shards) -> Next {
        let mut stored = || shards.of(self.shard).map_or(Duration::ZERO, |store| store.spent());
        let (start, before) = (Instant::now(), stored());
        let next = match self.first.clone() {
            Some(first) => Next::Answer(self.answer_again(edge, shards).unwrap_or(first)),
            None => self.decide(edge, shards),
        };
        let stored = shards.of(self.shard).map_or(Duration::ZERO, |store| store.spent());
        self.computing += start.elapsed().saturating_sub(stored.saturating_sub(before));
        next
    }

    fn decide(&mut self, edge: &mut Edge, shards: &mut Shards) -> Next {
        let mut behind = 0;
        for _ in 0..COMMITS_MAX {
            let is_last = self.rounds >= ROUNDS_MAX || self.since.elapsed() >= merge_time();
            let opened = match self.again {
                true => drive::open_with(edge, &self.message, &self.answers, is_last),
                false => drive::open(edge, &self.message),
            };
            self.again = true;
            let mut opened = match opened {
                Ok(opened) => opened,
                Err(refused) => return Next::Answer(refused),
            };
            let Some(store) = shards.of(self.shard) else { break };
            let (waiting, last) = (store.waiting(), store.last_row());
            match drive::fold_and_store(edge, store, &mut opened) {
                Ok(Folded::NeedsNewerBundle { audience, number }) => {
                    match behind {
                        0 => self.refresh(edge, shards),
                        1 => self.raise(edge, shards, &audience, number),
                        _ => break,
                    }
                    behind += 1;
                }
                Ok(Folded::Ask(questions)) => return Next::Ask(questions),
                Ok(Folded::Done(outcome)) => {
                    self.wrote = store.waiting() > waiting;
                    if self.wrote
                        && let (Ok(before), Ok(after)) = (last, store.last_row())
                    {
                        self.rows = (after > before).then_some((before + 1, after));
                    }
                    self.is_awaited = outcome.write.shard.is_awaited();
                    (self.sends, self.erases) = (outcome.write.sends(), outcome.write.erases());
                    self.lines.extend(outcome.log);
                    return Next::Answer(outcome.response);
                }
                Err(CommitError::Failed(failure)) => {
                    self.lines.push(Line::with_detail(STORAGE_FAILED, failure.to_string()));
                    edge.note_storage_fault();
                    return Next::Answer(opened.unavailable());
                }
                // Nothing comes between here; the next attempt opens it again.
                _ => {}
            }
        }
        Next::Answer(drive::unavailable(edge, &self.message))
    }

    /// The answer of a message whose merges are done, or have taken too long. None: the first one stays.
    fn answer_again(&mut self, edge: &mut Edge, shards: &mut Shards) -> Option<Response> {
        let message = drive::committed(&self.message)?;
        let mut opened = drive::open_with(edge, &message, &[], true).ok()?;
        let found = shards.of(self.shard)?.read(opened.read.as_ref()?).ok()?;
        match drive::fold(edge, &mut opened, found) {
            Folded::Done(outcome) if outcome.response.status == 200 => Some(outcome.response),
            _ => None,
        }
    }

    fn refresh(&mut self, edge: &mut Edge, shards: &mut Shards) {
        refresh(edge, shards, &mut |line| self.lines.push(line.clone()));
    }

    /// Gives the control object, which has lost it, the number that a shard has seen, and catches up.
    fn raise(&mut self, edge: &mut Edge, shards: &mut Shards, audience: &str, number: u64) {
        let ambient = Ambient { now_ms: 0, entropy: [0; 32] };
        let request = Request { method: "", target: "", headers: &[], body: &[], ambient };
        let message = message::raise(audience, number, edge.form());
        let mut log = |line: &Line| self.lines.push(line.clone());
        let _ = drive::finish(edge, shards, &request, Step::Control { message }, &mut log);
    }
}

/// The time that a message waits for a merge.
fn merge_time() -> Duration {
    Duration::from_millis(MERGE_MS.unsigned_abs())
}

/// The answer of a writer as its caller gets it: there are no copies to be forgotten, and upkeep has no caller.
pub(super) fn to_caller(mut response: Response) -> Response {
    response.headers.retain(|(name, _)| ![usher_edge::FORGET, usher_edge::NEXT].contains(name));
    response
}

/// The body of an answer that is one.
pub(super) fn body_of(response: Option<Response>) -> Option<Vec<u8>> {
    response.filter(|response| response.status == 200).map(|response| response.body)
}

/// The answer to a caller of whose message nothing is known but that the service panicked.
pub(super) fn panicked() -> Response {
    Response::refused(Refusal::INTERNAL)
}
