//! The operator's log: JSON lines on standard error. Nothing else of the running server writes there.

use usher_edge::Line;
use usher_edge::log::Record;

use crate::clock::now_ms;
use crate::terminal::note;

/// A line that is about no request.
pub(super) fn log(line: &Line) {
    log_about("", line);
}

/// A line about the request with this id.
pub(super) fn log_about(request_id: &str, line: &Line) {
    write(&Record { request_id, ..line.record() });
}

/// A line, at this moment.
pub(super) fn write(record: &Record<'_>) {
    note(&Record { at_ms: Some(now_ms()), ..*record }.to_json());
}

/// An event of this host, and its details.
pub(super) fn event(event: &'static str, detail: impl Into<String>) {
    log(&Line::with_detail(event, detail));
}
