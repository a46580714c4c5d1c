//! The operator's log: JSON lines on the component's standard error.

use usher_edge::wire::json::Json;

/// Writes a line of the service, which is JSON.
pub(crate) fn line(line: &str) {
    eprintln!("{line}");
}

/// Writes an event of the host.
pub(crate) fn event(event: &str, detail: &str) {
    let mut json = Json::new();
    json.object(|o| {
        o.field("event").text(event);
        o.field("detail").text(detail);
    });
    line(&json.into_text());
}
