//! Tables of keys: which identifiers of an event identify, and why the others do not. Hosts say only that a key was
//! refused; the reason is the engine's, so the engine is asked.

use serde::Deserialize;
use serde_json::{Value, json};
use usher_engine::{Event, Evidence, Plan};

use crate::run::Outcome;

/// One file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyTable {
    /// Its subject, in a sentence.
    pub about: String,
    /// Definitions, as texts.
    pub definition: Vec<String>,
    /// The subject of each, the evidence (`nobody`, `server`, or the keys of a signed token as JSON), the event's columns,
    /// the names of the keys that identify, in order, and the others with their reasons.
    pub keys: Vec<(String, String, String, String, String)>,
}

impl KeyTable {
    /// Compares the engine's decision of every case with the table.
    pub fn decide(&self) -> Vec<Outcome> {
        let sources = self
            .definition
            .iter()
            .map(|text| usher_config::Source { name: "definition.yaml".to_owned(), text: text.clone() });
        let reading = usher_config::check(&sources.collect::<Vec<_>>());
        assert!(!reading.has_errors(), "{:?}", reading.findings);
        let plan = Plan::compile(&reading.definition).expect("it was checked");
        let outcomes = self.keys.iter().map(|(name, who, event, usable, refused)| {
            let columns: Vec<(String, usher_engine::value::Value)> =
                serde_json::from_str::<serde_json::Map<_, _>>(event)
                    .expect("columns are JSON")
                    .into_iter()
                    .map(|(name, value)| (name, serde_json::from_value(value).expect("any JSON")))
                    .collect();
            let vouched: Vec<(String, String)> = match who.as_str() {
                "nobody" | "server" => Vec::new(),
                token => serde_json::from_str::<std::collections::BTreeMap<String, String>>(token)
                    .expect("keys are JSON")
                    .into_iter()
                    .collect(),
            };
            let evidence = Evidence { server: who == "server", keys: &vouched };
            let event = Event::resolve(0, columns, 1_790_000_000_000, "minted".to_owned());
            let keys = plan.keys(&event, &evidence);
            let found = [
                json!(
                    keys.usable.iter().map(|key| format!("{}={}", key.name, key.value)).collect::<Vec<_>>()
                ),
                json!(
                    keys.refused
                        .iter()
                        .map(|key| format!("{}: {}", key.name, key.reason))
                        .collect::<Vec<_>>()
                ),
            ];
            let mut failure = None;
            for (expected, found) in [usable, refused].into_iter().zip(found) {
                let expected: Value = serde_json::from_str(expected).expect("lists are JSON");
                if expected != found {
                    failure = Some(format!("expected {expected}, found {found}"));
                }
            }
            Outcome { step: name.clone(), failure }
        });
        outcomes.collect()
    }
}
