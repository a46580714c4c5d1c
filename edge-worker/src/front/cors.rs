//! CORS: the exact allowed origin, never a star. The stock SDK sends credentials, so they are allowed.

use super::Route;
use crate::error::Refusal;
use crate::host::Request;
use crate::keys::Keyring;
use crate::wire::Response;

/// Answers a preflight. It carries no key, so any known page passes; the call itself is checked against its key.
pub(super) fn preflight(keyring: &Keyring, route: &Route<'_>, request: &Request<'_>) -> Response {
    let for_pages = matches!(
        route,
        Route::PublicEvent { .. } | Route::Ingest { .. } | Route::Personalize | Route::Explain
    );
    let origin = request.header("origin").filter(|origin| keyring.knows_origin(origin));
    let (true, Some(origin)) = (for_pages, origin) else {
        return Response::refused(Refusal::ORIGIN_INVALID).with_cors(None);
    };
    let response = Response {
        status: 204,
        headers: vec![("cache-control", "private, no-store".to_owned())],
        body: Vec::new(),
    };
    response
        .with_cors(Some(origin))
        .header("access-control-allow-methods", "POST")
        .header(
            "access-control-allow-headers",
            "authorization, content-type, wp13n-token, accept, user-agent",
        )
        // Ten minutes, as long as every browser honors.
        .header("access-control-max-age", "600")
}
