//! The pace of attempts at each destination: so many a second, and so many at the same time.

use crate::destinations::Destination;
use crate::limits::{DESTINATION_ATTEMPTS, DESTINATION_ATTEMPTS_MAX};
use crate::store::activations::FoundActivations;

const SECOND_US: i64 = 1_000_000;

/// The destinations of a turn.
pub(super) struct Pace {
    shards: u32,
    all: Vec<Paced>,
}

struct Paced {
    id: String,
    under_way: u32,
    /// When the next attempt would begin if attempts came at equal intervals, Unix microseconds.
    free_us: i64,
    is_changed: bool,
}

impl Pace {
    pub(super) fn new(found: &FoundActivations, now_ms: i64, shards: u32) -> Pace {
        let mut pace = Pace { shards, all: Vec::new() };
        for (id, free_us) in &found.free {
            // A clock that was set back does not stop deliveries.
            let latest_us = now_ms.saturating_mul(1_000).saturating_add(2 * SECOND_US * i64::from(shards));
            pace.of(id).free_us = (*free_us).min(latest_us);
        }
        for (id, under_way) in &found.under_way {
            pace.of(id).under_way = *under_way;
        }
        pace
    }

    fn of(&mut self, id: &str) -> &mut Paced {
        let at = self.all.iter().position(|known| known.id == id).unwrap_or_else(|| {
            self.all.push(Paced { id: id.to_owned(), under_way: 0, free_us: 0, is_changed: false });
            self.all.len() - 1
        });
        &mut self.all[at]
    }

    /// None: an attempt begins now. Else the time at which one may, Unix milliseconds; the present one: when another ends.
    pub(super) fn take(&mut self, destination: &Destination, now_ms: i64) -> Option<i64> {
        let interval_us = SECOND_US * i64::from(self.shards) / i64::from(destination.rate);
        let paced = self.of(&destination.id);
        if paced.under_way >= at_once(destination.rate) {
            return Some(now_ms);
        }
        let now_us = now_ms.saturating_mul(1_000);
        let next_us = paced.free_us.max(now_us).saturating_add(interval_us);
        // Attempts of a second may begin together.
        let over_us = next_us.saturating_sub(now_us.saturating_add(SECOND_US.max(interval_us)));
        if over_us > 0 {
            return Some(now_ms.saturating_add(over_us.div_euclid(1_000).saturating_add(1)));
        }
        paced.free_us = next_us;
        paced.under_way += 1;
        paced.is_changed = true;
        None
    }

    pub(super) fn changed(self) -> Vec<(String, i64)> {
        let changed = self.all.into_iter().filter(|paced| paced.is_changed);
        changed.map(|paced| (paced.id, paced.free_us)).collect()
    }
}

/// Attempts at a destination of this rate at the same time, at most: so many that it is met where each takes 100 ms.
fn at_once(rate: u32) -> u32 {
    (rate / 10).clamp(DESTINATION_ATTEMPTS, DESTINATION_ATTEMPTS_MAX)
}
