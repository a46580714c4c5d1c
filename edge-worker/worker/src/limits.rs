//! Bounds of the host. Those of requests are the service's (`usher_edge::limits`).

use std::time::Duration;

/// A body of at most this declared length is read before its caller is known. It takes no more memory than a head, for which
/// the platform has the same bound.
pub(crate) const SMALL_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of a refused body that are read and dropped, so that a caller who is still sending sees the answer.
pub(crate) const DISCARDED_BYTES_MAX: usize = 4 * usher_edge::limits::BATCH_BYTES_MAX;
/// Longest time for which a refused body is read, in milliseconds.
pub(crate) const DISCARD_MS: f64 = 2_000.0;
/// Longest wait for the key-value store: far longer than it takes, far shorter than a visitor would notice.
pub(crate) const PATIENCE: Duration = Duration::from_millis(600);
/// Greatest age of the pointers to bundles, in milliseconds.
pub(crate) const POINTERS_MS: f64 = 15_000.0;
/// Older ones are read again before they are used, in milliseconds: keys may be revoked, within 60 s at every place.
pub(crate) const KEYS_MS: f64 = 45_000.0;
/// The time to the first turn of upkeep of a new object.
pub(crate) const FIRST_UPKEEP: Duration = Duration::from_secs(60 * 60);
/// The time to the next turn after one that failed, in milliseconds.
pub(crate) const UPKEEP_AGAIN_MS: f64 = 600_000.0;
/// The time to the next alarm after one that ended while it delivered, in milliseconds.
pub(crate) const DELIVER_AGAIN_MS: f64 = 10_000.0;
/// An alarm begins no attempts after this time, so that the next one can do the object's other work, in milliseconds.
pub(crate) const ALARM_MS: i64 = 30_000;
/// The time to the next turn of delivery after one that failed, in milliseconds.
pub(crate) const TURN_AGAIN_MS: i64 = 5_000;
/// Attempts at the same time: the platform lets an invocation wait for the heads of six answers.
pub(crate) const ATTEMPTS_MAX: u32 = 6;
/// An alarm that is this late is stuck, in milliseconds.
pub(crate) const STUCK_MS: f64 = 60_000.0;
