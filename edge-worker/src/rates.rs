//! Rates for callers by public keys, per source, so that a source that sends without end does not affect others; and those
//! of server keys that have one.
//!
//! A source may use [`RATE_SECONDS`] of its rate at once; what it used is refilled second by second. So a page may send
//! what it collected offline, but not a stream above the rate. Everything is in memory: it starts over with the
//! process, or with the isolate of a shard. A trap does not end it: the host copies the numbers into the next instance
//! ([`MeterMemory`]).

use sha2::{Digest, Sha256};

use crate::limits::{BATCH_EVENTS_MAX, RATE_SECONDS, SOURCES_MAX};
use crate::message::{Ambient, Payer};

/// The rates of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Events per second; 0: unlimited.
    pub events: u32,
    /// New profiles per minute; 0: unlimited.
    pub new_profiles: u32,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates { events: 100, new_profiles: 3_000 }
    }
}

/// The use of rates by source and key.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    rates: Rates,
    /// Makes the hashes of sources differ between processes, so that nobody can choose sources that collide.
    seed: [u8; 32],
    /// Sets of [`WAYS`] sources each; empty until the first request.
    used: Vec<Used>,
}

/// The place of the sources' use in an instance's memory, which outlives a trap. It has plain numbers, so that a host may
/// copy these bytes into another instance of the same build with the same seed, whenever the trap came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterMemory {
    /// The address of the first byte.
    pub address: usize,
    /// In bytes.
    pub length: usize,
}

/// The number of slots that may hold a source.
const WAYS: usize = 4;
/// One profile, in the unit of [`Used::new_profiles`].
const PROFILE: u64 = 60_000;
/// The time that refills everything.
const FULL_MS: i64 = RATE_SECONDS as i64 * 1_000;

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// The hash of the source; 0: an empty slot.
    hash: u64,
    /// The time up to which it was refilled, Unix milliseconds.
    at_ms: i64,
    /// The latest time that was seen.
    latest_ms: i64,
    /// In thousandths of an event.
    events: u64,
    /// In sixty-thousandths of a profile: at one a minute, each millisecond refills one, so that nothing is rounded.
    new_profiles: u64,
}

impl Used {
    /// The milliseconds that refill. A clock that goes back refills nothing, nor does its return.
    fn passed(&mut self, now_ms: i64) -> u64 {
        let passed = now_ms.saturating_sub(self.at_ms);
        // Behind a time that was seen, as long a step is the clock's return.
        let returns = self.at_ms < self.latest_ms && passed > FULL_MS;
        // A clock that was set back is followed at once; otherwise nothing would be refilled until its earlier time.
        if !(-FULL_MS..=0).contains(&passed) {
            self.at_ms = now_ms;
        }
        self.latest_ms = self.latest_ms.max(now_ms);
        if returns { 0 } else { u64::try_from(passed).unwrap_or(0) }
    }
}

impl Meter {
    pub(crate) fn set_rates(&mut self, rates: Rates) {
        self.rates = rates;
    }

    /// Makes the slots, which are not moved after. The seed must be unpredictable.
    pub(crate) fn start(&mut self, seed: [u8; 32]) -> MeterMemory {
        self.seed = seed;
        self.used = vec![Used::default(); SOURCES_MAX];
        MeterMemory { address: self.used.as_ptr().addr(), length: size_of_val(self.used.as_slice()) }
    }

    /// The rates of this caller.
    fn rates_of(&self, payer: &Payer<'_>) -> Rates {
        match payer {
            Payer::Source(_) => self.rates,
            Payer::Key { events, .. } => Rates { events: *events, new_profiles: 0 },
        }
    }

