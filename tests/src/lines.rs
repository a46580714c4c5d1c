//! The lines of the operator's log, held to the fields that a line may have.

use serde_json::Value;
use usher_edge::is_id;
use usher_edge::log::FIELDS;

/// The first line of a log that is no JSON object, has no event, has a field besides those that a line may have, or one of
/// another form; with the reason.
pub fn odd_line(log: &str) -> Option<String> {
    log.lines().find_map(|line| Some(format!("{}: {line}", oddity(line)?)))
}

fn oddity(line: &str) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::from_str(line) else { return Some("no object".to_owned()) };
    if !fields.get("event").is_some_and(|event| event.as_str().is_some_and(is_name)) {
        return Some("no event".to_owned());
    }
    let fits = |name: &str, value: &Value| match name {
        "event" | "detail" | "method" | "route" => value.is_string(),
        "request_id" => value.as_str().is_some_and(is_id),
        "ms" => value.is_number(),
        _ => value.is_i64(),
    };
    let odd = fields.iter().find(|(name, value)| !FIELDS.contains(&name.as_str()) || !fits(name, value));
    odd.map(|(name, _)| format!("the field {name}"))
}

/// Names of events are words of the program.
fn is_name(event: &str) -> bool {
    event.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_any_other_field_is_found() {
        let good = "{\"at_ms\":1,\"event\":\"key_refused\",\"detail\":\"Value is empty.\"}\n{\"event\":\"degraded\"}";
        assert_eq!(odd_line(good), None);
        for (bad, why) in [
            ("{\"event\":\"key_refused\",\"td_client_id\":\"anna\"}", "the field td_client_id"),
            ("{\"event\":\"key_refused\",\"request_id\":\"anna\"}", "the field request_id"),
            ("{\"event\":\"key_refused\",\"at_ms\":\"5\"}", "the field at_ms"),
            ("{\"event\":\"anna@shop.example\"}", "no event"),
            ("{\"detail\":\"x\"}", "no event"),
            ("anna", "no object"),
        ] {
            let found = odd_line(&format!("{good}\n{bad}"));
            assert_eq!(found, Some(format!("{why}: {bad}")));
        }
    }
}
