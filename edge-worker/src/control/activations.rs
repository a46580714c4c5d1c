//! Activations of journeys: resources of JSON:API.

use usher_engine::definition::{Activation, Journey, StepKind, key_of};
use usher_engine::value::Value;

use super::answer::{Answer, Answered, Result, object, optional};
use super::bodies::{instant, patched, without};
use super::call::Call;
use super::fault::Fault;
use super::journeys;
use super::lowering::Shape;
use super::pages::Query;
use super::state::Kind;
use crate::message::Op;
use crate::wire::json::Json;

/// `GET /entities/realtime_journeys/{journey}/activations`, `GET /entities/parent_segments/{audience}/realtime_activations`
pub(super) fn list(call: &mut Call<'_>) -> Answered {
    let query = Query::of(&call.api.target)?;
    let all = call.definition.activations.iter();
    let (items, path) = if call.api.op == Op::ActivationsOfAudience {
        let path = format!("/entities/parent_segments/{}/realtime_activations", call.audience);
        (all.map(|activation| resource(call, activation)).collect(), path)
    } else {
        let (_, journey) = journeys::find(call)?;
        let own = call.activations_of(call.parameter(0), journey);
        let all = all.filter(|it| own.contains(&key_of(&it.id, &it.name)));
        let path = format!("/entities/realtime_journeys/{}/activations", call.parameter(0));
        (all.map(|activation| resource(call, activation)).collect(), path)
    };
    Ok(Answer::resource(200, query.page(items, &path)?))
}

/// `POST /entities/realtime_journeys/{journey}/activations`
pub(super) fn create(call: &mut Call<'_>) -> Answered {
    let body = call.body()?;
    journeys::find(call)?;
    let id = call.add_named_by_id(Kind::Activation, call.parameter(0));
    let sent = body.into_iter().find(|(name, _)| name == "attributes").map(|(_, sent)| sent);
    let sent = with_name(sent.unwrap_or(Value::Null), &id);
    let mut lowered = call.lower(Shape::Activation, &whole(&sent), call.definition.clone())?;
    let Some(mut activation) = lowered.activations.pop() else { return Err(vec![Fault::not_found()]) };
    activation.id = Some(id.clone());
    call.remember(Kind::Activation, &id, &id, sent, &activation);
    let answer = resource(call, &activation);
    call.definition.activations.push(activation);
    call.edit();
    Ok(Answer::resource(201, object([("data", answer)])))
}

/// `GET /entities/realtime_journeys/{journey}/activations/{activation}`
pub(super) fn read(call: &mut Call<'_>) -> Answered {
    let (_, activation) = find(call)?;
    Ok(Answer::resource(200, object([("data", resource(call, activation))])))
}

/// `PATCH /entities/realtime_journeys/{journey}/activations/{activation}`: each of the attributes that the body has.
pub(super) fn patch(call: &mut Call<'_>) -> Answered {
    let body = Value::Object(call.body()?);
    let (index, before) = find(call)?;
    let before = before.clone();
    let key = key_of(&before.id, &before.name).to_owned();
    let id = call.id(Kind::Activation, &key).to_owned();
    let changed = body.get("attributes").and_then(Value::as_object).unwrap_or_default();
    let sent = patched(attributes_of(call, &before), changed);
    let mut rest = call.definition.clone();
    rest.activations.remove(index);
    let mut lowered = call.lower(Shape::Activation, &whole(&sent), rest)?;
    let Some(mut activation) = lowered.activations.pop() else { return Err(vec![Fault::not_found()]) };
    // Steps call it by its key: a name that changes becomes the id.
    activation.id = Some(key.clone()).filter(|key| before.id.is_some() || *key != activation.name);
    call.remember(Kind::Activation, &id, &key, sent, &activation);
    let answer = resource(call, &activation);
    if let Some(place) = call.definition.activations.get_mut(index) {
        *place = activation;
    }
    call.edit();
    Ok(Answer::resource(200, object([("data", answer)])))
}

/// The body as the dialect reads it.
fn whole(sent: &Value) -> Value {
    object([("attributes", without(sent, &["id", "createdAt", "updatedAt"]))])
}

