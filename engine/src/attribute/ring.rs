//! Sliding windows: rings of absolute, epoch-aligned buckets.
//!
//! The bucket's width is the smallest of a fixed list that needs at most 64 buckets for the window. Buckets that end
//! after `now - window` count: no event inside the window is missed, and an event may count up to one bucket longer.
//!
//! Merge law: buckets of one time merge by the law of their content, and of all buckets those within 65 of the newest
//! stay; commutative and associative where that law is. A dropped bucket lies before the window of every later reading.

use alloc::vec::Vec;

use crate::flat::flat;
use crate::limits::{BUCKETS_MAX, DAY_MS, FUTURE_SKEW_MS};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// The possible bucket widths in milliseconds; the last is enough for the longest window, 640 days.
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
    WIDEST_MS,
];

/// The widest bucket; less than 2³⁰ ms.
const WIDEST_MS: i64 = 10 * DAY_MS;

/// A bucket below this number starts within 2⁶² ms, whatever its width. Buckets of one second reach it in 2106.
const BUCKET_NEAR: i64 = 1 << 32;

/// A window and the width of its buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) length_ms: i64,
    pub(crate) width_ms: i64,
}

impl Window {
    pub(crate) fn new(length_ms: i64) -> Window {
        let enough = |width: &i64| length_ms <= width.saturating_mul(BUCKETS_MAX);
        let width_ms = WIDTHS_MS.into_iter().find(enough).unwrap_or(WIDEST_MS);
        Window { length_ms, width_ms }
    }
}

/// The bucket width for a window of this length, both in milliseconds.
pub fn bucket_ms(window_ms: i64) -> i64 {
    Window::new(window_ms).width_ms
}

/// The last bucket that may have begun, by the clock of any writer.
fn latest(now_ms: i64, width_ms: i64) -> i64 {
    now_ms.saturating_add(FUTURE_SKEW_MS).div_euclid(width_ms.max(1))
}

/// Content by bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring<T> {
    /// The bucket width in milliseconds; less than one counts as one.
    pub width_ms: i64,
    /// (bucket number since the epoch, content), ascending.
    pub buckets: Vec<(i64, T)>,
}

impl<T> Ring<T> {
    /// An empty ring.
    pub fn new(width_ms: i64) -> Ring<T> {
        Ring { width_ms: width_ms.max(1), buckets: Vec::new() }
    }

    /// Adds content to the bucket of a time that is not after `now_ms`.
    #[inline]
    pub(crate) fn put(&mut self, time_ms: i64, now_ms: i64, value: T, join: impl FnOnce(&mut T, T)) {
        // Fast path: most events belong to the newest bucket.
        match self.newest_at(time_ms) {
            Some(known) => join(known, value),
            None => {
                self.forget_future(now_ms);
                self.put_anywhere(time_ms, value, join);
            }
        }
    }

    /// Drops buckets in the future, which a clock that jumped ahead and back has left: beside them, today's buckets
    /// would count as too old. Clocks may differ by a little.
    pub(crate) fn forget_future(&mut self, now_ms: i64) {
        if self.has_future(now_ms) {
            let last = latest(now_ms, self.width_ms);
            self.buckets.truncate(self.buckets.partition_point(|(bucket, _)| *bucket <= last));
        }
    }

    /// True if some buckets lie before every window of this width, or in the future.
    pub(crate) fn has_expired(&self, now_ms: i64) -> bool {
        let first = self.buckets.first().map(|(bucket, _)| *bucket);
        first.is_some_and(|first| first < self.earliest(now_ms)) || self.has_future(now_ms)
    }

    /// Drops buckets that lie before every window of this width, or in the future.
    pub(crate) fn expire(&mut self, now_ms: i64) {
        let earliest = self.earliest(now_ms);
        self.buckets.drain(..self.buckets.partition_point(|(bucket, _)| *bucket < earliest));
        self.forget_future(now_ms);
    }

    /// The first bucket that the longest window of this width may still count.
    fn earliest(&self, now_ms: i64) -> i64 {
        now_ms.div_euclid(self.width_ms.max(1)).saturating_sub(BUCKETS_MAX)
    }

    /// True if a bucket lies in the future. Avoids a division, because most rings have none.
    fn has_future(&self, now_ms: i64) -> bool {
        let latest_ms = now_ms.saturating_add(FUTURE_SKEW_MS);
        self.buckets.last().is_some_and(|(newest, _)| newest.wrapping_mul(self.width_ms) > latest_ms)
    }

    /// The content of the newest bucket, if a time lies in it. Avoids a division, which would take longer than all the
    /// rest, and a checked multiplication, which is a call in wasm: these bounds cannot overflow.
    fn newest_at(&mut self, time_ms: i64) -> Option<&mut T> {
        let width_ms = self.width_ms.cast_unsigned();
        let (newest, known) = self.buckets.last_mut()?;
        let is_near = newest.wrapping_add(BUCKET_NEAR).cast_unsigned() < BUCKET_NEAR.cast_unsigned() << 1
            && width_ms <= WIDEST_MS.cast_unsigned();
        let since_ms = time_ms.wrapping_sub(newest.wrapping_mul(self.width_ms));
        (is_near && since_ms.cast_unsigned() < width_ms).then_some(known)
    }

