//! The access log: one JSON line on standard error for each request, of fields that name nobody.
//!
//! A path, a query, a header or a method that no route has may hold a key or somebody's address, so none of them is a field.
//! Lines are written by a thread of their own: where nobody reads them, they are dropped and counted, and requests go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use usher_edge::wire::json::Json;
use usher_engine::value::{Number, Value};

use crate::clock::now_ms;
use crate::exit::Failure;
use crate::limits::ACCESS_LINES_MAX;
use crate::secrets::random;
use crate::terminal::note;

/// The methods that routes have, and those of HTTP that a log may say.
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "CONNECT", "TRACE"];

/// Takes the lines of requests.
#[derive(Clone)]
pub(super) struct AccessLog {
    lines: SyncSender<String>,
    dropped: Arc<AtomicU64>,
    /// Differs between processes.
    first_id: u64,
    requests: Arc<AtomicU64>,
}

impl AccessLog {
    /// The log, and the thread that writes it; it ends when the log is dropped.
    pub(super) fn start() -> Result<(AccessLog, JoinHandle<()>), Failure> {
        let start: [u8; 4] =
            random().map_err(|_| Failure::new("the operating system gives no randomness"))?;
        let first_id = u64::from(u32::from_be_bytes(start)) << 32;
        let (lines, waiting) = sync_channel(ACCESS_LINES_MAX);
        let dropped = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&dropped);
        let thread = thread::Builder::new()
            .name("access log".to_owned())
            .spawn(move || write(&waiting, &counted))
            .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
        Ok((AccessLog { lines, dropped, first_id, requests: Arc::default() }, thread))
    }

    /// The line of a request; it is written when it is dropped.
    pub(super) fn entry(&self, method: &str) -> Entry {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        Entry {
            log: self.clone(),
            id: format!("{:016x}", self.first_id.wrapping_add(number)),
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
    pub(super) id: String,
    start: Instant,
    method: &'static str,
    pub(super) route: &'static str,
    pub(super) status: u16,
    /// Of the body.
    pub(super) bytes: usize,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let ms = (self.start.elapsed().as_secs_f64() * 1_000_000.0).round() / 1_000.0;
        let mut json = Json::new();
        json.object(|o| {
            o.field("at_ms").number(now_ms());
            o.field("event").text("request");
            o.field("id").text(&self.id);
            o.field("method").text(self.method);
            o.field("route").text(self.route);
            o.field("status").number(self.status.into());
            o.field("bytes").number(i64::try_from(self.bytes).unwrap_or(i64::MAX));
            o.field("ms").value(&Number::float(ms).map_or(Value::Null, Value::Number));
        });
        if self.log.lines.try_send(json.into_text()).is_err() {
            self.log.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(waiting: &Receiver<String>, dropped: &AtomicU64) {
    while let Ok(line) = waiting.recv() {
        note(&line);
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let mut json = Json::new();
            json.object(|o| {
                o.field("at_ms").number(now_ms());
                o.field("event").text("access_lines_dropped");
                o.field("count").number(i64::try_from(lost).unwrap_or(i64::MAX));
            });
            note(&json.into_text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_nobody_takes_are_counted_and_hold_nobody_up() {
        let (lines, waiting) = sync_channel(2);
        let log = AccessLog { lines, dropped: Arc::default(), first_id: 7 << 32, requests: Arc::default() };
        for _ in 0..5 {
            drop(log.entry("mira@shop.example"));
        }
        assert_eq!(log.dropped.load(Ordering::Relaxed), 3);
        let line = waiting.recv().unwrap();
        assert!(
            line.contains(r#""id":"0000000700000000","method":"other","route":"-","status":0,"bytes":0,"#),
            "{line}"
        );
        assert!(waiting.recv().unwrap().contains(r#""id":"0000000700000001""#));
    }
}
