//! Lists of activations and attempts for operators, and what these want tried again.

use super::entry::Parts;
use crate::limits::{ATTEMPTS_MS, RETRIED_MAX};
use crate::message::{List, Listed, Retry, Route};
use crate::outcome::{Folded, Outcome};
use crate::store::Write;
use crate::store::activations::{
    ActivationsRead, ActivationsWrite, FoundActivations, FoundMessage, Stage, Which,
};
use crate::wire::Response;
use crate::wire::hex::hex;
use crate::wire::json::{Json, Object};

pub(super) fn read(list: &List) -> ActivationsRead {
    let List { audience, listed, after, most } = list;
    ActivationsRead::List { audience: audience.clone(), listed: (*listed).into(), after: *after, most: *most }
}

/// The messages behind the last one that was looked at.
pub(super) fn read_for(retry: &Retry) -> ActivationsRead {
    let listed = if retry.parked { Which::Parked } else { Which::Waiting };
    ActivationsRead::List { audience: retry.audience.clone(), listed, after: retry.after, most: RETRIED_MAX }
}

/// A page: `{"activations" or "attempts": […], "next": …}`. `next` names the page behind it, in this shard or the next one; null:
/// there is none.
pub(crate) fn list(list: &List, route: Route, found: &FoundActivations) -> Folded {
    let mut json = Json::new();
    json.object(|o| {
        let (count, last) = if list.listed == Listed::Attempts {
            o.field("attempts").list(&found.attempts, |json, (_, row)| json.raw(&row.entry));
            (found.attempts.len(), found.attempts.last().map(|(number, _)| *number))
        } else {
            o.field("activations").list(&found.messages, |json, message| {
                json.object(|o| activation(o, message));
            });
            (found.messages.len(), found.messages.last().map(|message| message.number))
        };
        let is_full = count >= usize::try_from(list.most).unwrap_or(usize::MAX);
        next(o, route, last.filter(|_| is_full));
    });
    Outcome::of(Response::json(200, json))
}

/// The page behind the one that ends with this row, or the first one of the next shard.
fn next(o: &mut Object<'_>, route: Route, last: Option<i64>) {
    let next = o.field("next");
    match last {
        Some(last) => next.text(&format!("{}.{last}", route.shard)),
        None if route.shard.saturating_add(1) < route.shards => next.text(&format!("{}.0", route.shard + 1)),
        None => next.null(),
    }
}

/// A stored message, without what is rendered from the profile.
fn activation(o: &mut Object<'_>, message: &FoundMessage) {
    let parts = Parts::of(&message.row.message);
    o.field("id").text(&hex(&message.row.id));
    for name in ["event", "activation", "journey", "stage", "step", "connector", "connection"] {
        o.field(name).text(parts.text(name));
    }
    o.field("created_ms").number(message.row.at_ms);
    let Some(row) = &message.delivery else { return };
    o.field("destination").text(&row.destination);
    o.field("state").text(match row.stage {
        Stage::Waiting => "waiting",
        Stage::Parked => "parked",
        Stage::UnderWay => "under_way",
    });
    o.field("attempts").number(i64::from(row.attempts));
    if row.stage == Stage::Waiting {
        o.field("next_attempt_ms").number(row.due_ms);
    }
    o.field("out_of_order").boolean(row.by_hand);
    o.field("last").text(&row.last);
}

/// Tries messages again now.
pub(crate) fn retry(retry: &Retry, route: Route, found: &FoundActivations) -> Folded {
    let is_meant = |message: &&FoundMessage| {
        let destination = message.delivery.as_ref().map_or("", |row| &row.destination);
        retry.id.is_none_or(|id| id == message.row.id)
            && (retry.destination.is_empty() || retry.destination == destination)
    };
    let mut write = ActivationsWrite { now_ms: retry.now_ms, ..ActivationsWrite::default() };
    for message in found.messages.iter().filter(is_meant) {
        // One that no turn has seen is due at once, and one that is under way has its attempt.
        let known = message.delivery.clone();
        let Some(mut row) = known.filter(|row| row.stage != Stage::UnderWay && row.sequence > 0) else {
            continue;
        };
        (row.stage, row.due_ms) = (Stage::Waiting, retry.now_ms);
        if retry.parked {
            row.by_hand = true;
            row.until_ms = retry.now_ms.saturating_add(ATTEMPTS_MS);
        }
        write.rows.push(row);
    }
    let mut json = Json::new();
    json.object(|o| {
        let count = i64::try_from(write.rows.len()).unwrap_or(i64::MAX);
        o.field("tried").number(count);
        let is_full = found.messages.len() >= usize::try_from(RETRIED_MAX).unwrap_or(usize::MAX);
        next(o, route, found.messages.last().map(|message| message.number).filter(|_| is_full));
    });
    let activations = (!write.rows.is_empty()).then(|| Box::new(write));
    let response = Response::json(200, json);
    Outcome { write: Write { activations, ..Write::default() }, response, log: Vec::new() }.done()
}
