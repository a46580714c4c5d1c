//! `GET /healthz`: the state of the edge, without names that are not public.

use super::checked_head::CheckedHead;
use crate::edge::Edge;
use crate::error::Result;
use crate::host::Step;
use crate::wire::Response;
use crate::wire::json::Json;

/// `{"status", "version", "form", "bundles": [{"number", "hash"}]}`, and `detail` where the form differs from the
/// setting; 503 without usable keys, and where a newer build wrote the stored data.
pub(super) fn health(edge: &Edge, _: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let (code, status) = if edge.keyring().is_none() {
        (503, "unconfigured")
    } else if edge.storage_is_too_new() {
        (503, "too_new")
    } else if edge.is_degraded() {
        (200, "degraded")
    } else {
        (200, "ok")
    };
    let mut body = Json::new();
    body.object(|o| {
        o.field("status").text(status);
        o.field("version").text(env!("CARGO_PKG_VERSION"));
        o.field("form").number(i64::from(edge.form().number()));
        if let Some(complaint) = edge.form_complaint() {
            o.field("detail").text(&complaint);
        }
        o.field("bundles").list(edge.all_running(), |json, (_, running)| {
            json.object(|o| {
                o.field("number").number(i64::try_from(running.number).unwrap_or(i64::MAX));
                o.field("hash").text(running.hash.get(..12).unwrap_or(""));
            });
        });
    });
    Ok(Step::Respond(Response::json(code, body)))
}
