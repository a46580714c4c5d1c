//! A journey like another one: a draft with ids of its own, and activations of its own.

use usher_engine::definition::{JourneyState, StepKind};
use usher_engine::value::Value;

use super::super::answer::{Answer, Answered, object};
use super::super::call::Call;
use super::super::fault::Fault;
use super::super::state::Kind;
use super::{check_name, find, resource};

/// `POST /entities/realtime_journeys/duplicate`: the body names the journey, and may name the new one.
pub(in crate::control) fn duplicate(call: &mut Call<'_>) -> Answered {
    let body = Value::Object(call.body()?);
    let (_, original) = find(call)?;
    let mut copy = original.clone();
    let sent = body.get("attributes").and_then(|it| it.get("name"));
    match sent.map(Value::as_str) {
        Some(Some(name)) => {
            check_name(call, &object([("name", Value::from(name))]), None)?;
            name.clone_into(&mut copy.name);
        }
        Some(None) => {
            let detail = "name is a text";
            return Err(vec![Fault::invalid("/attributes/name", "INVALID_FORMAT_OR_ASSOCIATION", detail)]);
        }
        None => {
            let is_free = |name: &String| call.definition.journeys.iter().all(|it| it.name != *name);
            let mut numbers = 1_u32..;
            let names = numbers.by_ref().map(|number| match number {
                1 => format!("{} (copy)", original.name),
                number => format!("{} (copy {number})", original.name),
            });
            let mut names = names.filter(is_free);
            copy.name = names.next().unwrap_or_default();
        }
    }
    let (of, id) = (copy.key().to_owned(), call.add_named_by_id(Kind::Journey, ""));
    let mut stages: Vec<(String, String, String)> = Vec::new();
    for stage in &mut copy.stages {
        let new = call.add_named_by_id(Kind::Stage, &id);
        stages.push((stage.key().to_owned(), stage.name.clone(), new.clone()));
        stage.id = Some(new);
    }
    copy.id = Some(id.clone());
    copy.state = JourneyState::Draft;
    let own = call.definition.journey(&of);
    for target in copy.targets_mut() {
        let other = target.journey.as_deref().map(|called| call.definition.journey(called));
        if other.is_some_and(|other| other != own) {
            continue;
        }
        target.journey = target.journey.take().map(|_| id.clone());
        let called = |key: &String, name: &String| *key == target.stage || *name == target.stage;
        if let Some((.., new)) = stages.iter().find(|(key, name, _)| called(key, name)) {
            target.stage.clone_from(new);
        }
    }
    let mut activations: Vec<(usize, String)> = Vec::new();
    for step in copy.stages.iter_mut().flat_map(|stage| &mut stage.steps) {
        let StepKind::Activation { activation, .. } = &mut step.kind else { continue };
        let Some(index) = call.definition.activation(activation) else { continue };
        if !activations.iter().any(|(known, _)| *known == index) {
            activations.push((index, call.add_named_by_id(Kind::Activation, &id)));
        }
        let new = activations.iter().find(|(known, _)| *known == index);
        activation.clone_from(new.map_or(&String::new(), |(_, new)| new));
    }
    for (index, new) in activations {
        let Some(mut activation) = call.definition.activations.get(index).cloned() else { continue };
        activation.id = Some(new);
        call.definition.activations.push(activation);
    }
    call.definition.journeys.push(copy.clone());
    call.edit();
    Ok(Answer::resource(201, object([("data", resource(call, &copy))])))
}
