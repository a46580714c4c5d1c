//! `datalogic-rs`: operations in an arena that is reused, data parsed before.

use datalogic_rs::{Engine, Logic, ParsedData, Session};
use serde_json::{Map, Value, json};
use usher_bench_work::rules::{INTS, Profile, Rule, TEXTS, Test, name};

use super::Subject;

pub struct Datalogic {
    engine: &'static Engine,
    session: Session<'static>,
}

fn json(rule: &Rule) -> Value {
    let all = |rules: &[Rule]| Value::Array(rules.iter().map(json).collect());
    match rule {
        Rule::All(rules) => json!({ "and": all(rules) }),
        Rule::Any(rules) => json!({ "or": all(rules) }),
        Rule::Not(rule) => json!({ "!": [json(rule)] }),
        Rule::Is(field, test) => {
            let field = json!({ "var": name(*field) });
            match test {
                Test::AtLeast(low) => json!({ ">=": [field, low] }),
                Test::AtMost(high) => json!({ "<=": [field, high] }),
                Test::Between(low, high) => json!({ "<=": [low, field, high] }),
                Test::Contains(part) => json!({ "in": [part, field] }),
                // `===`: one type, nothing to coerce.
                Test::EqualInt(right) => json!({ "===": [field, right] }),
                Test::EqualText(right) => json!({ "===": [field, right] }),
                Test::InInts(items) => json!({ "in": [field, items] }),
                Test::InTexts(items) => json!({ "in": [field, items] }),
            }
        }
    }
}

impl Subject for Datalogic {
    type Rule = Logic;
    type Context = ParsedData;

    fn new() -> Datalogic {
        let engine: &'static Engine = Box::leak(Box::new(Engine::new()));
        Datalogic { engine, session: engine.session() }
    }

    fn spell(rule: &Rule) -> Option<String> {
        Some(json(rule).to_string())
    }

    fn compile(&self, text: &str) -> Logic {
        self.engine.compile(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// From JSON text, whose writing is part of it: a parsed document is what evaluation takes without a copy.
    fn context(&self, profile: &'static Profile) -> ParsedData {
        let mut object = Map::new();
        for field in 0..INTS.len() {
            object.insert(name(field).to_owned(), profile.int(field).into());
        }
        for field in INTS.len()..INTS.len() + TEXTS.len() {
            object.insert(name(field).to_owned(), profile.text(field).into());
        }
        ParsedData::from_json(&Value::Object(object).to_string()).expect("a document")
    }

    fn evaluate(&mut self, rule: &Logic, context: &ParsedData) -> bool {
        let truth = self.session.eval_borrowed(rule, context).expect("a value").as_bool().expect("a truth");
        self.session.reset();
        truth
    }
}