    /// Takes this many events from a caller's rate.
    ///
    /// # Errors
    ///
    /// The number of seconds until it may retry; nothing was taken.
    pub(crate) fn take_events(
        &mut self,
        payer: &Payer<'_>,
        events: usize,
        ambient: &Ambient,
    ) -> Result<(), u64> {
        let rate = u64::from(self.rates_of(payer).events);
        if rate == 0 || events == 0 {
            return Ok(());
        }
        let used = self.used(payer, ambient);
        let wanted = used.events.saturating_add(thousandths(events));
        let most = most(rate);
        if wanted > most {
            return Err((wanted - most).div_ceil(rate * 1_000));
        }
        used.events = wanted;
        Ok(())
    }

    /// The number of seconds until a caller may send one event; None: it may now. Nothing is taken.
    pub(crate) fn wait(&self, payer: &Payer<'_>, ambient: &Ambient) -> Option<u64> {
        let rate = u64::from(self.rates_of(payer).events);
        if rate == 0 || self.used.is_empty() {
            return None;
        }
        let hash = self.hash(payer);
        let mut used = *self.set(hash).iter().find(|used| used.hash == hash)?;
        let refilled = used.passed(ambient.now_ms).saturating_mul(rate);
        let over = (used.events.saturating_sub(refilled) + thousandths(1)).saturating_sub(most(rate));
        (over > 0).then(|| over.div_ceil(rate * 1_000))
    }

    /// The number of new profiles that a caller may still create; None: unlimited.
    pub(crate) fn new_profiles_left(&mut self, payer: &Payer<'_>, ambient: &Ambient) -> Option<usize> {
        let most = u64::from(self.rates_of(payer).new_profiles) * PROFILE;
        (most > 0).then(|| {
            let left = most.saturating_sub(self.used(payer, ambient).new_profiles) / PROFILE;
            usize::try_from(left).unwrap_or(usize::MAX)
        })
    }

    pub(crate) fn made_profiles(&mut self, payer: &Payer<'_>, profiles: usize, ambient: &Ambient) {
        if profiles > 0 && self.rates_of(payer).new_profiles > 0 {
            let used = self.used(payer, ambient);
            let made = u64::try_from(profiles).unwrap_or(u64::MAX).saturating_mul(PROFILE);
            used.new_profiles = used.new_profiles.saturating_add(made);
        }
    }

    /// The current use of a caller. Without a free slot, the least recently seen one is dropped.
    fn used(&mut self, payer: &Payer<'_>, ambient: &Ambient) -> &mut Used {
        if self.used.is_empty() {
            self.start(ambient.entropy);
        }
        let hash = self.hash(payer);
        let first = self.first(hash);
        let set = self.set(hash);
        let known = set.iter().position(|used| used.hash == hash);
        let way = known.unwrap_or_else(|| {
            let oldest = set.iter().enumerate().min_by_key(|(_, used)| used.at_ms);
            oldest.map_or(0, |(way, _)| way)
        });
        let rates = self.rates_of(payer);
        let used = &mut self.used[first + way];
        if known.is_none() {
            let (at_ms, latest_ms) = (ambient.now_ms, ambient.now_ms);
            *used = Used { hash, at_ms, latest_ms, events: 0, new_profiles: 0 };
        }
        let passed = used.passed(ambient.now_ms);
        used.events = used.events.saturating_sub(passed.saturating_mul(u64::from(rates.events)));
        used.new_profiles =
            used.new_profiles.saturating_sub(passed.saturating_mul(u64::from(rates.new_profiles)));
        used
    }

    /// The slots that may hold this hash.
    fn set(&self, hash: u64) -> &[Used] {
        let first = self.first(hash);
        self.used.get(first..first + WAYS).unwrap_or_default()
    }

    fn first(&self, hash: u64) -> usize {
        let sets = self.used.len() / WAYS;
        usize::try_from(hash % sets as u64).unwrap_or(0) * WAYS
    }

