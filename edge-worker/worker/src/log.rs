//! The operator's log: JSON lines on the Worker's console.

use usher_edge::wire::json::Json;
use worker::{console_error, console_log};

/// Writes a line of the service, which is JSON.
pub(crate) fn line(line: &str) {
    console_log!("{line}");
}

/// Writes a fault of the host.
pub(crate) fn event(event: &str, detail: &str) {
    let mut json = Json::new();
    json.object(|o| {
        o.field("event").text(event);
        o.field("detail").text(detail);
    });
    console_error!("{}", json.into_text());
}
