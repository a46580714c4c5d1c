//! The draft itself: read, published, removed; and services that are pushed into it.

use usher_engine::definition::{AttributeKind, Definition, OutputSource};
use usher_engine::value::{ToValue, Value};

use super::answer::{Answer, Answered, object};
use super::call::{Call, shape_of};
use super::fault::Fault;
use super::finding::Finding;
use super::settings::status;
use super::state::number;
use crate::bundle::Bundle;
use crate::store::Release;

/// `GET /audiences/{audience}/draft`
pub(super) fn read(call: &mut Call<'_>) -> Answered {
    let (status, findings) = status(call);
    let draft = call.state.draft.as_ref();
    let aside = call.state.aside.iter().map(|aside| {
        object([
            ("base", number(aside.base)),
            ("set_aside_ms", Value::from(aside.at_ms)),
            ("definition", aside.definition.to_value()),
        ])
    });
    let body = object([
        ("status", Value::from(status)),
        ("open", Value::from(draft.is_some())),
        ("base", draft.map_or(Value::Null, |draft| number(draft.base))),
        ("touched_ms", draft.map_or(Value::Null, |draft| Value::from(draft.touched_ms))),
        ("publish", Value::from(if call.state.manual { "manual" } else { "auto" })),
        ("findings", Value::List(findings.iter().map(Finding::value).collect())),
        ("definition", draft.map_or(Value::Null, |draft| draft.definition.to_value())),
        ("set_aside", Value::List(aside.collect())),
    ]);
    Ok(Answer::plain(200, body))
}

/// `POST /audiences/{audience}/draft/publish`
pub(super) fn publish(call: &mut Call<'_>) -> Answered {
    if call.state.draft.is_none() {
        return Err(vec![Fault::conflict("no draft is open")]);
    }
    let (release, changed) = call.publish().map_err(refused)?;
    Ok(Answer::plain(200, runs(&release, changed)))
}

/// `DELETE /audiences/{audience}/draft`
pub(super) fn discard(call: &mut Call<'_>) -> Answered {
    let was_open = call.state.draft.take().is_some();
    if was_open {
        call.change();
    }
    Ok(Answer::plain(200, object([("discarded", Value::from(was_open))])))
}

/// Publishes the draft if it is due: for hosts with a timer.
pub(super) fn due(call: &mut Call<'_>) -> Answered {
    call.publish_if_rested();
    Ok(Answer::plain(200, object([])))
}

/// `POST /audiences/{audience}/draft/services`: adds the services of a bundle to the draft, or puts them in the place of
/// those with their names, and publishes it. Nothing is kept where it cannot run.
pub(super) fn push(call: &mut Call<'_>) -> Answered {
    let malformed = |reason: String| vec![Fault::parameter("", reason)];
    let bundle = Bundle::read(&call.api.body).map_err(malformed)?;
    let services = bundle.definition.personalizations;
    if bundle.definition.audience.id != call.audience || services.is_empty() {
        return Err(malformed("the bundle has services of this audience, and nothing else".to_owned()));
    }
    for mut service in services {
        let kind = shape_of(&service);
        let all = &call.definition.personalizations;
        let place = all.iter().position(|it| call.kind_of(it) == kind && it.name == service.name);
        if let Some(place) = place.and_then(|place| call.definition.personalizations.get_mut(place)) {
            service.id = service.id.or(place.id.take());
            *place = service;
            continue;
        }
        let id = match call.object(kind, &service.name).map(|object| object.id.clone()) {
            Some(id) => id,
            None => call.add(kind, &service.name, Value::Null),
        };
        service.id = service.id.or(call.new_id(id));
        // Of one name the first is meant: services go before entities.
        let entity = call.definition.personalizations.iter().position(|it| it.name == service.name);
        let place = entity.unwrap_or(call.definition.personalizations.len());
        call.definition.personalizations.insert(place, service);
    }
    call.examples.extend(bundle.examples);
    show_only_parts(&mut call.definition);
    call.name_objects();
    call.edit();
    let (release, changed) = call.publish().map_err(refused)?;
    Ok(Answer::plain(200, runs(&release, changed)))
}

/// A list of the API with one part is shown by that part where an output names the list alone, as a list of a file is.
fn show_only_parts(definition: &mut Definition) {
    let Definition { attributes, personalizations, .. } = definition;
    let sections = personalizations.iter_mut().flat_map(|personalization| &mut personalization.sections);
    for output in sections.flat_map(|section| &mut section.outputs) {
        let OutputSource::Attribute { name, part: part @ None } = &mut output.source else { continue };
        let list = attributes.iter().find(|attribute| attribute.name == *name);
        if let Some(AttributeKind::List { column: Some(_), parts, .. }) = list.map(|list| &list.kind)
            && let [only] = parts.as_slice()
        {
            *part = Some(only.name.clone());
        }
    }
}

fn runs(release: &Release, changed: bool) -> Value {
    object([
        ("status", Value::from("ok")),
        ("number", number(release.number)),
        ("hash", Value::from(release.hash.as_str())),
        ("changed", Value::from(changed)),
    ])
}

/// The refusal of a draft that cannot run: a fault for each finding.
fn refused(findings: Vec<Finding>) -> Vec<Fault> {
    findings.into_iter().map(|finding| Fault::unprocessable(finding.text())).collect()
}
