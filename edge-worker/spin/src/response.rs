//! Sends an answer: the head at once, the body in a task of its own.

use spin_sdk::wasip3::http::types::{Fields, Response, Trailers};
use spin_sdk::wasip3::{spawn, wit_future, wit_stream};

/// Hands an answer of the service to Spin.
pub(crate) fn send(answer: usher_edge::Response) -> Response {
    let usher_edge::Response { status, headers, body, .. } = answer;
    let mut entries: Vec<(String, Vec<u8>)> =
        headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect();
    if status != 204 {
        entries.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    // The service's headers are valid. An answer without them could be cached, so it is an error.
    let (fields, status) = match Fields::from_list(&entries) {
        Ok(fields) => (fields, status),
        Err(_) => (Fields::new(), usher_edge::Refusal::INTERNAL.status),
    };
    let (mut writer, contents) = wit_stream::new();
    let (end, ended) = wit_future::new(|| Ok(None::<Trailers>));
    let (response, _) = Response::new(fields, (!body.is_empty()).then_some(contents), ended);
    // Fails only for an invalid status.
    let _ = response.set_status_code(status);
    spawn(async move {
        // A caller who disconnected does not want the rest.
        writer.write_all(body).await;
        drop(writer);
        let _ = end.write(Ok(None)).await;
    });
    response
}
