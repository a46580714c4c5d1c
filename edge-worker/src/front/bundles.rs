//! Routes of operators: publish, read and roll back bundles.

use std::collections::{BTreeMap, BTreeSet};

use usher_engine::definition::Definition;
use usher_engine::diagnostic::Code;
use usher_engine::value::{Fields, Reading};

use super::checked_head::CheckedHead;
use crate::bundle::{self, hash_of};
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::host::{Head, Step};
use crate::keys::Keyring;
use crate::message::{Message, NO_BUNDLE, Publish, Rollback, ToControl, WhichRelease};
use crate::rehearsal;
use crate::wire::json::Json;
use crate::wire::{Response, entity_tag, query, read};

/// `PUT /v1/audiences/{audience}/bundle`: checked here, once, before anything is stored.
pub(super) fn publish(edge: &Edge, admitted: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let [audience, ..] = admitted.parameters;
    let invalid = |reason: String| Refused::with_detail(Refusal::BUNDLE_INVALID, reason);
    rehearsal::check(body, audience).map_err(invalid)?;
    let definition = bundle::definition_of(body).map_err(invalid)?;
    if let Some(reason) = edge.keyring().and_then(|keyring| shared_names(keyring, &definition)) {
        return Err(invalid(reason));
    }
    if let Some(detail) = bundle::beyond(edge.form(), &definition) {
        return Err(Refused::with_detail(Refusal::NEEDS_FORM, detail));
    }
    let hash = hash_of(body);
    let message = Message::Control(ToControl::Publish(Publish {
        audience: audience.to_owned(),
        hash: hash.clone(),
        if_match: if_match(&admitted.head),
        now_ms: admitted.head.ambient.now_ms,
        over_draft: query::pairs(admitted.head.target).any(|pair| pair == ("draft", "discard")),
        body: body.to_vec(),
    }));
    let restore = edge.restoring(audience);
    Ok(Step::Publish { hash, body: body.to_vec(), message: message.encode(edge.form()), restore })
}

/// The first two sections of one name that a token asks for together, as a finding: an answer names its offers by section.
fn shared_names(keyring: &Keyring, definition: &Definition) -> Option<String> {
    keyring.naming_tokens(&definition.audience.id).find_map(|(token, named)| {
        let asked: BTreeSet<usize> =
            named.iter().filter_map(|named| definition.personalization(named)).collect();
        let mut known: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for index in asked {
            let sections = definition.personalizations.get(index).map(|it| it.sections.as_slice());
            for (number, section) in sections.unwrap_or_default().iter().enumerate() {
                let (first, at) = *known.entry(&section.name).or_insert((index, number));
                if first != index {
                    return Some(format!(
                        "{} at personalizations[{first}].sections[{at}] and personalizations[{index}].sections[{number}]: \
                         they have one name, and a token (keys[{token}] of USHER_KEYS) asks for both; rename one, or make two \
                         tokens",
                        Code::DuplicateName
                    ));
                }
            }
        }
        None
    })
}

/// `DELETE /v1/audiences/{audience}/bundle`: the audience runs nothing from now on. Its history and profiles stay.
pub(super) fn take_out(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [audience, ..] = checked.parameters;
    let message = Message::Control(ToControl::Publish(Publish {
        audience: audience.to_owned(),
        hash: NO_BUNDLE.to_owned(),
        if_match: if_match(&checked.head),
        now_ms: checked.head.ambient.now_ms,
        over_draft: true,
        body: Vec::new(),
    }));
    Ok(Step::Control { message: message.encode(edge.form()) })
}

/// `GET /v1/audiences`: the audiences that run here.
pub(super) fn list_audiences(edge: &Edge, admitted: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let covered = edge.all_running().filter(|(id, _)| admitted.caller.covers(id));
    let mut body = Json::new();
    body.object(|o| {
        o.field("audiences").list(covered, |json, (id, running)| {
            json.object(|o| {
                o.field("id").text(id);
                if let Some(name) = &running.plan.definition().audience.name {
                    o.field("name").text(name);
                }
                o.field("number").number(i64::try_from(running.number).unwrap_or(i64::MAX));
                o.field("hash").text(&running.hash);
                o.field("status").text(status(edge, id));
            });
        });
    });
    Ok(Step::Respond(Response::json(200, body)))
}

