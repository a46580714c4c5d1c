//! Amounts: counters and sums, within sliding windows or over all time.
//!
//! Merge law: amounts add up, bucket by bucket; commutative and associative, because they are whole numbers. Each event
//! is counted by one profile only, so idempotence is not needed. A total may have a base that a batch counted: its
//! value is the base plus all amounts after the base's time, exact to the hour that contains that time. Hours that a
//! total no longer keeps apart are archived (`merge::archive`), for a base of long ago.

use alloc::vec::Vec;

use super::ring::{Ring, Window};
use crate::gather::Gather;
use crate::limits::TOTAL_HOURS_MAX;
use crate::value::{Nanos, Number};

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// The unit of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// An integer: a number of events, or a multiple of it.
    Events,
    /// Billionths of a column's values.
    Nanos,
}

impl Unit {
    /// An amount as a value.
    pub(crate) fn number(self, amount: i128) -> Number {
        match self {
            Unit::Events => {
                Number::Integer(i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX }))
            }
            Unit::Nanos => Nanos(amount).to_number(),
        }
    }

    /// An amount in billionths.
    pub(crate) fn nanos(self, amount: i128) -> Nanos {
        match self {
            Unit::Events => Nanos(amount.saturating_mul(1_000_000_000)),
            Unit::Nanos => Nanos(amount),
        }
    }
}

pub(crate) fn add(sum: &mut i128, amount: i128) {
    *sum = sum.saturating_add(amount);
}

/// Amounts within sliding windows: one ring per bucket width.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// The unit of all amounts.
    pub unit: Unit,
    /// One ring per width, ascending by width.
    pub rings: Vec<Ring<i128>>,
}

impl Counter {
    /// Adds the amount of one event to all rings.
    pub(crate) fn put(&mut self, time_ms: i64, now_ms: i64, amount: i128) {
        for ring in &mut self.rings {
            ring.put(time_ms, now_ms, amount, add);
        }
    }

    /// Adds a ring for each of these widths that has none.
    #[inline(never)]
    pub(crate) fn widen(&mut self, widths_ms: &[i64]) {
        let rings = widths_ms.iter().map(|width_ms| Ring::new(*width_ms)).gather();
        self.merge(Counter { unit: self.unit, rings });
    }

    /// Merges another counter into this one.
    pub(crate) fn merge(&mut self, other: Counter) {
        for ring in other.rings {
            match self.rings.binary_search_by_key(&ring.width_ms, |mine| mine.width_ms) {
                Ok(index) => {
                    if let Some(mine) = self.rings.get_mut(index) {
                        mine.merge(ring, add);
                    }
                }
                Err(index) => self.rings.insert(index, ring),
            }
        }
    }

    /// The amount within the window; None without any event in it.
    pub(crate) fn read(&self, window: Window, now_ms: i64) -> Option<i128> {
        let ring = self.rings.iter().find(|ring| ring.width_ms == window.width_ms)?;
        let buckets = ring.within(window, now_ms);
        let sum = || buckets.iter().fold(0_i128, |sum, (_, amount)| sum.saturating_add(*amount));
        (!buckets.is_empty()).then(sum)
    }
}

/// Amounts over all time, kept by the hour as far back as a batch base may reach.
#[derive(Clone, Debug, PartialEq)]
pub struct Total {
    /// The unit of all amounts.
    pub unit: Unit,
    /// The amount of all hours that are no longer kept apart.
    pub earlier: i128,
    /// The last of those hours; `i64::MIN` when there is none.
    pub until: i64,
    /// (hour since the epoch, amount), ascending, all after `until`.
    pub hours: Vec<(i64, i128)>,
}

impl Total {
    pub(crate) fn new(unit: Unit) -> Total {
        Total { unit, earlier: 0, until: i64::MIN, hours: Vec::new() }
    }

    /// Adds the amount of one event. Returns the hours, with their amounts, that are no longer kept apart.
    pub(crate) fn put(&mut self, time_ms: i64, amount: i128) -> Vec<(i64, i128)> {
        let hour = Total::hour(time_ms);
        if hour <= self.until {
            add(&mut self.earlier, amount);
            return Vec::from([(hour, amount)]);
        }
        self.put_hour(hour, amount);
        self.settle()
    }

    /// The hour of a time, since the epoch.
    pub(crate) fn hour(time_ms: i64) -> i64 {
        time_ms.div_euclid(HOUR_MS)
    }

