//! The end of a turn: what was served is committed, and what waited for it leaves.

use std::mem;

use usher_edge::log::STORAGE_FAILED;
use usher_edge::message::{Delivery, Route};
use usher_edge::{Line, NEXT, Response, drive, message, refresh};

use super::state::{Held, Service};
use super::task::{Reply, Task, body_of};
use crate::server::log::{event, log, log_about};

/// It is not known whether the commit happened, so its callers get no answer: a success or a failure could be false.
pub(super) fn in_doubt() -> Line {
    Line::with_detail(
        "commit_in_doubt",
        "it is not known whether a commit happened; until the database can be asked, nothing is taken",
    )
}

impl Service {
    /// Commits what was served, and answers.
    pub(super) fn close(&mut self) {
        let mut failed = Vec::new();
        for (shard, result) in self.shards.close_groups() {
            let Err(failure) = result else { continue };
            event(STORAGE_FAILED, failure.to_string());
            let is_in_doubt = self.shards.of(shard).is_some_and(|store| store.is_in_doubt());
            if is_in_doubt {
                log(&in_doubt());
            }
            failed.push((shard, is_in_doubt));
        }
        if failed.iter().any(|(_, is_in_doubt)| !is_in_doubt) {
            // What was installed meanwhile may be gone.
            refresh(&mut self.edge, &mut self.shards, &mut log);
        }
        for Held { number, mut task, next } in mem::take(&mut self.held) {
            let failure = failed.iter().find(|(shard, _)| *shard == task.shard);
            let wrote = mem::take(&mut task.wrote);
            match failure {
                None => self.go_on(number, task, next),
                Some((_, is_in_doubt)) if wrote => {
                    task.rows = None;
                    let unavailable = || drive::unavailable(&mut self.edge, &task.message);
                    let response = (!is_in_doubt).then(unavailable);
                    self.end(number, task, response);
                }
                // It may have seen what is not stored.
                Some(_) => {
                    task.start_over();
                    self.tasks.insert(number, task);
                    self.ready.push_back(number);
                }
            }
        }
    }

    /// Gives the answer to a message, which is durable, to who waits for it. None: it is not known what came of the message.
    pub(super) fn end(&mut self, number: u64, mut task: Task, response: Option<Response>) {
        if mem::take(&mut task.erases) {
            self.sender.note_erasure();
        }
        if mem::take(&mut task.sends) && !matches!(task.reply, Reply::Sending(_)) {
            self.note_sends(task.shard);
        }
        mem::take(&mut task.lines).iter().for_each(|line| log_about(&task.about, line));
        if let Some(rows) = task.rows.take() {
            self.note_due(task.shard);
            self.send_due(task.shard);
            let is_waited_for = matches!(task.reply, Reply::Request(..) | Reply::Task(..));
            if let Some(first) = response.clone()
                && is_waited_for
                && task.is_awaited
            {
                task.waits_for_merges(rows, first);
                self.sleeping.push(number);
                self.tasks.insert(number, task);
                return;
            }
        }
        if !matches!(task.reply, Reply::Upkeep(_) | Reply::Sending(_))
            && let Some(next_ms) = response.as_ref().and_then(next_of)
        {
            // Somebody waits in a journey, or rows were removed.
            self.keep_up_within(task.shard, next_ms);
        }
        match task.reply {
            Reply::Request(request, part) => self.take(request, part, response, task.computing),
            Reply::Task(asker, question) => {
                let asker_task = self.tasks.get_mut(&asker);
                if asker_task.is_some_and(|asker| asker.hears(question, response, task.computing)) {
                    self.ready.push_back(asker);
                }
            }
            Reply::Outbox(shard, row) => {
                let to = Route { shard, shards: self.shards.count() };
                let delivery = Delivery { number: row, shard: task.shard, message: task.message };
                let (answer, now_ms) = (body_of(response), self.now_ms());
                let settle = message::settle(&delivery, answer.as_deref(), now_ms, to, self.edge.form());
                self.deliver(Task::new(shard, settle, Reply::Settled(shard, row)));
            }
            Reply::Settled(shard, row) => {
                self.underway.remove(&(shard, row));
                // There may be more than are sent at once.
                self.send_due(shard);
            }
            Reply::Upkeep(shard) => {
                self.keep_up_after(shard, response.as_ref().and_then(next_of));
            }
            Reply::Sending(shard) => self.end_send_turn(shard, response),
            Reply::Nobody => {}
        }
    }

    /// The service panicked in a message: its caller gets that as the answer.
    pub(super) fn fail(&mut self, mut task: Task) {
        task.rows = None;
        match task.reply {
            Reply::Request(request, _) => self.give_up(request),
            _ => self.end(0, task, None),
        }
    }
}

/// The time after which the next turn of upkeep is due, in milliseconds, if an answer says it.
pub(super) fn next_of(response: &Response) -> Option<u64> {
    let found = response.headers.iter().find(|(name, _)| *name == NEXT);
    found.and_then(|(_, next_ms)| next_ms.parse().ok())
}
