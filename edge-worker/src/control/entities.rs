//! Personalization entities: resources of JSON:API.

use usher_engine::definition::{Output, OutputSource, Personalization, Section, Segment, SegmentsAs};
use usher_engine::syntax::Expr;
use usher_engine::value::Value;

use super::answer::{Answer, Answered, Result, object, optional};
use super::bodies::{instant, patched};
use super::call::Call;
use super::conditions::condition;
use super::fault::Fault;
use super::lowering::Shape;
use super::pages::Query;
use super::state::{Kind, Object};

/// `GET /entities/parent_segments/{audience}/realtime_personalizations`
pub(super) fn list(call: &mut Call<'_>) -> Answered {
    let query = Query::of(&call.api.target)?;
    let entities = call.definition.personalizations.iter();
    let entities = entities.filter(|personalization| call.kind_of(personalization) == Kind::Entity);
    let items = entities.map(|personalization| resource(call, personalization)).collect();
    let path = format!("/entities/parent_segments/{}/realtime_personalizations", call.audience);
    Ok(Answer::resource(200, query.page(items, &path)?))
}

/// `POST /entities/realtime_personalizations`
pub(super) fn create(call: &mut Call<'_>) -> Answered {
    let body = Value::Object(call.body()?);
    check_folder(call, &body)?;
    if let Some(name) = body.get("attributes").and_then(|it| it.get("name")?.as_str()) {
        check_name(call, name, None)?;
    }
    let mut lowered = call.lower(Shape::Entity, &whole(&body), call.definition.clone())?;
    let Some(mut entity) = lowered.personalizations.pop() else { return Err(vec![Fault::not_found()]) };
    let id = call.add(Kind::Entity, &entity.name, Value::Null);
    entity.id = call.new_id(id.clone());
    let attributes = body.get("attributes").cloned().unwrap_or(Value::Null);
    call.remember(Kind::Entity, &id, &entity.name, attributes, &entity);
    let answer = resource(call, &entity);
    call.definition.personalizations.push(entity);
    call.edit();
    Ok(Answer::resource(201, object([("data", answer)])))
}

/// `GET /entities/realtime_personalizations/{id}`
pub(super) fn read(call: &mut Call<'_>) -> Answered {
    let (_, entity) = find(call)?;
    Ok(Answer::resource(200, object([("data", resource(call, entity))])))
}

/// `PATCH /entities/realtime_personalizations/{id}`: each of the attributes that the body has. A rename keeps the id.
pub(super) fn patch(call: &mut Call<'_>) -> Answered {
    let body = Value::Object(call.body()?);
    check_folder(call, &body)?;
    let (index, before) = find(call)?;
    let before = before.clone();
    let id = call.parameter(0).to_owned();
    let changed = body.get("attributes").and_then(Value::as_object).unwrap_or_default();
    let is_other = |(name, value): &&(String, Value)| {
        name == "audienceId" && value.as_str() != Some(call.audience.as_str())
    };
    if changed.iter().any(|field| is_other(&field)) {
        let detail = "audienceId can't be changed";
        return Err(vec![Fault::invalid("/attributes/audienceId", "IS_IMMUTABLE", detail)]);
    }
    let attributes = patched(attributes_of(call, &before), changed);
    let whole = whole(&object([("attributes", attributes.clone())]));
    let mut rest = call.definition.clone();
    rest.personalizations.remove(index);
    let mut lowered = call.lower(Shape::Entity, &whole, rest)?;
    let Some(mut entity) = lowered.personalizations.pop() else { return Err(vec![Fault::not_found()]) };
    check_name(call, &entity.name, Some(&id))?;
    entity.id.clone_from(&before.id);
    if !changed.iter().any(|(name, _)| name == "sections") {
        entity.sections = before.sections;
    }
    call.remember(Kind::Entity, &id, &entity.name, attributes, &entity);
    let answer = resource(call, &entity);
    if let Some(place) = call.definition.personalizations.get_mut(index) {
        *place = entity;
    }
    call.edit();
    Ok(Answer::resource(200, object([("data", answer)])))
}

