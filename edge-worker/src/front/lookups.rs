//! Lookup routes: personalization and explanation of a visitor.

use usher_engine::gather::Gather;
use usher_engine::value::Value;
use usher_engine::{Evidence, SentAt};

use super::auth::Caller;
use super::checked_head::CheckedHead;
use super::events::to_writer;
use super::identity;
use crate::edge::{Edge, Running};
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::lookup::{self, LookupRequest, PendingLookup, Shape};
use crate::message::{Identity, Mode};
use crate::plane::HAS_CONTROL_PLANE;
use crate::shard;
use crate::wire::json::Json;
use crate::wire::read::{self, Repairs};

/// `POST /v1/personalize`
pub(super) fn personalize(edge: &Edge, admitted: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let caller = &admitted.caller;
    let (body, repairs) = object(body)?;
    if !HAS_CONTROL_PLANE && body.get("identity").and_then(Value::present).is_some() {
        return Ok(Step::ControlPlane);
    }
    let running = edge.running_or_refuse(audience_of(caller, &body)?)?;
    let audience = running.plan.definition().audience.id.as_str();
    let name = text(&body, "personalization").ok_or_else(|| missing("personalization"))?;
    let Some(index) = running.plan.personalization(name).filter(|_| caller.may_ask(&running.plan, name))
    else {
        let detail = "what runs has none, or the key or token names others";
        return Err(Refused::with_detail(Refusal::PERSONALIZATION_UNKNOWN, detail));
    };
    if !HAS_CONTROL_PLANE && running.plan.reads_rows(index) {
        return Ok(Step::ControlPlane);
    }
    let later = match body.get("answer").and_then(Value::present) {
        None => false,
        Some(Value::String(from)) if from == "snapshot" && body.get("event").is_some() => true,
        Some(_) => {
            let detail = "`answer` is `snapshot`, and needs an `event`, which is stored later";
            return Err(Refused::with_detail(Refusal::BODY_INVALID, detail));
        }
    };
    let identity = identity::read(
        edge,
        body.get("identity").and_then(Value::present),
        core::iter::once(audience),
        admitted,
    )?;
    let asked = (vec![index], Shape::Offers, later);
    let mut pending = prepare(edge, admitted, running, (&body, repairs, &identity), asked)?;
    if later {
        pending.later = commit(edge, admitted, (audience, running, identity), &body)?;
    }
    Ok(Step::LookUp(Box::new(pending)))
}

/// The audience of a lookup: the token's, or that of the body.
pub(super) fn audience_of<'a>(caller: &'a Caller<'_>, body: &'a Value) -> Result<&'a str> {
    let audience = match caller.audience.as_deref().filter(|_| caller.has_token) {
        Some(audience) => audience,
        None => text(body, "audience").ok_or_else(|| missing("audience"))?,
    };
    if caller.covers(audience) { Ok(audience) } else { Err(Refusal::SCOPE.into()) }
}

/// The message that stores the event of a lookup. Its caller sends the event again until it has a receipt, so it needs an id
/// to be counted once.
fn commit(
    edge: &Edge,
    admitted: &CheckedHead<'_>,
    (audience, running, identity): (&str, &Running, Identity),
    body: &Value,
) -> Result<Option<(u32, Vec<u8>)>> {
    let event = body.get("event");
    let part = |name: &str| event.and_then(|event| event.get(name));
    let (Some(database), Some(table), Some(Value::Object(columns))) =
        (part("database").and_then(Value::as_str), part("table").and_then(Value::as_str), part("columns"))
    else {
        return Ok(None);
    };
    let index = running.plan.table(database, table).ok_or(Refusal::TABLE_UNKNOWN)?;
    let now_ms = admitted.head.ambient.now_ms;
    let event = running.plan.event(index, columns.clone(), now_ms, String::new(), SentAt::Absent);
    if event.minted {
        let detail = "`event.columns` needs an id, so that the event is counted once when it is sent again";
        return Err(Refused::with_detail(Refusal::BODY_INVALID, detail));
    }
    let mut json = Json::new();
    json.object(|o| o.field("events").list(part("columns"), |json, columns| json.value(columns)));
    let batch = (vec![(audience.to_owned(), running.number)], [database, table], Mode::Ingest);
    let evidence = Evidence { server: admitted.caller.is_server, keys: identity.of(audience) };
    let usable = running.plan.keys(&event, &evidence).usable;
    let first = usable.first().map(|key| (key.name.as_str(), key.value.as_str()));
    let shard = shard::of_key(audience, first, edge.shards());
    match to_writer(edge, admitted, (&admitted.caller, identity), shard, batch, &json.into_bytes()) {
        Step::Write { shard, message } => Ok(Some((shard, message))),
        _ => Ok(None),
    }
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
        (Some(name), _) => index(name).filter(|_| caller.may_ask(&running.plan, name)).into_iter().gather(),
        (None, Some(names)) => names.iter().filter_map(|name| index(name)).gather(),
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
    let audience = running.plan.definition().audience.id.as_str();
    // Only bodies of `/v1` have one; flat bodies have inputs.
    let sent = body.get("identity").and_then(Value::present).filter(|_| shape == Shape::Explanation);
    let identity = identity::read(edge, sent, core::iter::once(audience), admitted)?;
    let asked = (personalizations, shape, false);
    let pending = prepare(edge, admitted, running, (body, repairs, &identity), asked)?;
    Ok(Step::LookUp(Box::new(pending)))
}

fn prepare(
    edge: &Edge,
    admitted: &CheckedHead<'_>,
    running: &Running,
    (body, repairs, identity): (&Value, Repairs, &Identity),
    (personalizations, shape, later): (Vec<usize>, Shape, bool),
) -> Result<PendingLookup> {
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
        later,
        is_server: caller.is_server,
        identity,
        payer: admitted.payer(),
    };
    lookup::prepare(edge, request)
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
