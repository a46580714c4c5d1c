//! Answers about releases: pointers, an audience's history, and single bundles.

use crate::error::Refusal;
use crate::limits::BUNDLES_KEPT;
use crate::outcome::{Folded, Outcome};
use crate::store::Release;
use crate::wire::Response;
use crate::wire::json::Json;

/// A body, or 404.
pub(super) fn bundle(body: Option<Vec<u8>>) -> Folded {
    Outcome::of(match body {
        Some(body) => Response::typed(200, "application/octet-stream", body),
        None => Response::refused(Refusal::NOT_FOUND),
    })
}

/// The stored bundles: `{"status", "kept", "bundles": [{"number", "hash", "restores", "at_ms"}]}`, the running one
/// first.
///
/// The status is in RT 2.0's words: `ok`, or `updating` while the front runs another bundle.
pub(super) fn releases(releases: &[Release], here: u64) -> Folded {
    let Some(running) = releases.first() else {
        return Outcome::of(Response::problem(Refusal::AUDIENCE_UNKNOWN, None));
    };
    let mut body = Json::new();
    body.object(|o| {
        o.field("status").text(if running.number == here { "ok" } else { "updating" });
        o.field("kept").number(signed(BUNDLES_KEPT));
        o.field("bundles").list(releases, |json, release| {
            json.object(|o| {
                o.field("number").number(signed(release.number));
                o.field("hash").text(&release.hash);
                if release.origin != release.number {
                    o.field("restores").number(signed(release.origin));
                }
                if release.at_ms > 0 {
                    o.field("at_ms").number(release.at_ms);
                }
            });
        });
    });
    Outcome::of(Response::json(200, body))
}

/// One stored bundle, as published.
pub(super) fn release(wanted: Option<(Release, Vec<u8>)>) -> Folded {
    let Some((release, body)) = wanted else { return Outcome::of(unknown()) };
    Outcome::of(
        Response::typed(200, "application/json", body)
            .header("etag", format!("\"{}\"", release.hash))
            .header("usher-bundle", release.number.to_string()),
    )
}

pub(super) fn unknown() -> Response {
    let detail = format!("the last {BUNDLES_KEPT} bundles of an audience are kept");
    Response::problem(Refusal::BUNDLE_UNKNOWN, Some(&detail))
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
