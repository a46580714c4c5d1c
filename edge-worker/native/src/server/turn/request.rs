//! Requests: the messages that they need, and their answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use usher_edge::host::Head;
use usher_edge::lookup::{self, Candidate, PendingLookup};
use usher_edge::{Refusal, Request, Response, Step, Took, front};

use super::commit::in_doubt;
use super::state::{Asking, Begun, Kind, Panicked, Service};
use super::task::{Reply, Task, panicked, to_caller};
use crate::clock::now_ms;
use crate::server::job::Job;
use crate::server::log::log_about;
use crate::store::Shards;

impl Service {
    /// Looks at a request.
    pub(super) fn begin(&mut self, job: &Job) -> Begun {
        let start = Instant::now();
        let body = match &job.body {
            Ok(body) => body,
            Err(refusal) => {
                let refused = front::failed(&self.edge, &job.head(), *refusal);
                let response = front::charge(&mut self.edge, &job.head(), refused);
                return Begun::Answered(response, start.elapsed());
            }
        };
        if self.shards.count() > 1 && job.target.starts_with("/metrics") {
            self.count_merges();
        }
        if job.target.starts_with("/metrics") {
            self.count_activations();
        }
        match front::handle(&self.edge, &request(job, body)) {
            Step::Publish { .. } | Step::Control { .. } => Begun::Alone,
            Step::Respond(response) => {
                Begun::Answered(front::charge(&mut self.edge, &job.head(), response), start.elapsed())
            }
            Step::Write { shard, message } => {
                Begun::Sent(Kind::Write, vec![(shard, message)], start.elapsed())
            }
            Step::Split(split) => {
                let messages: Vec<_> =
                    split.parts.iter().map(|part| (part.shard, part.message.clone())).collect();
                let (open, answers) = (messages.len(), vec![None; messages.len()]);
                Begun::Sent(Kind::Split { split, answers, open }, messages, start.elapsed())
            }
            Step::LookUp(pending) => match lookup::meter(&mut self.edge, &pending) {
                Err(refused) => Begun::Answered(refused, start.elapsed()),
                Ok(()) => {
                    let message = (pending.shard, pending.message(&self.edge));
                    Begun::Sent(Kind::LookUp(pending), vec![message], start.elapsed())
                }
            },
            // Builds without the control plane are for other hosts.
            Step::ControlPlane => {
                let failed = front::failed(&self.edge, &job.head(), Refusal::INTERNAL);
                Begun::Answered(failed, start.elapsed())
            }
        }
    }

    /// Counts the merges that are under way, for the page that tells them.
    fn count_merges(&mut self) {
        let found: Vec<_> = self.shards.all().filter_map(|store| store.intents().ok()).collect();
        let open = found.iter().map(|(open, _)| open).sum();
        let oldest = found.iter().filter_map(|(_, at_ms)| *at_ms).min();
        self.edge.note_merges(open, oldest.map_or(0, |at_ms| now_ms().saturating_sub(at_ms)));
    }

    /// Sends the messages of a request.
    pub(super) fn send(&mut self, asking: Asking, messages: Vec<(u32, Vec<u8>)>) {
        self.last += 1;
        let number = self.last;
        let about = asking.job.id.clone();
        self.requests.insert(number, asking);
        for (part, (shard, message)) in messages.into_iter().enumerate() {
            self.deliver(Task::about(about.clone(), shard, message, Reply::Request(number, part)));
        }
    }

