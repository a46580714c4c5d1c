//! Event routes: personalization for one event, public and private, and ingestion of batches.

use usher_engine::{Evidence, SentAt};

use super::auth::Caller;
use super::checked_head::CheckedHead;
use crate::edge::{Edge, Running};
use crate::error::{Refusal, Result};
use crate::host::Step;
use crate::message::{Events, Identity, Message, Mode, SOURCE_FACT, ToWriter};
use crate::shard;
use crate::wire::read;

/// `POST /public/{database}/{table}` and `POST /{database}/{table}` with a token: one event in, offers out.
pub(super) fn personalize(edge: &Edge, admitted: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let (caller, [database, table, _]) = (&admitted.caller, admitted.parameters);
    let audience = caller.audience.as_deref().unwrap_or("");
    let running = edge.running_or_refuse(audience)?;
    let index = running.plan.table(database, table).ok_or(Refusal::TABLE_UNKNOWN)?;
    let mut named = caller.personalizations(&running.plan);
    if !caller.token_names_personalizations
        && let Some(named) = &mut named
    {
        // Personalizations that only the key names answer where they are triggered.
        named.retain(|name| running.plan.is_triggered_on(name, index));
    }
    let mode = Mode::Personalize {
        named,
        server_route: caller.access.server_route,
        sensitive_scope: caller.access.sensitive_scope,
    };
    let columns = read::event(body).map_err(Refusal::from)?.columns;
    let event =
        running.plan.event(index, columns, admitted.head.ambient.now_ms, String::new(), SentAt::Absent);
    let evidence = Evidence { server: caller.is_server, keys: &[] };
    let first = running.plan.keys(&event, &evidence).usable.into_iter().next();
    let first = first.as_ref().map(|key| (key.name.as_str(), key.value.as_str()));
    let shard = shard::of_key(audience, first, edge.shards());
    let audiences = vec![(audience.to_owned(), running.number)];
    let batch = (audiences, [database, table], mode);
    Ok(to_writer(edge, admitted, (caller, Identity::default()), shard, batch, body))
}

/// `POST /{database}/{table}` without a token: a batch in, receipts out.
pub(super) fn ingest(edge: &Edge, admitted: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let [database, table, _] = admitted.parameters;
    let declares = |(id, running): (&str, &Running)| {
        (admitted.caller.covers(id) && running.plan.table(database, table).is_some())
            .then(|| (id.to_owned(), running.number))
    };
    let audiences: Vec<(String, u64)> = edge.all_running().filter_map(declares).collect();
    if audiences.is_empty() {
        let unknown = if edge.lacks_a_bundle() { Refusal::STORAGE } else { Refusal::TABLE_UNKNOWN };
        return Err(unknown.into());
    }
    read::batch(body).map_err(Refusal::from)?;
    let shard = shard::of_key("", None, edge.shards());
    let batch = (audiences, [database, table], Mode::Ingest);
    Ok(to_writer(edge, admitted, (&admitted.caller, Identity::default()), shard, batch, body))
}

/// Events for these audiences, of one table or, without its names, of those that they name.
pub(super) fn to_writer(
    edge: &Edge,
    admitted: &CheckedHead<'_>,
    (caller, identity): (&Caller<'_>, Identity),
    shard: u32,
    (audiences, [database, table], mode): (Vec<(String, u64)>, [&str; 2], Mode),
    body: &[u8],
) -> Step {
    let head = &admitted.head;
    let mut facts = head.edge_context();
    if let Some(payer) = admitted.payer() {
        facts.push((SOURCE_FACT.to_owned(), payer.to_text()));
    }
    let message = Message::Writer(ToWriter::Events(Events {
        ambient: head.ambient,
        audiences,
        database: database.to_owned(),
        table: table.to_owned(),
        mode,
        server: caller.is_server,
        identity,
        origin: caller.origin.unwrap_or("").to_owned(),
        edge: facts,
        body: body.to_vec(),
    }));
    Step::Write { shard, message: message.encode(edge.form()) }
}
