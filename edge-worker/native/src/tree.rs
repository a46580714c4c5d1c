//! An explanation in words: what was decided for a visitor, condition by condition, and what was seen.
//!
//! It draws the JSON that every edge answers to `POST /v1/explain`, so that both ways of asking read the same.

use serde_json::Value;

use crate::clock::rfc3339;
use crate::definitions::many;
use crate::terminal::clean;

/// The whole explanation as lines.
pub(crate) fn draw(explanation: &Value, color: bool) -> String {
    let mut tree = Tree { text: String::new(), color };
    tree.visitor(&explanation["profile"]);
    items(&explanation["rows"]).iter().for_each(|row| tree.row(row));
    for personalization in items(&explanation["personalizations"]) {
        tree.personalization(personalization);
    }
    tree.offers(&explanation["offers"]);
    tree.text
}

/// The profile of a visitor, as lines.
pub(crate) fn profile(profile: &Value) -> String {
    let mut tree = Tree { text: String::new(), color: false };
    tree.visitor(profile);
    tree.text
}

/// One attribute and its value.
pub(crate) fn attribute(name: &str, known: &Value) -> String {
    format!("{name} {}", seen(known))
}

/// The content of an offer, in one line that follows its name.
pub(crate) fn offered(offer: &Value) -> String {
    let attributes = offer["attributes"].as_object().into_iter().flatten();
    let mut parts: Vec<String> = attributes.map(|(name, value)| format!("{name} = {value}")).collect();
    let segments = segments(&offer["batch_segments"]);
    if !segments.is_empty() {
        parts.push(format!("segments {}", segments.join(", ")));
    }
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) }
}

struct Tree {
    text: String,
    color: bool,
}

impl Tree {
    fn line(&mut self, depth: usize, words: &str) {
        let words = clean(words).replace('\n', " ");
        self.text.push_str(&format!("{}{words}\n", "  ".repeat(depth)));
    }

    /// A line about something that was decided.
    fn decided(&mut self, depth: usize, result: &str, words: &str) {
        let (sign, paint) = match result {
            "matched" => ("✓", "\u{1b}[32m"),
            "not_matched" => ("✗", "\u{1b}[31m"),
            "unknown" => ("?", "\u{1b}[33m"),
            _ => ("·", "\u{1b}[2m"),
        };
        let (paint, plain) = if self.color { (paint, "\u{1b}[0m") } else { ("", "") };
        let words = clean(words).replace('\n', " ");
        self.text.push_str(&format!("{}{paint}{sign}{plain} {words}\n", "  ".repeat(depth)));
    }

