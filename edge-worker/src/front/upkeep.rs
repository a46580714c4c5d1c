//! `POST /v1/tick`: a turn of upkeep, for hosts without a clock of their own, and for operators who want it now.

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::message::{self, Route};

/// Deletes what is over its time, in every shard, or in the one that `?shard=` numbers.
pub(super) fn tick(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let query = checked.head.target.split_once('?').map_or("", |(_, query)| query);
    let shard = match query.split('&').find_map(|pair| pair.strip_prefix("shard=")) {
        None => None,
        Some(number) => {
            Some(number.parse().ok().filter(|shard| *shard < edge.shards()).ok_or_else(|| {
                Refused::with_detail(Refusal::BODY_INVALID, "`shard` is the number of a shard, from 0")
            })?)
        }
    };
    let to = Route { shard: shard.unwrap_or(0), shards: edge.shards() };
    let message = match shard {
        None if edge.shards() > 1 => message::upkeep_of_all(checked.head.ambient, to, edge.form()),
        _ => message::upkeep(checked.head.ambient, true, to, edge.form()),
    };
    Ok(Step::Write { shard: to.shard, message })
}
