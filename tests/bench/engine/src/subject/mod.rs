//! The peers, one file each: how each spells the rules, and how each is run as its authors mean it to be.

pub mod atree;
pub mod cel;
pub mod datalogic;
pub mod wirefilter;
pub mod yggdrasil;
pub mod zen;

use usher_bench_work::cycle::{count, cycle, turns};
use usher_bench_work::rules::{Profile, Rule, Test, name};

/// A peer that evaluates rules one by one.
pub trait Subject: 'static {
    /// The compiled rule.
    type Rule: 'static;
    /// The values that it is evaluated on.
    type Context: 'static;

    fn new() -> Self;
    /// The rule in this peer's language; None when it has no words for it.
    fn spell(rule: &Rule) -> Option<String>;
    fn compile(&self, text: &str) -> Self::Rule;
    fn context(&self, profile: &'static Profile) -> Self::Context;
    fn evaluate(&mut self, rule: &Self::Rule, context: &Self::Context) -> bool;
}

fn texts<S: Subject>(rules: &[Rule]) -> Vec<String> {
    rules
        .iter()
        .map(|rule| S::spell(rule).expect("rules that some peer cannot spell were left out"))
        .collect()
}

/// Evaluation alone: rules compiled, contexts filled.
pub fn evaluation<S: Subject>(
    rules: &[Rule],
    profiles: &'static [Profile],
) -> impl FnMut(u64) -> u64 + use<S> {
    let mut subject = S::new();
    let rules: Vec<_> = texts::<S>(rules).iter().map(|text| subject.compile(text)).collect();
    let contexts: Vec<_> = profiles.iter().map(|profile| subject.context(profile)).collect();
    move |n| {
        cycle(n, rules.len(), contexts.len(), |profile, first| {
            let context = &contexts[profile];
            count(rules[..first].iter(), |rule| subject.evaluate(rule, context))
        })
    }
}

/// From a rule's text to what is evaluated.
pub fn setup<S: Subject>(rules: &[Rule]) -> impl FnMut(u64) -> u64 + use<S> {
    let (subject, texts) = (S::new(), texts::<S>(rules));
    move |n| {
        turns(n, texts.len(), |turn| {
            std::hint::black_box(subject.compile(&texts[turn]));
            1
        })
    }
}

/// From a profile to what rules are evaluated on.
pub fn building<S: Subject>(profiles: &'static [Profile]) -> impl FnMut(u64) -> u64 + use<S> {
    let subject = S::new();
    move |n| {
        turns(n, profiles.len(), |turn| {
            std::hint::black_box(subject.context(&profiles[turn]));
            1
        })
    }
}

/// Every rule on a profile, one after the other; how many were true.
pub fn looping<S: Subject>(rules: &[Rule], profiles: &'static [Profile]) -> impl FnMut(u64) -> u64 + use<S> {
    let mut subject = S::new();
    let rules: Vec<_> = texts::<S>(rules).iter().map(|text| subject.compile(text)).collect();
    let contexts: Vec<_> = profiles.iter().map(|profile| subject.context(profile)).collect();
    move |n| {
        turns(n, contexts.len(), |turn| {
            let context = &contexts[turn];
            rules.iter().filter(|rule| subject.evaluate(rule, context)).count() as u64
        })
    }
}

/// The same from the profile on: its context is built in every run.
pub fn looping_from_profiles<S: Subject>(
    rules: &[Rule],
    profiles: &'static [Profile],
) -> impl FnMut(u64) -> u64 + use<S> {
    let mut subject = S::new();
    let rules: Vec<_> = texts::<S>(rules).iter().map(|text| subject.compile(text)).collect();
    move |n| {
        turns(n, profiles.len(), |turn| {
            let context = subject.context(&profiles[turn]);
            rules.iter().filter(|rule| subject.evaluate(rule, &context)).count() as u64
        })
    }
}

/// The spelling of a rule in languages with infix operators. Texts have letters only, so nothing is escaped.
struct Words {
    and: &'static str,
    or: &'static str,
    not: &'static str,
    equal: &'static str,
    /// The brackets of a set, and the separator of its items.
    set: [&'static str; 3],
    /// Of a field, its low and its high end.
    between: fn(&str, i32, i32) -> String,
    /// Of a field and what it has in it.
    contains: Option<fn(&str, &str) -> String>,
    field: fn(&str) -> String,
}

impl Words {
    fn spell(&self, rule: &Rule) -> Option<String> {
        let join = |rules: &[Rule], word: &str| -> Option<String> {
            let parts: Option<Vec<String>> = rules.iter().map(|rule| self.spell(rule)).collect();
            Some(format!("({})", parts?.join(&format!(" {word} "))))
        };
        let set = |items: Vec<String>| {
            let [open, between, close] = self.set;
            format!("{open}{}{close}", items.join(between))
        };
        match rule {
            Rule::All(rules) => join(rules, self.and),
            Rule::Any(rules) => join(rules, self.or),
            Rule::Not(rule) => Some(format!("{}({})", self.not, self.spell(rule)?)),
            Rule::Is(field, test) => {
                let field = (self.field)(name(*field));
                Some(match test {
                    Test::AtLeast(low) => format!("{field} >= {low}"),
                    Test::AtMost(high) => format!("{field} <= {high}"),
                    Test::Between(low, high) => (self.between)(&field, *low, *high),
                    Test::Contains(part) => (self.contains?)(&field, part),
                    Test::EqualInt(right) => format!("{field} {} {right}", self.equal),
                    Test::EqualText(right) => format!("{field} {} \"{right}\"", self.equal),
                    Test::InInts(items) => {
                        format!("{field} in {}", set(items.iter().map(i32::to_string).collect()))
                    }
                    Test::InTexts(items) => {
                        format!(
                            "{field} in {}",
                            set(items.iter().map(|item| format!("\"{item}\"")).collect())
                        )
                    }
                })
            }
        }
    }
}
