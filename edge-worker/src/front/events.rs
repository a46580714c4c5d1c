//! Event routes: personalization for one event, public and private, and ingestion of batches.

use usher_engine::gather::Gather;
use usher_engine::profile::Key;
use usher_engine::{Event, Evidence, SentAt, order_clamped};

use super::auth::Caller;
use super::checked_head::CheckedHead;
use crate::answer;
use crate::edge::{Edge, Running};
use crate::error::{Refusal, Result};
use crate::host::Step;
use crate::message::{Ambient, Events, Identity, Message, Mode, Part, Receipt, Route, SOURCE_FACT, ToWriter};
use crate::order;
use crate::outcome::Question;
use crate::plane::{HAS_CONTROL_PLANE, HAS_SHARDS};
use crate::shard::{self, Piece, Split};
use crate::store::index::HashIndex;
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
    let mut shard = 0;
    if edge.shards() > 1 {
        let now_ms = admitted.head.ambient.now_ms;
        let event = running.plan.event(index, columns, now_ms, String::new(), SentAt::Absent);
        let evidence = Evidence { server: caller.is_server, keys: &[] };
        let first = running.plan.keys(&event, &evidence).usable.into_iter().next();
        let first = first.as_ref().map(|key| (key.name.as_str(), key.value.as_str()));
        shard = shard::of_key(audience, first, edge.shards());
    }
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
    let audiences: Vec<(String, u64)> = edge.all_running().filter_map(declares).gather();
    if audiences.is_empty() {
        let unknown = if edge.lacks_a_bundle() { Refusal::STORAGE } else { Refusal::TABLE_UNKNOWN };
        return Err(unknown.into());
    }
    let batch = read::batch(body).map_err(Refusal::from)?;
    if HAS_SHARDS && edge.shards() > 1 {
        let (caller, names, mode) =
            ((&admitted.caller, Identity::default()), [database, table], Mode::Ingest);
        return Ok(split(edge, admitted, ToCut { caller, audiences, names, mode, batch }, body));
    }
    let shard = shard::of_key("", None, 1);
    let batch = (audiences, [database, table], Mode::Ingest);
    Ok(to_writer(edge, admitted, (&admitted.caller, Identity::default()), shard, batch, body))
}

/// A batch that has been read, and what becomes of it.
pub(super) struct ToCut<'c> {
    /// With the keys that its identity token vouches for.
    pub(super) caller: (&'c Caller<'c>, Identity),
    pub(super) audiences: Vec<(String, u64)>,
    /// Database and table; empty if each event names its own.
    pub(super) names: [&'c str; 2],
    pub(super) mode: Mode,
    pub(super) batch: read::Batch,
}

/// Events that are cut off together: their audiences, the shard, and the place and time of each.
struct Group {
    audiences: Vec<(String, u64)>,
    shard: u32,
    events: Vec<(usize, i64)>,
}

/// Cuts a batch by the home of each event's first key, in the first of its audiences. What is for one shard alone is not cut;
/// everything else is for the control plane.
pub(super) fn split(edge: &Edge, admitted: &CheckedHead<'_>, cut: ToCut<'_>, body: &[u8]) -> Step {
    let now_ms = admitted.head.ambient.now_ms;
    let ToCut { caller: (caller, identity), audiences, names, mode, mut batch } = cut;
    let is_native = matches!(mode, Mode::Mixed(_));
    let sent = SentAt::read(batch.sent.as_ref(), now_ms);
    let rows = core::mem::take(&mut batch.events);
    let mut resolved = Resolved::of(edge, &audiences, (names, is_native), rows, (now_ms, sent));
    let (events, declaring) = (&resolved.events, &resolved.declaring);
    if let Some((shard, of_all)) = only_home(edge, &audiences, declaring, (caller, &identity), events) {
        let of_all: Vec<(String, u64)> = match of_all {
            Some(declares) => declared(&audiences, declares),
            None => audiences,
        };
        return to_writer(edge, admitted, (caller, identity), shard, (of_all, names, mode), body);
    }
    if !HAS_CONTROL_PLANE {
        return Step::ControlPlane;
    }
    order_clamped(resolved.events.iter_mut().map(|(_, event)| event));
    let mut groups = groups(edge, admitted, audiences, (caller, &identity), &resolved);
    if let [group] = groups.as_mut_slice() {
        let of_group = (core::mem::take(&mut group.audiences), names, mode);
        return to_writer(edge, admitted, (caller, identity), group.shard, of_group, body);
    }
    let asks = match &mode {
        Mode::Mixed(Some(_)) => resolved.events.last().and_then(|(last, _)| {
            groups.iter().position(|group| group.events.iter().any(|(place, _)| place == last))
        }),
        _ => None,
    };
    let part = |(index, group): (usize, &Group)| {
        let spans = group.events.iter().filter_map(|(place, _)| batch.spans.get(*place).cloned());
        let body = read::batch_of(body, &spans.gather(), batch.sent_span.clone());
        let mode = match &mode {
            Mode::Mixed(_) if asks != Some(index) => Mode::Mixed(None),
            mode => mode.clone(),
        };
        let of_group = (group.audiences.clone(), names, mode);
        let message = message(admitted, (caller, identity.clone()), of_group, body).encode(edge.form());
        let places = group.events.iter().map(|(place, time_ms)| (number(*place), *time_ms)).gather();
        let part = Part { places, ..Part::default() };
        let to = Route { shard: group.shard, shards: edge.shards() };
        Question { shard: group.shard, message: to.address(message, Some(&part)) }
    };
    Step::Split(Box::new(Split {
        parts: groups.iter().enumerate().map(part).gather(),
        unavailable: groups.iter().map(|group| group.unavailable(&resolved, is_native)).gather(),
        refused: resolved.refusals(is_native),
        asks,
        is_native,
        origin: caller.origin.unwrap_or("").to_owned(),
    }))
}

