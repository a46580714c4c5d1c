//! The operator's log: JSON lines on the Worker's console, to which the platform adds the time.

use usher_edge::Line;
use usher_edge::log::Record;
use worker::{console_error, console_log};

/// A line about the request with this id.
pub(crate) fn line(request_id: &str, line: &Line) {
    console_log!("{}", Record { request_id, ..line.record() }.to_json());
}

/// A fault of the host, and its reason, for the request with this id; an empty one for none.
pub(crate) fn fault(request_id: &str, event: &'static str, detail: &str) {
    console_error!("{}", Record { event, detail, request_id, ..Record::default() }.to_json());
}
