//! Tables of criteria: a text, what is known of a visitor, and whether it is true, false or unknown of them.
//!
//! The engine decides each case in a plan of its own. Hosts are given one definition with a personalization per case, a
//! record per visitor, and are asked to explain; so a case is the same question along the whole way.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use usher_engine::definition::{
    Attribute, AttributeKind, Audience, Choice, Definition, EventTable, Identity, KeyEvent, Personalization,
    Section, StitchKey,
};
use usher_engine::value::DataType;
use usher_engine::{Access, Asked, Event, Plan, Profile, ProfileId, Query, syntax};

use crate::deployment::Keys;
use crate::run::{AUDIENCE, Outcome, unix_now};
use crate::target::{Call, Target};
use crate::vector::read;

/// One file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its subject, in a sentence.
    pub about: String,
    /// Unix seconds at which everything is asked.
    pub now: i64,
    /// Attributes that come with an import, by name with their type; `any` declares none.
    pub attributes: BTreeMap<String, String>,
    /// Criteria, what is known, and `true`, `false`, `unknown`, or `error` when it must not compile.
    pub cases: Vec<(String, String, String)>,
}

/// Every table, by its path without the ending.
pub fn all() -> Vec<(String, Table)> {
    read("cases")
}

impl Table {
    /// Why hosts cannot be given the whole table at once, if they cannot.
    pub fn engine_only(&self) -> Option<&'static str> {
        let any = self.attributes.values().any(|data_type| data_type == "any");
        any.then_some(
            "its types follow from their uses, case by case, and a definition has all cases at once",
        )
    }

    /// The same with one case alone.
    pub fn of_case(&self, number: usize) -> Table {
        let (about, now, attributes) = (self.about.clone(), self.now, self.attributes.clone());
        Table { about, now, attributes, cases: self.cases.get(number).cloned().into_iter().collect() }
    }

    /// Compares the engine's decision of every case with the table.
    pub fn decide(&self) -> Vec<Outcome> {
        let outcomes = self.cases.iter().map(|(text, given, expected)| {
            let found = self.decided(text, &Given::read(given, self));
            let failure = match found {
                Err(why) if expected != "error" => Some(why),
                Ok(found) if found != expected => Some(format!("expected {expected}, found {found}")),
                _ => None,
            };
            outcome(text, given, failure)
        });
        outcomes.collect()
    }

    fn decided(&self, text: &str, given: &Given) -> Result<&'static str, String> {
        let expr = syntax::parse(text).map_err(|error| error.to_string())?;
        assert_eq!(syntax::parse(&expr.to_string()).as_ref(), Ok(&expr), "printed and read again: {text}");
        let definition = self.definition(vec![personalization("case".to_owned(), expr)]);
        let plan = Plan::compile(&definition).map_err(|findings| {
            findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
        })?;
        let now_ms = self.now * 1_000;
        let mut profile = Profile::new(ProfileId([1; 16]), now_ms);
        if let Some(row) = given.record("visitor") {
            profile.import(plan.record(&columns(row), now_ms)?, now_ms);
        }
        let event = given.event.clone().map(|event| {
            let table = plan.table("test", "events").expect("it is declared");
            Event::resolve(table, columns(event), now_ms, "minted".to_owned())
        });
        let query = Query {
            event: event.as_ref(),
            asked: Asked::Named(&[0]),
            inputs: &[],
            edge: &[],
            access: Access::default(),
            blind: false,
        };
        let explanation = plan.explain(&profile, &query, now_ms);
        let entered = !plan.personalize(&profile, &query, now_ms).offers.is_empty();
        truth(explanation.personalizations[0].sections[0].criteria.result.as_str(), entered)
    }

    /// Compares a host's answer to every case with the table.
    pub fn ask(&self, target: &mut dyn Target) -> Vec<Outcome> {
        let cases = self.cases.iter().enumerate().filter(|(_, (_, _, expected))| expected != "error");
        let name = |index: usize| format!("case-{index}");
        let personalizations = cases.clone().map(|(index, (text, _, _))| {
            personalization(name(index), syntax::parse(text).expect("it compiles"))
        });
        let bundle = usher_edge::bundle_of(&self.definition(personalizations.collect())).expect("a bundle");
        let rows = cases.clone().filter_map(|(index, (_, given, _))| {
            Given::read(given, self).record(&name(index)).map(|row| Value::Object(row).to_string())
        });
        let rows = rows.collect::<Vec<_>>().join("\n");
        let mut host = Host { target, keys: Keys::demo(), now: self.now };
        let mut outcomes = Vec::new();
        for (request, who, body) in [
            (format!("PUT /v1/audiences/{AUDIENCE}/bundle"), "admin", bundle),
            (format!("POST /v1/audiences/{AUDIENCE}/profiles/import"), "server", rows.into_bytes()),
        ] {
            let failure = host.call(&request, who, body).err();
            outcomes.push(Outcome { step: request, failure });
        }
        for (index, (text, given, expected)) in cases {
            let mut body = json!({
                "audience": AUDIENCE, "key": {"name": "customer_id", "value": name(index)},
                "personalization": name(index),
            });
            if let Some(event) = Given::read(given, self).event {
                body["event"] = json!({"database": "test", "table": "events", "columns": event});
            }
            let explained = host.call("POST /v1/explain", "server", body.to_string().into_bytes());
            let found = explained.and_then(|explained| {
                let all = explained["personalizations"].as_array().cloned().unwrap_or_default();
                let own = all.iter().find(|one| one["name"] == name(index)).ok_or("it is not explained")?;
                let result = own["sections"][0]["criteria"]["result"].as_str().unwrap_or("missing");
                truth(result, explained["offers"] != json!({}))
            });
            let failure = match found {
                Ok(found) if found == expected => None,
                Ok(found) => Some(format!("expected {expected}, found {found}")),
                Err(why) => Some(why),
            };
            outcomes.push(outcome(text, given, failure));
        }
        outcomes
    }

    fn definition(&self, personalizations: Vec<Personalization>) -> Definition {
        let attributes = self.attributes.iter().map(|(name, data_type)| Attribute {
            name: name.clone(),
            kind: AttributeKind::Batch { column: name.clone(), data_type: declared(data_type) },
            sensitive: false,
            description: None,
        });
        Definition {
            audience: Audience { id: AUDIENCE.to_owned(), name: None },
            key_events: vec![KeyEvent {
                name: "any_event".to_owned(),
                table: EventTable { database: "test".to_owned(), table: "events".to_owned() },
                filter: None,
                columns: Vec::new(),
                description: None,
            }],
            attributes: attributes.collect(),
            identity: Identity {
                primary_key: Some("customer_id".to_owned()),
                keys: vec![StitchKey { name: "customer_id".to_owned(), ..StitchKey::default() }],
                ..Identity::default()
            },
            personalizations,
            ..Definition::default()
        }
    }
}

