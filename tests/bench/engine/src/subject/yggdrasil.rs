//! `unleash-yggdrasil`, constraints only: boxed closures; the context's properties are texts in a hash map.

use std::collections::HashMap;

use unleash_yggdrasil::state::{EnrichedContext, PropertiesRef};
use unleash_yggdrasil::strategy_parsing::{RuleFragment, compile_rule};
use usher_bench_work::rules::{INTS, Profile, Rule, TEXTS, name};

use super::{Subject, Words};

pub struct Yggdrasil;

const WORDS: Words = Words {
    and: "and",
    or: "or",
    not: "!",
    equal: "==",
    set: ["[", ", ", "]"],
    between: |field, low, high| format!("({field} >= {low} and {field} <= {high})"),
    contains: Some(|field, part| format!("{field} contains_any [\"{part}\"]")),
    field: |name| format!("context[\"{name}\"]"),
};

/// It inverts constraints alone and has no equality of texts: a group's NOT moves inward, a text is in a set of one.
fn fit(rule: &Rule, inverted: bool) -> Option<String> {
    let join = |rules: &[Rule], word: &str| -> Option<String> {
        let parts: Option<Vec<String>> = rules.iter().map(|rule| fit(rule, inverted)).collect();
        Some(format!("({})", parts?.join(word)))
    };
    use usher_bench_work::rules::Test;
    match rule {
        Rule::All(rules) => join(rules, if inverted { " or " } else { " and " }),
        Rule::Any(rules) => join(rules, if inverted { " and " } else { " or " }),
        Rule::Not(rule) => fit(rule, !inverted),
        Rule::Is(field, Test::Between(low, high)) => {
            let ends = [Test::AtLeast(*low), Test::AtMost(*high)].map(|test| Rule::Is(*field, test));
            fit(&Rule::All(ends.into()), inverted)
        }
        Rule::Is(field, Test::EqualText(text)) => {
            fit(&Rule::Is(*field, Test::InTexts(vec![text.clone()])), inverted)
        }
        leaf => Some(format!("{}{}", if inverted { "!" } else { "" }, WORDS.spell(leaf)?)),
    }
}

impl Subject for Yggdrasil {
    type Rule = RuleFragment;
    type Context = EnrichedContext<'static>;

    fn new() -> Yggdrasil {
        Yggdrasil
    }

    fn spell(rule: &Rule) -> Option<String> {
        fit(rule, false)
    }

    fn compile(&self, text: &str) -> RuleFragment {
        compile_rule(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    fn context(&self, profile: &'static Profile) -> EnrichedContext<'static> {
        let ints = (0..INTS.len()).map(|field| (name(field).to_owned(), profile.int(field).to_string()));
        let texts = (INTS.len()..INTS.len() + TEXTS.len())
            .map(|field| (name(field).to_owned(), profile.text(field).to_owned()));
        // Never freed: few are made, and only for as long as the process lives.
        let properties: &'static HashMap<String, String> = Box::leak(Box::new(ints.chain(texts).collect()));
        EnrichedContext {
            user_id: None,
            session_id: None,
            environment: None,
            app_name: None,
            current_time: None,
            remote_address: None,
            properties: Some(PropertiesRef::Strings(properties)),
            external_results: None,
            toggle_name: "rule",
            runtime_hostname: None,
        }
    }

    fn evaluate(&mut self, rule: &RuleFragment, context: &EnrichedContext<'static>) -> bool {
        rule(context)
    }
}
