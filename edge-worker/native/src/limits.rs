//! Bounds of the native server's sockets and queues. Those of requests are the service's (`usher_edge::limits`).

use std::time::Duration;

/// Open connections at most. With the database's files they stay below the 1,024 that a process may open by
/// default.
pub(crate) const CONNECTIONS_MAX: usize = 900;
/// Connections of one source that is no trusted proxy, at most.
pub(crate) const SOURCE_CONNECTIONS_MAX: usize = 256;
/// Connections that are kept free for sources that have few, so that those with many never have all.
pub(crate) const SPARE_CONNECTIONS: usize = CONNECTIONS_MAX / 4;
/// Connections of one source that count as few: as many as a browser opens to one host, and two.
pub(crate) const FEW_CONNECTIONS: usize = 8;
/// Callers that wait to be accepted, at most; systems lower it to what they have.
pub(crate) const WAITING_MAX: u32 = 4_096;
/// Bytes of a connection that are read ahead; also the longest head.
pub(crate) const BUFFER_BYTES_MAX: usize = 32 * 1024;
/// Memory of all bodies together, as they were sent.
pub(crate) const BODIES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The part of it that one source has.
pub(crate) const SOURCE_BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Requests that wait for the writer; more wait in their connections.
pub(crate) const JOBS_MAX: usize = 1_024;
/// Lines of the access log that wait to be written; more are dropped and counted.
pub(crate) const ACCESS_LINES_MAX: usize = 16 * 1_024;
/// Requests that share a commit, at most.
pub(crate) const TURN_JOBS_MAX: usize = 256;
/// The time for which requests are taken into one commit, at most: the first of them waits so long.
pub(crate) const TURN_TIME: Duration = Duration::from_millis(10);
/// The body of a request that shares a commit, at most.
pub(crate) const TURN_BODY_BYTES_MAX: usize = 256 * 1024;
/// Shards whose commits are synced at the same time, at most.
pub(crate) const COMMITS_AT_ONCE_MAX: usize = 8;
/// The pause of a message that waits for a merge.
pub(crate) const MERGE_PAUSE: Duration = Duration::from_millis(20);
/// The pause between two tries of a stored message that nobody took.
pub(crate) const OUTBOX_PAUSE: Duration = Duration::from_millis(250);
/// The time that the shards of a batch have.
pub(crate) const PARTS_TIME: Duration = Duration::from_secs(5);
/// Shards whose upkeep begins in one turn, at most.
pub(crate) const UPKEEP_AT_ONCE_MAX: usize = 4;
/// Attempts to deliver activations at the same time, at most.
pub(crate) const ATTEMPTS_MAX: u32 = 64;
/// The time to connect to one address of a destination.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Addresses of a destination that an attempt tries, at most.
pub(crate) const ADDRESSES_TRIED_MAX: usize = 3;
/// The time after which a turn of delivery is tried again that failed.
pub(crate) const SENDING_AGAIN_TIME: Duration = Duration::from_secs(1);
/// Bytes of a refused body that are still read, so that a caller that is sending gets to see its answer.
pub(crate) const DISCARDED_BYTES_MAX: usize = 4 * usher_edge::limits::BATCH_BYTES_MAX;

/// The time for a request line and headers.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);
/// The time that a connection may rest between two requests.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(75);
/// The time for a body.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);
/// The lowest average rate of a body, once `BODY_PAUSE` has passed.
pub(crate) const BODY_BYTES_PER_SECOND: u64 = 1_024;
/// The longest pause within a body.
pub(crate) const BODY_PAUSE: Duration = Duration::from_secs(5);
/// The time that a caller has to read its answer.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(60);
/// The longest pause in that reading.
pub(crate) const ANSWER_PAUSE: Duration = Duration::from_secs(10);
/// The pause between two looks at whether upkeep is due, while nobody calls.
pub(crate) const WAKE_TIME: Duration = Duration::from_secs(1);
/// The time after an edit at which a draft of the control API has rested.
pub(crate) const DRAFT_REST_TIME: Duration = Duration::from_millis(2_050);
/// The time from the start to the first turn of upkeep.
pub(crate) const FIRST_UPKEEP_TIME: Duration = Duration::from_secs(60);
/// The time that open requests still have when the process is told to stop.
pub(crate) const STOP_TIME: Duration = Duration::from_secs(5);
/// Most keys of one kind, audience and name in a secret: the one in use, and the next.
pub(crate) const KEYS_OF_NAME_MAX: usize = 2;
/// Most kinds of events that are told apart in a file for which a definition is proposed.
pub(crate) const KINDS_MAX: usize = 40;
/// Most key events that a proposal has, the most frequent first.
pub(crate) const EVENTS_MAX: usize = 20;
/// Most events of the file that are played through a proposal.
pub(crate) const PLAYED_MAX: usize = 500;
