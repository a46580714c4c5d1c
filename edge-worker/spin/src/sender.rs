//! One attempt to deliver an activation: a request by `wasi:http`. Spin sends it if the application's manifest allows the host.

use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme, Trailers};
use spin_sdk::wasip3::{spawn, wit_future, wit_stream};
use spin_sdk::wit_bindgen::StreamResult;
use usher_edge::limits::{ANSWER_KEPT_BYTES_MAX, ANSWER_READ_BYTES_MAX};
use usher_edge::message::{AttemptOutcome, SignedRequest};

use crate::limits::{ATTEMPT_TIME, PART_BYTES};
use crate::patience::within;

/// The outcome of an attempt. The request is handed over when this is polled first.
pub(crate) async fn outcome(request: SignedRequest) -> AttemptOutcome {
    match within(ATTEMPT_TIME, attempt(request)).await {
        Some(Ok(outcome)) => outcome,
        Some(Err(reason)) => AttemptOutcome::Failed(reason),
        None => AttemptOutcome::late(),
    }
}

async fn attempt(signed: SignedRequest) -> Result<AttemptOutcome, String> {
    let (is_secure, authority, target) = signed.address();
    let mut entries: Vec<(String, Vec<u8>)> =
        signed.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    entries.push(("content-length".to_owned(), signed.body.len().to_string().into_bytes()));
    let fields = Fields::from_list(&entries).map_err(|error| format!("header: {error:?}"))?;
    let (mut writer, contents) = wit_stream::new();
    let (end, ended) = wit_future::new(|| Ok(None::<Trailers>));
    let (request, _) = Request::new(fields, Some(contents), ended, None);
    let method = match signed.method.as_str() {
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        _ => Method::Post,
    };
    let scheme = if is_secure { Scheme::Https } else { Scheme::Http };
    request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(target)))
        .map_err(|()| "address: Spin does not take it".to_owned())?;
    let origin = format!("{}://{authority}", if is_secure { "https" } else { "http" });
    spawn(async move {
        // A destination that does not read the rest has its reasons in the answer.
        writer.write_all(signed.body).await;
        drop(writer);
        let _ = end.write(Ok(None)).await;
    });
    let response = client::send(request).await.map_err(|error| reason(&origin, &error))?;
    Ok(read(response).await)
}

/// The reason why there is no answer.
fn reason(origin: &str, error: &ErrorCode) -> String {
    match error {
        ErrorCode::HttpRequestDenied => {
            format!("not_allowed: `allowed_outbound_hosts` in spin.toml does not have {origin}")
        }
        ErrorCode::DestinationIpProhibited => {
            "address_not_allowed: Spin's `block_networks` has the host's address".to_owned()
        }
        other => format!("http: {other}"),
    }
}

/// The status and the beginning of the body; the rest is not waited for.
async fn read(response: Response) -> AttemptOutcome {
    let status = response.get_status_code();
    let headers = response.get_headers().copy_all();
    let retry_after = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let retry_after = retry_after.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let (_, said) = wit_future::new(|| Ok::<(), ErrorCode>(()));
    let (mut parts, _ended) = Response::consume_body(response, said);
    let (mut body, mut read) = (Vec::new(), 0);
    while read <= ANSWER_READ_BYTES_MAX {
        let (result, part) = parts.read(Vec::with_capacity(PART_BYTES)).await;
        read += part.len();
        body.extend(part.into_iter().take(ANSWER_KEPT_BYTES_MAX.saturating_sub(body.len())));
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    AttemptOutcome::answered(status, &body, retry_after.as_deref())
}
