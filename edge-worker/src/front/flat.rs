//! Lookups as RT 2.0's documents have them: for servers, with the outputs of the first section that matches as the answer.

use usher_engine::definition::Personalization;
use usher_engine::gather::Gather;
use usher_engine::value::{DataType, Value};

use super::checked_head::CheckedHead;
use super::lookups::{look_up, object};
use crate::edge::{Edge, Running};
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::lookup::Shape;
use crate::wire::query;
use crate::wire::read::Repairs;

/// `GET /audiences/{audience}/personalizations/{personalization}?<name>=<value>`: the query holds the inputs.
pub(super) fn by_path(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [audience, name, _] = checked.parameters;
    let running = edge.running_or_refuse(audience)?;
    let name = query::decoded(name).ok_or(Refusal::QUERY_INVALID)?;
    let index = asked(running, checked, &name).ok_or(Refusal::PERSONALIZATION_UNKNOWN)?;
    let mut inputs: Vec<(String, Value)> = Vec::new();
    for (name, value) in query::pairs(checked.head.target) {
        let decode = |text| query::decoded_form(text).ok_or(Refusal::QUERY_INVALID);
        let (name, value) = (decode(name)?, decode(value)?);
        let value = typed(running, index, &name, value);
        // Of two values of one name the later counts, as in JSON.
        match inputs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => inputs.push((name, value)),
        }
    }
    answer(edge, checked, running, index, inputs, Repairs::default())
}

/// `POST /audiences/{audience}/personalization`: the body holds the inputs, and `service_name` where there are several.
pub(super) fn by_body(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let [audience, ..] = checked.parameters;
    let running = edge.running_or_refuse(audience)?;
    let (body, repairs) = object(body)?;
    let Value::Object(mut inputs) = body else { return Err(Refusal::BODY_INVALID.into()) };
    let every = &running.plan.definition().personalizations;
    let names = every
        .iter()
        .map(|known| known.name.as_str())
        .filter(|name| checked.caller.may_ask(&running.plan, name));
    let names: Vec<&str> = names.gather();
    let said = inputs.iter().position(|(name, _)| name == SERVICE_NAME).map(|at| inputs.remove(at).1);
    let index = match (said.as_ref().map(Value::as_str), names.as_slice()) {
        (_, []) => return Err(Refusal::PERSONALIZATION_UNKNOWN.into()),
        (None, [only]) => asked(running, checked, only),
        (None, _) => return Err(Refused::with_detail(Refusal::BODY_INVALID, one_of(&names))),
        (Some(name), _) => name.and_then(|name| asked(running, checked, name)),
    };
    let unknown = || Refused::with_detail(Refusal::PERSONALIZATION_UNKNOWN, one_of(&names));
    answer(edge, checked, running, index.ok_or_else(unknown)?, inputs, repairs)
}

const SERVICE_NAME: &str = "service_name";

fn one_of(names: &[&str]) -> String {
    format!("`{SERVICE_NAME}` is one of `{}`", names.join("`, `"))
}

/// The index of a personalization that the caller may ask.
fn asked(running: &Running, checked: &CheckedHead<'_>, name: &str) -> Option<usize> {
    running.plan.personalization(name).filter(|_| checked.caller.may_ask(&running.plan, name))
}

/// The value of an input in a query: a text, which may be the number or time in it, or a boolean where that is declared.
fn typed(running: &Running, personalization: usize, name: &str, text: String) -> Value {
    let definition = running.plan.definition().personalizations.get(personalization);
    let is_boolean = |definition: &Personalization| {
        definition.inputs.iter().any(|input| input.name == name && input.data_type == DataType::Boolean)
    };
    match text.as_str() {
        "true" | "false" if definition.is_some_and(is_boolean) => Value::Boolean(text == "true"),
        _ => Value::String(text),
    }
}

fn answer(
    edge: &Edge,
    checked: &CheckedHead<'_>,
    running: &Running,
    index: usize,
    inputs: Vec<(String, Value)>,
    repairs: Repairs,
) -> Result<Step> {
    let body = Value::Object(vec![("inputs".to_owned(), Value::Object(inputs))]);
    look_up(edge, checked, running, (&body, repairs), vec![index], Shape::Outputs)
}
