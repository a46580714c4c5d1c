//! `GET /healthz`: the state of the edge, without names that are not public.

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::Result;
use crate::form::Form;
use crate::host::Step;
use crate::message::{Message, Probe, Route, ToWriter};
use crate::wire::Response;
use crate::wire::json::Json;

/// `{"status", "version", "form", "bundles": [{"number", "hash"}]}`, and `detail` where the form or the
/// place of the data differs from the setting; 503 without usable keys, and where a newer build wrote the stored data.
///
/// A healthy front asks the shard to read and write: it is degraded on a full disk, and for five minutes after storage failed
/// or held a damaged profile.
pub(super) fn health(edge: &Edge, head: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let (code, status) = if edge.keyring().is_none() {
        (503, "unconfigured")
    } else if edge.storage_is_too_new() {
        (503, "too_new")
    } else if edge.is_degraded() {
        (200, "degraded")
    } else {
        (200, "ok")
    };
    // A shard of the form before does not know the question.
    if status != "ok" || edge.form() < Form::Two {
        return Ok(Step::Respond(Response::json(code, body(edge, status))));
    }
    let (well, degraded) = (body(edge, status).into_bytes(), body(edge, "degraded").into_bytes());
    let probe = Probe { now_ms: head.head.ambient.now_ms, well, degraded };
    let message = Message::Writer(ToWriter::Probe(probe)).encode(edge.form());
    let to = Route { shard: 0, shards: edge.shards() };
    Ok(Step::Write { shard: 0, message: to.address(message, None) })
}

fn body(edge: &Edge, status: &str) -> Json {
    let mut body = Json::new();
    body.object(|o| {
        o.field("status").text(status);
        o.field("version").text(env!("CARGO_PKG_VERSION"));
        o.field("form").number(i64::from(edge.form().number()));
        if let Some(complaint) = edge.placement_fault().map(str::to_owned).or_else(|| edge.form_complaint()) {
            o.field("detail").text(&complaint);
        }
        o.field("bundles").list(edge.all_running(), |json, (_, running)| {
            json.object(|o| {
                o.field("number").number(i64::try_from(running.number).unwrap_or(i64::MAX));
                o.field("hash").text(running.hash.get(..12).unwrap_or(""));
            });
        });
    });
    body
}
