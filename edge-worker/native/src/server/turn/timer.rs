//! What is done when time has passed: stored messages are sent, upkeep is due, and what sleeps is looked at again.

use std::time::{Duration, Instant};

use usher_edge::Ambient;
use usher_edge::log::STORAGE_FAILED;
use usher_edge::message::{self, Delivery, Route};
use usher_edge::store::{Found, Read, Store};

use super::state::{Kind, Service};
use super::task::{Reply, Sleep, Task};
use crate::clock::now_ms;
use crate::limits::{
    DRAFT_REST_TIME, FIRST_UPKEEP_TIME, MERGE_PAUSE, OUTBOX_PAUSE, PARTS_TIME, UPKEEP_AT_ONCE_MAX, WAKE_TIME,
};
use crate::secrets::random;
use crate::server::log::{event, log};

impl Service {
    /// The time for which the writer may wait for a request.
    pub(in crate::server) fn pause_time(&self) -> Duration {
        if !self.sleeping.is_empty() {
            return MERGE_PAUSE;
        }
        let now = Instant::now();
        let sending = self.sending.iter().map(|sending| &sending.due);
        let due = self.due.iter().chain([&self.drafts]).chain(sending).flatten();
        let due = due.map(|at| at.saturating_duration_since(now)).min();
        due.map_or(WAKE_TIME, |due| due.min(WAKE_TIME))
    }

    /// Begins what is due.
    pub(super) fn tick(&mut self, now: Instant) {
        if now >= self.forget {
            self.forget = now + WAKE_TIME;
            self.shards.all().for_each(|store| store.forget(false));
        }
        for number in std::mem::take(&mut self.sleeping) {
            self.look_at(number, now);
        }
        let is_late = |kind: &Kind, since: Instant| {
            matches!(kind, Kind::Split { .. }) && now.saturating_duration_since(since) >= PARTS_TIME
        };
        let late = self.requests.iter().filter(|(_, asking)| is_late(&asking.kind, asking.since));
        let late: Vec<u64> = late.map(|(number, _)| *number).collect();
        late.into_iter().for_each(|number| self.join(number));
        for shard in 0..self.shards.count() {
            if self.due.get(place(shard)).is_some_and(|due| due.is_some_and(|due| due <= now)) {
                self.send_due(shard);
            }
        }
        if self.drafts.is_some_and(|at| at <= now) {
            self.publish_due(now);
        }
        self.send_activations(now);
        let is_due = |shard: &u32| self.upkeep.get(place(*shard)).is_some_and(|at| *at <= now);
        let due: Vec<u32> = (0..self.shards.count()).filter(is_due).take(UPKEEP_AT_ONCE_MAX).collect();
        due.into_iter().for_each(|shard| self.keep_up(shard));
    }

    /// Publishes the draft that was due first; the others are looked at in the next turn.
    fn publish_due(&mut self, now: Instant) {
        let Ok(entropy) = random() else { return };
        let ambient = Ambient { now_ms: now_ms(), entropy };
        let (edge, shards) = (&mut self.edge, &mut self.shards);
        let had_one = usher_edge::drive::publish_due(edge, shards, ambient, &mut log);
        self.drafts = had_one.then_some(now);
    }

    /// Looks at drafts when one that was edited now has rested.
    pub(super) fn note_edit(&mut self) {
        self.drafts = Some(Instant::now() + DRAFT_REST_TIME);
    }

    /// Wakes a message, or lets it sleep on.
    fn look_at(&mut self, number: u64, now: Instant) {
        let Some(mut task) = self.tasks.remove(&number) else { return };
        match task.sleep.take() {
            Some(Sleep::Until(at, questions)) if now >= at && !questions.is_empty() => {
                return self.ask(number, task, questions);
            }
            Some(Sleep::Until(at, questions)) if now < at => {
                task.sleep = Some(Sleep::Until(at, questions));
                self.sleeping.push(number);
            }
            Some(Sleep::Merges(until, rows)) if now < until && self.has_rows(task.shard, rows) => {
                task.sleep = Some(Sleep::Merges(until, rows));
                self.sleeping.push(number);
            }
            _ => self.ready.push_back(number),
        }
        self.tasks.insert(number, task);
    }

