//! The operator's log: JSON lines on standard error.

use usher_edge::wire::json::Json;

use crate::clock::now_ms;
use crate::terminal::note;

/// A JSON line on standard error. What the service says about events is JSON already; neither names a visitor.
pub(super) fn log(said: &str) {
    let mut json = Json::new();
    json.object(|o| {
        o.field("at_ms").number(now_ms());
        match serde_json::from_str::<serde_json::Value>(said) {
            Ok(serde_json::Value::Object(fields)) => {
                for (name, value) in &fields {
                    o.field(name).text(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                }
            }
            _ => {
                o.field("event").text("service");
                o.field("detail").text(said);
            }
        }
    });
    note(&json.into_text());
}