    fn visitor(&mut self, profile: &Value) {
        let keys = items(&profile["keys"]);
        let mut names: Vec<&str> = keys.iter().filter_map(|key| key["name"].as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let known = match (profile["known"] == true, names.is_empty()) {
            (false, _) => "nothing is known of this visitor".to_owned(),
            (true, true) => "a visitor without any key".to_owned(),
            (true, false) => format!("a visitor known by {}", names.join(", ")),
        };
        let batch =
            if profile["batch_record"] == true { "with a batch record" } else { "without a batch record" };
        self.line(0, &format!("{known}, {batch}"));
        if let Some(attributes) = profile["attributes"].as_object() {
            for (name, known) in attributes {
                self.line(1, &attribute(name, known));
            }
        }
        let segments = texts(&profile["segments"]);
        if !segments.is_empty() {
            self.line(1, &format!("in the segments {}", segments.join(", ")));
        }
        items(&profile["journeys"]).iter().for_each(|journey| self.journey(journey));
    }

    /// A row of a table that was read, or why it was not.
    fn row(&mut self, row: &Value) {
        let whose = match (row["table"].as_str(), row["key"].as_str()) {
            (Some(table), Some(key)) => format!(" is the row {} of {table}", Value::from(key)),
            (Some(table), None) => format!(" is a row of {table}, its key withheld"),
            (None, _) => String::new(),
        };
        let state = match row["missed"].as_str() {
            Some("absent") => ": there is none".to_owned(),
            Some("not_yours") => ": not read, this caller finds no such row".to_owned(),
            Some("late") => ": not read, its shard did not answer in time".to_owned(),
            Some(_) => ": not read".to_owned(),
            None => {
                let version = &row["version"];
                let version = if version.is_null() { String::new() } else { format!(", version {version}") };
                format!("{version}{}", row["age_ms"].as_i64().map(ago).unwrap_or_default())
            }
        };
        self.line(1, &format!("{}{whose}{state}", text(&row["attribute"])));
    }

    /// Where the visitor is in a journey, and what would move them.
    fn journey(&mut self, trace: &Value) {
        let name = text(&trace["name"]);
        let endings: Vec<String> =
            items(&trace["finished"]).iter().map(|ended| in_words(text(&ended["ending"]))).collect();
        let current = &trace["current"];
        let mut words = match (current.is_null(), trace["runs"] == true) {
            (true, _) => "not in it".to_owned(),
            (false, true) => standing(current),
            (false, false) => format!("{}; it does not run", standing(current)),
        };
        if !endings.is_empty() {
            words.push_str(&format!("; ended before: {}", endings.join(", ")));
        }
        self.line(1, &format!("journey {name}: {words}"));
        for gate in items(&trace["would_move"]) {
            let what = in_words(text(&gate["what"]));
            let event =
                gate["key_event"].as_str().map(|event| format!(" by the event {event}")).unwrap_or_default();
            let at =
                gate["at_ms"].as_i64().map(|at_ms| format!(" at {}", rfc3339(at_ms))).unwrap_or_default();
            self.line(2, &format!("{what}{event}{at}"));
            let criteria = &gate["criteria"];
            if !text(&criteria["text"]).is_empty() {
                self.condition(3, criteria);
            }
        }
    }

    fn personalization(&mut self, trace: &Value) {
        let result = text(&trace["result"]);
        let choice = if trace["choice"] == "first" { "the first that matches" } else { "all that match" };
        let why = reason(trace);
        self.text.push('\n');
        self.decided(0, result, &format!("{} ({choice}): {}{why}", text(&trace["name"]), in_words(result)));
        if result != "not_reached" {
            for section in items(&trace["sections"]) {
                self.section(section);
            }
        }
    }

    fn section(&mut self, trace: &Value) {
        let result = text(&trace["result"]);
        let why = reason(trace);
        self.decided(1, result, &format!("{}: {}{why}", text(&trace["name"]), in_words(result)));
        let criteria = &trace["criteria"];
        if criteria["result"] != "not_reached" {
            self.condition(2, criteria);
        }
    }

    /// As deep as criteria nest, which is bounded where they are compiled.
    fn condition(&mut self, depth: usize, trace: &Value) {
        let result = text(&trace["result"]);
        let sightings: Vec<String> = items(&trace["seen"])
            .iter()
            .map(|observed| format!("; {} {}", text(&observed["name"]), seen(observed)))
            .collect();
        let condition = match text(&trace["text"]) {
            "" => "always",
            condition => condition,
        };
        self.decided(depth, result, &format!("{condition}: {}{}", in_words(result), sightings.concat()));
        // What was not asked says no more than that.
        for part in items(&trace["parts"]).iter().filter(|_| result != "not_reached") {
            self.condition(depth + 1, part);
        }
    }

    fn offers(&mut self, offers: &Value) {
        self.text.push('\n');
        let Some(offers) = offers.as_object().filter(|offers| !offers.is_empty()) else {
            self.line(0, "no section matched: no offers");
            return;
        };
        self.line(0, &many(offers.len(), "offer"));
        for (section, offer) in offers {
            self.line(1, section);
            if let Some(attributes) = offer["attributes"].as_object() {
                for (name, value) in attributes {
                    self.line(2, &format!("{name} = {value}"));
                }
            }
            let segments = segments(&offer["batch_segments"]);
            if !segments.is_empty() {
                self.line(2, &format!("segments {}", segments.join(", ")));
            }
        }
    }
}

/// Where an entry is in its journey, in words.
pub(crate) fn standing(current: &Value) -> String {
    let mut out = format!("stage {}", text(&current["stage"]));
    if let Some(step) = current["step"].as_str() {
        out.push_str(&format!(", step {step}"));
    }
    match current["due_ms"].as_i64() {
        Some(due_ms) => out.push_str(&format!(", waits until {}", rfc3339(due_ms))),
        None => out.push_str(&format!(", {}", in_words(text(&current["why"])))),
    }
    for (step, arm) in current["variants"].as_object().into_iter().flatten() {
        out.push_str(&format!(", {step}: {}", text(arm)));
    }
    out
}

/// `= "VIP" (batch, 3 min ago)`
fn seen(observed: &Value) -> String {
    let source = text(&observed["source"]);
    if observed["redacted"] == true {
        return format!("is sensitive and not shown ({source})");
    }
    let value = &observed["value"];
    if value.is_null() {
        return format!("is missing ({source})");
    }
    let age = observed["age_ms"].as_i64().map(ago).unwrap_or_default();
    let late = observed["bucket_ms"].as_i64().filter(|bucket_ms| *bucket_ms > 0);
    let late = late.map(|bucket_ms| format!(", in steps of {}", span(bucket_ms))).unwrap_or_default();
    format!("= {value} ({source}{age}{late})")
}

fn ago(age_ms: i64) -> String {
    if age_ms < 1_000 { ", just now".to_owned() } else { format!(", {} ago", span(age_ms)) }
}

/// A span of time in its largest whole unit.
fn span(ms: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let (size, unit) = units.into_iter().find(|(size, _)| ms >= *size).unwrap_or((1, "ms"));
    format!("{} {unit}", ms / size)
}

fn reason(trace: &Value) -> String {
    trace["reason"].as_str().map(|reason| format!(", {reason}")).unwrap_or_default()
}

fn in_words(result: &str) -> String {
    result.replace('_', " ")
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// The batch segments of an offer, in any of their forms.
fn segments(listed: &Value) -> Vec<&str> {
    let named = listed.as_object().into_iter().flat_map(|known| known.keys().map(String::as_str));
    named.chain(items(listed).iter().map(|known| text(known.get("id").unwrap_or(known)))).collect()
}

fn texts(list: &Value) -> Vec<&str> {
    items(list).iter().filter_map(Value::as_str).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_sign() {
        let explanation = serde_json::json!({
            "profile": {"known": true, "batch_record": true, "keys": [{"name": "email"}, {"name": "email"}],
                "segments": ["vip"], "attributes": {
                    "tier": {"value": "VIP", "source": "batch", "age_ms": 180_000},
                    "mail": {"redacted": true, "source": "batch"},
                    "views": {"value": 4, "source": "event", "bucket_ms": 1_800_000}}},
            "offers": {},
            "personalizations": [
                {"name": "web", "choice": "first", "result": "not_matched", "sections": [
                    {"name": "A", "result": "unknown", "criteria": {
                        "text": "a = 1 AND b = 2", "result": "unknown", "parts": [
                            {"text": "a = 1", "result": "unknown", "seen": [
                                {"name": "a", "value": null, "source": "event"}]},
                            {"text": "b = 2", "result": "not_matched", "seen": [
                                {"name": "b", "value": "\u{1b}[2J3", "source": "input"}]}]}},
                    {"name": "B", "result": "not_reached", "criteria": {"text": "c", "result": "not_reached"}}]},
                {"name": "other", "choice": "all", "result": "not_reached", "reason": "why", "sections": []}]
        });
        let expected = "\
a visitor known by email, with a batch record
  mail is sensitive and not shown (batch)
  tier = \"VIP\" (batch, 3 min ago)
  views = 4 (event, in steps of 30 min)
  in the segments vip

✗ web (the first that matches): not matched
  ? A: unknown
    ? a = 1 AND b = 2: unknown
      ? a = 1: unknown; a is missing (event)
      ✗ b = 2: not matched; b = \"\\u001b[2J3\" (input)
  · B: not reached

· other (all that match): not reached, why

no section matched: no offers
";
        assert_eq!(draw(&explanation, false), expected);
        assert!(draw(&explanation, true).contains("\u{1b}[31m✗\u{1b}[0m web"));
    }
}
