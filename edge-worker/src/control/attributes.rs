//! Attributes: facts kept per visitor.

use usher_engine::definition::{Attribute, AttributeKind};
use usher_engine::value::Value;

use super::answer::{Answer, Answered, Result, object};
use super::bodies;
use super::call::Call;
use super::fault::Fault;
use super::lowering::Shape;
use super::pages::Query;
use super::state::Kind;
use crate::message::Op;

/// The fields that may change; state is stored under the rest.
const EDITABLE: [&str; 9] = [
    "name",
    "description",
    "duration",
    "fields",
    "maxItems",
    "actions",
    "aggregations",
    "subDurations",
    "sensitive",
];

/// `GET /audiences/{audience}/realtime_attributes`, `GET /entities/parent_segments/{audience}/realtime_attributes`
pub(super) fn list(call: &mut Call<'_>) -> Answered {
    let query = Query::of(&call.api.target)?;
    let types = query.names("types");
    let wanted = |attribute: &&Attribute| {
        types.as_ref().is_none_or(|types| types.contains(&bodies::kind_of(attribute)))
    };
    let attributes = call.definition.attributes.iter().filter(wanted);
    if call.api.op == Op::AttributeResources {
        let part = query.get("q").unwrap_or_default();
        let found = attributes.filter(|attribute| attribute.name.contains(part));
        let items = found.map(|attribute| {
            let body = bodies::attribute(call, attribute);
            let id = body.get("id").cloned().unwrap_or(Value::Null);
            let name = body.get("name").cloned().unwrap_or(Value::Null);
            let fields = [("notation".to_owned(), Value::from(attribute.name.as_str()))];
            object([
                ("id", id),
                ("type", Value::from("realtime-attribute")),
                ("name", name),
                ("attributes", bodies::patched(body, &fields)),
            ])
        });
        let items = items.collect();
        let path = format!("/entities/parent_segments/{}/realtime_attributes", call.audience);
        return Ok(Answer::resource(200, query.page(items, &path)?));
    }
    let items = attributes.map(|attribute| bodies::attribute(call, attribute)).collect();
    let path = format!("/audiences/{}/realtime_attributes", call.audience);
    Ok(Answer::plain(200, query.page(items, &path)?))
}

/// `POST …/realtime_attributes`
pub(super) fn create(call: &mut Call<'_>) -> Answered {
    let body = Value::Object(call.body()?);
    if let Some(identifier) = body.get("identifier").and_then(Value::as_str)
        && !is_identifier(identifier)
    {
        let detail = "identifier begins with a letter or _, and goes on with letters, digits and _";
        return Err(vec![Fault::invalid("/identifier", "INVALID_FORMAT_OR_ASSOCIATION", detail)]);
    }
    let mut lowered = call.lower(Shape::Attribute, &body, call.definition.clone())?;
    let Some(attribute) = lowered.attributes.pop() else { return Err(vec![Fault::not_found()]) };
    let id = call.add(Kind::Attribute, &attribute.name, Value::Null);
    call.remember(Kind::Attribute, &id, &attribute.name, body, &attribute);
    let answer = bodies::attribute(call, &attribute);
    call.definition.attributes.push(attribute);
    call.edit();
    Ok(Answer::plain(201, object([("data", answer)])))
}

/// `GET …/realtime_attributes/{attribute}`
pub(super) fn read(call: &mut Call<'_>) -> Answered {
    let (_, attribute) = find(call)?;
    Ok(Answer::plain(200, bodies::attribute(call, attribute)))
}

/// `PATCH …/realtime_attributes/{attribute}`: the fields that the vendor lets change.
pub(super) fn patch(call: &mut Call<'_>) -> Answered {
    let fields = call.body()?;
    let (index, before) = find(call)?;
    let before = before.clone();
    let id = call.id(Kind::Attribute, &before.name).to_owned();
    let known = bodies::attribute(call, &before);
    for (name, value) in &fields {
        if !EDITABLE.contains(&name.as_str()) && known.get(name) != value.present() {
            let detail = format!("{name} can't be changed; delete the attribute and make another one");
            return Err(vec![Fault::invalid(&format!("/{name}"), "IS_IMMUTABLE", detail)]);
        }
    }
    let body = bodies::patched(known, &fields);
    let mut rest = call.definition.clone();
    rest.attributes.remove(index);
    let mut lowered = call.lower(Shape::Attribute, &body, rest)?;
    let Some(mut attribute) = lowered.attributes.pop() else { return Err(vec![Fault::not_found()]) };
    keep_rules_of_files(&mut attribute, &before);
    call.remember(Kind::Attribute, &id, &attribute.name, body, &attribute);
    let answer = bodies::attribute(call, &attribute);
    if let Some(place) = call.definition.attributes.get_mut(index) {
        *place = attribute;
    }
    call.edit();
    Ok(Answer::plain(200, answer))
}

/// `DELETE …/realtime_attributes/{attribute}`
pub(super) fn delete(call: &mut Call<'_>) -> Answered {
    let (index, _) = find(call)?;
    call.definition.attributes.remove(index);
    call.edit();
    Ok(Answer::plain(200, object([])))
}

/// Keeps what no body can say and no PATCH may change: filters in words of files, the order in which a list is cut.
fn keep_rules_of_files(attribute: &mut Attribute, before: &Attribute) {
    match (&mut attribute.kind, &before.kind) {
        (AttributeKind::Single { filter, .. }, AttributeKind::Single { filter: known, .. })
        | (AttributeKind::Counter { filter, .. }, AttributeKind::Counter { filter: known, .. }) => {
            filter.clone_from(known);
        }
        (
            AttributeKind::List { filter, keep, column, .. },
            AttributeKind::List { filter: known, keep: known_keep, column: known_column, .. },
        ) => {
            filter.clone_from(known);
            *keep = *known_keep;
            column.clone_from(known_column);
        }
        _ => {}
    }
}

/// True for a name that criteria and templates can say as it is.
fn is_identifier(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(is_word) && !text.starts_with(|first: char| first.is_ascii_digit())
}

/// The attribute that the path names.
fn find<'c>(call: &'c Call<'_>) -> Result<(usize, &'c Attribute)> {
    let id = call.parameter(0);
    let attributes = call.definition.attributes.iter().enumerate();
    let mut found = attributes.filter(|(_, attribute)| call.id(Kind::Attribute, &attribute.name) == id);
    found.next().ok_or_else(|| vec![Fault::not_found()])
}
