//! Personalization services: the holders of tokens. A file pushes their sections.

use sha2::{Digest, Sha256};
use usher_engine::value::Value;

use super::answer::{Answer, Answered, Result, object, optional};
use super::bodies::{self, instant};
use super::call::Call;
use super::fault::Fault;
use super::pages::Query;
use super::state::{Kind, Object, Token};
use crate::keys::{Granted, serialized};
use crate::limits::TOKENS_OF_SERVICE_MAX;
use crate::message::{GRANTED, NO_BUNDLE, REVOKED};
use crate::store::{Published, Release};
use crate::wire::hex::hex;

/// `GET /audiences/{audience}/realtime_personalization_services`
pub(super) fn list(call: &mut Call<'_>) -> Answered {
    let query = Query::of(&call.api.target)?;
    let services = call.state.objects.iter().filter(|object| is_there(call, object));
    let items = services.map(|service| shown(call, service, None)).collect();
    let path = format!("/audiences/{}/realtime_personalization_services", call.audience);
    Ok(Answer::plain(200, query.page(items, &path)?))
}

/// `POST …/realtime_personalization_services`
pub(super) fn create(call: &mut Call<'_>) -> Answered {
    let fields = call.body()?;
    check_fields(&fields, &["name", "description", "public"])?;
    let body = Value::Object(fields);
    let name = name_in(&body)?.to_owned();
    check_name(call, &name, None)?;
    let public = match body.get("public") {
        None => false,
        Some(Value::Boolean(public)) => *public,
        Some(_) => {
            let detail = "public is true or false";
            return Err(vec![Fault::invalid("/public", "INVALID_FORMAT_OR_ASSOCIATION", detail)]);
        }
    };
    let description = optional(description_in(&body)?);
    let kept =
        object([("description", description), ("public", Value::from(public)), ("own", Value::from(true))]);
    let id = call.add(Kind::Service, &name, kept);
    let service = find(call, &id)?.clone();
    Ok(Answer::plain(201, shown(call, &service, None)))
}

/// `GET …/realtime_personalization_services/{service}`
pub(super) fn read(call: &mut Call<'_>) -> Answered {
    let service = find(call, call.parameter(0))?;
    Ok(Answer::plain(200, shown(call, service, None)))
}

/// `PATCH …/realtime_personalization_services/{service}`: `name` and `description`.
pub(super) fn patch(call: &mut Call<'_>) -> Answered {
    let fields = call.body()?;
    let service = find(call, call.parameter(0))?.clone();
    if fields.iter().any(|(name, _)| name == "public") {
        let detail = "public can't be changed: its tokens are of one kind";
        return Err(vec![Fault::invalid("/public", "IS_IMMUTABLE", detail)]);
    }
    check_fields(&fields, &["name", "description"])?;
    let body = Value::Object(fields);
    let renamed = if body.get("name").is_some() { Some(name_in(&body)?.to_owned()) } else { None };
    let description = description_in(&body)?.map(str::to_owned);
    let changes_description =
        body.as_object().unwrap_or_default().iter().any(|(name, _)| name == "description");
    let now_ms = call.now_ms();
    if let Some(name) = renamed.filter(|name| *name != service.name) {
        check_name(call, &name, Some(&service.id))?;
        let place = place_of(call, &service);
        if let Some(object) = call.object_mut(Kind::Service, &service.id) {
            let former = core::mem::replace(&mut object.name, name.clone());
            object.former.push(former);
        }
        if let Some(personalization) = place.and_then(|place| call.definition.personalizations.get_mut(place))
        {
            personalization.name = name;
            call.edit();
        }
    }
    if let Some(object) = call.object_mut(Kind::Service, &service.id) {
        if changes_description {
            let changed = [("description".to_owned(), optional(description.as_deref()))];
            let before = if object.body == Value::Null { self::object([]) } else { object.body.clone() };
            object.body = bodies::patched(before, &changed);
        }
        object.updated_ms = now_ms;
    }
    call.change();
    let service = find(call, &service.id)?.clone();
    Ok(Answer::plain(200, shown(call, &service, None)))
}

