//! One turn of the writer: the requests that wait are served one after the other, committed together, and answered.
//!
//! While a commit is synced requests gather, and the next turn takes them: so a sync serves many callers under load, and
//! nobody waits for company without it. No answer that rests on a write, by its own request or by one before it in the turn,
//! leaves before the commit. The same holds for what one shard says to another: so each sees of others only what is durable.

mod commit;
mod request;
mod sending;
mod state;
mod task;
mod timer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;
use usher_edge::refresh;

use super::job::Waiting;
use super::log::log;
use crate::limits::{TURN_BODY_BYTES_MAX, TURN_JOBS_MAX};
use state::{Asking, Begun, Held, Panicked};
use task::{Next, Task, panicked};

pub(super) use state::Service;

impl Service {
    /// Serves a request, if there is one, and for so long those that wait behind it, and the messages between shards.
    ///
    /// # Errors
    ///
    /// If the service panicked. What was served before in this turn is committed and answered.
    pub(super) fn turn(
        &mut self,
        first: Option<Waiting>,
        jobs: &mut Receiver<Waiting>,
        time: Duration,
    ) -> Result<(), Panicked> {
        self.settle_doubts();
        if self.edge.is_cut_off() {
            refresh(&mut self.edge, &mut self.shards, &mut log);
        }
        let start = Instant::now();
        self.tick(start);
        self.shards.open_groups();
        let mut result = self.work();
        let (mut next, mut taken) = (first, 0);
        while result.is_ok()
            && let Some((job, reply)) = next.take()
        {
            taken += 1;
            let is_long = job.body.as_ref().is_ok_and(|body| body.len() > TURN_BODY_BYTES_MAX);
            if is_long {
                // It has a commit of its own, because nobody waits for the rows of an import.
                self.close();
                self.shards.open_groups();
            }
            // Nothing in the service panics; should it, one caller is told. A release build aborts and is started again.
            match catch_unwind(AssertUnwindSafe(|| self.begin(&job))) {
                Ok(Begun::Answered(response, computing)) => self.answer(&job, reply, response, computing),
                Ok(Begun::Sent(kind, messages, computing)) => {
                    self.send(Asking { job, reply, kind, since: Instant::now(), computing }, messages);
                    result = self.work();
                }
                Ok(Begun::Alone) => {
                    self.close();
                    return self.alone(&job, reply);
                }
                Err(_) => {
                    let _ = reply.send(panicked());
                    result = Err(Panicked);
                }
            }
            // After a panic those behind it stay in the queue, for the edge that is made next.
            if result.is_ok() && !is_long && taken < TURN_JOBS_MAX && start.elapsed() < time {
                next = jobs.try_recv().ok();
            }
        }
        self.close();
        result
    }

    /// Takes each message that can go on as far as it comes.
    fn work(&mut self) -> Result<(), Panicked> {
        while let Some(number) = self.ready.pop_front() {
            let Some(mut task) = self.tasks.remove(&number) else { continue };
            let (edge, shards) = (&mut self.edge, &mut self.shards);
            let Ok(next) = catch_unwind(AssertUnwindSafe(|| task.run(edge, shards))) else {
                self.fail(task);
                return Err(Panicked);
            };
            // It has seen nothing that is not durable.
            if self.shards.of(task.shard).is_none_or(|store| store.waiting() == 0) {
                self.go_on(number, task, next);
            } else {
                self.held.push(Held { number, task, next });
            }
        }
        Ok(())
    }

    /// The step after a message has run, and is durable.
    fn go_on(&mut self, number: u64, mut task: Task, next: Next) {
        match next {
            Next::Answer(response) => self.end(number, task, Some(response)),
            Next::Ask(asked) if asked.wait || asked.questions.is_empty() => {
                task.pause(asked.questions);
                self.sleeping.push(number);
                self.tasks.insert(number, task);
            }
            Next::Ask(asked) => {
                task.counts_round();
                self.ask(number, task, asked.questions);
            }
        }
    }
}

#[cfg(test)]
mod tests;
