//! One turn of the writer: the requests that wait are served one after the other, committed together, and answered.
//!
//! While a commit is synced requests gather, and the next turn takes them: so a sync serves many callers under load, and
//! nobody waits for company without it. No answer that rests on a write, by its own request or by one before it in the turn,
//! leaves before the commit.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use usher_edge::host::Head;
use usher_edge::log::STORAGE_FAILED;
use usher_edge::{Edge, Line, Refusal, Request, Response, Step, Took, drive, front, refresh};

use super::job::{Job, Waiting};
use super::log::{event, log, log_about};
use crate::clock::now_ms;
use crate::limits::{TURN_BODY_BYTES_MAX, TURN_JOBS_MAX};
use crate::store::SqliteStore;

/// The service panicked, in an unwinding build: one caller was told, and the edge has to be made anew.
#[derive(Debug)]
pub(super) struct Panicked;

/// The result of a request.
struct Served {
    response: Response,
    /// The time that the service computed.
    computing: Duration,
    /// The message of a request that has written.
    wrote: Option<Vec<u8>>,
    /// Its lines for the log.
    lines: Vec<Line>,
}

impl Served {
    fn leave(self, edge: &mut Edge, job: &Job, reply: oneshot::Sender<Response>) {
        self.lines.iter().for_each(|line| log_about(&job.id, line));
        answer(edge, job, reply, self.response, self.computing);
    }
}

/// Counts an answer and sends it.
fn answer(
    edge: &mut Edge,
    job: &Job,
    reply: oneshot::Sender<Response>,
    response: Response,
    computing: Duration,
) {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let took = Took { whole_us: micros(job.arrived.elapsed()), computing_us: micros(computing) };
    // What only wakes the writer is nobody's request.
    if !job.method.is_empty() {
        front::count(edge, &job.head(), &response, took);
    }
    // Whoever hung up meanwhile does not want it.
    let _ = reply.send(response);
}

/// An answer that waits for the commit.
struct Held {
    job: Job,
    reply: oneshot::Sender<Response>,
    served: Served,
}

/// Serves a request, and for so long those that wait behind it.
///
/// # Errors
///
/// If the service panicked. What was served before in this turn is committed and answered.
pub(super) fn turn(
    edge: &mut Edge,
    store: &mut SqliteStore,
    first: Waiting,
    jobs: &mut Receiver<Waiting>,
    time: Duration,
) -> Result<(), Panicked> {
    if let Some(happened) = store.settle_again() {
        let what = if happened { "happened" } else { "did not happen" };
        event("commit_settled", format!("the database can be asked again: the commit in doubt {what}"));
        refresh(edge, store, &mut log);
    }
    if edge.is_cut_off() {
        refresh(edge, store, &mut log);
    }
    let start = Instant::now();
    let mut next = Some(first);
    let mut held = Vec::new();
    store.open_group();
    let mut result = Ok(());
    while let Some((job, reply)) = next.take() {
        // Nothing in the service panics; should it, one caller is told. A release build aborts and is started again.
        match catch_unwind(AssertUnwindSafe(|| share(edge, store, &job))) {
            // It has seen nothing that is not durable.
            Ok(Some(served)) if store.waiting() == 0 => served.leave(edge, &job, reply),
            Ok(Some(served)) => held.push(Held { job, reply, served }),
            Ok(None) => {
                close(edge, store, mem::take(&mut held));
                result = alone(edge, store, &job, reply);
                break;
            }
            Err(_) => {
                let _ = reply.send(Response::refused(Refusal::INTERNAL));
                result = Err(Panicked);
                break;
            }
        }
        if held.len() < TURN_JOBS_MAX && start.elapsed() < time {
            next = jobs.try_recv().ok();
        }
    }
    close(edge, store, held);
    result
}

/// Tells the time of the service from that of its store.
struct Clock {
    start: Instant,
    stored: Duration,
}

impl Clock {
    fn start(store: &SqliteStore) -> Clock {
        Clock { start: Instant::now(), stored: store.spent() }
    }

