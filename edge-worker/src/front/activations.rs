//! Routes of operators about activations: lists, and trying again.
//!
//! A list goes through the shards one after the other: `next` of an answer is the shard and the row where the next page begins.

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::limits::ACTIVATIONS_PAGE_MAX;
use crate::message::{Activations, List, Listed, Message, Retry, Route, ToWriter};
use crate::wire::hex::from_hex;
use crate::wire::query;

/// `GET /v1/audiences/{audience}/activations`: those that are not delivered; with `?state=parked` those that are parked.
pub(super) fn list(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let asked = Asked::read(edge, checked)?;
    let listed = match asked.state {
        "waiting" | "" => Listed::Waiting,
        "parked" => Listed::Parked,
        _ => return Err(invalid("`state` is `waiting` or `parked`")),
    };
    page(edge, checked, asked, listed)
}

/// `GET /v1/audiences/{audience}/activations/attempts`: attempts, the latest of each shard first.
pub(super) fn attempts(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    page(edge, checked, Asked::read(edge, checked)?, Listed::Attempts)
}

/// `POST /v1/audiences/{audience}/activations/retry`: parked ones are tried again, out of order.
pub(super) fn retry(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    again(edge, checked, true)
}

/// `POST /v1/audiences/{audience}/activations/drain`: those that wait for their next attempt have it now.
pub(super) fn drain(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    again(edge, checked, false)
}

fn page(edge: &Edge, checked: &CheckedHead<'_>, asked: Asked<'_>, listed: Listed) -> Result<Step> {
    let [audience, ..] = checked.parameters;
    let list = List { audience: audience.to_owned(), listed, after: asked.after, most: asked.most };
    Ok(step(edge, asked.shard, Activations::List(list)))
}

fn again(edge: &Edge, checked: &CheckedHead<'_>, parked: bool) -> Result<Step> {
    let [audience, ..] = checked.parameters;
    let asked = Asked::read(edge, checked)?;
    let retry = Retry {
        now_ms: checked.head.ambient.now_ms,
        audience: audience.to_owned(),
        parked,
        after: asked.after,
        destination: asked.destination.to_owned(),
        id: asked.id,
    };
    Ok(step(edge, asked.shard, Activations::Retry(retry)))
}

fn step(edge: &Edge, shard: u32, message: Activations) -> Step {
    let message = Message::Writer(ToWriter::Activations(Box::new(message))).encode(edge.form());
    Step::Write { shard, message: Route { shard, shards: edge.shards() }.address(message, None) }
}

/// The query.
struct Asked<'a> {
    state: &'a str,
    destination: &'a str,
    id: Option<[u8; 16]>,
    most: u32,
    shard: u32,
    after: i64,
}

impl<'a> Asked<'a> {
    fn read(edge: &Edge, checked: &CheckedHead<'a>) -> Result<Asked<'a>> {
        let mut asked =
            Asked { state: "", destination: "", id: None, most: ACTIVATIONS_PAGE_MAX, shard: 0, after: 0 };
        for (name, value) in query::pairs(checked.head.target) {
            match name {
                "state" => asked.state = value,
                "destination" => asked.destination = value,
                "id" => {
                    asked.id = Some(from_hex(value).ok_or_else(|| invalid("`id` has 32 hexadecimal digits"))?)
                }
                "limit" => {
                    let most = value.parse().ok().filter(|most| (1..=ACTIVATIONS_PAGE_MAX).contains(most));
                    asked.most = most.ok_or_else(|| invalid("`limit` is a number from 1 to 200"))?;
                }
                "next" => {
                    let parts = value.split_once('.').and_then(|(shard, after)| {
                        Some((shard.parse().ok()?, after.parse().ok().filter(|after| *after >= 0)?))
                    });
                    let is_shard = |(shard, _): &(u32, i64)| *shard < edge.shards();
                    (asked.shard, asked.after) =
                        parts.filter(is_shard).ok_or_else(|| invalid("`next` is that of the page before"))?;
                }
                _ => return Err(invalid("the query has `state`, `destination`, `id`, `limit` or `next`")),
            }
        }
        Ok(asked)
    }
}

fn invalid(detail: &str) -> Refused {
    Refused::with_detail(Refusal::BODY_INVALID, detail)
}