/// The rows of a batch as events, in the order of their places in it.
struct Resolved {
    events: Vec<(usize, Event)>,
    /// The audiences that declare the table of each event, one bit for each audience.
    declaring: Vec<Vec<bool>>,
    /// Rows that are no events.
    refused: Vec<usize>,
    /// Rows whose table no audience declares.
    undeclared: Vec<usize>,
}

impl Resolved {
    fn of(
        edge: &Edge,
        audiences: &[(String, u64)],
        (names, is_native): ([&str; 2], bool),
        rows: Vec<Option<read::Row>>,
        (now_ms, sent): (i64, SentAt),
    ) -> Resolved {
        let mut resolved = Resolved {
            events: Vec::new(),
            declaring: Vec::new(),
            refused: Vec::new(),
            undeclared: Vec::new(),
        };
        for (place, row) in rows.into_iter().enumerate() {
            let Some(mut row) = row else {
                resolved.refused.push(place);
                continue;
            };
            let of_row = row.table().filter(|_| is_native).unwrap_or((names[0], names[1]));
            let table_of = |(id, _): &(String, u64)| {
                let plan = &edge.running(id)?.plan;
                Some((plan, plan.table(of_row.0, of_row.1)?))
            };
            let Some((plan, table)) = audiences.iter().find_map(table_of) else {
                resolved.undeclared.push(place);
                continue;
            };
            let declares = audiences.iter().map(|audience| table_of(audience).is_some());
            resolved.declaring.push(declares.gather());
            if is_native {
                row.columns.retain(|(name, _)| name != "table");
            }
            resolved.events.push((place, plan.event(table, row.columns, now_ms, String::new(), sent)));
        }
        resolved
    }

    /// The receipts of rows that are no events.
    fn refusals(&self, is_native: bool) -> Vec<Piece> {
        let piece = |place: &usize| self.piece(is_native, "InvalidPropertyValueError", *place, true);
        self.refused.iter().map(piece).gather()
    }

    /// The receipt of an event that no shard folds; on the native route with the event's own id.
    fn piece(&self, is_native: bool, failure: &'static str, place: usize, stored: bool) -> Piece {
        let at = self.events.binary_search_by_key(&place, |(known, _)| *known).ok();
        let event = at.and_then(|at| self.events.get(at)).filter(|(_, event)| is_native && !event.minted);
        let id = event.map(|(_, event)| event.id.as_str());
        let receipt = answer::receipt_text(&Receipt { failure: Some(failure), notes: Vec::new() }, id);
        Piece { place: number(place), stored, receipt }
    }
}

impl Group {
    /// The receipts of its events if its shard does not answer.
    fn unavailable(&self, resolved: &Resolved, is_native: bool) -> Vec<Piece> {
        let piece =
            |(place, _): &(usize, i64)| resolved.piece(is_native, "StorageUnavailable", *place, false);
        self.events.iter().map(piece).gather()
    }
}

