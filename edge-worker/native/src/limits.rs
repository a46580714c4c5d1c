//! Bounds of the native server's sockets and queues. Those of requests are the service's (`usher_edge::limits`).

use std::time::Duration;

/// How many connections are open at once. With the database's files it stays below the 1,024 that a process may open by
/// default.
pub(crate) const CONNECTIONS_MAX: usize = 900;
/// How many of them one source has that is no trusted proxy.
pub(crate) const SOURCE_CONNECTIONS_MAX: usize = 256;
/// How many connections are kept free for sources that have few, so that those with many never have all.
pub(crate) const SPARE_CONNECTIONS: usize = CONNECTIONS_MAX / 4;
/// How many connections of one source are few: as many as a browser opens to one host, and two.
pub(crate) const FEW_CONNECTIONS: usize = 8;
/// How many callers wait to be accepted; systems lower it to what they have.
pub(crate) const WAITING_MAX: u32 = 4_096;
/// How much of what a connection sends is read ahead; also the longest head.
pub(crate) const BUFFER_BYTES_MAX: usize = 32 * 1024;
/// How much memory bodies take together, as they were sent.
pub(crate) const BODIES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How much of it one source has.
pub(crate) const SOURCE_BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many requests wait for the writer; more wait in their connections.
pub(crate) const JOBS_MAX: usize = 1_024;
/// How much of a body that is refused is still read, so that a caller that is sending gets to see its answer.
pub(crate) const DISCARDED_BYTES_MAX: usize = 4 * usher_edge::limits::BATCH_BYTES_MAX;

/// How long a caller may take to send its request line and headers.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection may rest between two requests.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(75);
/// How long a caller may take to send its body.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);
/// How much of a body has to come on average, once `BODY_PAUSE` has passed.
pub(crate) const BODY_BYTES_PER_SECOND: u64 = 1_024;
/// How long nothing of a body may come.
pub(crate) const BODY_PAUSE: Duration = Duration::from_secs(5);
/// How long a caller may take to read its answer.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(60);
/// How long it may read nothing of it.
pub(crate) const ANSWER_PAUSE: Duration = Duration::from_secs(10);
/// How long what is being answered may still take when the process is told to stop.
pub(crate) const STOP_TIME: Duration = Duration::from_secs(5);
