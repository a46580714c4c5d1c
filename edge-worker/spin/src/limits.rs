//! Bounds of the host in Spin. Those of requests are the service's (`usher_edge::limits`).

use std::time::Duration;

/// Most memory for the bodies of one instance, sent and inflated, in bytes. Each body is copied once, into its message.
pub(crate) const BODIES_BYTES_MAX: usize = 4 * usher_edge::limits::BATCH_BYTES_MAX;
/// Most bytes of a refused body that are read and dropped, so that a caller who is still sending sees the answer.
pub(crate) const DISCARDED_BYTES_MAX: usize = 4 * usher_edge::limits::BATCH_BYTES_MAX;
/// The size of one read of a body, in bytes.
pub(crate) const PART_BYTES: usize = 64 * 1024;

/// Longest time for a body to arrive.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);
/// Longest time for which a refused body is read.
pub(crate) const DISCARD_TIME: Duration = Duration::from_secs(2);
/// Longest wait for the key-value store. The database has the same bodies.
pub(crate) const COPY_TIME: Duration = Duration::from_millis(600);
/// Time for one attempt to deliver an activation.
pub(crate) const ATTEMPT_TIME: Duration = Duration::from_millis(usher_edge::limits::ATTEMPT_MS);
/// Attempts of one call at the same time, at most.
pub(crate) const ATTEMPTS_MAX: u32 = 16;
/// The time after which a call begins no more attempts, in milliseconds. Those under way end within [`ATTEMPT_TIME`].
pub(crate) const DELIVERY_MS: i64 = 20_000;
/// The time for which a call without attempts waits for the next one, in milliseconds: the pace of a destination, and the pause after
/// a first failure.
pub(crate) const DELIVERY_WAIT_MS: i64 = 2_000;
/// The time to the next turn after one that failed, such as because others held the database's lock, in milliseconds.
pub(crate) const DELIVERY_AGAIN_MS: i64 = 1_000;
/// Greatest age of the pointers to bundles.
pub(crate) const POINTERS_TIME: Duration = Duration::from_secs(5);