/// `DELETE …/realtime_personalization_services/{service}`: with its sections, and without tokens.
pub(super) fn delete(call: &mut Call<'_>) -> Answered {
    let service = find(call, call.parameter(0))?.clone();
    if call.state.tokens.iter().any(|token| token.service == service.id) {
        return Err(vec![Fault::conflict("the service has tokens: delete these first")]);
    }
    if let Some(place) = place_of(call, &service) {
        call.definition.personalizations.remove(place);
        call.edit();
    }
    if let Some(object) = call.object_mut(Kind::Service, &service.id) {
        object.body = Value::Null;
    }
    call.change();
    Ok(Answer::plain(200, object([])))
}

/// `POST …/realtime_personalization_services/{service}/tokens`: its value is in this answer alone.
pub(super) fn create_token(call: &mut Call<'_>) -> Answered {
    let fields = call.body()?;
    check_fields(&fields, &["name", "description", "allowedIps", "origins"])?;
    let body = Value::Object(fields);
    let service = find(call, call.parameter(0))?.clone();
    let name = name_in(&body)?.to_owned();
    let description = description_in(&body)?.map(str::to_owned);
    if body.get("allowedIps").and_then(Value::as_list).is_some_and(|ips| !ips.is_empty()) {
        let detail =
            "addresses are not checked here: give an empty list, and let a firewall in front check them";
        return Err(vec![Fault::invalid("/allowedIps", "UNKNOWN", detail)]);
    }
    let public = is_public(&service);
    let origins = origins_in(&body)?;
    if public && origins.is_empty() {
        let detail = "a public token needs `origins`: the pages that may use it";
        return Err(vec![Fault::invalid("/origins", "CANNOT_BE_BLANK", detail)]);
    }
    let own = call.state.tokens.iter().filter(|token| token.service == service.id);
    if own.clone().any(|token| token.name == name) {
        let detail = "Name has already been taken";
        return Err(vec![Fault::invalid("/name", "VIOLATES_UNIQUENESS_CONSTRAINT", detail)]);
    }
    if own.count() >= TOKENS_OF_SERVICE_MAX {
        let detail = format!("a service has at most {TOKENS_OF_SERVICE_MAX} tokens");
        return Err(vec![Fault::unprocessable(detail)]);
    }
    let (account, audience) = (call.api.account.clone(), call.audience.clone());
    if account.is_empty() {
        let detail = "no write or server key of the audience has an account that the token could belong to";
        return Err(vec![Fault::unprocessable(detail)]);
    }
    let secret = Sha256::digest([b"token of the control API", &call.api.entropy[..]].concat());
    let value = format!("{account}/usher/{}", hex(secret.get(..16).unwrap_or_default()));
    let hash: [u8; 32] = Sha256::digest(value.as_bytes()).into();
    let sha256 = hex(&hash);
    let origins = origins.iter().map(|origin| serialized(origin).into_owned()).collect();
    let (account, audience) = (account.as_str(), audience.as_str());
    let granted = Granted { sha256: hash, account, audience, public, origins, service: &service.id };
    publish(call, [GRANTED, &granted.to_text()].concat());
    let id =
        call.add_token(|id| Token { id, service: service.id.clone(), name, description, sha256, public });
    let token = call.state.tokens.iter().find(|token| token.id == id);
    let answer = token.map_or(Value::Null, |token| token_shown(token, Some(&value)));
    Ok(Answer::plain(201, answer))
}

/// `DELETE …/realtime_personalization_services/{service}/tokens/{token}`: it is revoked, at every place within a minute.
pub(super) fn delete_token(call: &mut Call<'_>) -> Answered {
    let (service, id) = (find(call, call.parameter(0))?.id.clone(), call.parameter(1));
    let place = call.state.tokens.iter().position(|token| token.service == service && token.id == id);
    let Some(place) = place else { return Err(vec![Fault::not_found()]) };
    let token = call.state.tokens.remove(place);
    publish(call, [REVOKED, &token.sha256].concat());
    call.change();
    Ok(Answer::plain(200, object([])))
}

/// Hands something to every isolate with the pointers.
fn publish(call: &mut Call<'_>, name: String) {
    let release = Release { number: 1, hash: NO_BUNDLE.to_owned(), origin: 1, at_ms: call.now_ms() };
    call.published =
        Some(Published { audience: name, release, body: None, forgotten: 0, dropped: Vec::new() });
}

