//! Preflights: the pages that may call a route.

use super::route;
use crate::error::Refusal;
use crate::host::Head;
use crate::keys::Keyring;
use crate::wire::Response;
use usher_engine::gather::Gather;

/// Answers a preflight. It carries no key, so any known page passes; the call itself is checked against its key.
pub(super) fn preflight(keyring: &Keyring, head: &Head<'_>) -> Response {
    let mut for_pages: Vec<&str> = route::of_path(head)
        .filter(|(route, _)| route.callers.include_pages())
        .map(|(route, _)| route.method)
        .gather();
    for_pages.dedup();
    let origin = head.header("origin").filter(|origin| keyring.knows_origin(origin));
    let (false, Some(origin)) = (for_pages.is_empty(), origin) else {
        return Response::refused(Refusal::ORIGIN_INVALID).with_cors(None);
    };
    let response = Response::empty(204);
    response
        .with_cors(Some(origin))
        .header("access-control-allow-methods", for_pages.join(", "))
        .header(
            "access-control-allow-headers",
            "authorization, content-type, wp13n-token, accept, user-agent",
        )
        // Ten minutes, the longest time that every browser honors.
        .header("access-control-max-age", "600")
}
