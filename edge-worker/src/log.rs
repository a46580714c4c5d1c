//! Lines for the operator's log. None contains a visitor's values.

use crate::limits::LOG_LINES_MAX;
use crate::wire::json::Json;

/// One line: a stable event name, and details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    event: &'static str,
    /// May be empty.
    detail: String,
}

/// A stored profile is not as it was written.
pub(crate) const DAMAGED_PROFILE: &str = "damaged_profile";

impl Line {
    /// A line without details.
    pub(crate) fn of(event: &'static str) -> Line {
        Line { event, detail: String::new() }
    }

    /// A line with details.
    pub(crate) fn with_detail(event: &'static str, detail: impl Into<String>) -> Line {
        Line { event, detail: detail.into() }
    }

    /// The name of the event.
    pub(crate) fn event(&self) -> &'static str {
        self.event
    }

    /// True when this is what happened.
    pub(crate) fn is(&self, event: &str) -> bool {
        self.event == event
    }

    /// `{"event", "detail"}` as JSON on one line.
    pub fn to_json(&self) -> String {
        let mut json = Json::new();
        json.object(|o| {
            o.field("event").text(self.event);
            if !self.detail.is_empty() {
                o.field("detail").text(&self.detail);
            }
        });
        json.into_text()
    }
}

/// Keeps the first lines of a request and adds one with the number of others, so that one request cannot fill a log.
pub(crate) fn bounded(mut lines: Vec<Line>) -> Vec<Line> {
    let more = lines.len().saturating_sub(LOG_LINES_MAX);
    if more > 0 {
        lines.truncate(LOG_LINES_MAX);
        lines.push(Line::with_detail("more_lines", more.to_string()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_logs_a_few_lines_and_a_count() {
        let lines = |count: usize| bounded(vec![Line::of("key_refused"); count]);
        assert_eq!(lines(LOG_LINES_MAX), vec![Line::of("key_refused"); LOG_LINES_MAX]);
        let many = lines(7_000);
        assert_eq!(many.len(), LOG_LINES_MAX + 1);
        assert_eq!(many.last(), Some(&Line::with_detail("more_lines", "6990")));
    }
}