/// True if a service is there: the API made it, or the definition has its sections.
fn is_there(call: &Call<'_>, object: &Object) -> bool {
    let own = object.body.get("own") == Some(&Value::Boolean(true));
    object.kind == Kind::Service && (own || place_of(call, object).is_some())
}

/// The place of a service's sections in the definition.
pub(super) fn place_of(call: &Call<'_>, service: &Object) -> Option<usize> {
    let all = &call.definition.personalizations;
    all.iter().position(|it| call.kind_of(it) == Kind::Service && it.name == service.name)
}

fn find<'c>(call: &'c Call<'_>, id: &str) -> Result<&'c Object> {
    let mut found = call.state.objects.iter().filter(|object| object.id == id && is_there(call, object));
    found.next().ok_or_else(|| vec![Fault::not_found()])
}

fn is_public(service: &Object) -> bool {
    service.body.get("public") == Some(&Value::Boolean(true))
}

fn shown(call: &Call<'_>, service: &Object, value: Option<(&str, &str)>) -> Value {
    let tokens = call.state.tokens.iter().filter(|token| token.service == service.id);
    let tokens =
        tokens.map(|token| token_shown(token, value.filter(|(id, _)| *id == token.id).map(|(_, it)| it)));
    let of_file = place_of(call, service).and_then(|place| call.definition.personalizations.get(place));
    let said = service.body.get("description").and_then(Value::as_str);
    let description = said.or_else(|| of_file.and_then(|it| it.description.as_deref()));
    object([
        ("id", Value::from(service.id.as_str())),
        ("name", Value::from(service.name.as_str())),
        ("description", optional(description)),
        ("public", Value::from(is_public(service))),
        ("tokens", Value::List(tokens.collect())),
        ("createdAt", Value::from(instant(service.created_ms).as_str())),
        ("updatedAt", Value::from(instant(service.updated_ms).as_str())),
    ])
}

fn token_shown(token: &Token, value: Option<&str>) -> Value {
    object([
        ("id", Value::from(token.id.as_str())),
        ("name", Value::from(token.name.as_str())),
        ("description", optional(token.description.as_deref())),
        ("value", optional(value)),
        ("allowedIps", Value::List(Vec::new())),
        ("public", Value::from(token.public)),
    ])
}

/// Names are unique among services; an entity may have the same.
fn check_name(call: &Call<'_>, name: &str, own: Option<&str>) -> Result<()> {
    let mut all = call.state.objects.iter().filter(|object| is_there(call, object));
    if all.any(|other| other.name == name && Some(other.id.as_str()) != own) {
        let detail = "Name has already been taken";
        return Err(vec![Fault::invalid("/name", "VIOLATES_UNIQUENESS_CONSTRAINT", detail)]);
    }
    Ok(())
}

fn check_fields(fields: &[(String, Value)], known: &[&str]) -> Result<()> {
    match fields.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let detail = format!("known here: {}", known.join(", "));
            let pointer = format!("/{name}");
            Err(vec![Fault::invalid(&pointer, "INVALID_FORMAT_OR_ASSOCIATION", detail)])
        }
    }
}

fn name_in(body: &Value) -> Result<&str> {
    let name = body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    name.ok_or_else(|| vec![Fault::invalid("/name", "CANNOT_BE_BLANK", "Name can't be blank")])
}

fn description_in(body: &Value) -> Result<Option<&str>> {
    match body.get("description") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => {
            let detail = "description is a text";
            Err(vec![Fault::invalid("/description", "INVALID_FORMAT_OR_ASSOCIATION", detail)])
        }
    }
}

fn origins_in(body: &Value) -> Result<Vec<String>> {
    let refused = || {
        let detail = "origins is a list of texts such as https://shop.example";
        vec![Fault::invalid("/origins", "INVALID_FORMAT_OR_ASSOCIATION", detail)]
    };
    let Some(origins) = body.get("origins") else { return Ok(Vec::new()) };
    let is_origin = |text: &str| {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '?', '#', '@', ' ']))
    };
    let texts =
        origins.as_list().ok_or_else(refused)?.iter().map(|origin| {
            origin.as_str().filter(|text| is_origin(text)).map(str::to_owned).ok_or_else(refused)
        });
    texts.collect()
}
