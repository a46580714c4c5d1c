//! The operator's log: JSON lines on the component's standard error, which Spin keeps without a time.

use std::time::SystemTime;

use usher_edge::Line;
use usher_edge::log::Record;

/// A line about the request with this id.
pub(crate) fn line(request_id: &str, line: &Line) {
    write(&Record { request_id, ..line.record() });
}

/// An event of the host, which is about no request, and its details.
pub(crate) fn event(event: &'static str, detail: &str) {
    write(&Record { event, detail, ..Record::default() });
}

fn write(record: &Record<'_>) {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let at_ms = since_1970.ok().and_then(|time| i64::try_from(time.as_millis()).ok());
    eprintln!("{}", Record { at_ms, ..*record }.to_json());
}
