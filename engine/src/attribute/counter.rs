//! Sliding counters: a ring of absolute, epoch-aligned buckets.
//!
//! The bucket's width is the smallest of a fixed list that needs at most 64 buckets for the window. Counted are the
//! buckets that end after `now - window`: no event inside the window is missed, one may stay up to one bucket longer.
//!
//! Merge law: buckets of one width add up, and of all buckets those within 65 of the newest stay; commutative and
//! associative. A bucket that was dropped lies before the window of every later reading. When a definition changed the
//! width in between, the finer ring stays.

use alloc::vec::Vec;

use crate::limits::{BUCKETS_MAX, DAY_MS};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// What a bucket may span, in milliseconds; the last is enough for the longest window, 640 days.
const WIDTHS_MS: [i64; 21] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY_MS,
    2 * DAY_MS,
    5 * DAY_MS,
    10 * DAY_MS,
];

/// The width of a window's buckets, in milliseconds.
pub(crate) fn width_ms(window_ms: i64) -> i64 {
    let enough = |width: &i64| window_ms <= width.saturating_mul(BUCKETS_MAX);
    WIDTHS_MS.into_iter().find(enough).unwrap_or(10 * DAY_MS)
}

/// Amounts by bucket. What an amount's unit is, the definition says: events, or billionths of a column's sum.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring {
    /// How long a bucket is, in milliseconds.
    pub width_ms: i64,
    /// (bucket's number since the epoch, amount), ascending; no amount is zero.
    pub buckets: Vec<(i64, i128)>,
}

impl Ring {
    /// Without any event.
    pub fn new(width_ms: i64) -> Ring {
        Ring { width_ms: width_ms.max(1), buckets: Vec::new() }
    }

    /// Adds what one event adds.
    pub(crate) fn add(&mut self, time_ms: i64, amount: i128) {
        self.put(time_ms.div_euclid(self.width_ms), amount);
        self.settle();
    }

    /// Both together.
    #[must_use]
    pub(crate) fn merge(self, other: Ring) -> Ring {
        let (mut finer, coarser) =
            if self.width_ms <= other.width_ms { (self, other) } else { (other, self) };
        if finer.width_ms == coarser.width_ms {
            for (bucket, amount) in coarser.buckets {
                finer.put(bucket, amount);
            }
            finer.settle();
        }
        finer
    }

    /// The sum of the buckets that end after `now_ms - window_ms`.
    pub(crate) fn read(&self, window_ms: i64, now_ms: i64) -> i128 {
        let from = now_ms.saturating_sub(window_ms).div_euclid(self.width_ms);
        self.buckets
            .iter()
            .filter(|(bucket, _)| *bucket >= from)
            .fold(0, |sum, (_, amount)| sum.saturating_add(*amount))
    }

    fn put(&mut self, bucket: i64, amount: i128) {
        match self.buckets.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(index) => {
                if let Some((_, sum)) = self.buckets.get_mut(index) {
                    *sum = sum.saturating_add(amount);
                }
            }
            Err(index) => self.buckets.insert(index, (bucket, amount)),
        }
    }

    fn settle(&mut self) {
        // Amounts may cancel; a bucket of zero stays until the ring has moved on, which readers do not see.
        if let Some((newest, _)) = self.buckets.last() {
            let oldest = newest.saturating_sub(BUCKETS_MAX);
            self.buckets.retain(|(bucket, _)| *bucket >= oldest);
        }
    }
}
