//! Lookups: answered from the nearest snapshot that is good enough, or explained from the profile itself.

use sha2::{Digest, Sha256};
use usher_engine::value::Value;
use usher_engine::{Access, Asked, Event, Evidence, Plan, Profile, Query};

use super::events::within;
use super::{Refused, Result, auth};
use crate::bundle::{Edge, Running};
use crate::error::Refusal;
use crate::host::{Request, Step};
use crate::keys::{Keyring, Kind, Scope};
use crate::limits::{NATIVE_BYTES_MAX, SNAPSHOT_MS};
use crate::message::{Ambient, KeyOf, Message, Snapshot, SnapshotRequest, ToWriter};
use crate::token::{Sighted, hex};
use crate::wire::encode::{self, Meta};
use crate::wire::{Response, read};

/// A lookup that waits for a snapshot.
#[derive(Debug)]
pub struct Look {
    /// The shard whose writer knows the profile.
    pub shard: u32,
    /// For [`Edge::open`], there: asks for a snapshot.
    pub message: Vec<u8>,
    /// The snapshot's name in caches; nothing personal can be read from it. None: caches are not asked.
    pub cache_key: Option<String>,
    ambient: Ambient,
    audience: String,
    /// By name: the bundle that answers may be a later one than that which was asked.
    personalizations: Vec<String>,
    inputs: Vec<(String, Value)>,
    event: Option<NamedEvent>,
    edge: Vec<(String, String)>,
    access: Access,
    seen: Option<Sighted>,
    explain: bool,
    origin: Option<String>,
}

/// An event that a lookup names.
#[derive(Debug)]
struct NamedEvent {
    database: String,
    table: String,
    columns: Vec<(String, Value)>,
}

impl NamedEvent {
    /// As an event of now; None: a later bundle does not know its table.
    fn resolve(&self, plan: &Plan, now_ms: i64) -> Option<Event> {
        let table = plan.table(&self.database, &self.table)?;
        Some(Event::resolve(table, self.columns.clone(), now_ms, "explained".to_owned()))
    }
}

