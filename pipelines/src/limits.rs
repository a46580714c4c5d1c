//! Every bound of pipelines, in one place.

use usher_engine::limits::{FUTURE_SKEW_MS, TTL_GRACE_MS};

/// The time by which a TTL lasts longer than it says.
pub const GRACE_MS: i64 = TTL_GRACE_MS;
/// The most by which the clock of a partition may be ahead of the wall clock.
pub const AHEAD_MS: i64 = FUTURE_SKEW_MS;
/// The most events that wait for rows, unless a setting says otherwise.
pub const HELD_MAX: usize = 5_000_000;
/// The most bytes of rows, held events and ids, roughly, unless a setting says otherwise.
pub const STATE_BYTES_MAX: u64 = 8_000_000_000;
/// The longest text by which rows are joined. A longer one meets nothing.
pub const KEY_BYTES_MAX: usize = 4 * 1024;
/// The longest line of a file.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// The most groups and different values that a query keeps.
pub const GROUP_VALUES_MAX: usize = 10_000_000;
/// The part of a refused record that is kept.
pub const REFUSED_BYTES_MAX: usize = 64 * 1024;
/// The most records that were read and not yet processed.
pub const AHEAD_RECORDS_MAX: usize = 4_096;