fn declared(name: &str) -> Option<DataType> {
    let known = DataType::ALL.into_iter().find(|data_type| data_type.to_string() == name);
    assert!(known.is_some() || name == "any", "no type is called {name}");
    known
}

fn personalization(name: String, criteria: syntax::Expr) -> Personalization {
    let section = Section {
        // Sections of personalizations that one table triggers need names of their own.
        name: name.clone(),
        key_event: None,
        event_filter: None,
        criteria,
        accept_unknown_profiles: true,
        outputs: Vec::new(),
        segments: Vec::new(),
        include_sensitive: false,
    };
    let trigger = Some("any_event".to_owned());
    Personalization {
        name,
        id: None,
        description: None,
        choice: Choice::First,
        segments_as: Default::default(),
        device: false,
        trigger,
        inputs: vec![],
        sections: vec![section],
    }
}

/// A visitor: a record, and the current event.
struct Given {
    values: Map<String, Value>,
    event: Option<Map<String, Value>>,
}

impl Given {
    /// `{"tier": "VIP", "segments": ["a"], "event.price": 5}`
    fn read(text: &str, table: &Table) -> Given {
        let all: Map<String, Value> =
            serde_json::from_str(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let mut given = Given { values: Map::new(), event: None };
        for (name, value) in all {
            if let Some(column) = name.strip_prefix("event.") {
                given.event.get_or_insert_default().insert(column.to_owned(), value);
            } else if name == "segments" {
                given.values.insert("batch_segments".to_owned(), value);
            } else {
                assert!(table.attributes.contains_key(&name), "no attribute is called {name}");
                given.values.insert(name, value);
            }
        }
        given
    }

    /// The row that an import brings; none when nothing comes with one.
    fn record(&self, key: &str) -> Option<Map<String, Value>> {
        let mut row = self.values.clone();
        row.insert("customer_id".to_owned(), json!(key));
        (row.len() > 1).then_some(row)
    }
}

fn columns(object: Map<String, Value>) -> Vec<(String, usher_engine::value::Value)> {
    object.into_iter().map(|(name, value)| (name, serde_json::from_value(value).expect("any JSON"))).collect()
}

fn truth(result: &str, entered: bool) -> Result<&'static str, String> {
    match (result, entered) {
        ("matched", true) => Ok("true"),
        ("not_matched", false) => Ok("false"),
        ("unknown", false) => Ok("unknown"),
        _ => Err(format!("explained as {result}, and the section entered: {entered}")),
    }
}

fn outcome(text: &str, given: &str, failure: Option<String>) -> Outcome {
    Outcome { step: format!("{text} | {given}"), failure }
}

struct Host<'t> {
    target: &'t mut dyn Target,
    keys: Keys,
    now: i64,
}

impl Host<'_> {
    fn call(&mut self, request: &str, who: &str, body: Vec<u8>) -> Result<Value, String> {
        let (method, path) = request.split_once(' ').expect("method and path");
        let now = if self.target.live() { unix_now() } else { self.now };
        let answer =
            self.target.call(&Call { method, path, headers: self.keys.headers(who, now), body, now });
        let json = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200);
        json.ok_or_else(|| format!("answered {}: {}", answer.status, answer.text()))
    }
}
