//! `cel`: walks the syntax tree; variables are looked up by name in the context.

use std::sync::Arc;

use cel::common::types::CelBool;
use cel::{Context, Env, Program, Value};
use usher_bench_work::rules::{INTS, Profile, Rule, TEXTS, name};

use super::{Subject, Words};

pub struct Cel(Arc<Env>);

const WORDS: Words = Words {
    and: "&&",
    or: "||",
    not: "!",
    equal: "==",
    set: ["[", ", ", "]"],
    between: |field, low, high| format!("({field} >= {low} && {field} <= {high})"),
    contains: Some(|field, part| format!("{field}.contains(\"{part}\")")),
    field: str::to_owned,
};

impl Subject for Cel {
    type Rule = Program;
    type Context = Context<'static, 'static>;

    fn new() -> Cel {
        Cel(Arc::new(Env::stdlib()))
    }

    fn spell(rule: &Rule) -> Option<String> {
        WORDS.spell(rule)
    }

    fn compile(&self, text: &str) -> Program {
        self.0.compile(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn context(&self, profile: &'static Profile) -> Context<'static, 'static> {
        let mut context = Context::with_env(self.0.clone());
        for field in 0..INTS.len() {
            context.add_variable_from_value(name(field), i64::from(profile.int(field)));
        }
        for field in INTS.len()..INTS.len() + TEXTS.len() {
            context.add_variable_from_value(name(field), profile.text(field));
        }
        context
    }

    /// As in its own benchmark: without `Program::execute`'s conversion of the result.
    fn evaluate(&mut self, rule: &Program, context: &Context<'static, 'static>) -> bool {
        let value = Value::resolve_val(rule.expression(), context).expect("a value");
        *value.downcast_ref::<CelBool>().expect("a truth").inner()
    }
}