/// `DELETE /entities/realtime_personalizations/{id}`
pub(super) fn delete(call: &mut Call<'_>) -> Answered {
    let (index, _) = find(call)?;
    call.definition.personalizations.remove(index);
    call.edit();
    Ok(Answer::resource(200, object([])))
}

/// The body as the dialect reads it: without what only the console uses, and what the API says itself.
fn whole(body: &Value) -> Value {
    let attributes = body.get("attributes").cloned().unwrap_or(Value::Null);
    let Value::Object(fields) = attributes else { return object([("attributes", attributes)]) };
    let kept = fields.into_iter().filter(|(name, _)| {
        !["id", "createdAt", "updatedAt", "referencingRealtimeAttributes"].contains(&name.as_str())
    });
    object([("attributes", Value::Object(kept.collect()))])
}

/// Names are unique among entities; a service may have the same.
fn check_name(call: &Call<'_>, name: &str, own: Option<&str>) -> Result<()> {
    let others = call.definition.personalizations.iter();
    let mut others = others.filter(|other| call.kind_of(other) == Kind::Entity && other.name == name);
    if others.any(|other| Some(call.id(Kind::Entity, &other.name)) != own) {
        let detail = "Name has already been taken";
        return Err(vec![Fault::invalid("/attributes/name", "VIOLATES_UNIQUENESS_CONSTRAINT", detail)]);
    }
    Ok(())
}

/// Refuses a folder that is not the audience's root.
pub(super) fn check_folder(call: &Call<'_>, body: &Value) -> Result<()> {
    let folder = ["relationships", "parentFolder", "data", "id"];
    let id = folder.iter().try_fold(body, |value, name| value.get(name));
    match id {
        None => Ok(()),
        Some(id) if id.as_str() == Some(call.id(Kind::Folder, "")) => Ok(()),
        Some(_) => Err(vec![Fault::not_found()]),
    }
}

/// The entity that the path names.
fn find<'c>(call: &'c Call<'_>) -> Result<(usize, &'c Personalization)> {
    let id = call.parameter(0);
    let all = call.definition.personalizations.iter().enumerate();
    let mut found = all.filter(|(_, personalization)| {
        call.kind_of(personalization) == Kind::Entity
            && known(call, personalization).is_some_and(|it| it.id == id)
    });
    found.next().ok_or_else(|| vec![Fault::not_found()])
}

fn known<'c>(call: &'c Call<'_>, entity: &Personalization) -> Option<&'c Object> {
    call.object(Kind::Entity, &entity.name)
}

fn resource(call: &Call<'_>, entity: &Personalization) -> Value {
    let known = known(call, entity);
    let time = |ms: i64| Value::from(instant(ms).as_str());
    let attributes = patched(
        attributes_of(call, entity),
        &[
            ("referencingRealtimeAttributes".to_owned(), references(call, entity)),
            ("createdAt".to_owned(), known.map_or(Value::Null, |it| time(it.created_ms))),
            ("updatedAt".to_owned(), known.map_or(Value::Null, |it| time(it.updated_ms))),
        ],
    );
    let folder =
        object([("id", Value::from(call.id(Kind::Folder, ""))), ("type", Value::from("folder-segment"))]);
    object([
        ("id", Value::from(known.map_or("", |it| it.id.as_str()))),
        ("type", Value::from("realtime-personalization")),
        ("name", Value::from(entity.name.as_str())),
        ("attributes", attributes),
        ("relationships", object([("parentFolder", object([("data", folder)]))])),
    ])
}