    /// Takes the answer to a part of a request. None: it is not known what came of it.
    pub(super) fn take(&mut self, number: u64, part: usize, response: Option<Response>, computing: Duration) {
        let Some(asking) = self.requests.get_mut(&number) else { return };
        asking.computing += computing;
        if let Kind::Split { answers, open, .. } = &mut asking.kind {
            if let Some(answer) = answers.get_mut(part) {
                *answer = response;
            }
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.join(number);
            }
            return;
        }
        let Some(asking) = self.requests.remove(&number) else { return };
        let Asking { job, reply, kind, computing, .. } = asking;
        let start = Instant::now();
        match (kind, response) {
            (Kind::LookUp(pending), response) => {
                let response = self.answer_of(&job, &pending, response.as_ref());
                self.answer(&job, reply, response, computing + start.elapsed());
                if let Some((shard, message)) = pending.later {
                    self.deliver(Task::about(job.id, shard, message, Reply::Nobody));
                }
            }
            (_, Some(response)) => self.answer(&job, reply, to_caller(response), computing),
            // Neither that it happened nor that it did not would be true for sure.
            (_, None) => drop(reply),
        }
    }

    /// Joins the answers that there are to the parts of a request.
    pub(super) fn join(&mut self, number: u64) {
        let Some(asking) = self.requests.remove(&number) else { return };
        if let Kind::Split { split, answers, .. } = asking.kind {
            let response = to_caller(split.join(&answers));
            self.answer(&asking.job, asking.reply, response, asking.computing);
        }
    }

    /// Tells a request that the service panicked.
    pub(super) fn give_up(&mut self, number: u64) {
        if let Some(asking) = self.requests.remove(&number) {
            let _ = asking.reply.send(panicked());
        }
    }

    fn answer_of(&mut self, job: &Job, pending: &PendingLookup, snapshot: Option<&Response>) -> Response {
        let candidate = match snapshot {
            Some(snapshot) if snapshot.status == 200 => Candidate::Writer(&snapshot.body),
            _ => Candidate::Nothing,
        };
        lookup::answer(&self.edge, pending, candidate, i64::MIN)
            .unwrap_or_else(|| front::failed(&self.edge, &job.head(), Refusal::STORAGE))
    }

    /// Counts an answer and sends it.
    pub(super) fn answer(
        &mut self,
        job: &Job,
        reply: oneshot::Sender<Response>,
        response: Response,
        computing: Duration,
    ) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let took = Took { whole_us: micros(job.arrived.elapsed()), computing_us: micros(computing) };
        front::count(&mut self.edge, &job.head(), &response, took);
        if let Ok(body) = &job.body {
            front::discover(&mut self.edge, &job.head(), body, &response);
        }
        // Whoever hung up meanwhile does not want it.
        let _ = reply.send(response);
    }

    /// Serves a request with commits of its own.
    ///
    /// # Errors
    ///
    /// If the service panicked.
    pub(super) fn alone(&mut self, job: &Job, reply: oneshot::Sender<Response>) -> Result<(), Panicked> {
        let Ok(body) = &job.body else { return Ok(()) };
        let was_in_doubt = self.shards.any_in_doubt();
        let stored = |shards: &mut Shards| shards.of(0).map_or(Duration::ZERO, |store| store.spent());
        let (start, before) = (Instant::now(), stored(&mut self.shards));
        let (edge, shards) = (&mut self.edge, &mut self.shards);
        let served = catch_unwind(AssertUnwindSafe(|| {
            usher_edge::serve(edge, shards, &request(job, body), &mut |line| log_about(&job.id, line))
        }));
        if self.shards.any_in_doubt() && !was_in_doubt {
            log_about(&job.id, &in_doubt());
            return Ok(());
        }
        match served {
            Ok(response) => {
                if ["/audiences/", "/entities/"].iter().any(|start| job.target.starts_with(start)) {
                    self.note_edit();
                }
                let stored = stored(&mut self.shards).saturating_sub(before);
                self.answer(job, reply, response, start.elapsed().saturating_sub(stored));
                Ok(())
            }
            Err(_) => {
                let _ = reply.send(panicked());
                Err(Panicked)
            }
        }
    }
}

fn request<'a>(job: &'a Job, body: &'a [u8]) -> Request<'a> {
    let Head { method, target, headers, mut ambient } = job.head();
    // It arrives here: what is written is in the order of its times.
    ambient.now_ms = now_ms();
    Request { method, target, headers, body, ambient }
}