/// Where a snapshot comes from, nearest first.
#[derive(Clone, Copy, Debug)]
pub enum Candidate<'a> {
    /// The isolate's memory.
    Memory(&'a [u8]),
    /// The key-value store.
    Kv(&'a [u8]),
    /// The writer: the truth.
    Writer(&'a [u8]),
    /// Any that is left, when the writer does not answer.
    Stale(&'a [u8]),
    /// None is left.
    Nothing,
}

impl Edge {
    /// `POST /v1/personalize`
    pub(super) fn look_native(&self, keyring: &Keyring, request: &Request<'_>) -> Result {
        let key = auth::key(keyring, request, &[Kind::Write, Kind::Server])?;
        let (origin, token) = if request.header("wp13n-token").is_some() {
            // A write key stands in pages: with it, only a public token from an allowed page looks up.
            let public = key.kind == Kind::Write;
            let token = auth::token(keyring, request, key, public)?;
            let origin = if public { auth::page(token, request)? } else { None };
            if public && origin.is_none() {
                return Err(Refusal::ORIGIN_INVALID.into());
            }
            (origin, Some(token))
        } else {
            (None, None)
        };
        if key.kind == Kind::Server {
            auth::server(keyring, request, Kind::Server, Some(Scope::Personalize), None)?;
        } else if token.is_none() {
            return Err(Refusal::TOKEN_MISSING.into());
        }
        let access =
            Access { server_route: key.kind == Kind::Server, sensitive_scope: key.may(Scope::Sensitive) };
        let look = || -> Result {
            within(request, NATIVE_BYTES_MAX)?;
            let body = body(request)?;
            let audience = match token.and_then(|token| token.audience.as_deref()) {
                Some(audience) => audience,
                None => text(&body, "audience").ok_or_else(|| wants("audience"))?,
            };
            if !key.covers(audience) {
                return Err(Refusal::SCOPE.into());
            }
            let running = self.running(audience)?;
            let name = text(&body, "personalization").ok_or_else(|| wants("personalization"))?;
            let allowed = auth::personalizations(key, token);
            let index = running
                .plan
                .personalization(name)
                .filter(|_| allowed.as_ref().is_none_or(|names| names.iter().any(|known| known == name)))
                .ok_or_else(|| {
                    Refused::because(
                        Refusal::PERSONALIZATION_UNKNOWN,
                        "what runs has none, or the key or token names others",
                    )
                })?;
            self.look(keyring, request, running, &body, vec![index], access, origin, false)
        };
        look().map_err(|refused| refused.readable_by(origin))
    }

    /// `POST /v1/explain`
    pub(super) fn look_explain(&self, keyring: &Keyring, request: &Request<'_>) -> Result {
        let preview = auth::preview(keyring, request);
        let by_page = preview.is_some();
        let (audience, allowed, origin) = match preview {
            Some(preview) => {
                let origin = request.header("origin");
                if origin.is_some_and(|origin| !keyring.knows_origin(origin)) {
                    return Err(Refusal::ORIGIN_INVALID.into());
                }
                (Some(preview.audience), None, origin)
            }
            None => {
                let key = auth::server(keyring, request, Kind::Server, Some(Scope::Explain), None)?;
                (key.audience.clone(), auth::personalizations(key, None), None)
            }
        };
        let look = || -> Result {
            within(request, NATIVE_BYTES_MAX)?;
            let body = body(request)?;
            let asked = text(&body, "audience");
            let id = match (&audience, asked) {
                (Some(own), Some(asked)) if own != asked => return Err(Refusal::SCOPE.into()),
                (Some(own), _) => own.as_str(),
                (None, Some(asked)) => asked,
                (None, None) => return Err(wants("audience")),
            };
            let running = self.running(id)?;
            let name = text(&body, "personalization");
            if name.is_none() && body.get("personalization").is_some() {
                return Err(Refused::because(Refusal::BODY_INVALID, "`personalization` is a name"));
            }
            // None is all of them.
            let named: Vec<usize> = match (name, &allowed) {
                (Some(name), Some(names)) if !names.iter().any(|known| known == name) => Vec::new(),
                (Some(name), _) => running.plan.personalization(name).into_iter().collect(),
                (None, Some(names)) => {
                    names.iter().filter_map(|name| running.plan.personalization(name)).collect()
                }
                (None, None) => Vec::new(),
            };
            let all = allowed.is_none() && name.is_none();
            if named.is_empty() && !all {
                return Err(Refusal::PERSONALIZATION_UNKNOWN.into());
            }
            // A preview token stands in a page: it sees whom a page may look up, and nobody's sensitive values.
            let access = Access { server_route: !by_page, sensitive_scope: false };
            self.look(keyring, request, running, &body, named, access, origin, true)
        };
        look().map_err(|refused| refused.readable_by(origin))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the lookup, and this is the one place that makes it"
    )]
    fn look(
        &self,
        keyring: &Keyring,
        request: &Request<'_>,
        running: &Running,
        body: &Value,
        personalizations: Vec<usize>,
        access: Access,
        origin: Option<&str>,
        explain: bool,
    ) -> Result {
        let plan = &running.plan;
        let audience = &plan.definition().audience.id;
        let inputs = match body.get("inputs") {
            None => Vec::new(),
            Some(Value::Object(inputs)) => inputs.clone(),
            Some(_) => {
                return Err(Refused::because(Refusal::BODY_INVALID, "`inputs` is an object of named values"));
            }
        };
        // Who asks by a server key vouches for whom; everybody else may look up by open keys only.
        let evidence = Evidence { server: access.server_route, keys: &[] };
        let keys = lookup_keys(plan, audience, named_key(plan, body)?, &inputs, &evidence);
        let event = match body.get("event") {
            None => None,
            Some(event) => Some(event_of(plan, event)?),
        };
        let resolved = event.as_ref().and_then(|named| named.resolve(plan, request.ambient.now_ms));
        if let [index] = personalizations.as_slice()
            && let Some(input) = plan.missing_input(*index, resolved.as_ref(), &inputs)
        {
            let detail = format!("the input `{input}` is required");
            return Err(Refused::because(Refusal::INPUT_MISSING, detail));
        }
        // A token of another deployment, or none: the nearest snapshot will do.
        let seen = text(body, "seen").and_then(|token| Sighted::verify(token, &keyring.signer));
        let message = Message::Writer(ToWriter::Snapshot(SnapshotRequest {
            ambient: request.ambient,
            keys: keys.clone(),
        }));
        let look = Look {
            shard: self.shard(audience, keys.first().map(|key| (key.name.as_str(), key.value.as_str()))),
            message: message.encode(),
            // An explanation is about what is, not about what a cache remembers.
            cache_key: (!explain && !keys.is_empty()).then(|| cache_key(&keys)),
            ambient: request.ambient,
            audience: audience.clone(),
            personalizations: names(plan, &personalizations),
            inputs,
            event,
            edge: request.edge_context(),
            access,
            seen,
            explain,
            origin: origin.map(str::to_owned),
        };
        Ok(Step::Look(Box::new(look)))
    }

    /// The answer from this snapshot; None when it is not good enough and the next one should be tried.
    pub fn answer(&self, look: &Look, candidate: Candidate<'_>) -> Option<Response> {
        let keyring = self.keyring.as_ref().ok()?;
        let running = self.audiences.get(&look.audience)?;
        let now_ms = look.ambient.now_ms;
        let snapshot = match candidate {
            Candidate::Memory(bytes)
            | Candidate::Kv(bytes)
            | Candidate::Writer(bytes)
            | Candidate::Stale(bytes) => Some(Snapshot::decode(bytes)?),
            Candidate::Nothing => None,
        };
        let age_ms = snapshot.as_ref().map(|snapshot| now_ms.saturating_sub(snapshot.taken_ms).max(0));
        let kept = matches!(candidate, Candidate::Memory(_) | Candidate::Kv(_));
        let stale = matches!(candidate, Candidate::Stale(_) | Candidate::Nothing);
        if kept && age_ms.is_some_and(|age_ms| age_ms > SNAPSHOT_MS) {
            return None;
        }
        let profile = snapshot.and_then(|snapshot| snapshot.profile);
        if !matches!(candidate, Candidate::Writer(_) | Candidate::Nothing)
            && let Some(seen) = look.seen
        {
            let as_new = profile
                .as_ref()
                .is_some_and(|known| known.id == seen.profile && known.version >= seen.version);
            if !as_new {
                return None;
            }
        }
        let known = profile.is_some();
        let mut profile = profile.unwrap_or_else(Profile::unknown);
        let plan = &running.plan;
        let event = look.event.as_ref().and_then(|named| named.resolve(plan, now_ms));
        if let Some(event) = &event {
            // On a copy: what is explained is not stored.
            plan.ingest(&mut profile, event, now_ms);
        }
        let named: Vec<usize> = if look.personalizations.is_empty() {
            // Without an event or a name, every personalization is explained as a lookup; a lookup names one.
            (0..plan.definition().personalizations.len()).collect()
        } else {
            look.personalizations.iter().filter_map(|name| plan.personalization(name)).collect()
        };
        let triggered = event.is_some() && look.personalizations.is_empty();
        let query = Query {
            event: event.as_ref(),
            asked: if triggered { Asked::Triggered } else { Asked::Named(&named) },
            inputs: &look.inputs,
            edge: &look.edge,
            access: look.access,
            blind: matches!(candidate, Candidate::Nothing),
        };
        let meta = Meta {
            bundle: running.number,
            version: profile.version,
            source: match candidate {
                Candidate::Memory(_) => "memory",
                Candidate::Kv(_) => "kv",
                Candidate::Writer(_) => "writer",
                Candidate::Stale(_) => "stale",
                Candidate::Nothing => "none",
            },
            age_ms: age_ms.unwrap_or(0),
            stale,
        };
        let body = if look.explain {
            encode::explanation(&profile, known, &plan.explain(&profile, &query, now_ms), &meta)
        } else {
            encode::answer(&plan.personalize(&profile, &query, now_ms), Some(&meta))
        };
        let response = Response::json(200, body).with_cors(look.origin.as_deref());
        Some(if known {
            let token = Sighted { profile: profile.id, version: profile.version }.sign(&keyring.signer);
            response.header("usher-seen", token)
        } else {
            response
        })
    }

    /// The shard of an event's first key. One shard holds everything until merges reach across them.
    pub(super) fn shard(&self, audience: &str, key: Option<(&str, &str)>) -> u32 {
        let Some((name, value)) = key else { return 0 };
        let mut hasher = Sha256::new();
        for part in [audience, name, value] {
            hasher.update(part.len().to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let [a, b, c, d, ..] = <[u8; 32]>::from(hasher.finalize());
        u32::from_le_bytes([a, b, c, d]) % self.shards.max(1)
    }
}

fn names(plan: &Plan, personalizations: &[usize]) -> Vec<String> {
    let every = &plan.definition().personalizations;
    personalizations.iter().filter_map(|index| Some(every.get(*index)?.name.clone())).collect()
}

fn body(request: &Request<'_>) -> Result<Value> {
    match read::value(request.body) {
        Ok(body @ Value::Object(_)) => Ok(body),
        Ok(_) => Err(Refusal::BODY_INVALID.into()),
        Err(why) => Err(Refusal::from(why).into()),
    }
}

fn text<'v>(body: &'v Value, name: &str) -> Option<&'v str> {
    body.get(name)?.as_str()
}

fn wants(name: &str) -> Refused {
    Refused::because(Refusal::BODY_INVALID, format!("`{name}` is missing"))
}

/// The key that a lookup names: name and value.
fn named_key<'v>(plan: &Plan, body: &'v Value) -> Result<Option<(&'v str, &'v str)>> {
    let Some(key) = body.get("key") else { return Ok(None) };
    match (key.get("name").and_then(Value::as_str), key.get("value").and_then(Value::as_str)) {
        (Some(name), Some(value)) if plan.is_key(name) => Ok(Some((name, value))),
        (Some(_), Some(_)) => Err(Refused::because(Refusal::BODY_INVALID, "`key.name` is no key")),
        _ => Err(Refused::because(Refusal::BODY_INVALID, "`key` is {\"name\", \"value\"}, both texts")),
    }
}

/// The keys that a lookup tries, in routing order: what it names, and inputs that are named like keys.
pub(crate) fn lookup_keys(
    plan: &Plan,
    audience: &str,
    named: Option<(&str, &str)>,
    inputs: &[(String, Value)],
    evidence: &Evidence<'_>,
) -> Vec<KeyOf> {
    let mut given: Vec<(&str, &str)> = named.into_iter().collect();
    let named_like_keys = inputs.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    given.extend(named_like_keys.filter(|(name, _)| plan.is_key(name)));
    let in_order = plan.key_names().flat_map(|name| given.iter().filter(move |(known, _)| *known == name));
    let mut keys: Vec<KeyOf> = Vec::new();
    for (name, value) in in_order {
        let key =
            KeyOf { audience: audience.to_owned(), name: (*name).to_owned(), value: (*value).to_owned() };
        // What may not be looked up is nobody, as if it were not known.
        if !value.is_empty() && plan.may_look_up(name, value, evidence) && !keys.contains(&key) {
            keys.push(key);
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

fn cache_key(keys: &[KeyOf]) -> String {
    let mut hasher = Sha256::new();
    for part in keys.iter().flat_map(|key| [&key.audience, &key.name, &key.value]) {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    format!("snapshot/{}", hex(&hasher.finalize()))
}