/// The ids of the attributes that an entity's payloads show.
fn references(call: &Call<'_>, entity: &Personalization) -> Value {
    let mut ids: Vec<&str> = Vec::new();
    for output in entity.sections.iter().flat_map(|section| &section.outputs) {
        if let OutputSource::Attribute { name, .. } = &output.source {
            let id = call.id(Kind::Attribute, name);
            if !id.is_empty() && !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    Value::List(ids.into_iter().map(Value::from).collect())
}

/// The attributes of the resource: as sent, or written anew where a file made the entity.
fn attributes_of(call: &Call<'_>, entity: &Personalization) -> Value {
    if let Some(body) = call.body_of(Kind::Entity, &entity.name, entity) {
        return body.clone();
    }
    let segments = match entity.segments_as {
        SegmentsAs::Names => "names",
        SegmentsAs::Ids => "ids",
        SegmentsAs::Booleans => "booleans",
    };
    object([
        ("audienceId", Value::from(call.audience.as_str())),
        ("name", Value::from(entity.name.as_str())),
        ("description", optional(entity.description.as_deref())),
        ("batchSegmentsAs", Value::from(segments)),
        ("device", Value::from(entity.device)),
        ("sections", Value::List(entity.sections.iter().map(|it| section(call, it)).collect())),
    ])
}

fn section(call: &Call<'_>, section: &Section) -> Value {
    let key_event = section.key_event.as_ref().map(|name| {
        let id = call.id(Kind::KeyEvent, name);
        object([
            ("keyEventId", Value::from(if id.is_empty() { name } else { id })),
            ("keyEventFilters", section.event_filter.as_ref().map_or(Value::Null, |it| condition(call, it))),
        ])
    });
    let profile = match &section.criteria {
        Expr::Constant(true) => Value::Null,
        criteria => condition(call, criteria),
    };
    let criteria = object([
        ("name", Value::from(section.name.as_str())),
        ("keyEventCriteria", key_event.unwrap_or(Value::Null)),
        ("profileCriteria", profile),
        ("acceptUnknownProfiles", Value::from(section.accept_unknown_profiles)),
    ]);
    let attributes = section.outputs.iter().filter_map(|output| attribute_payload(call, output));
    let texts = section.outputs.iter().filter_map(string_builder);
    let definition = object([
        ("attributePayload", unless_empty(attributes.collect())),
        ("segmentPayload", segments(&section.segments)),
        ("stringBuilder", unless_empty(texts.collect())),
        ("catalogPayload", Value::Null),
    ]);
    let node = object([("type", Value::from("ResponseNode")), ("definition", definition)]);
    object([
        ("name", Value::from(section.name.as_str())),
        ("entryCriteria", criteria),
        ("payload", object([("response_node", node)])),
        ("includeSensitive", Value::from(section.include_sensitive)),
    ])
}

/// The API has null for no items.
fn unless_empty(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::Null } else { Value::List(items) }
}

fn attribute_payload(call: &Call<'_>, output: &Output) -> Option<Value> {
    let OutputSource::Attribute { name, part } = &output.source else { return None };
    let id = call.id(Kind::Attribute, name);
    Some(object([
        ("realtimeAttributeId", Value::from(if id.is_empty() { name } else { id })),
        ("subAttributeIdentifier", optional(part.as_deref())),
        ("outputName", Value::from(output.name.as_str())),
    ]))
}

fn string_builder(output: &Output) -> Option<Value> {
    let text = |text: &str| object([("type", Value::from("String")), ("value", Value::from(text))]);
    let written = |key: &str, text: &str| {
        object([(key, Value::from(text)), ("outputName", Value::from(output.name.as_str()))])
    };
    let values = match &output.source {
        OutputSource::Attribute { .. } => return None,
        OutputSource::Text(texts) => texts.iter().map(|it| text(it)).collect(),
        OutputSource::Constant(Value::String(constant)) => vec![text(constant)],
        OutputSource::Constant(other) => {
            vec![object([("type", Value::from("String")), ("value", other.clone())])]
        }
        OutputSource::Template(template) => return Some(written("template", template)),
        OutputSource::Expression(expr) => return Some(written("expression", &expr.to_string())),
    };
    Some(object([("values", Value::List(values)), ("outputName", Value::from(output.name.as_str()))]))
}

fn segments(segments: &[Segment]) -> Value {
    let item = |segment: &Segment| match &segment.id {
        Some(id) => object([("id", Value::from(id.as_str())), ("name", Value::from(segment.name.as_str()))]),
        None => object([("id", Value::from(segment.name.as_str()))]),
    };
    if segments.is_empty() {
        return Value::Null;
    }
    object([("batchSegments", Value::List(segments.iter().map(item).collect()))])
}