/// The API asks for no name.
fn with_name(sent: Value, id: &str) -> Value {
    match sent.get("name") {
        None | Some(Value::Null) => {
            patched(sent, &[("name".to_owned(), Value::String(format!("Activation {id}")))])
        }
        Some(_) => sent,
    }
}

/// The activation that the path names, of its journey.
fn find<'c>(call: &'c Call<'_>) -> Result<(usize, &'c Activation)> {
    let (_, journey) = journeys::find(call)?;
    let own = call.activations_of(call.parameter(0), journey);
    let mut all = call.definition.activations.iter().enumerate();
    let found = all.find(|(_, activation)| {
        let key = key_of(&activation.id, &activation.name);
        own.contains(&key) && call.id(Kind::Activation, key) == call.parameter(1)
    });
    found.ok_or_else(|| vec![Fault::not_found()])
}

fn resource(call: &Call<'_>, activation: &Activation) -> Value {
    let key = key_of(&activation.id, &activation.name);
    let known = call.object(Kind::Activation, key);
    let time = |ms: i64| Value::from(instant(ms).as_str());
    let times = [
        ("createdAt".to_owned(), known.map_or(Value::Null, |it| time(it.created_ms))),
        ("updatedAt".to_owned(), known.map_or(Value::Null, |it| time(it.updated_ms))),
    ];
    let journey = known.map(|it| it.part_of.as_str()).filter(|it| !it.is_empty());
    let journey = journey.or_else(|| Some(call.id(Kind::Journey, sender(call, key)?.key())));
    let journey = journey.map_or(Value::Null, |id| {
        object([("id", Value::from(id)), ("type", Value::from("realtime-journey"))])
    });
    object([
        ("id", Value::from(known.map_or("", |it| it.id.as_str()))),
        ("type", Value::from("realtime-journey-activation-step")),
        ("name", Value::from(activation.name.as_str())),
        ("attributes", patched(attributes_of(call, activation), &times)),
        ("relationships", object([("realtimeJourney", object([("data", journey)]))])),
    ])
}

/// The first journey that sends it.
fn sender<'c>(call: &'c Call<'_>, key: &str) -> Option<&'c Journey> {
    let index = call.definition.activation(key)?;
    let mut journeys = call.definition.journeys.iter();
    journeys.find(|journey| call.sent_by(journey).contains(&index))
}

/// The attributes of the resource: as sent, or written anew where a file made or changed the activation.
fn attributes_of(call: &Call<'_>, activation: &Activation) -> Value {
    let key = key_of(&activation.id, &activation.name);
    if let Some(body) = call.body_of(Kind::Activation, key, activation) {
        return body.clone();
    }
    let headers = activation.headers.iter();
    let headers = headers.map(|it| (it.name.clone(), Value::from(it.value.as_str()))).collect();
    let request = object([
        ("method", Value::String(activation.method.to_ascii_lowercase())),
        ("url", optional(activation.url.as_deref())),
        ("headers", if activation.headers.is_empty() { Value::Null } else { Value::Object(headers) }),
        ("body", optional(activation.body.as_deref())),
    ]);
    let mut json = Json::new();
    json.value(&request);
    object([
        ("name", Value::from(activation.name.as_str())),
        ("stepUuid", step_of(call, key)),
        ("connectionId", optional(activation.connection.as_deref())),
        ("connectorType", Value::from(activation.connector.as_str())),
        ("connector", object([("exportJson", Value::String(json.into_text()))])),
    ])
}

/// The id of the first step that sends it.
fn step_of(call: &Call<'_>, key: &str) -> Value {
    let index = call.definition.activation(key);
    let stages = call.definition.journeys.iter().flat_map(|journey| &journey.stages);
    let mut steps = stages.flat_map(|stage| &stage.steps);
    let step = steps.find(|step| match &step.kind {
        StepKind::Activation { activation, .. } => call.definition.activation(activation) == index,
        _ => false,
    });
    optional(step.map(|step| step.id.as_str()))
}
