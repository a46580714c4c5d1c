//! Routes of operators and servers: publish and read a bundle, import batch records.

use super::events::within;
use super::{Refused, Result, auth};
use crate::bundle::{Bundle, Edge, hash_of};
use crate::error::Refusal;
use crate::host::{Request, Step};
use crate::keys::{Keyring, Kind, Scope};
use crate::limits::{BATCH_BYTES_MAX, BUNDLE_BYTES_MAX};
use crate::wire::Response;
use crate::writer::{Import, Message, Publish};

impl Edge {
    /// `PUT /v1/audiences/{audience}/bundle`: checked here, once, before anything is stored.
    pub(super) fn put_bundle(&self, keyring: &Keyring, request: &Request<'_>, audience: &str) -> Result {
        auth::server(keyring, request, Kind::Admin, None, Some(audience))?;
        within(request, BUNDLE_BYTES_MAX)?;
        let invalid = |reason: String| Refused::because(Refusal::BUNDLE_INVALID, reason);
        let plan = Bundle::compile(request.body).map_err(invalid)?;
        if plan.definition().audience.id != audience {
            return Err(invalid("the definition is of another audience than the route".to_owned()));
        }
        let if_match = request.header("if-match").map(|tag| tag.trim().trim_matches('"').to_owned());
        let hash = hash_of(request.body);
        let body = request.body.to_vec();
        let message = Message::Publish(Publish {
            audience: audience.to_owned(),
            hash: hash.clone(),
            if_match,
            body: body.clone(),
        });
        Ok(Step::Publish { hash, body, message: message.encode() })
    }

    /// `GET /v1/audiences/{audience}/bundle`: what runs here.
    pub(super) fn get_bundle(&self, keyring: &Keyring, request: &Request<'_>, audience: &str) -> Result {
        auth::server(keyring, request, Kind::Admin, None, Some(audience))?;
        let running = self.running(audience)?;
        let response = Response::typed(200, "application/json", running.body.clone())
            .header("etag", format!("\"{}\"", running.hash))
            .header("usher-bundle", running.number.to_string());
        Ok(Step::Respond(response))
    }

    /// `POST /v1/audiences/{audience}/profiles/import`: NDJSON, a record a line.
    pub(super) fn import(&self, keyring: &Keyring, request: &Request<'_>, audience: &str) -> Result {
        auth::server(keyring, request, Kind::Server, Some(Scope::Import), Some(audience))?;
        within(request, BATCH_BYTES_MAX)?;
        let running = self.running(audience)?;
        let message = Message::Import(Import {
            moment: request.moment,
            audience: audience.to_owned(),
            number: running.number,
            body: request.body.to_vec(),
        });
        Ok(Step::Write { shard: self.shard(audience, None), message: message.encode() })
    }
}
