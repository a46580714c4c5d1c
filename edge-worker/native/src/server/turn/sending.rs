//! Turns of delivery: one at a time in each shard, when messages were stored, attempts ended, or a time has come.

use std::mem;
use std::time::{Duration, Instant};

use usher_edge::message::{self, Attempt, Route};
use usher_edge::{Ambient, Response};

use super::commit::next_of;
use super::state::{Sending, Service};
use super::task::{Reply, Task};
use super::timer::place;
use crate::clock::now_ms;
use crate::limits::{ATTEMPTS_MAX, SENDING_AGAIN_TIME};
use crate::secrets::random;

impl Service {
    /// Begins the turns of delivery that are due.
    pub(super) fn send_activations(&mut self, now: Instant) {
        for (shard, result) in self.sender.ended() {
            if let Some(sending) = self.sending.get_mut(place(shard)) {
                sending.ended.push(result);
                sending.due = Some(now);
            }
        }
        let is_due = |sending: &Sending| !sending.is_under_way && sending.due.is_some_and(|due| due <= now);
        let due: Vec<u32> = (0..self.shards.count())
            .filter(|shard| self.sending.get(place(*shard)).is_some_and(is_due))
            .collect();
        let shared = ATTEMPTS_MAX.saturating_sub(self.sender.under_way());
        for shard in due.iter().copied() {
            let turns = u32::try_from(due.len()).unwrap_or(u32::MAX);
            let most = if turns > 1 { (shared / turns).max(1) } else { shared };
            self.send_turn(shard, most);
        }
    }

    fn send_turn(&mut self, shard: u32, most: u32) {
        let Ok(entropy) = random() else { return };
        let to = Route { shard, shards: self.shards.count() };
        let Some(sending) = self.sending.get_mut(place(shard)) else { return };
        sending.due = None;
        sending.is_under_way = true;
        sending.told = mem::take(&mut sending.ended);
        let ambient = Ambient { now_ms: now_ms(), entropy };
        let (resumes, told) = (!sending.resumed, sending.told.clone());
        let message = message::send_turn(ambient, resumes, most, told, to, self.edge.form());
        self.deliver(Task::new(shard, message, Reply::Sending(shard)));
    }

    /// Notes that messages of a shard may have to be sent.
    pub(super) fn note_sends(&mut self, shard: u32) {
        if let Some(sending) = self.sending.get_mut(place(shard)) {
            sending.due = Some(Instant::now());
        }
    }

    /// Begins the attempts of a turn. None: it is not known what came of it.
    pub(super) fn end_send_turn(&mut self, shard: u32, response: Option<Response>) {
        let next_ms = response.as_ref().and_then(next_of);
        let attempts = response.as_ref().filter(|response| response.status == 200);
        let attempts = attempts.and_then(|response| {
            self.edge.count_attempts(&response.counts);
            Attempt::list(&response.body)
        });
        let Some(sending) = self.sending.get_mut(place(shard)) else { return };
        sending.is_under_way = false;
        let told = mem::take(&mut sending.told);
        let Some(attempts) = attempts else {
            // They are noted by the next turn; until then messages have their leases.
            sending.ended.splice(0..0, told);
            sending.due = Some(Instant::now() + SENDING_AGAIN_TIME);
            return;
        };
        sending.resumed = true;
        if let Some(next_ms) = next_ms {
            let next = Instant::now() + Duration::from_millis(next_ms);
            sending.due = Some(sending.due.map_or(next, |due| due.min(next)));
        }
        for attempt in attempts {
            self.sender.begin(shard, attempt);
        }
    }

    /// Counts the activations that wait, and those that are parked, for the page that tells them.
    pub(super) fn count_activations(&mut self) {
        let found: Vec<_> = self.shards.all().filter_map(|store| store.activations().ok()).collect();
        let waiting = found.iter().map(|(waiting, ..)| waiting).sum();
        let oldest = found.iter().map(|(_, at_ms, _)| *at_ms).filter(|at_ms| *at_ms > 0).min();
        let parked = found.iter().map(|(.., parked)| parked).sum();
        let oldest_ms = oldest.map_or(0, |at_ms| now_ms().saturating_sub(at_ms));
        self.edge.note_activations(waiting, oldest_ms, parked);
    }
}