/// `GET /v1/audiences/{audience}/bundles`: the stored bundles, the running one first.
pub(super) fn list(edge: &Edge, admitted: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [audience, ..] = admitted.parameters;
    let here = edge.running(audience).map_or(0, |running| running.number);
    let message = Message::Control(ToControl::Releases { audience: audience.to_owned(), here });
    Ok(Step::Control { message: message.encode(edge.form()) })
}

/// `GET /v1/audiences/{audience}/bundles/{which}`: a stored bundle; `which` is `previous`, a number or a hash.
pub(super) fn kept(edge: &Edge, admitted: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [audience, which, _] = admitted.parameters;
    let which = if which == "previous" {
        WhichRelease::Previous
    } else if let Ok(number) = which.parse() {
        WhichRelease::Number(number)
    } else {
        WhichRelease::Hash(which.to_owned())
    };
    let message = Message::Control(ToControl::Release { audience: audience.to_owned(), which });
    Ok(Step::Control { message: message.encode(edge.form()) })
}

/// `POST /v1/audiences/{audience}/rollback`: runs an earlier bundle again. The body names it: `{"number": 3}` or
/// `{"hash": "…"}`; an empty body means the previous one.
pub(super) fn roll_back(edge: &Edge, admitted: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let [audience, ..] = admitted.parameters;
    let message = Message::Control(ToControl::Rollback(Rollback {
        audience: audience.to_owned(),
        which: wanted(body)?,
        if_match: if_match(&admitted.head),
        now_ms: admitted.head.ambient.now_ms,
    }));
    Ok(Step::Control { message: message.encode(edge.form()) })
}

/// `GET /v1/audiences/{audience}/bundle`: the running bundle.
pub(super) fn running(edge: &Edge, admitted: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let [audience, ..] = admitted.parameters;
    // Also where a bundle should run but does not: a push asks first, and repairs that.
    let running = edge.running(audience).ok_or(Refusal::AUDIENCE_UNKNOWN)?;
    let response = Response::typed(200, "application/json", running.body.clone())
        .header("etag", format!("\"{}\"", running.hash))
        .header("usher-bundle", running.number.to_string())
        .header("usher-status", status(edge, audience));
    Ok(Step::Respond(response))
}

/// The state of an audience here, in RT 2.0's words.
fn status(edge: &Edge, audience: &str) -> &'static str {
    if edge.is_behind(audience) { "inconsistent" } else { "ok" }
}

/// The caller's `If-Match`, if any.
fn if_match(head: &Head<'_>) -> Option<String> {
    let given = head.header("if-match").map(entity_tag::if_match);
    given.or_else(|| head.header("if-none-match").and_then(entity_tag::if_none_match))
}

/// The bundle that a rollback names.
fn wanted(body: &[u8]) -> Result<WhichRelease> {
    let malformed = || {
        Refused::with_detail(Refusal::BODY_INVALID, "write {\"number\": 3} or {\"hash\": \"…\"}, or no body")
    };
    if body.trim_ascii().is_empty() {
        return Ok(WhichRelease::Previous);
    }
    let value = read::value(body).map_err(Refusal::from)?;
    let mut reading = Reading::default();
    let fields = Fields::of(&value, &["number", "hash"], &mut reading);
    let number: Option<i64> = fields.or("number", None, &mut reading);
    let hash: Option<String> = fields.or("hash", None, &mut reading);
    reading.done().map_err(|_| malformed())?;
    match (number, hash) {
        (None, None) => Ok(WhichRelease::Previous),
        (Some(number), None) => u64::try_from(number).map(WhichRelease::Number).map_err(|_| malformed()),
        (None, Some(hash)) => Ok(WhichRelease::Hash(hash)),
        (Some(_), Some(_)) => Err(malformed()),
    }
}