/// Events of one shard and the same audiences together. Those without a declared table go with the first group, whose writer says so.
fn groups(
    edge: &Edge,
    admitted: &CheckedHead<'_>,
    audiences: Vec<(String, u64)>,
    sender: (&Caller<'_>, &Identity),
    Resolved { events, declaring, undeclared, .. }: &Resolved,
) -> Vec<Group> {
    let homes = homes(edge, admitted, (&audiences, declaring), sender, events);
    let mut groups: Vec<Group> = Vec::new();
    for ((shard, declares), (place, event)) in homes.into_iter().zip(declaring).zip(events) {
        let of_event = declared(&audiences, declares);
        let event = (*place, event.time_ms);
        match groups.iter_mut().find(|group| group.shard == shard && group.audiences == of_event) {
            Some(group) => group.events.push(event),
            None => groups.push(Group { audiences: of_event, shard, events: vec![event] }),
        }
    }
    let without_table = undeclared.iter().map(|place| (*place, admitted.head.ambient.now_ms));
    match groups.first_mut() {
        Some(group) => {
            group.events.extend(without_table);
            group.events = order::sorted(core::mem::take(&mut group.events));
        }
        None => groups.push(Group { audiences, shard: 0, events: without_table.gather() }),
    }
    groups
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// The shard of all events, and which audiences declare their table, None without events; None: they differ, by their first keys.
fn only_home<'d>(
    edge: &Edge,
    audiences: &[(String, u64)],
    declaring: &'d [Vec<bool>],
    (caller, identity): (&Caller<'_>, &Identity),
    events: &[(usize, Event)],
) -> Option<(u32, Option<&'d [bool]>)> {
    let mut only = (0, None);
    for ((_, event), declares) in events.iter().zip(declaring) {
        let (id, _) = audiences.iter().zip(declares).find(|(_, declares)| **declares)?.0;
        let evidence = Evidence { server: caller.is_server, keys: identity.of(id) };
        let first = edge.running(id)?.plan.keys(event, &evidence).usable.into_iter().next();
        let first = first.as_ref().map(|key| (key.name.as_str(), key.value.as_str()));
        let home = (shard::of_key(id, first, edge.shards()), Some(declares.as_slice()));
        if only.1.is_some() && only != home {
            return None;
        }
        only = home;
    }
    Some(only)
}

/// The audiences that declare a table.
fn declared(audiences: &[(String, u64)], declares: &[bool]) -> Vec<(String, u64)> {
    let named = audiences.iter().zip(declares).filter(|(_, declares)| **declares);
    named.map(|(audience, _)| audience.clone()).gather()
}

/// The shard of each event. Those that share a key of one audience stay together, so that they keep their order; the first of them
/// says where.
fn homes(
    edge: &Edge,
    admitted: &CheckedHead<'_>,
    (audiences, declaring): (&[(String, u64)], &[Vec<bool>]),
    (caller, identity): (&Caller<'_>, &Identity),
    events: &[(usize, Event)],
) -> Vec<u32> {
    let mut known: Vec<(usize, &[bool], Key)> = Vec::new();
    let mut index = HashIndex::with_seed(seed(&admitted.head.ambient));
    let mut first_of: Vec<usize> = (0..events.len()).gather();
    let mut homes = Vec::new();
    for (at, ((_, event), declare)) in events.iter().zip(declaring).enumerate() {
        let of_event = audiences.iter().zip(declare).find(|(_, declares)| **declares);
        let audience = of_event.map_or("", |((id, _), _)| id.as_str());
        let evidence = Evidence { server: caller.is_server, keys: identity.of(audience) };
        let keys = edge.running(audience).map(|running| running.plan.keys(event, &evidence).usable);
        let keys = keys.unwrap_or_default();
        let first = keys.first().map(|key| (key.name.as_str(), key.value.as_str()));
        homes.push(shard::of_key(audience, first, edge.shards()));
        for key in keys {
            let next = known.len();
            let is = |at: usize| {
                known.get(at).is_some_and(|(_, of, known)| {
                    (*of, &known.name, &known.value) == (declare.as_slice(), &key.name, &key.value)
                })
            };
            let found = index.find_or_put(&[key.name.as_bytes(), key.value.as_bytes()], next, is);
            match known.get(found) {
                Some((with, ..)) => {
                    let (one, other) = (root(&first_of, at), root(&first_of, *with));
                    first_of[one.max(other)] = one.min(other);
                }
                None => known.push((at, declare, key)),
            }
        }
    }
    (0..events.len()).map(|at| homes[root(&first_of, at)]).gather()
}

/// The first of the events that an event is together with.
fn root(first_of: &[usize], mut at: usize) -> usize {
    while first_of[at] != at {
        at = first_of[at];
    }
    at
}

fn seed(ambient: &Ambient) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = ambient.entropy;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
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
    let to = Route { shard, shards: edge.shards() };
    let message = message(admitted, (caller, identity), (audiences, [database, table], mode), body.to_vec());
    Step::Write { shard, message: to.address(message.encode(edge.form()), None) }
}

fn message(
    admitted: &CheckedHead<'_>,
    (caller, identity): (&Caller<'_>, Identity),
    (audiences, [database, table], mode): (Vec<(String, u64)>, [&str; 2], Mode),
    body: Vec<u8>,
) -> Message {
    let head = &admitted.head;
    let mut facts = head.edge_context();
    if let Some(payer) = admitted.payer() {
        facts.push((SOURCE_FACT.to_owned(), payer.to_text()));
    }
    Message::Writer(ToWriter::Events(Events {
        ambient: head.ambient,
        audiences,
        database: database.to_owned(),
        table: table.to_owned(),
        mode,
        server: caller.is_server,
        identity,
        origin: caller.origin.unwrap_or("").to_owned(),
        edge: facts,
        body,
    }))
}