    fn hash(&self, payer: &Payer<'_>) -> u64 {
        let seeded = Sha256::new().chain_update(self.seed);
        let digest = match payer {
            Payer::Source(source) => seeded.chain_update(source.as_bytes()),
            // No source is a NUL and eight bytes.
            Payer::Key { id, .. } => seeded.chain_update([0]).chain_update(id.to_le_bytes()),
        }
        .finalize();
        let hash = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        hash.max(1)
    }
}

/// The thousandths of an event that a source may use at once; a whole batch always fits.
fn most(rate: u64) -> u64 {
    (rate * RATE_SECONDS * 1_000).max(thousandths(BATCH_EVENTS_MAX))
}

fn thousandths(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Ambient {
        Ambient { now_ms: 1_790_000_000_000 + ms, entropy: [3; 32] }
    }

    fn of(source: &str) -> Payer<'static> {
        Payer::Source(source.to_owned().into())
    }

    #[test]
    fn a_key_has_its_own_rate_and_makes_any_number_of_profiles() {
        let mut meter = Meter::default();
        meter.set_rates(Rates { events: 1, new_profiles: 1 });
        let (key, other) = (Payer::Key { id: 7, events: 20 }, Payer::Key { id: 8, events: 20 });
        assert_eq!(meter.take_events(&key, 1_200, &at(0)), Ok(()));
        assert_eq!((meter.take_events(&key, 21, &at(0)), meter.wait(&key, &at(0))), (Err(2), Some(1)));
        assert_eq!(meter.take_events(&key, 20, &at(1_000)), Ok(()));
        assert_eq!(meter.take_events(&other, 500, &at(0)), Ok(()));
        assert_eq!(meter.take_events(&of("7"), 500, &at(0)), Ok(()));
        meter.made_profiles(&key, 5_000, &at(0));
        assert_eq!(meter.new_profiles_left(&key, &at(0)), None);
        // It is told apart by its id alone: a rate that was raised in the secret holds at once.
        assert_eq!(meter.take_events(&Payer::Key { id: 7, events: 40 }, 1_200, &at(1_000)), Ok(()));
    }

    #[test]
    fn a_source_has_a_minute_at_once_and_then_its_rate() {
        let mut meter = Meter::default();
        for _ in 0..12 {
            assert_eq!(meter.take_events(&of("a"), 500, &at(0)), Ok(()));
        }
        assert_eq!(meter.take_events(&of("a"), 1, &at(0)), Err(1));
        assert_eq!(meter.take_events(&of("a"), 500, &at(0)), Err(5));
        // Other sources have rates of their own.
        assert_eq!(meter.take_events(&of("b"), 500, &at(0)), Ok(()));
        assert_eq!(meter.take_events(&of("a"), 100, &at(999)), Err(1));
        assert_eq!(meter.take_events(&of("a"), 100, &at(1_000)), Ok(()));
        // A refused request costs nothing, and a clock that goes back refills nothing.
        assert_eq!(meter.take_events(&of("a"), 1, &at(-60_000)), Err(1));
        assert_eq!(meter.take_events(&of("a"), 1, &at(1_000)), Err(1));
        assert_eq!(meter.take_events(&of("a"), 1, &at(1_010)), Ok(()));
    }

    #[test]
    fn the_wait_of_a_source_is_that_of_one_event() {
        let mut meter = Meter::default();
        assert_eq!(meter.wait(&of("a"), &at(0)), None);
        assert_eq!(meter.take_events(&of("a"), 6_000, &at(0)), Ok(()));
        for ms in [0, 9, 10, 500] {
            assert_eq!(meter.wait(&of("a"), &at(ms)), (ms < 10).then_some(1), "{ms}");
        }
        assert_eq!(meter.wait(&of("b"), &at(0)), None);
        // It takes nothing, and refills nothing.
        assert_eq!(meter.take_events(&of("a"), 1, &at(10)), Ok(()));
        assert_eq!(meter.wait(&of("a"), &at(10)), Some(1));
        assert_eq!(meter.take_events(&of("a"), 1, &at(10)), Err(1));
    }

    #[test]
    fn a_clock_that_jumps_refills_nothing() {
        for back_ms in [1_i64, 1_000, 59_999, 60_000, 60_001, 90_000, 3_600_000] {
            let mut meter = Meter::default();
            meter.set_rates(Rates { events: 10, new_profiles: 60 });
            assert_eq!(meter.take_events(&of("a"), 600, &at(0)), Ok(()));
            meter.made_profiles(&of("a"), 60, &at(0));
            for _ in 0..3 {
                assert!(meter.take_events(&of("a"), 1, &at(-back_ms)).is_err(), "{back_ms}");
                assert!(meter.take_events(&of("a"), 1, &at(0)).is_err(), "{back_ms}");
                assert_eq!(meter.new_profiles_left(&of("a"), &at(0)), Some(0), "{back_ms}");
            }
            assert_eq!(meter.take_events(&of("a"), 10, &at(1_000)), Ok(()), "{back_ms}");
        }
        // Set back for an hour, it refills second by second all the same.
        let mut meter = Meter::default();
        meter.set_rates(Rates { events: 10, new_profiles: 60 });
        assert_eq!(meter.take_events(&of("a"), 600, &at(0)), Ok(()));
        assert!(meter.take_events(&of("a"), 1, &at(-3_600_000)).is_err());
        assert_eq!(meter.take_events(&of("a"), 10, &at(-3_599_000)), Ok(()));
    }

    #[test]
    fn who_calls_often_gets_new_profiles_back() {
        let mut meter = Meter::default();
        meter.set_rates(Rates { events: 100, new_profiles: 10 });
        meter.made_profiles(&of("a"), 10, &at(0));
        // 10 a minute are one in 6 s; it calls each millisecond.
        for ms in 1..6_000 {
            assert_eq!(meter.new_profiles_left(&of("a"), &at(ms)), Some(0), "{ms}");
        }
        assert_eq!(meter.new_profiles_left(&of("a"), &at(6_000)), Some(1));
    }

    #[test]
    fn a_batch_can_always_come() {
        let mut meter = Meter::default();
        meter.set_rates(Rates { events: 1, new_profiles: 0 });
        assert_eq!(meter.take_events(&of("a"), 500, &at(0)), Ok(()));
        assert_eq!(meter.take_events(&of("a"), 10, &at(0)), Err(10));
        assert_eq!(meter.new_profiles_left(&of("a"), &at(0)), None);
        meter.set_rates(Rates { events: 0, new_profiles: 1 });
        assert_eq!(meter.take_events(&of("a"), 1_000_000, &at(0)), Ok(()));
    }

    #[test]
    fn new_profiles_have_a_bound_of_their_own() {
        let mut meter = Meter::default();
        assert_eq!(meter.new_profiles_left(&of("a"), &at(0)), Some(3_000));
        meter.made_profiles(&of("a"), 2_999, &at(0));
        assert_eq!(meter.new_profiles_left(&of("a"), &at(0)), Some(1));
        meter.made_profiles(&of("a"), 1, &at(0));
        assert_eq!(meter.new_profiles_left(&of("a"), &at(19)), Some(0));
        assert_eq!(meter.new_profiles_left(&of("a"), &at(20)), Some(1));
        assert_eq!(meter.new_profiles_left(&of("b"), &at(20)), Some(3_000));
        assert_eq!(meter.new_profiles_left(&of("a"), &at(60_000)), Some(3_000));
    }

    #[test]
    fn any_number_of_sources_takes_the_same_memory() {
        let mut meter = Meter::default();
        assert_eq!(meter.take_events(&of("steady"), 500, &at(0)), Ok(()));
        for source in 0..100_000 {
            assert_eq!(meter.take_events(&of(&format!("s{source}")), 500, &at(source)), Ok(()));
        }
        assert_eq!(meter.used.len(), SOURCES_MAX);
    }
}
