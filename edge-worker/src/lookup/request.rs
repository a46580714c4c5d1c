//! Reads a lookup's keys, event and inputs from its body.

use usher_engine::gather::Gather;
use usher_engine::value::Value;
use usher_engine::{Access, Evidence, Plan};

use super::{NamedEvent, PendingLookup, Shape};
use crate::edge::{Edge, Running};
use crate::error::{Refusal, Refused};
use crate::keys::Seen;
use crate::message::{Ambient, Identity, KeyOf, Payer, SnapshotRequest, SnapshotRows};
use crate::plane::{HAS_CONTROL_PLANE, HAS_SHARDS, InControlPlane};
use crate::shard;
use crate::wire::json::Json;

type Result<T> = std::result::Result<T, Refused>;

/// A lookup of an authorized caller.
pub(crate) struct LookupRequest<'a> {
    pub(crate) ambient: Ambient,
    /// The running bundle of the requested audience.
    pub(crate) running: &'a Running,
    /// The JSON object of the body.
    pub(crate) body: &'a Value,
    /// True if a text in it had half of a surrogate pair, which U+FFFD has replaced.
    pub(crate) text_repaired: bool,
    /// The indexes of the requested personalizations in the plan.
    pub(crate) personalizations: Vec<usize>,
    pub(crate) access: Access,
    /// Facts of the request that criteria read as `edge.<name>`.
    pub(crate) edge: Vec<(String, String)>,
    /// The page that may read the answer.
    pub(crate) origin: Option<&'a str>,
    pub(crate) shape: Shape,
    /// True if the event that it names is to be stored, after it was answered.
    pub(crate) later: bool,
    /// True for a server key, with or without an identity token.
    pub(crate) is_server: bool,
    /// The keys that an identity token vouches for.
    pub(crate) identity: &'a Identity,
    /// The rate that the caller draws on, if any.
    pub(crate) payer: Option<Payer<'a>>,
}

/// Reads the visitor, event and inputs of a lookup.
pub(crate) fn prepare(edge: &Edge, request: LookupRequest<'_>) -> Result<PendingLookup> {
    let LookupRequest { ambient, running, body, ref personalizations, access, .. } = request;
    let plan = &running.plan;
    let audience = &plan.definition().audience.id;
    let inputs = match body.get("inputs") {
        None => Vec::new(),
        Some(Value::Object(inputs)) => inputs.clone(),
        Some(_) => {
            return Err(Refused::with_detail(Refusal::BODY_INVALID, "`inputs` is an object of named values"));
        }
    };
    // A server key is evidence for any key; other callers may look up by open keys, and by those of an identity token.
    let vouched = if HAS_CONTROL_PLANE { request.identity.of(audience) } else { &[] };
    let evidence = Evidence { server: access.server_route, keys: vouched };
    let named = named_key(plan, body, request.is_server)?;
    if request.text_repaired {
        refuse_cut_keys(plan, named, &inputs)?;
    }
    let keys = match body.get("event").and_then(|event| event.get("columns")) {
        // The event says whose it is.
        Some(Value::Object(columns)) if request.later => {
            keys_of(plan, audience, named, &[inputs.as_slice(), columns].concat(), &evidence)
        }
        _ => keys_of(plan, audience, named, &inputs, &evidence),
    };
    let event = match body.get("event") {
        None => None,
        Some(event) => Some(event_of(plan, event)?),
    };
    let resolved = event.as_ref().and_then(|named| named.resolve(plan, ambient.now_ms));
    if let [index] = personalizations.as_slice()
        && let Some(input) = plan.missing_input(*index, resolved.as_ref(), &inputs)
    {
        let detail = format!("the input `{input}` is required");
        return Err(Refused::with_detail(Refusal::INPUT_MISSING, detail));
    }
    // A token of another deployment, or none: any snapshot is new enough.
    let seen = text(body, "seen").and_then(|token| Seen::verify(token, &edge.keyring()?.signer));
    let first = keys.first().map(|key| (key.name.as_str(), key.value.as_str()));
    let lookup = PendingLookup {
        shard: shard::of_key(audience, first, edge.shards()),
        later: None,
        request: SnapshotRequest {
            ambient,
            keys,
            // Only servers get the journal of merges.
            journal: request.shape == Shape::Explanation && access.server_route,
            seen: seen.filter(|_| HAS_SHARDS && edge.shards() > 1).map(|seen| seen.profile_hash()),
            rows: rows_of(&request, event.as_ref()),
        },
        vouched: InControlPlane::new(vouched.to_vec()),
        audience: audience.clone(),
        personalizations: names(plan, personalizations),
        inputs,
        event,
        edge: request.edge,
        access,
        seen,
        refused: request.identity.refused,
        event_ids: match body.get("ids") {
            Some(Value::List(ids)) if request.shape == Shape::Extract => {
                ids.iter().filter_map(|id| Some(id.as_str()?.to_owned())).gather()
            }
            _ => Vec::new(),
        },
        shape: request.shape,
        origin: request.origin.map(str::to_owned),
        payer: request.payer.map(Payer::into_owned),
    };
    Ok(lookup)
}

