//! Routes of operators and servers: publish, read and roll back bundles, import batch records.

use super::events::within;
use super::{Refused, Result, auth};
use usher_engine::value::{Fields, Unfit, Value};

use crate::bundle::{Bundle, Edge, hash_of};
use crate::error::Refusal;
use crate::host::{Request, Step};
use crate::keys::{Keyring, Kind, Scope};
use crate::limits::{BATCH_BYTES_MAX, BUNDLE_BYTES_MAX, NATIVE_BYTES_MAX};
use crate::message::{Import, Message, Publish, Rollback, ToControl, ToWriter, WhichRelease};
use crate::wire::json::Json;
use crate::wire::{Response, read};

impl Edge {
    /// `PUT /v1/audiences/{audience}/bundle`: checked here, once, before anything is stored.
    pub(super) fn put_bundle(&self, keyring: &Keyring, request: &Request<'_>, audience: &str) -> Result {
        auth::server(keyring, request, Kind::Admin, None, Some(audience))?;
        within(request, BUNDLE_BYTES_MAX)?;
        let invalid = |reason: String| Refused::because(Refusal::BUNDLE_INVALID, reason);
        Bundle::check(request.body, audience).map_err(invalid)?;
        let hash = hash_of(request.body);
        let body = request.body.to_vec();
        let message = Message::Control(ToControl::Publish(Publish {
            audience: audience.to_owned(),
            hash: hash.clone(),
            if_match: if_match(request),
            now_ms: request.ambient.now_ms,
            body: body.clone(),
        }));
        Ok(Step::Publish { hash, body, message: message.encode() })
    }

    /// `GET /v1/audiences`: which audiences run here.
    pub(super) fn list_audiences(&self, keyring: &Keyring, request: &Request<'_>) -> Result {
        let key = auth::server(keyring, request, Kind::Admin, None, None)?;
        let covered = self.audiences.iter().filter(|(id, _)| key.covers(id));
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
                    o.field("status").text(self.status(id));
                });
            });
        });
        Ok(Step::Respond(Response::json(200, body)))
    }

    /// `GET /v1/audiences/{audience}/bundles`: which bundles are kept, the running one first.
    pub(super) fn list_bundles(&self, keyring: &Keyring, request: &Request<'_>, audience: &str) -> Result {
        auth::server(keyring, request, Kind::Admin, None, Some(audience))?;
        let here = self.audiences.get(audience).map_or(0, |running| running.number);
        let message = Message::Control(ToControl::Releases { audience: audience.to_owned(), here });
        Ok(Step::Control { message: message.encode() })
    }

    /// `GET /v1/audiences/{audience}/bundles/{which}`: one of them; `which` is `previous`, a number or a hash.
    pub(super) fn get_kept(
        &self,
        keyring: &Keyring,
        request: &Request<'_>,
        audience: &str,
        which: &str,
    ) -> Result {
        auth::server(keyring, request, Kind::Admin, None, Some(audience))?;
        let which = if which == "previous" {
            WhichRelease::Previous
        } else if let Ok(number) = which.parse() {
            WhichRelease::Number(number)
        } else {
            WhichRelease::Hash(which.to_owned())
        };
        let message = Message::Control(ToControl::Release { audience: audience.to_owned(), which });
        Ok(Step::Control { message: message.encode() })
    }

    /// `POST /v1/audiences/{audience}/rollback`: what ran before runs again. Which one stands in the body: `{"number": 3}` or
    /// `{"hash": "…"}`, the previous one without.
    pub(super) fn rollback(&self, keyring: &Keyring, request: &Request<'_>, audience: &str) -> Result {
        auth::server(keyring, request, Kind::Admin, None, Some(audience))?;
        within(request, NATIVE_BYTES_MAX)?;
        let message = Message::Control(ToControl::Rollback(Rollback {
            audience: audience.to_owned(),
            which: asked_for(request.body)?,
            if_match: if_match(request),
            now_ms: request.ambient.now_ms,
        }));
        Ok(Step::Control { message: message.encode() })
    }

    /// `GET /v1/audiences/{audience}/bundle`: what runs here.
    pub(super) fn get_bundle(&self, keyring: &Keyring, request: &Request<'_>, audience: &str) -> Result {
        auth::server(keyring, request, Kind::Admin, None, Some(audience))?;
        // Also where something should run and does not: a push asks first, and heals it.
        let running = self.audiences.get(audience).ok_or(Refusal::AUDIENCE_UNKNOWN)?;
        let response = Response::typed(200, "application/json", running.body.clone())
            .header("etag", format!("\"{}\"", running.hash))
            .header("usher-bundle", running.number.to_string())
            .header("usher-status", self.status(audience));
        Ok(Step::Respond(response))
    }

    /// `POST /v1/audiences/{audience}/profiles/import`: NDJSON, a record a line.
    pub(super) fn import(&self, keyring: &Keyring, request: &Request<'_>, audience: &str) -> Result {
        auth::server(keyring, request, Kind::Server, Some(Scope::Import), Some(audience))?;
        within(request, BATCH_BYTES_MAX)?;
        let running = self.running(audience)?;
        let message = Message::Writer(ToWriter::Import(Import {
            ambient: request.ambient,
            audience: audience.to_owned(),
            number: running.number,
            body: request.body.to_vec(),
        }));
        Ok(Step::Write { shard: self.shard(audience, None), message: message.encode() })
    }

    /// `GET /v1/audiences/{audience}/profiles/import`: which columns of a record the running definition reads, as what.
    pub(super) fn import_columns(&self, keyring: &Keyring, request: &Request<'_>, audience: &str) -> Result {
        auth::server(keyring, request, Kind::Server, Some(Scope::Import), Some(audience))?;
        let plan = &self.running(audience)?.plan;
        let columns: Vec<_> = plan.record_columns().collect();
        let mut body = Json::new();
        body.object(|o| {
            if let Some(key) = plan.lookup_key() {
                o.field("key").text(key);
            }
            o.field("columns").list(&columns, |json, (name, types)| {
                json.object(|o| {
                    o.field("name").text(name);
                    o.field("types").list(types, |json, known| json.text(known.as_str()));
                });
            });
        });
        Ok(Step::Respond(Response::json(200, body)))
    }
}

/// The hash that must run now, if the caller minds.
fn if_match(request: &Request<'_>) -> Option<String> {
    request.header("if-match").map(|tag| tag.trim().trim_matches('"').to_owned())
}

/// Which bundle a rollback wants.
fn asked_for(body: &[u8]) -> Result<WhichRelease> {
    let malformed =
        || Refused::because(Refusal::BODY_INVALID, "write {\"number\": 3} or {\"hash\": \"…\"}, or no body");
    if body.trim_ascii().is_empty() {
        return Ok(WhichRelease::Previous);
    }
    let value = read::value(body).map_err(Refusal::from)?;
    let read = |value: &Value| -> std::result::Result<(Option<i64>, Option<String>), Unfit> {
        let fields = Fields::of(value, &["number", "hash"])?;
        Ok((fields.or("number", None)?, fields.or("hash", None)?))
    };
    match read(&value).map_err(|_| malformed())? {
        (None, None) => Ok(WhichRelease::Previous),
        (Some(number), None) => u64::try_from(number).map(WhichRelease::Number).map_err(|_| malformed()),
        (None, Some(hash)) => Ok(WhichRelease::Hash(hash)),
        (Some(_), Some(_)) => Err(malformed()),
    }
}
