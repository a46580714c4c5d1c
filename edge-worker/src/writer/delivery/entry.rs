//! Attempts as rows, with the fields of RT 2.0's table `activations`.

use usher_engine::value::Value;

use crate::destinations::Refused;
use crate::limits::ANSWER_KEPT_BYTES_MAX;
use crate::message::{AttemptOutcome, AttemptResult};
use crate::store::activations::{AttemptRow, DeliveryRow, FoundMessage};
use crate::wire::hex::hex;
use crate::wire::json::Json;
use crate::wire::read::document;

/// An attempt that ended.
pub(super) fn attempt_row(message: &FoundMessage, row: &DeliveryRow, result: &AttemptResult) -> AttemptRow {
    let (delivered, status, error, response) = match &result.outcome {
        AttemptOutcome::NotBegun => (false, "not_begun".to_owned(), "", ""),
        AttemptOutcome::Failed(reason) => (false, "no_answer".to_owned(), reason.as_str(), ""),
        AttemptOutcome::Answered { status, body, .. } => {
            let delivered = (200..300).contains(status);
            let error = match status {
                _ if delivered => "",
                300..400 => "redirects are not followed",
                _ => "the destination refused it",
            };
            (delivered, status.to_string(), error, body.as_str())
        }
    };
    write(message, row, result.at_ms, [if delivered { "true" } else { "false" }, &status, error, response])
}

/// A message that was saved, and is not sent.
pub(super) fn saved_row(
    message: &FoundMessage,
    row: &DeliveryRow,
    at_ms: i64,
    refused: Refused,
) -> AttemptRow {
    write(message, row, at_ms, ["false", refused.0, refused.1, ""])
}

fn write(
    message: &FoundMessage,
    row: &DeliveryRow,
    at_ms: i64,
    [delivered, status, error, response]: [&str; 4],
) -> AttemptRow {
    let parts = Parts::of(&message.row.message);
    let part = |name| parts.text(name);
    let mut json = Json::new();
    json.object(|o| {
        o.field("time").number(at_ms.div_euclid(1_000));
        o.field("timestamp").number(message.row.at_ms);
        o.field("log_time").number(at_ms);
        for (name, text) in [
            ("delivered", delivered),
            ("status", status),
            ("activation_type", part("connector")),
            ("journey_name", part("journey")),
            ("journey_stage_name", part("stage")),
            ("activation_name", part("activation")),
            ("activation_id", part("activation")),
            ("event_id", part("event")),
            ("step", part("step")),
            ("destination", &row.destination),
            ("rid", &hex(&message.row.id)),
            ("error", kept(error)),
            ("response", kept(response)),
        ] {
            o.field(name).text(text);
        }
        o.field("attempt").number(i64::from(row.attempts));
        o.field("sequence").number(row.sequence);
        o.field("by_hand").boolean(row.by_hand);
    });
    AttemptRow {
        audience: message.row.audience.clone(),
        profile: message.row.profile,
        at_ms,
        entry: json.into_text(),
    }
}

/// The beginning of a text.
pub(super) fn kept(text: &str) -> &str {
    let mut end = text.len().min(ANSWER_KEPT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The parts of a stored message.
pub(super) struct Parts(Vec<(String, Value)>);

impl Parts {
    pub(super) fn of(message: &str) -> Parts {
        match document(message.as_bytes()) {
            Ok(Value::Object(parts)) => Parts(parts),
            _ => Parts(Vec::new()),
        }
    }

    pub(super) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.as_str()).unwrap_or_default()
    }
}
