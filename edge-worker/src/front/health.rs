//! `GET /healthz`: the state of the edge, without any name that a stranger should not know.

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::Result;
use crate::host::Step;
use crate::wire::Response;
use crate::wire::json::Json;

/// `{"status", "version", "bundles": [{"number", "hash"}]}`; 503 without usable keys.
pub(super) fn health(edge: &Edge, _: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let (code, status) = if edge.keyring().is_none() {
        (503, "unconfigured")
    } else if edge.is_degraded() {
        (200, "degraded")
    } else {
        (200, "ok")
    };
    let mut body = Json::new();
    body.object(|o| {
        o.field("status").text(status);
        o.field("version").text(env!("CARGO_PKG_VERSION"));
        o.field("bundles").list(edge.all_running(), |json, (_, running)| {
            json.object(|o| {
                o.field("number").number(i64::try_from(running.number).unwrap_or(i64::MAX));
                o.field("hash").text(running.hash.get(..12).unwrap_or(""));
            });
        });
    });
    Ok(Step::Respond(Response::json(code, body)))
}