/// The rows of tables that the snapshot is to carry; empty: no answer reads any.
fn rows_of(request: &LookupRequest<'_>, event: Option<&NamedEvent>) -> InControlPlane<Box<SnapshotRows>> {
    let plan = &request.running.plan;
    if !HAS_CONTROL_PLANE || !plan.reads_tables() || request.shape == Shape::Extract {
        return InControlPlane::default();
    }
    let event = event.map(|event| {
        let mut json = Json::new();
        json.value(&Value::Object(event.columns.clone()));
        (event.database.clone(), event.table.clone(), json.into_bytes())
    });
    let named = names(plan, &request.personalizations);
    let (audience, number) = (plan.definition().audience.id.clone(), request.running.number);
    InControlPlane::new(Box::new(SnapshotRows { audience, number, named, event }))
}

fn names(plan: &Plan, personalizations: &[usize]) -> Vec<String> {
    let every = &plan.definition().personalizations;
    personalizations.iter().filter_map(|index| Some(every.get(*index)?.name.clone())).gather()
}

fn text<'v>(body: &'v Value, name: &str) -> Option<&'v str> {
    body.get(name)?.as_str()
}

fn wants(name: &str) -> Refused {
    Refused::with_detail(Refusal::BODY_INVALID, format!("`{name}` is missing"))
}

/// The key that a lookup names: name and value.
fn named_key<'v>(plan: &Plan, body: &'v Value, is_server: bool) -> Result<Option<(&'v str, &'v str)>> {
    let Some(key) = body.get("key") else { return Ok(None) };
    match (key.get("name").and_then(Value::as_str), key.get("value").and_then(Value::as_str)) {
        (Some(name), Some(value)) if plan.is_key(name) => Ok(Some((name, value))),
        (Some(_), Some(_)) => {
            // Names of keys are the definition's, which a page need not know.
            let known = match is_server {
                true => format!(": the keys are `{}`", plan.key_names().collect::<Vec<_>>().join("`, `")),
                false => String::new(),
            };
            Err(Refused::with_detail(Refusal::BODY_INVALID, format!("`key.name` is no key{known}")))
        }
        _ => Err(Refused::with_detail(Refusal::BODY_INVALID, "`key` is {\"name\", \"value\"}, both texts")),
    }
}

/// Refuses a key that was cut within a character: it is not the one that was meant, and may belong to another person.
fn refuse_cut_keys(plan: &Plan, named: Option<(&str, &str)>, inputs: &[(String, Value)]) -> Result<()> {
    let is_cut = |value: &str| value.contains(char::REPLACEMENT_CHARACTER);
    let is_cut_key =
        |(name, value): &(String, Value)| plan.is_key(name) && value.as_str().is_some_and(is_cut);
    let place = if named.is_some_and(|(_, value)| is_cut(value)) {
        "key.value".to_owned()
    } else if let Some((name, _)) = inputs.iter().find(|input| is_cut_key(input)) {
        format!("inputs.{name}")
    } else {
        return Ok(());
    };
    let detail = format!("`{place}` was cut within a character: it has half of a surrogate pair");
    Err(Refused::with_detail(Refusal::BODY_INVALID, detail))
}

/// The keys that a lookup tries, in routing order: those that an identity token vouches for, the named one, and inputs with
/// names of keys. Of a key that the token has, its value counts.
pub(crate) fn keys_of(
    plan: &Plan,
    audience: &str,
    named: Option<(&str, &str)>,
    inputs: &[(String, Value)],
    evidence: &Evidence<'_>,
) -> Vec<KeyOf> {
    let mut given: Vec<(&str, &str)> = named.into_iter().gather();
    let named_like_keys = inputs.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    given.extend(named_like_keys.filter(|(name, _)| plan.is_key(name)));
    // Where tokens are verified.
    if HAS_CONTROL_PLANE {
        given.retain(|(name, _)| evidence.keys.iter().all(|(known, _)| known != name));
        given.extend(evidence.keys.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    }
    let in_order = plan.key_names().flat_map(|name| given.iter().filter(move |(known, _)| *known == name));
    let mut keys: Vec<KeyOf> = Vec::new();
    // A key that may not be looked up finds no visitor, as if it were unknown.
    for (name, value) in in_order.filter(|(name, value)| plan.may_look_up(name, value, evidence)) {
        for stored in plan.stored_values(name, value) {
            let (name, value) = ((*name).to_owned(), stored.into_owned());
            let key = KeyOf { audience: audience.to_owned(), name, value };
            if !key.value.is_empty() && !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

/// `{"database", "table", "columns"}`
fn event_of(plan: &Plan, event: &Value) -> Result<NamedEvent> {
    let database = text(event, "database").ok_or_else(|| wants("event.database"))?;
    let table = text(event, "table").ok_or_else(|| wants("event.table"))?;
    plan.table(database, table).ok_or(Refusal::TABLE_UNKNOWN)?;
    match event.get("columns") {
        Some(Value::Object(columns)) => Ok(NamedEvent {
            database: database.to_owned(),
            table: table.to_owned(),
            columns: columns.clone(),
        }),
        _ => Err(wants("event.columns")),
    }
}
