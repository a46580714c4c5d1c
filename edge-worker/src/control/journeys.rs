//! Journeys: resources of JSON:API.

mod bodies;
mod duplicate;
mod ids;

pub(super) use duplicate::duplicate;

use usher_engine::definition::{Journey, JourneyState, StepKind, key_of};
use usher_engine::value::Value;

use super::answer::{Answer, Answered, Result, object};
use super::bodies::{instant, patched};
use super::call::Call;
use super::entities::check_folder;
use super::fault::Fault;
use super::lowering::Shape;
use super::pages::Query;
use super::state::{Kind, Object};

/// `GET /entities/parent_segments/{audience}/realtime_journeys`
pub(super) fn list(call: &mut Call<'_>) -> Answered {
    let query = Query::of(&call.api.target)?;
    let items = call.definition.journeys.iter().map(|journey| resource(call, journey)).collect();
    let path = format!("/entities/parent_segments/{}/realtime_journeys", call.audience);
    Ok(Answer::resource(200, query.page(items, &path)?))
}

/// `POST /entities/realtime_journeys`: the journey, its stages and all their ids are new.
pub(super) fn create(call: &mut Call<'_>) -> Answered {
    let body = Value::Object(call.body()?);
    check_folder(call, &body)?;
    let attributes = body.get("attributes").cloned().unwrap_or(Value::Null);
    let attributes = with_times(call, &attributes, None);
    check_name(call, &attributes, None)?;
    let lowered = call.lower(Shape::Journey, &whole(&attributes), call.definition.clone())?;
    let Some(mut journey) = lowered.journeys.into_iter().next_back() else {
        return Err(vec![Fault::not_found()]);
    };
    let id = call.add_named_by_id(Kind::Journey, "");
    journey.id = Some(id.clone());
    let attributes = call.settle(&id, &mut journey, None, attributes);
    call.remember(Kind::Journey, &id, journey.key(), attributes, &journey);
    call.definition.journeys.push(journey.clone());
    call.edit();
    Ok(Answer::resource(201, object([("data", resource(call, &journey))])))
}

/// `GET /entities/realtime_journeys/{journey}`
pub(super) fn read(call: &mut Call<'_>) -> Answered {
    let (_, journey) = find(call)?;
    Ok(Answer::resource(200, object([("data", resource(call, journey))])))
}

/// `PATCH /entities/realtime_journeys/{journey}`: each of the attributes that the body has. Stages are replaced as a whole.
pub(super) fn patch(call: &mut Call<'_>) -> Answered {
    let journey = change(call)?;
    call.edit();
    Ok(Answer::resource(200, object([("data", resource(call, &journey))])))
}

/// `POST /entities/realtime_journeys/{journey}/detail`: what a change says, as if it was launched. Nothing is kept.
pub(super) fn check(call: &mut Call<'_>) -> Answered {
    call.keep_nothing();
    let journey = change(call)?;
    let answer = object([("data", resource(call, &journey))]);
    let attributes = attributes_of(call, &journey);
    let launched = Journey { state: JourneyState::Launched, ..journey };
    let faults = call.faults_of_journey(launched, &whole(&attributes));
    if faults.is_empty() { Ok(Answer::resource(200, answer)) } else { Err(faults) }
}

/// `PATCH …/pause`, `PATCH …/resume`
pub(super) fn pause(call: &mut Call<'_>, paused: bool) -> Answered {
    let (index, journey) = find(call)?;
    let mut journey = journey.clone();
    if journey.state == JourneyState::Draft {
        return Err(vec![Fault::conflict("the journey is a draft: it is launched first")]);
    }
    let id = call.id(Kind::Journey, journey.key()).to_owned();
    let sent = attributes_of(call, &journey);
    let paused_at = if paused { Value::from(instant(call.now_ms()).as_str()) } else { Value::Null };
    if (journey.state == JourneyState::Paused) != paused {
        journey.state = if paused { JourneyState::Paused } else { JourneyState::Launched };
        let fields = [("paused".to_owned(), Value::from(paused)), ("pausedAt".to_owned(), paused_at)];
        call.remember(Kind::Journey, &id, journey.key(), patched(sent, &fields), &journey);
        if let Some(place) = call.definition.journeys.get_mut(index) {
            place.clone_from(&journey);
        }
        call.edit();
    }
    Ok(Answer::resource(200, object([("data", resource(call, &journey))])))
}

