//! The access log: one JSON line on standard error for each request, of fields that name nobody.
//!
//! A path, a query, a header or a method that no route has may hold a key or somebody's address, so none of them is a field.
//! Lines are written by a thread of their own: where nobody reads them, they are dropped and counted, and requests go on.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use usher_edge::log::{Answered, Record};

use super::log::write;
use crate::exit::Failure;
use crate::limits::ACCESS_LINES_MAX;

/// The methods that routes have, and those of HTTP that a log may say.
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "CONNECT", "TRACE"];

/// Takes the lines of requests.
#[derive(Clone)]
pub(super) struct AccessLog {
    lines: SyncSender<Answer>,
    dropped: Arc<AtomicU64>,
}

/// A request's id, and its answer.
type Answer = (String, Answered);

impl AccessLog {
    /// The log, and the thread that writes it; it ends when the log is dropped.
    pub(super) fn start() -> Result<(AccessLog, JoinHandle<()>), Failure> {
        let (lines, waiting) = sync_channel(ACCESS_LINES_MAX);
        let dropped = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&dropped);
        let thread = thread::Builder::new()
            .name("access log".to_owned())
            .spawn(move || write_all(&waiting, &counted))
            .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
        Ok((AccessLog { lines, dropped }, thread))
    }

    /// The line of the request with this id; it is written when it is dropped.
    pub(super) fn entry(&self, method: &str, id: String) -> Entry {
        Entry {
            log: self.clone(),
            id,
            start: Instant::now(),
            method: METHODS.into_iter().find(|known| *known == method).unwrap_or("other"),
            route: NO_ROUTE,
            status: NO_ANSWER,
            bytes: 0,
        }
    }
}

/// The route of a request that none has.
const NO_ROUTE: &str = "-";
/// The route of a file of `--www`.
pub(super) const FILE: &str = "(file)";
/// The status of a request whose connection ended without an answer.
const NO_ANSWER: u16 = 0;

/// One request's line.
pub(super) struct Entry {
    log: AccessLog,
    id: String,
    start: Instant,
    method: &'static str,
    pub(super) route: &'static str,
    pub(super) status: u16,
    /// Of the body.
    pub(super) bytes: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Entry { method, route, status, bytes, .. } = *self;
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let line = (mem::take(&mut self.id), Answered { method, route, status, bytes, micros });
        if self.log.lines.try_send(line).is_err() {
            self.log.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_all(waiting: &Receiver<Answer>, dropped: &AtomicU64) {
    while let Ok((request_id, answered)) = waiting.recv() {
        let (event, request_id, answered) = ("request", request_id.as_str(), Some(answered));
        write(&Record { event, request_id, answered, ..Record::default() });
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            write(&Record { event: "access_lines_dropped", count: Some(lost), ..Record::default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_nobody_takes_are_counted_and_hold_nobody_up() {
        let (lines, waiting) = sync_channel(2);
        let log = AccessLog { lines, dropped: Arc::default() };
        for number in 0..5 {
            drop(log.entry("mira@shop.example", format!("{number:032x}")));
        }
        assert_eq!(log.dropped.load(Ordering::Relaxed), 3);
        let (id, answered) = waiting.recv().unwrap();
        assert!(id.ends_with("00"), "{id}");
        let Answered { method, route, status, bytes, .. } = answered;
        assert_eq!((method, route, status, bytes), ("other", "-", 0, 0));
        assert!(waiting.recv().unwrap().0.ends_with("01"));
    }
}