    /// The time since the start in which the store did nothing.
    fn computing(&self, store: &SqliteStore) -> Duration {
        self.start.elapsed().saturating_sub(store.spent().saturating_sub(self.stored))
    }
}

/// Serves a request in the open group. None: it has commits of its own, because a failed one of the control object's must be
/// seen at once, and because nobody waits for the rows of an import.
fn share(edge: &mut Edge, store: &mut SqliteStore, job: &Job) -> Option<Served> {
    let mut lines = Vec::new();
    let mut note = |line: &Line| lines.push(line.clone());
    let mut wrote = None;
    let clock = Clock::start(store);
    let response = match &job.body {
        Err(refusal) => refuse(edge, job, *refusal),
        Ok(body) if body.len() > TURN_BODY_BYTES_MAX => return None,
        Ok(body) => {
            let request = request(job, body);
            match front::handle(edge, &request) {
                Step::Publish { .. } | Step::Control { .. } => return None,
                Step::Write { message, .. } => {
                    let before = store.waiting();
                    let response = drive::write(edge, store, &message, &mut note);
                    wrote = (store.waiting() > before).then_some(message);
                    response
                }
                step => drive::finish(edge, store, &request, step, &mut note),
            }
        }
    };
    Some(Served { response, computing: clock.computing(store), wrote, lines })
}

/// Serves a request with commits of its own.
fn alone(
    edge: &mut Edge,
    store: &mut SqliteStore,
    job: &Job,
    reply: oneshot::Sender<Response>,
) -> Result<(), Panicked> {
    let was_in_doubt = store.is_in_doubt();
    let clock = Clock::start(store);
    let served = catch_unwind(AssertUnwindSafe(|| match &job.body {
        Ok(body) => usher_edge::serve(edge, store, &request(job, body), &mut |line| log_about(&job.id, line)),
        Err(refusal) => refuse(edge, job, *refusal),
    }));
    if store.is_in_doubt() && !was_in_doubt {
        log_about(&job.id, &in_doubt());
        return Ok(());
    }
    match served {
        Ok(response) => {
            answer(edge, job, reply, response, clock.computing(store));
            Ok(())
        }
        Err(_) => {
            let _ = reply.send(Response::refused(Refusal::INTERNAL));
            Err(Panicked)
        }
    }
}

/// Neither that it happened nor that it did not would be true for sure: whoever wrote gets no answer.
fn in_doubt() -> Line {
    Line::with_detail(
        "commit_in_doubt",
        "it is not known whether a commit happened; until the database can be asked, nothing is taken",
    )
}

/// Commits what was served, and answers.
fn close(edge: &mut Edge, store: &mut SqliteStore, held: Vec<Held>) {
    let Err(failure) = store.close_group() else {
        held.into_iter().for_each(|held| held.served.leave(edge, &held.job, held.reply));
        return;
    };
    let is_in_doubt = store.is_in_doubt();
    event(STORAGE_FAILED, failure.to_string());
    if is_in_doubt {
        log(&in_doubt());
    } else {
        // What was installed meanwhile may be gone.
        refresh(edge, store, &mut log);
    }
    for Held { job, reply, served } in held {
        match served.wrote {
            Some(_) if is_in_doubt => drop(reply),
            Some(message) => {
                let response = drive::unavailable(edge, &message);
                answer(edge, &job, reply, response, served.computing);
            }
            // It may have seen what is not stored.
            None => drop(alone(edge, store, &job, reply)),
        }
    }
}

fn refuse(edge: &mut Edge, job: &Job, refusal: Refusal) -> Response {
    let refused = front::failed(edge, &job.head(), refusal);
    front::charge(edge, &job.head(), refused)
}

fn request<'a>(job: &'a Job, body: &'a [u8]) -> Request<'a> {
    let Head { method, target, headers, mut ambient } = job.head();
    // It arrives here: what is written is in the order of its times.
    ambient.now_ms = now_ms();
    Request { method, target, headers, body, ambient }
}

#[cfg(test)]
mod tests;
