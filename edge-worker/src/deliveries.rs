//! Turns of delivery one after the other, for hosts that run them within one call: an alarm, or a tick.
//!
//! A host asks for the next step until there is none. It takes the message of a turn through storage, begins the attempts of its
//! answer, and says what came of each. The writer decides the rest.

use core::mem;

use crate::edge::Edge;
use crate::limits::ATTEMPT_MS;
use crate::message::{self, Ambient, Attempt, AttemptResult, Route};
use crate::outcome::NEXT;
use crate::wire::Response;

/// The deliveries of the only shard.
#[derive(Debug)]
pub struct Deliveries {
    bounds: Bounds,
    /// The time of the next turn, Unix milliseconds.
    due_ms: i64,
    /// The time from which no attempt begins any more, Unix milliseconds.
    until_ms: i64,
    /// False until attempts that were lost with the process are noted.
    resumed: bool,
    under_way: u32,
    /// Results of which no turn has heard.
    ended: Vec<AttemptResult>,
    /// Results that the present turn notes.
    told: Vec<AttemptResult>,
    /// True from a turn that failed to the next one, which is [due](Deliveries::due_ms).
    has_failed: bool,
}

/// The bounds of a host.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Attempts at the same time.
    pub most: u32,
    /// The time after which a call begins no more attempts, in milliseconds. It ends once those under way have.
    pub time_ms: i64,
    /// The time for which a call without attempts waits for the next one, in milliseconds.
    pub wait_ms: i64,
    /// The time to the next turn after one that failed, in milliseconds.
    pub again_ms: i64,
}

/// A step of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryStep {
    /// Take this message through storage, and hand the answer to [`Deliveries::turned`].
    Turn(Vec<u8>),
    /// Wait until an attempt ends, but at most so many milliseconds.
    Wait(u64),
    /// End the call. What is left has its leases, and [`Deliveries::due_ms`].
    Rest,
}

impl Deliveries {
    /// Those of a host; `alone`: nobody else delivers, so attempts of an earlier process are lost, and made again at once. Otherwise
    /// their leases end them.
    pub fn new(bounds: Bounds, alone: bool) -> Deliveries {
        Deliveries {
            bounds,
            due_ms: 0,
            until_ms: 0,
            resumed: !alone,
            under_way: 0,
            ended: Vec::new(),
            told: Vec::new(),
            has_failed: false,
        }
    }

    /// A call begins.
    pub fn begin(&mut self, now_ms: i64) {
        self.until_ms = now_ms.saturating_add(self.bounds.time_ms);
        self.has_failed = false;
    }

    /// The time of the next turn, Unix milliseconds; 0: it is not known.
    pub fn due_ms(&self) -> i64 {
        self.due_ms
    }

    /// Messages may have been stored.
    pub fn note(&mut self) {
        self.due_ms = 0;
    }

    /// There is nothing to deliver.
    pub fn rest(&mut self) {
        self.due_ms = i64::MAX;
    }

    /// An attempt ended.
    pub fn ended(&mut self, result: AttemptResult) {
        self.under_way = self.under_way.saturating_sub(1);
        self.ended.push(result);
    }

    /// The next step.
    pub fn step(&mut self, edge: &Edge, ambient: Ambient) -> DeliveryStep {
        let now_ms = ambient.now_ms;
        let goes_on = now_ms < self.until_ms;
        let is_due = self.due_ms <= now_ms;
        if (goes_on && is_due) || (!self.ended.is_empty() && (is_due || !self.has_failed)) {
            // Messages that are stored from here on are for the next turn.
            self.due_ms = i64::MAX;
            self.told = mem::take(&mut self.ended);
            let most = if goes_on { self.bounds.most.saturating_sub(self.under_way) } else { 0 };
            let told = self.told.clone();
            let message = message::send_turn(ambient, !self.resumed, most, told, Route::ONLY, edge.form());
            return DeliveryStep::Turn(message);
        }
        let is_soon = goes_on && self.due_ms <= now_ms.saturating_add(self.bounds.wait_ms);
        if self.under_way == 0 && !is_soon {
            return DeliveryStep::Rest;
        }
        let pause_ms = self.due_ms.min(self.until_ms).saturating_sub(now_ms);
        let pause_ms = u64::try_from(pause_ms).ok().filter(|_| goes_on).unwrap_or(ATTEMPT_MS);
        DeliveryStep::Wait(pause_ms.min(ATTEMPT_MS))
    }

    /// The attempts that begin with the answer to a turn. Each is [ended](Deliveries::ended) later.
    pub fn turned(&mut self, edge: &mut Edge, now_ms: i64, response: &Response) -> Vec<Attempt> {
        let told = mem::take(&mut self.told);
        let answered = Some(response).filter(|response| response.status == 200);
        let Some(attempts) = answered.and_then(|response| Attempt::list(&response.body)) else {
            // They are noted by the next turn; until then messages have their leases.
            self.ended.splice(0..0, told);
            self.due_ms = now_ms.saturating_add(self.bounds.again_ms);
            self.has_failed = true;
            return Vec::new();
        };
        edge.count_attempts(&response.counts);
        (self.resumed, self.has_failed) = (true, false);
        let next = response.headers.iter().find(|(name, _)| *name == NEXT);
        if let Some(next_ms) = next.and_then(|(_, next_ms)| next_ms.parse().ok()) {
            self.due_ms = self.due_ms.min(now_ms.saturating_add(next_ms));
        }
        let begun = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
        self.under_way = self.under_way.saturating_add(begun);
        attempts
    }
}

#[cfg(test)]
mod tests;
