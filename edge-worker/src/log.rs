//! Lines for the operator's log. None holds a value of a visitor.

use crate::wire::json::Json;

/// One line: the stable name of what happened, and details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    event: &'static str,
    /// Empty: there are none.
    detail: String,
}

impl Line {
    /// A line without details.
    pub(crate) fn of(event: &'static str) -> Line {
        Line { event, detail: String::new() }
    }

    /// A line with details.
    pub(crate) fn with_detail(event: &'static str, detail: impl Into<String>) -> Line {
        Line { event, detail: detail.into() }
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
