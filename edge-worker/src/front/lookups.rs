//! Lookup routes: personalization and explanation of a visitor.

use usher_engine::value::Value;

use super::checked_head::CheckedHead;
use crate::edge::{Edge, Running};
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::lookup::{self, LookupRequest, Shape};
use crate::wire::read::{self, Repairs};

/// `POST /v1/personalize`
pub(super) fn personalize(edge: &Edge, admitted: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let caller = &admitted.caller;
    let (body, repairs) = object(body)?;
    let audience = match caller.audience.as_deref().filter(|_| caller.has_token) {
        Some(audience) => audience,
        None => text(&body, "audience").ok_or_else(|| missing("audience"))?,
    };
    if !caller.covers(audience) {
        return Err(Refusal::SCOPE.into());
    }
    let running = edge.running_or_refuse(audience)?;
    let name = text(&body, "personalization").ok_or_else(|| missing("personalization"))?;
    let Some(index) = running.plan.personalization(name).filter(|_| caller.may_ask(&running.plan, name))
    else {
        let detail = "what runs has none, or the key or token names others";
        return Err(Refused::with_detail(Refusal::PERSONALIZATION_UNKNOWN, detail));
    };
    look_up(edge, admitted, running, (&body, repairs), vec![index], Shape::Offers)
}

/// `POST /v1/explain`
pub(super) fn explain(edge: &Edge, admitted: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let caller = &admitted.caller;
    let (body, repairs) = object(body)?;
    let audience = match (caller.audience.as_deref(), text(&body, "audience")) {
        (Some(own), Some(asked)) if own != asked => return Err(Refusal::SCOPE.into()),
        (Some(audience), _) | (None, Some(audience)) => audience,
        (None, None) => return Err(missing("audience")),
    };
    let running = edge.running_or_refuse(audience)?;
    let name = text(&body, "personalization");
    if name.is_none() && body.get("personalization").is_some() {
        return Err(Refused::with_detail(Refusal::BODY_INVALID, "`personalization` is a name or an id"));
    }
    let index = |name: &str| running.plan.personalization(name);
    let allowed = caller.personalizations(&running.plan);
    let asked: Vec<usize> = match (name, &allowed) {
        (Some(name), _) => index(name).filter(|_| caller.may_ask(&running.plan, name)).into_iter().collect(),
        (None, Some(names)) => names.iter().filter_map(|name| index(name)).collect(),
        // All personalizations.
        (None, None) => Vec::new(),
    };
    let asks_all = allowed.is_none() && name.is_none();
    if asked.is_empty() && !asks_all {
        return Err(Refusal::PERSONALIZATION_UNKNOWN.into());
    }
    look_up(edge, admitted, running, (&body, repairs), asked, Shape::Explanation)
}

pub(super) fn look_up(
    edge: &Edge,
    admitted: &CheckedHead<'_>,
    running: &Running,
    (body, repairs): (&Value, Repairs),
    personalizations: Vec<usize>,
    shape: Shape,
) -> Result<Step> {
    let (head, caller) = (&admitted.head, &admitted.caller);
    let request = LookupRequest {
        ambient: head.ambient,
        running,
        body,
        text_repaired: repairs.text,
        personalizations,
        access: caller.access,
        edge: head.edge_context(),
        origin: caller.origin,
        shape,
        is_server: caller.is_server,
        payer: admitted.payer(),
    };
    Ok(Step::LookUp(Box::new(lookup::prepare(edge, request)?)))
}

/// Reads a body that must be a JSON object.
pub(super) fn object(body: &[u8]) -> Result<(Value, Repairs)> {
    match read::value_with_repairs(body) {
        Ok((body @ Value::Object(_), repairs)) => Ok((body, repairs)),
        Ok(_) => Err(Refusal::BODY_INVALID.into()),
        Err(unreadable) => Err(Refusal::from(unreadable).into()),
    }
}

fn text<'v>(body: &'v Value, name: &str) -> Option<&'v str> {
    body.get(name)?.as_str()
}

fn missing(name: &str) -> Refused {
    Refused::with_detail(Refusal::BODY_INVALID, format!("`{name}` is missing"))
}
