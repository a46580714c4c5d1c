//! Answers of the service as those of the platform.

use worker::{Headers, Response, ResponseBuilder, Result};

/// Hands an answer of the service to the platform.
///
/// # Errors
///
/// If the platform refuses a header, which the service's never are.
pub(crate) fn of(answer: usher_edge::Response) -> Result<Response> {
    let usher_edge::Response { status, headers, body, .. } = answer;
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