    fn has_rows(&mut self, shard: u32, rows: (i64, i64)) -> bool {
        self.shards.of(shard).is_some_and(|store| store.has_rows(rows).unwrap_or(false))
    }

    /// The time as stored messages have it: it does not go back where the clock does.
    pub(super) fn now_ms(&self) -> i64 {
        now_ms().saturating_add(self.behind_ms)
    }

    /// Takes the latest message that a shard has stored as due now: the clock may have been set back since.
    pub(super) fn note_due(&mut self, shard: u32) {
        let latest = self.shards.of(shard).map_or(Ok(None), |store| store.latest_due());
        match latest {
            Ok(Some(due_ms)) => {
                self.behind_ms = self.behind_ms.max(due_ms.saturating_sub(now_ms()));
                self.look_after(shard, Some(Duration::ZERO));
            }
            Ok(None) => {}
            Err(_) => self.look_after(shard, Some(OUTBOX_PAUSE)),
        }
    }

    /// Sends what every shard had stored when the process ended.
    pub(super) fn resume(&mut self) {
        (0..self.shards.count()).for_each(|shard| self.note_due(shard));
    }

    fn look_after(&mut self, shard: u32, time: Option<Duration>) {
        if let Some(due) = self.due.get_mut(place(shard)) {
            *due = time.map(|time| Instant::now() + time);
        }
    }

    /// Sends the messages of a shard that are due and not on their way.
    pub(super) fn send_due(&mut self, shard: u32) {
        let now_ms = self.now_ms();
        let Some(store) = self.shards.of(shard) else { return };
        // What waits for a commit is not stored yet.
        let found = if store.waiting() == 0 { store.read(&Read::Unanswered(now_ms)) } else { return };
        let due = match found {
            Ok(Found::Unanswered(due)) => due,
            Ok(_) => return,
            Err(failure) => {
                event(STORAGE_FAILED, failure.to_string());
                return self.look_after(shard, Some(OUTBOX_PAUSE));
            }
        };
        let is_empty = store.latest_due().is_ok_and(|latest| latest.is_none());
        self.look_after(shard, (!is_empty).then_some(OUTBOX_PAUSE));
        for Delivery { number, shard: to, message } in due {
            if self.underway.insert((shard, number)) {
                self.deliver(Task::new(to, message, Reply::Outbox(shard, number)));
            }
        }
    }

    /// Begins a turn of a shard's upkeep.
    fn keep_up(&mut self, shard: u32) {
        self.keep_up_after(shard, None);
        let Ok(entropy) = random() else { return };
        let ambient = Ambient { now_ms: now_ms(), entropy };
        let to = Route { shard, shards: self.shards.count() };
        let message = message::upkeep(ambient, false, to, self.edge.form());
        self.deliver(Task::new(shard, message, Reply::Upkeep(shard)));
    }

    /// Notes when the next turn of a shard's upkeep is due. None: it did not say.
    pub(super) fn keep_up_after(&mut self, shard: u32, next_ms: Option<u64>) {
        if let Some(at) = self.upkeep.get_mut(place(shard)) {
            *at = Instant::now() + next_ms.map_or(FIRST_UPKEEP_TIME, Duration::from_millis);
        }
    }

    /// Notes that a turn of a shard's upkeep is due after this time at the latest, in milliseconds.
    pub(super) fn keep_up_within(&mut self, shard: u32, next_ms: u64) {
        if let Some(at) = self.upkeep.get_mut(place(shard)) {
            *at = (*at).min(Instant::now() + Duration::from_millis(next_ms));
        }
    }

    /// Asks databases again of which it is not known whether a commit happened.
    pub(super) fn settle_doubts(&mut self) {
        if !self.shards.any_in_doubt() {
            return;
        }
        let settled: Vec<bool> = self.shards.all().filter_map(|store| store.settle_again()).collect();
        for happened in &settled {
            let what = if *happened { "happened" } else { "did not happen" };
            event("commit_settled", format!("the database can be asked again: the commit in doubt {what}"));
        }
        if !settled.is_empty() {
            usher_edge::refresh(&mut self.edge, &mut self.shards, &mut log);
        }
    }
}

/// The place of a shard in a list.
pub(super) fn place(shard: u32) -> usize {
    usize::try_from(shard).unwrap_or(usize::MAX)
}
