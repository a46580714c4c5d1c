//! `a-tree`: all rules in one structure that shares their parts; it answers which of them match.

use a_tree::{ATree, AttributeDefinition, Event};
use usher_bench_work::cycle::turns;
use usher_bench_work::rules::{INTS, Profile, Rule, TEXTS, name};

use super::Words;

const WORDS: Words = Words {
    and: "and",
    or: "or",
    not: "not ",
    equal: "=",
    set: ["[", ", ", "]"],
    between: |field, low, high| format!("({field} >= {low} and {field} <= {high})"),
    contains: None,
    field: str::to_owned,
};

/// The rule in its language; None when it has no words for it.
pub fn spell(rule: &Rule) -> Option<String> {
    WORDS.spell(rule)
}

/// All rules, each under its number.
pub fn tree(rules: &[Rule]) -> ATree<u64> {
    let fields = (0..INTS.len() + TEXTS.len()).map(|field| {
        if field < INTS.len() {
            AttributeDefinition::integer(name(field))
        } else {
            AttributeDefinition::string(name(field))
        }
    });
    let mut tree = ATree::new(&fields.collect::<Vec<_>>()).expect("fields");
    for (number, rule) in rules.iter().enumerate() {
        let text = spell(rule).expect("rules that some peer cannot spell were left out");
        tree.insert(&(number as u64), &text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }
    tree
}

/// A profile as the tree is asked.
pub fn event(tree: &ATree<u64>, profile: &Profile) -> Event {
    let mut event = tree.make_event();
    for field in 0..INTS.len() {
        event.with_integer(name(field), profile.int(field).into()).expect("a number");
    }
    for field in INTS.len()..INTS.len() + TEXTS.len() {
        event.with_string(name(field), profile.text(field)).expect("a text");
    }
    event.build().expect("an event")
}

/// The numbers of the rules that match, ascending.
pub fn found(tree: &ATree<u64>, event: &Event) -> Vec<u64> {
    let mut found: Vec<u64> = tree.search(event).expect("a report").matches().iter().map(|n| **n).collect();
    found.sort_unstable();
    found
}

/// All matches of a profile, its event built before; how many.
pub fn matching(rules: &[Rule], profiles: &[Profile]) -> impl FnMut(u64) -> u64 + use<> {
    let tree = tree(rules);
    let events: Vec<Event> = profiles.iter().map(|profile| event(&tree, profile)).collect();
    move |n| {
        turns(n, events.len(), |turn| tree.search(&events[turn]).expect("a report").matches().len() as u64)
    }
}

/// The same from the profile on: its event is built in every run.
pub fn matching_from_profiles(
    rules: &[Rule],
    profiles: &'static [Profile],
) -> impl FnMut(u64) -> u64 + use<> {
    let tree = tree(rules);
    move |n| {
        turns(n, profiles.len(), |turn| {
            let event = event(&tree, &profiles[turn]);
            tree.search(&event).expect("a report").matches().len() as u64
        })
    }
}