/// `DELETE /entities/realtime_journeys/{journey}`: its activations go with it, unless another journey sends them.
pub(super) fn delete(call: &mut Call<'_>) -> Answered {
    let (index, journey) = find(call)?;
    let id = call.id(Kind::Journey, journey.key()).to_owned();
    call.definition.journeys.remove(index);
    let sent: Vec<usize> = call.definition.journeys.iter().flat_map(|it| call.sent_by(it)).collect();
    let is_kept = |(index, key): (usize, &str)| {
        let known = call.object(Kind::Activation, key);
        sent.contains(&index) || known.is_none_or(|known| known.part_of != id)
    };
    let all = call.definition.activations.iter().map(|it| key_of(&it.id, &it.name));
    let kept: Vec<bool> = all.enumerate().map(is_kept).collect();
    let mut kept = kept.into_iter();
    call.definition.activations.retain(|_| kept.next().unwrap_or(true));
    call.edit();
    Ok(Answer::resource(200, object([])))
}

/// `GET /entities/realtime_journeys/abtest_variants`: the parts of all splits of the audience.
pub(super) fn variants(call: &mut Call<'_>) -> Answered {
    let query = Query::of(&call.api.target)?;
    let mut items = Vec::new();
    for journey in &call.definition.journeys {
        let id = call.id(Kind::Journey, journey.key());
        for stage in &journey.stages {
            for step in &stage.steps {
                let StepKind::Variant { arms } = &step.kind else { continue };
                for arm in arms {
                    let key = key_of(&arm.id, &arm.name);
                    let attributes = object([
                        ("name", Value::from(arm.name.as_str())),
                        ("realtimeJourneyId", Value::from(id)),
                        ("realtimeJourneyStageId", Value::from(call.part_id(id, stage.key()))),
                        ("stepUuid", Value::from(step.id.as_str())),
                        ("percentage", bodies::percentage(arm.share)),
                        ("isControlGroup", Value::from(arm.control)),
                    ]);
                    items.push(object([
                        ("id", Value::from(key)),
                        ("type", Value::from("realtime-journey-abtest-variant")),
                        ("name", Value::from(arm.name.as_str())),
                        ("attributes", attributes),
                    ]));
                }
            }
        }
    }
    Ok(Answer::resource(200, query.page(items, "/entities/realtime_journeys/abtest_variants")?))
}

/// The journey of the path as the body changes it, in its place in the definition.
fn change(call: &mut Call<'_>) -> Result<Journey> {
    let body = Value::Object(call.body()?);
    check_folder(call, &body)?;
    let (index, before) = find(call)?;
    let before = before.clone();
    let id = call.id(Kind::Journey, before.key()).to_owned();
    let changed = body.get("attributes").and_then(Value::as_object).unwrap_or_default();
    if let Some((_, other)) = changed.iter().find(|(name, _)| name == "audienceId")
        && other.as_str() != Some(call.audience.as_str())
    {
        let detail = "audienceId can't be changed";
        return Err(vec![Fault::invalid("/attributes/audienceId", "IS_IMMUTABLE", detail)]);
    }
    let has = |name: &str| changed.iter().any(|(known, _)| known == name);
    let attributes = patched(attributes_of(call, &before), changed);
    let attributes = with_times(call, &attributes, Some(&before));
    check_name(call, &attributes, Some(&before))?;
    let mut rest = call.definition.clone();
    rest.journeys.remove(index);
    let lowered = call.lower(Shape::Journey, &whole(&attributes), rest)?;
    let Some(mut journey) = lowered.journeys.into_iter().next_back() else {
        return Err(vec![Fault::not_found()]);
    };
    // Progress is kept under the key: a name that changes becomes the id.
    journey.id = Some(before.key().to_owned()).filter(|key| before.id.is_some() || *key != journey.name);
    if !has("goal") {
        journey.goal.clone_from(&before.goal);
    }
    let attributes = if has("realtimeJourneyStages") {
        call.settle(&id, &mut journey, Some(&before), attributes)
    } else {
        journey.stages.clone_from(&before.stages);
        attributes
    };
    call.remember(Kind::Journey, &id, journey.key(), attributes, &journey);
    if let Some(place) = call.definition.journeys.get_mut(index) {
        place.clone_from(&journey);
    }
    Ok(journey)
}

/// The body as the dialect reads it: without what only answers have.
fn whole(attributes: &Value) -> Value {
    let answers = ["id", "segmentFolderId", "launchedAt", "pausedAt", "createdAt", "updatedAt"];
    object([("attributes", super::bodies::without(attributes, &answers))])
}

