//! Journeys: the messages of steps as rows, and due times.

use usher_engine::profile::Profile;
use usher_engine::{Fired, Plan};

use crate::limits::PARKED_MS;
use crate::outcome::{NEXT, Outcome};
use crate::store::Write;
use crate::store::journeys::{SendRow, WaitRow};
use crate::wire::hex::hex;
use crate::wire::json::Json;

/// Adds what an audience's profile waits for to a write. Profiles that were never in a journey add nothing.
pub(super) fn note_wait(plan: &Plan, profile: &Profile, audience: &str, now_ms: i64, write: &mut Write) {
    if !plan.has_progress(profile) {
        return;
    }
    let due_ms = match plan.due_ms(profile) {
        None if plan.is_parked(profile) => Some(now_ms.saturating_add(PARKED_MS)),
        due_ms => due_ms,
    };
    write.waits.push(WaitRow { audience: audience.to_owned(), profile: profile.id.0, due_ms });
}

/// The row of a message.
pub(super) fn send_row(audience: &str, profile: [u8; 16], fired: &Fired, at_ms: i64) -> SendRow {
    let mut json = Json::new();
    json.object(|o| {
        let id = hex(&fired.id);
        let texts = [
            ("id", id.as_str()),
            ("event", fired.event.as_deref().unwrap_or_default()),
            ("journey", &fired.journey),
            ("stage", &fired.stage),
            ("step", &fired.step),
            ("activation", &fired.activation),
            ("connection", fired.connection.as_deref().unwrap_or_default()),
            ("connector", &fired.connector),
            ("method", &fired.method),
        ];
        for (name, text) in texts {
            o.field(name).text(text);
        }
        o.field("headers").object(|o| {
            for (name, value) in &fired.headers {
                o.field(name).text(value);
            }
        });
        if let Some(url) = &fired.url {
            o.field("url").text(url);
        }
        o.field("body").text(&fired.body);
    });
    SendRow {
        audience: audience.to_owned(),
        profile,
        id: fired.id,
        at_ms,
        message: json.into_text(),
        delivery: None,
    }
}

/// The outcome, whose answer tells the host when the first of its profiles has to be led on.
pub(super) fn with_next(mut outcome: Outcome, now_ms: i64) -> Outcome {
    if let Some(due_ms) = outcome.write.waits.iter().filter_map(|row| row.due_ms).min() {
        let after_ms = due_ms.saturating_sub(now_ms).max(1);
        outcome.response = outcome.response.header(NEXT, after_ms.to_string());
    }
    outcome
}
