//! `zen-expression`: bytecode on a stack machine, whose stacks are reused.

use usher_bench_work::rules::{INTS, Profile, Rule, TEXTS, name};
use zen_expression::expression::{Expression, Standard};
use zen_expression::vm::VM;
use zen_expression::{Scope, Variable, compile_expression};

use super::{Subject, Words};

pub struct Zen(VM);

const WORDS: Words = Words {
    and: "and",
    or: "or",
    not: "not ",
    equal: "==",
    set: ["[", ", ", "]"],
    between: |field, low, high| format!("{field} in [{low}..{high}]"),
    contains: Some(|field, part| format!("contains({field}, \"{part}\")")),
    field: str::to_owned,
};

impl Subject for Zen {
    type Rule = Expression<Standard>;
    type Context = Scope;

    fn new() -> Zen {
        Zen(VM::new())
    }

    fn spell(rule: &Rule) -> Option<String> {
        WORDS.spell(rule)
    }

    fn compile(&self, text: &str) -> Expression<Standard> {
        compile_expression(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn context(&self, profile: &'static Profile) -> Scope {
        let object = Variable::empty_object();
        for field in 0..INTS.len() {
            object.dot_insert(name(field), Variable::Number(profile.int(field).into()));
        }
        for field in INTS.len()..INTS.len() + TEXTS.len() {
            object.dot_insert(name(field), Variable::String(profile.text(field).into()));
        }
        Scope::new(object)
    }

    fn evaluate(&mut self, rule: &Expression<Standard>, context: &Scope) -> bool {
        rule.evaluate_with_scope(context, &mut self.0).expect("a value").as_bool().expect("a truth")
    }
}
