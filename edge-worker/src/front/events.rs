//! Event routes: personalization for one event, public and private, and ingestion of batches.

use usher_engine::Evidence;

use super::{Result, auth};
use crate::bundle::Edge;
use crate::error::Refusal;
use crate::host::{Request, Step};
use crate::keys::{KeyRecord, Keyring, Kind, Scope};
use crate::limits::BATCH_BYTES_MAX;
use crate::message::{Events, Message, Mode, ToWriter};
use crate::wire::read;

impl Edge {
    /// `POST /public/{database}/{table}`: one event of a browser in, offers out.
    pub(super) fn public_event(
        &self,
        keyring: &Keyring,
        request: &Request<'_>,
        database: &str,
        table: &str,
    ) -> Result {
        let key = auth::key(keyring, request, &[Kind::Write])?;
        let token = auth::token(keyring, request, key, true)?;
        let origin = auth::page(token, request)?.ok_or(Refusal::ORIGIN_INVALID)?;
        let personalize = Mode::Personalize {
            named: auth::personalizations(key, Some(token)),
            server_route: false,
            sensitive_scope: false,
        };
        self.one_event(request, token, database, table, personalize, false, Some(origin))
            .map_err(|refused| refused.readable_by(Some(origin)))
    }

    /// `POST /{database}/{table}` with a token: the same for a server.
    pub(super) fn private_event(
        &self,
        keyring: &Keyring,
        request: &Request<'_>,
        database: &str,
        table: &str,
    ) -> Result {
        let key = auth::key(keyring, request, &[Kind::Write, Kind::Server])?;
        if request.header("origin").is_some() {
            return Err(Refusal::ORIGIN_INVALID.into());
        }
        let token = auth::token(keyring, request, key, false)?;
        let personalize = Mode::Personalize {
            named: auth::personalizations(key, Some(token)),
            server_route: true,
            sensitive_scope: key.may(Scope::Sensitive),
        };
        self.one_event(request, token, database, table, personalize, key.kind == Kind::Server, None)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the message, and two routes share the way"
    )]
    fn one_event(
        &self,
        request: &Request<'_>,
        token: &KeyRecord,
        database: &str,
        table: &str,
        mode: Mode,
        server: bool,
        origin: Option<&str>,
    ) -> Result {
        within(request, BATCH_BYTES_MAX)?;
        let audience = token.audience.as_deref().unwrap_or("");
        let running = self.running(audience)?;
        let index = running.plan.table(database, table).ok_or(Refusal::TABLE_UNKNOWN)?;
        let mode = match mode {
            // What only the key names is not asked for whatever triggers it, as what a token names is.
            Mode::Personalize { named: Some(mut named), server_route, sensitive_scope }
                if token.personalizations.is_none() =>
            {
                named.retain(|name| running.plan.is_triggered_on(name, index));
                Mode::Personalize { named: Some(named), server_route, sensitive_scope }
            }
            mode => mode,
        };
        let columns = read::event(request.body).map_err(Refusal::from)?.columns;
        let event = usher_engine::Event::resolve(index, columns, request.ambient.now_ms, String::new());
        let first = running.plan.keys(&event, &Evidence { server, keys: &[] }).usable.into_iter().next();
        let shard = self.shard(audience, first.as_ref().map(|key| (key.name.as_str(), key.value.as_str())));
        self.write(
            request,
            vec![(audience.to_owned(), running.number)],
            shard,
            database,
            table,
            mode,
            server,
            origin,
        )
    }

    /// `POST /{database}/{table}` without a token: a batch in, receipts out.
    pub(super) fn ingest(
        &self,
        keyring: &Keyring,
        request: &Request<'_>,
        database: &str,
        table: &str,
    ) -> Result {
        let key = auth::key(keyring, request, &[Kind::Write, Kind::Server])?;
        let origin = if key.kind == Kind::Server {
            // A server key in a page is a leak; nothing is done with it.
            if request.header("origin").is_some() {
                return Err(Refusal::ORIGIN_INVALID.into());
            }
            None
        } else {
            auth::page(key, request)?
        };
        let readable = |refusal: Refusal| super::Refused::from(refusal).readable_by(origin);
        within(request, BATCH_BYTES_MAX).map_err(|refused| refused.readable_by(origin))?;
        let declares = |(id, running): (&String, &crate::bundle::Running)| {
            (key.covers(id) && running.plan.table(database, table).is_some())
                .then(|| (id.clone(), running.number))
        };
        let audiences: Vec<(String, u64)> = self.audiences.iter().filter_map(declares).collect();
        if audiences.is_empty() {
            return Err(readable(Refusal::TABLE_UNKNOWN));
        }
        read::batch(request.body).map_err(|why| readable(why.into()))?;
        let shard = self.shard("", None);
        self.write(request, audiences, shard, database, table, Mode::Ingest, key.kind == Kind::Server, origin)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the message, and this is the one place that makes it"
    )]
    fn write(
        &self,
        request: &Request<'_>,
        audiences: Vec<(String, u64)>,
        shard: u32,
        database: &str,
        table: &str,
        mode: Mode,
        server: bool,
        origin: Option<&str>,
    ) -> Result {
        let message = Message::Writer(ToWriter::Events(Events {
            ambient: request.ambient,
            audiences,
            database: database.to_owned(),
            table: table.to_owned(),
            mode,
            server,
            origin: origin.unwrap_or("").to_owned(),
            edge: request.edge_context(),
            body: request.body.to_vec(),
        }));
        Ok(Step::Write { shard, message: message.encode() })
    }
}

/// Refuses a body that is over its bound. Hosts stop reading there, too.
pub(super) fn within(request: &Request<'_>, max: usize) -> Result<()> {
    if request.body.len() > max { Err(Refusal::TOO_LARGE.into()) } else { Ok(()) }
}