    #[inline(never)]
    fn put_anywhere(&mut self, time_ms: i64, value: T, join: impl FnOnce(&mut T, T)) {
        let bucket = time_ms.div_euclid(self.width_ms.max(1));
        let place = match self.buckets.last() {
            // Older than every bucket that still counts.
            Some((newest, _)) if bucket < newest.saturating_sub(BUCKETS_MAX) => return,
            Some((newest, _)) if bucket <= *newest => {
                self.buckets.binary_search_by_key(&bucket, |(known, _)| *known)
            }
            _ => Err(self.buckets.len()),
        };
        match place {
            Ok(index) => {
                if let Some((_, known)) = self.buckets.get_mut(index) {
                    join(known, value);
                }
            }
            Err(index) => {
                self.buckets.insert(index, (bucket, value));
                self.forget();
            }
        }
    }

    /// Merges a ring of the same width.
    pub(crate) fn merge(&mut self, other: Ring<T>, join: impl Fn(&mut T, T)) {
        for (bucket, value) in other.buckets {
            self.put(bucket.saturating_mul(self.width_ms), i64::MAX, value, &join);
        }
    }

    /// The buckets that end after `now_ms - length_ms` and are not in the future, oldest first.
    pub(crate) fn within(&self, window: Window, now_ms: i64) -> &[(i64, T)] {
        let from = now_ms.saturating_sub(window.length_ms).div_euclid(self.width_ms.max(1));
        let first = self.buckets.partition_point(|(bucket, _)| *bucket < from);
        let buckets = self.buckets.get(first..).unwrap_or(&[]);
        if self.has_future(now_ms) {
            let last = latest(now_ms, self.width_ms);
            return buckets.get(..buckets.partition_point(|(bucket, _)| *bucket <= last)).unwrap_or(&[]);
        }
        buckets
    }

    fn forget(&mut self) {
        if let Some((newest, _)) = self.buckets.last() {
            let oldest = newest.saturating_sub(BUCKETS_MAX);
            let gone = self.buckets.partition_point(|(bucket, _)| *bucket < oldest);
            self.buckets.drain(..gone);
        }
    }
}

flat!(struct Window { length_ms, width_ms });

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    /// Reference: divides for every event.
    fn slow_put(ring: &mut Ring<u32>, time_ms: i64, value: u32) {
        let bucket = time_ms.div_euclid(ring.width_ms.max(1));
        let newest = ring.buckets.last().map_or(bucket, |(newest, _)| *newest);
        if bucket >= newest.saturating_sub(BUCKETS_MAX) {
            match ring.buckets.iter_mut().find(|(known, _)| *known == bucket) {
                Some((_, sum)) => *sum += value,
                None => ring.buckets.push((bucket, value)),
            }
            ring.buckets.sort_unstable();
            let oldest = newest.max(bucket).saturating_sub(BUCKETS_MAX);
            ring.buckets.retain(|(bucket, _)| *bucket >= oldest);
        }
    }

    proptest! {
        #[test]
        fn the_newest_bucket_is_found_without_a_division(
            width_ms in prop::sample::select(vec![-1, 0, 1, 1_000, WIDEST_MS, WIDEST_MS + 1, i64::MAX]),
            newest in prop::sample::select(vec![0, 1 << 31, 1 << 32, 1 << 62]),
            near in -2..3_i64, negative in any::<bool>(),
            times in prop::collection::vec((-2..3_i64, -2..3_i64, any::<bool>()), 1..6), far in any::<i64>(),
        ) {
            let newest = if negative { near - newest } else { near + newest };
            let (mut ring, mut slow) = (Ring::new(1), Ring::new(1));
            for ring in [&mut ring, &mut slow] {
                *ring = Ring { width_ms, buckets: vec![(newest, 1_u32)] };
            }
            for (buckets, edge_ms, is_far) in times {
                // At the edges of the buckets around it, and anywhere.
                let start_ms = newest.saturating_add(buckets).wrapping_mul(width_ms);
                let time_ms = if is_far { far } else { start_ms.saturating_add(edge_ms) };
                ring.put(time_ms, i64::MAX, 1, |sum, value| *sum += value);
                slow_put(&mut slow, time_ms, 1);
                prop_assert_eq!(&ring, &slow, "{}", time_ms);
            }
        }
    }

    #[test]
    fn bucket_widths() {
        const HOUR: i64 = 3_600_000;
        for (window, width) in [
            (60_000, 1_000),
            (64_000, 1_000),
            (65_000, 2_000),
            (HOUR, 60_000),
            (24 * HOUR, 30 * 60_000),
            (7 * DAY_MS, 3 * HOUR),
            (30 * DAY_MS, 12 * HOUR),
            (90 * DAY_MS, 2 * DAY_MS),
            (640 * DAY_MS, 10 * DAY_MS),
        ] {
            assert_eq!(Window::new(window).width_ms, width, "{window}");
            assert_eq!(bucket_ms(window), width, "{window}");
        }
        let (seconds, hours) = ([1, 2, 5, 10, 15, 30], [1, 2, 3, 6, 12].map(|hours| hours * HOUR));
        let minutes = seconds.map(|minutes| minutes * 60_000);
        let days = [1, 2, 5, 10].map(|days| days * DAY_MS);
        let widths = [&seconds.map(|seconds| seconds * 1_000)[..], &minutes, &hours, &days].concat();
        // 64 buckets are enough for each length, but not for one millisecond more.
        for (index, width) in widths.iter().enumerate() {
            assert_eq!(bucket_ms(64 * width), *width);
            assert_eq!(bucket_ms(64 * width + 1), *widths.get(index + 1).unwrap_or(width));
        }
    }
}
