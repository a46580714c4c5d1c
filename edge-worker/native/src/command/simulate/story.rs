//! A simulation in words: what each event did, and who is there at the end.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Sent;
use crate::clock::rfc3339;
use crate::simulation::Outcome;
use crate::terminal::clean;
use crate::tree;

/// Visitors have numbers, by the order in which they come.
pub(super) struct Story {
    visitors: BTreeMap<String, usize>,
    /// The last known state of each profile, by id.
    known: BTreeMap<String, Value>,
    /// The column that each attribute reads.
    columns: BTreeMap<String, String>,
    color: bool,
}

impl Story {
    pub(super) fn new(columns: BTreeMap<String, String>, color: bool) -> Story {
        Story { visitors: BTreeMap::new(), known: BTreeMap::new(), columns, color }
    }

    pub(super) fn event(
        &mut self,
        line: u64,
        sent: &Sent,
        at_ms: i64,
        outcome: &Outcome,
        profile: Option<&Value>,
        refused_keys: &[String],
    ) -> String {
        let id = profile.and_then(|profile| profile["id"].as_str()).unwrap_or_default().to_owned();
        let who = if id.is_empty() { "nobody".to_owned() } else { self.visitor(&id) };
        let mut out = String::new();
        let (bold, plain) = if self.color { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
        let title = format!("{line}. {}.{} at {}", sent.database, sent.table, rfc3339(at_ms));
        out.push_str(&format!("{bold}{}{plain}: {who}\n", clean(&title)));
        for text in self.notes(outcome, refused_keys) {
            say(&mut out, &text);
        }
        for entry in &outcome.journal {
            let text = self.stitched(entry);
            say(&mut out, &text);
        }
        if let Some(profile) = profile {
            let before = self.known.get(&id).map(|known| &known["attributes"]);
            for (name, attribute) in profile["attributes"].as_object().into_iter().flatten() {
                let same = before.is_some_and(|before| before[name]["value"] == attribute["value"]);
                if !same {
                    say(&mut out, &tree::attribute(name, attribute));
                }
            }
            for text in self.journeys(&id, profile) {
                say(&mut out, &text);
            }
            self.known.insert(id, profile.clone());
        }
        let offers = outcome.answer["offers"].as_object();
        if offers.is_none_or(|offers| offers.is_empty()) {
            say(&mut out, "no offers");
        }
        for (section, offer) in offers.into_iter().flatten() {
            say(&mut out, &format!("offer {section}{}", tree::offered(offer)));
        }
        out
    }

    /// True if a visitor is elsewhere in a journey than before.
    pub(super) fn has_moved(&self, profile: &Value) -> bool {
        let id = profile["id"].as_str().unwrap_or_default();
        !self.journeys(id, profile).is_empty()
    }

    /// Where a visitor goes whose wait is over; empty if nowhere.
    pub(super) fn moved(&mut self, profile: &Value, at_ms: i64) -> String {
        let id = profile["id"].as_str().unwrap_or_default().to_owned();
        let moves = self.journeys(&id, profile);
        self.known.insert(id.clone(), profile.clone());
        if moves.is_empty() {
            return String::new();
        }
        let (bold, plain) = if self.color { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
        let mut out = format!("{bold}time passes until {}{plain}: {}\n", rfc3339(at_ms), self.visitor(&id));
        moves.iter().for_each(|text| say(&mut out, text));
        out
    }

    /// A message that a step sends.
    pub(super) fn sent(&mut self, profile: &str, message: &Value) -> String {
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        let mut out = String::new();
        let to = if text("url").is_empty() { text("connection") } else { text("url") };
        let who = self.visitor(profile);
        say(
            &mut out,
            &format!("sent to {who} by {}: {} {to} {}", text("activation"), text("method"), text("body")),
        );
        out
    }

    /// Where a visitor is in journeys, if that is not as it was known.
    fn journeys(&self, id: &str, profile: &Value) -> Vec<String> {
        let before = self.known.get(id).and_then(|known| known["journeys"].as_array());
        let mut moves = Vec::new();
        for journey in profile["journeys"].as_array().into_iter().flatten() {
            let known = before.into_iter().flatten().find(|known| known["name"] == journey["name"]);
            let name = journey["name"].as_str().unwrap_or_default();
            let ended = |journey: &Value| journey["finished"].as_array().map_or(0, Vec::len);
            let was = known.map_or(0, ended);
            if ended(journey) > was {
                let endings = journey["finished"].as_array().into_iter().flatten();
                let newest = endings.max_by_key(|it| it["ended_ms"].as_i64());
                let ending = newest.and_then(|it| it["ending"].as_str()).unwrap_or_default();
                moves.push(format!("journey {name}: ended, {}", ending.replace('_', " ")));
            }
            let current = &journey["current"];
            if !current.is_null() && known.is_none_or(|known| known["current"] != *current) {
                moves.push(format!("journey {name}: {}", tree::standing(current)));
            }
        }
        moves
    }

    /// The profile of a visitor after the last event.
    pub(super) fn end(&mut self, profile: &Value) -> String {
        let who = self.visitor(profile["id"].as_str().unwrap_or_default());
        let mut out = format!("\n{who} at the end: {}", tree::profile(profile));
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out
    }

    fn visitor(&mut self, id: &str) -> String {
        let next = self.visitors.len() + 1;
        format!("visitor {}", self.visitors.entry(id.to_owned()).or_insert(next))
    }

    /// The notes of receipt and log, each once.
    fn notes(&self, outcome: &Outcome, refused_keys: &[String]) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        // The log names no column of a caller's; they come in the order of its lines.
        let mut refused_keys = refused_keys.iter();
        for line in &outcome.log {
            let event = line["event"].as_str().unwrap_or_default();
            let detail = line["detail"].as_str().map(|detail| format!(": {detail}")).unwrap_or_default();
            let detail = match (event, detail.strip_prefix(": ").and_then(|detail| detail.split_once(": "))) {
                ("key_refused", _) => match refused_keys.next() {
                    Some(name) => format!(" `{name}`{detail}"),
                    None => detail,
                },
                ("value_refused", Some((attribute, reason))) => {
                    let column = self.columns.get(attribute).map(String::as_str);
                    let column = column.filter(|column| *column != attribute);
                    let column = column.map(|column| format!(" (column `{column}`)")).unwrap_or_default();
                    format!(" for `{attribute}`{column}: {}", reason.replace('_', " "))
                }
                _ => detail,
            };
            said.push(format!("{}{detail}", event.replace('_', " ")));
        }
        for note in outcome.receipt["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let note = note.replace('_', " ");
            if !said.iter().any(|known| known.starts_with(&note)) {
                said.push(note);
            }
        }
        said
    }

    /// An entry of the journal, with numbers for ids.
    fn stitched(&mut self, entry: &Value) -> String {
        let id = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all = |list: &Value| {
            let names = list.as_array().into_iter().flatten().map(|one| self.visitor(&id(one)));
            names.collect::<Vec<_>>().join(" and ")
        };
        match entry["kind"].as_str().unwrap_or_default() {
            "merged" => {
                let sources = all(&entry["sources"]);
                format!("{sources} merged into {}", self.visitor(&id(&entry["into"])))
            }
            "key_moved" => {
                format!("the key {} moved here from {}", id(&entry["key"]), self.visitor(&id(&entry["from"])))
            }
            "ambiguous" => format!("its keys also name {}, who are other people", all(&entry["left"])),
            "key_evicted" => format!("the key {} was forgotten, there are too many", id(&entry["key"])),
            other => other.replace('_', " "),
        }
    }
}

fn say(out: &mut String, words: &str) {
    out.push_str(&format!("   {}\n", clean(words).replace('\n', " ")));
}
