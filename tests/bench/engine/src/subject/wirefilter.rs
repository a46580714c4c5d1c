//! `wirefilter-engine`, the published code of 2019: boxed closures over typed fields.

use usher_bench_work::rules::{INTS, Profile, Rule, TEXTS, name};
use wirefilter::{ExecutionContext, Filter, Scheme, Type};

use super::{Subject, Words};

pub struct Wirefilter(&'static Scheme);

const WORDS: Words = Words {
    and: "&&",
    or: "||",
    not: "!",
    equal: "==",
    set: ["{", " ", "}"],
    // A set of one range is one closure; two comparisons would be three.
    between: |field, low, high| format!("{field} in {{{low}..{high}}}"),
    contains: Some(|field, part| format!("{field} contains \"{part}\"")),
    field: str::to_owned,
};

impl Subject for Wirefilter {
    type Rule = Filter<'static>;
    type Context = ExecutionContext<'static>;

    fn new() -> Wirefilter {
        let mut scheme = Scheme::default();
        for field in 0..INTS.len() + TEXTS.len() {
            let kind = if field < INTS.len() { Type::Int } else { Type::Bytes };
            scheme.add_field(name(field).to_owned(), kind).expect("a new field");
        }
        Wirefilter(Box::leak(Box::new(scheme)))
    }

    fn spell(rule: &Rule) -> Option<String> {
        WORDS.spell(rule)
    }

    fn compile(&self, text: &str) -> Filter<'static> {
        self.0.parse(text).unwrap_or_else(|error| panic!("{error}")).compile()
    }

    fn context(&self, profile: &'static Profile) -> ExecutionContext<'static> {
        let mut context = ExecutionContext::new(self.0);
        for field in 0..INTS.len() {
            context.set_field_value(name(field), profile.int(field)).expect("a number");
        }
        for field in INTS.len()..INTS.len() + TEXTS.len() {
            context.set_field_value(name(field), profile.text(field)).expect("a text");
        }
        context
    }

    fn evaluate(&mut self, rule: &Filter<'static>, context: &ExecutionContext<'static>) -> bool {
        rule.execute(context).expect("the same scheme")
    }
}