    /// True if hours that end after this time are no longer kept apart.
    pub(crate) fn is_collapsed(&self, after_ms: i64) -> bool {
        self.until >= Total::hour(after_ms)
    }

    /// Merges another total into this one.
    pub(crate) fn merge(&mut self, other: Total) {
        add(&mut self.earlier, other.earlier);
        self.until = self.until.max(other.until);
        for (hour, amount) in other.hours {
            self.put_hour(hour, amount);
        }
        drop(self.settle());
    }

    /// Adds the amount of an archived hour.
    pub(crate) fn put_archived(&mut self, hour: i64, amount: i128) {
        self.put_hour(hour, amount);
    }

    /// The whole amount, or the amount of the hours that end after this time.
    pub(crate) fn read(&self, after_ms: Option<i64>) -> i128 {
        let from = after_ms.map_or(i64::MIN, |after_ms| after_ms.div_euclid(HOUR_MS));
        let earlier = if self.until >= from { self.earlier } else { 0 };
        let later = self.hours.iter().filter(|(hour, _)| *hour >= from);
        later.fold(earlier, |sum, (_, amount)| sum.saturating_add(*amount))
    }

    /// True if any event is counted in an hour that ends after this time.
    pub(crate) fn counted(&self, after_ms: i64) -> bool {
        let from = after_ms.div_euclid(HOUR_MS);
        self.until >= from || self.hours.last().is_some_and(|(hour, _)| *hour >= from)
    }

    fn put_hour(&mut self, hour: i64, amount: i128) {
        if hour <= self.until {
            add(&mut self.earlier, amount);
            return;
        }
        match self.hours.binary_search_by_key(&hour, |(known, _)| *known) {
            Ok(index) => {
                if let Some((_, sum)) = self.hours.get_mut(index) {
                    add(sum, amount);
                }
            }
            Err(index) => self.hours.insert(index, (hour, amount)),
        }
    }

    /// Folds the oldest separate hour into `earlier`. Returns whether there was one.
    pub(crate) fn fold_oldest_hour(&mut self) -> bool {
        let any = !self.hours.is_empty();
        for (hour, amount) in self.hours.drain(..usize::from(any)) {
            add(&mut self.earlier, amount);
            self.until = self.until.max(hour);
        }
        any
    }

    /// Keeps only the newest hours apart. The result depends on the set of hours, not on their order. Returns the
    /// others.
    fn settle(&mut self) -> Vec<(i64, i128)> {
        let over = self.hours.len().saturating_sub(TOTAL_HOURS_MAX);
        let within = self.hours.partition_point(|(hour, _)| *hour <= self.until);
        let gone: Vec<(i64, i128)> = self.hours.drain(..over.max(within)).gather();
        for (hour, amount) in &gone {
            add(&mut self.earlier, *amount);
            self.until = self.until.max(*hour);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_beyond_what_an_integer_holds_are_as_many_as_it_holds() {
        for (amount, number) in [
            (0, 0),
            (-1, -1),
            (i128::from(i64::MAX), i64::MAX),
            (i128::from(i64::MAX) + 1, i64::MAX),
            (i128::MAX, i64::MAX),
            (i128::from(i64::MIN) - 1, i64::MIN),
            (i128::MIN, i64::MIN),
        ] {
            assert_eq!(Unit::Events.number(amount), Number::Integer(number), "{amount}");
        }
    }

    #[test]
    fn hours_beyond_the_bound_are_counted_together() {
        let hours = TOTAL_HOURS_MAX as i64 + 2;
        let mut total = Total::new(Unit::Events);
        let gone: Vec<_> = (0..hours).flat_map(|hour| total.put(hour * HOUR_MS, 1)).collect();
        assert_eq!(gone, [(0, 1), (1, 1)]);
        assert_eq!((total.hours.len(), total.earlier, total.until), (TOTAL_HOURS_MAX, 2, 1));
        // Late, for an hour that is folded already.
        assert_eq!(total.put(0, 1), [(0, 1)]);
        assert_eq!((total.hours.len(), total.earlier), (TOTAL_HOURS_MAX, 3));
        assert_eq!(total.read(None), i128::from(hours) + 1);
        // Hours that the batch counted are left out, with all before them.
        assert_eq!(total.read(Some(2 * HOUR_MS)), i128::from(hours) - 2);
        assert_eq!(total.read(Some((hours - 1) * HOUR_MS)), 1);
        // Folded hours are counted or left out together.
        assert_eq!(total.read(Some(HOUR_MS)), i128::from(hours) + 1);
    }
}
