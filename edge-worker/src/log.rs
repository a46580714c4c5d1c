//! Lines for the operator's log. None contains a visitor's values.
//!
//! A [`Record`] is a line as it is written: its fields are the only ones that a line of any host has.

use usher_engine::value::{Number, Value};

use crate::limits::LOG_LINES_MAX;
use crate::wire::json::Json;

/// Something that happened: a stable event name, and details.
///
/// # Examples
///
/// ```
/// use usher_edge::Line;
///
/// let line = Line::with_detail("key_refused", "Value is too long.");
/// assert_eq!(line.record().to_json(), r#"{"event":"key_refused","detail":"Value is too long."}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    event: &'static str,
    /// May be empty.
    detail: String,
}

/// A stored profile is not as it was written.
pub(crate) const DAMAGED_PROFILE: &str = "damaged_profile";
/// A pointer leads to a profile that its shard has never heard of: the shard was restored to an earlier time than the others.
pub(crate) const SHARD_RESTORED: &str = "shard_restored";
/// Storage did not read or write; the detail is the reason.
pub const STORAGE_FAILED: &str = "storage_failed";
/// An audience does not run its bundle; the detail is the reason.
pub const DEGRADED: &str = "degraded";

impl Line {
    /// A line without details.
    pub fn of(event: &'static str) -> Line {
        Line { event, detail: String::new() }
    }

    /// A line with details.
    pub fn with_detail(event: &'static str, detail: impl Into<String>) -> Line {
        Line { event, detail: detail.into() }
    }

    /// The name of the event.
    pub fn event(&self) -> &'static str {
        self.event
    }

    /// The details; empty if there are none.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// True when this is what happened.
    pub(crate) fn is(&self, event: &str) -> bool {
        self.event == event
    }

    /// The line as a host writes it, which adds what it knows.
    pub fn record(&self) -> Record<'_> {
        Record { event: self.event, detail: &self.detail, ..Record::default() }
    }
}

/// A line of the log as it is written. No line has a field that is not here, and a field without a value is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// Unix milliseconds, on hosts whose platform does not add the time.
    pub at_ms: Option<i64>,
    /// A stable name.
    pub event: &'static str,
    /// A reason, for people; never a caller's words.
    pub detail: &'a str,
    /// The id of the request that the line is about, if it is about one.
    pub request_id: &'a str,
    /// The number of times, in a line that stands for many.
    pub count: Option<u64>,
    /// In the lines of an access log.
    pub answered: Option<Answered>,
}

/// A request and its answer, without anything that a caller wrote.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// One of HTTP's methods, or `other`.
    pub method: &'static str,
    /// The path of the route, with the names of its parameters.
    pub route: &'static str,
    /// Of the answer; 0: there was none.
    pub status: u16,
    /// Of the answer's body.
    pub bytes: u64,
    /// From the head of the request to the answer.
    pub micros: u64,
}

/// The names of the fields of a [`Record`], in their order.
pub const FIELDS: [&str; 10] =
    ["at_ms", "event", "detail", "request_id", "count", "method", "route", "status", "bytes", "ms"];

impl Record<'_> {
    /// The line as JSON.
    pub fn to_json(&self) -> String {
        let [at_ms, event, detail, request_id, count, method, route, status, bytes, ms] = FIELDS;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut json = Json::new();
        json.object(|o| {
            if let Some(time) = self.at_ms {
                o.field(at_ms).number(time);
            }
            o.field(event).text(self.event);
            for (name, text) in [(detail, self.detail), (request_id, self.request_id)] {
                if !text.is_empty() {
                    o.field(name).text(text);
                }
            }
            if let Some(times) = self.count {
                o.field(count).number(number(times));
            }
            if let Some(answered) = &self.answered {
                o.field(method).text(answered.method);
                o.field(route).text(answered.route);
                o.field(status).number(answered.status.into());
                o.field(bytes).number(number(answered.bytes));
                let time = Number::float(answered.micros as f64 / 1_000.0);
                o.field(ms).value(&time.map_or(Value::Null, Value::Number));
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

    #[test]
    fn a_line_has_the_fields_that_have_a_value_and_no_others() {
        let names = |record: &Record<'_>| -> Vec<String> {
            let line: serde_json::Value = serde_json::from_str(&record.to_json()).unwrap();
            line.as_object().unwrap().keys().cloned().collect()
        };
        let answered = Answered { method: "GET", route: "/healthz", status: 200, bytes: 7, micros: 1_204 };
        let (at_ms, count, answered) = (Some(5), Some(3), Some(answered));
        let all = Record { at_ms, event: "request", detail: "d", request_id: "0f", count, answered };
        let (mut written, mut known) = (names(&all), FIELDS.map(str::to_owned).to_vec());
        written.sort();
        known.sort();
        assert_eq!(written, known);
        assert!(all.to_json().ends_with(r#""status":200,"bytes":7,"ms":1.204}"#), "{}", all.to_json());
        assert_eq!(Line::of("key_refused").record().to_json(), r#"{"event":"key_refused"}"#);
    }
}