/// A body with the times at which the journey was launched and paused, which callers do not set.
fn with_times(call: &Call<'_>, attributes: &Value, before: Option<&Journey>) -> Value {
    if attributes.as_object().is_none() {
        return attributes.clone();
    }
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    let is_paused =
        attributes.get("paused") == Some(&Value::Boolean(true)) || text("state") == Some("paused");
    let runs = text("state").is_some_and(|state| state != "draft");
    let known = before.and_then(|before| call.object(Kind::Journey, before.key()));
    let since = |name: &str, is_so: bool| match known.and_then(|known| known.body.get(name)) {
        _ if !is_so => Value::Null,
        Some(known) if *known != Value::Null => known.clone(),
        _ => Value::from(instant(call.now_ms()).as_str()),
    };
    let mut fields = vec![
        ("launchedAt".to_owned(), since("launchedAt", runs)),
        ("pausedAt".to_owned(), since("pausedAt", runs && is_paused)),
    ];
    // A state that cannot be read is refused with the rest.
    if matches!(attributes.get("paused"), None | Some(Value::Null | Value::Boolean(_))) {
        fields.push(("paused".to_owned(), Value::from(runs && is_paused)));
    }
    if text("state") == Some("paused") {
        fields.push(("state".to_owned(), Value::from("launched")));
    }
    patched(attributes.clone(), &fields)
}

/// Names are unique among the journeys of an audience.
fn check_name(call: &Call<'_>, attributes: &Value, own: Option<&Journey>) -> Result<()> {
    let name = attributes.get("name").and_then(Value::as_str);
    let others = call.definition.journeys.iter();
    let mut others = others.filter(|other| Some(other.name.as_str()) == name);
    if others.any(|other| own.is_none_or(|own| own.key() != other.key())) {
        let detail = "Name has already been taken";
        return Err(vec![Fault::invalid("/attributes/name", "VIOLATES_UNIQUENESS_CONSTRAINT", detail)]);
    }
    Ok(())
}

/// The journey that the path names.
pub(super) fn find<'c>(call: &'c Call<'_>) -> Result<(usize, &'c Journey)> {
    let id = call.parameter(0);
    let mut all = call.definition.journeys.iter().enumerate();
    let found = all.find(|(_, journey)| call.id(Kind::Journey, journey.key()) == id);
    found.ok_or_else(|| vec![Fault::not_found()])
}

fn resource(call: &Call<'_>, journey: &Journey) -> Value {
    let known = call.object(Kind::Journey, journey.key());
    let time =
        |of: fn(&Object) -> i64| known.map_or(Value::Null, |known| Value::from(instant(of(known)).as_str()));
    let kept = |name: &str| known.and_then(|known| known.body.get(name)).cloned().unwrap_or(Value::Null);
    let state = if journey.state == JourneyState::Draft { "draft" } else { "launched" };
    let id = known.map_or("", |known| known.id.as_str());
    let folder = call.id(Kind::Folder, "");
    let fields = [
        ("audienceId", Value::from(call.audience.as_str())),
        ("segmentFolderId", Value::from(folder)),
        ("state", Value::from(state)),
        ("paused", Value::from(journey.state == JourneyState::Paused)),
        ("launchedAt", kept("launchedAt")),
        ("pausedAt", kept("pausedAt")),
        ("createdAt", time(|known| known.created_ms)),
        ("updatedAt", time(|known| known.updated_ms)),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    let attributes = patched(attributes_of(call, journey), &fields);
    let related = |kind: &str, id: &str| object([("id", Value::from(id)), ("type", Value::from(kind))]);
    let steps = call.activations_of(id, journey).into_iter();
    let steps = steps
        .map(|activation| related("realtime-journey-activation-step", call.id(Kind::Activation, activation)));
    object([
        ("id", Value::from(id)),
        ("type", Value::from("realtime-journey")),
        ("name", Value::from(journey.name.as_str())),
        ("attributes", attributes),
        (
            "relationships",
            object([
                ("parentFolder", object([("data", related("folder-segment", folder))])),
                ("realtimeJourneyActivationSteps", object([("data", Value::List(steps.collect()))])),
            ]),
        ),
    ])
}

/// The attributes of the resource: as sent, or written anew where a file made or changed the journey.
fn attributes_of(call: &Call<'_>, journey: &Journey) -> Value {
    match call.body_of(Kind::Journey, journey.key(), journey) {
        Some(body) => body.clone(),
        None => bodies::journey(call, journey),
    }
}
