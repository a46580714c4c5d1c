//! `POST /v1/tick`: a turn of upkeep, for hosts without a clock of their own, and for operators who want it now.

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::message::{self, Route};

/// Deletes what is over its time in the first shard, or in the one that `?shard=` numbers.
pub(super) fn tick(edge: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let query = checked.head.target.split_once('?').map_or("", |(_, query)| query);
    let shard = match query.split('&').find_map(|pair| pair.strip_prefix("shard=")) {
        None => 0,
        Some(number) => number.parse().ok().filter(|shard| *shard < edge.shards()).ok_or_else(|| {
            Refused::with_detail(Refusal::BODY_INVALID, "`shard` is the number of a shard, from 0")
        })?,
    };
    let to = Route { shard, shards: edge.shards() };
    Ok(Step::Write { shard, message: message::upkeep(checked.head.ambient, true, to, edge.form()) })
}
