//! Answers of the service as those of the platform.

use worker::{Headers, Response, ResponseBuilder, Result};

/// Hands an answer of the service to the platform, for the request with this id; an empty one if it is for this Worker alone.
///
/// # Errors
///
/// If the platform refuses a header, which the service's never are.
pub(crate) fn of(answer: usher_edge::Response, request_id: &str) -> Result<Response> {
    let usher_edge::Response { status, headers, body, .. } = answer.with_request_id(request_id);
    let sent = Headers::new();
    for (name, value) in &headers {
        sent.append(name, value)?;
    }
    let response = ResponseBuilder::new().with_status(status).with_headers(sent);
    Ok(if status == 204 { response.empty() } else { response.fixed(body) })
}

/// An answer of an object without a header that only the host reads, and that header's value.
///
/// # Errors
///
/// If the name is no header's.
pub(crate) fn take(response: Response, name: &str) -> Result<(Response, Option<String>)> {
    let Some(value) = response.headers().get(name)? else { return Ok((response, None)) };
    // The headers of an answer that was fetched cannot be changed; those of a copy can.
    let headers = response.headers().clone();
    headers.delete(name)?;
    Ok((response.with_headers(headers), Some(value)))
}
