//! `POST /v4/streaming_task_auths`: the id of the destination that the deployment's settings have for an address. Its secrets are
//! settings, too, so nothing of the body is kept.

use usher_engine::value::Value;

use super::answer::{Answer, Result, object, response};
use super::fault::Fault;
use crate::destinations::Destinations;
use crate::wire::Response;
use crate::wire::read;

/// Answers with the id of the destination at the address in `auth.url_prefix`, or above it. `Err`: the settings cannot be read.
pub(crate) fn auth(destinations: core::result::Result<&Destinations, &String>, body: &[u8]) -> Response {
    response(id(destinations, body).map(|id| Answer::plain(200, object([("id", Value::from(id))]))))
}

fn id<'d>(destinations: core::result::Result<&'d Destinations, &String>, body: &[u8]) -> Result<&'d str> {
    let malformed = || vec![Fault::parameter("", "the body is not a JSON object")];
    let body = read::document(body).map_err(|_| malformed())?;
    if body.as_object().is_none() {
        return Err(malformed());
    }
    match body.get("direction") {
        None | Some(Value::Null) => {}
        Some(direction) if direction.as_str() == Some("out") => {}
        Some(_) => {
            return Err(invalid(
                "/direction",
                "`direction` is `out`: events come in with keys, not with auths",
            ));
        }
    }
    let url = url_prefix(&body)?;
    let settings = "docs/activations.md has the settings of destinations";
    let Ok(destinations) = destinations else {
        let detail =
            format!("the deployment's destinations cannot be read, and its log names the fault: {settings}");
        return Err(vec![Fault::unprocessable(detail)]);
    };
    if !Destinations::is_address(url) {
        return Err(invalid(AT, "`auth.url_prefix` is no plain http:// or https:// address"));
    }
    let none = if destinations.is_empty() {
        "this deployment has no destinations"
    } else {
        "no destination of this deployment is at this address or above it"
    };
    let found = destinations.at(url).map(|destination| destination.id.as_str());
    found.ok_or_else(|| invalid(AT, format!("{none}: {settings}")))
}

/// The place of the address in a body.
const AT: &str = "/auth/url_prefix";

fn url_prefix(body: &Value) -> Result<&str> {
    let blank = |at, detail| vec![Fault::invalid(at, "CANNOT_BE_BLANK", detail)];
    let auth = match body.get("auth") {
        None | Some(Value::Null) => return Err(blank("/auth", "missing `auth`, which has `url_prefix`")),
        Some(auth) if auth.as_object().is_some() => auth,
        Some(_) => return Err(invalid("/auth", "`auth` is an object with `url_prefix`")),
    };
    match auth.get("url_prefix") {
        None | Some(Value::Null) => Err(blank(AT, "missing `auth.url_prefix`, the address of a destination")),
        Some(url) => url.as_str().ok_or_else(|| invalid(AT, "`auth.url_prefix` is a text")),
    }
}

fn invalid(at: &str, detail: impl Into<String>) -> Vec<Fault> {
    vec![Fault::invalid(at, "INVALID_FORMAT_OR_ASSOCIATION", detail)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(destinations: core::result::Result<&Destinations, &String>) -> (u16, String) {
        let Response { status, body, .. } =
            auth(destinations, br#"{"auth": {"url_prefix": "https://a.example/"}}"#);
        (status, String::from_utf8(body).unwrap_or_default())
    }

    #[test]
    fn a_deployment_without_destinations_says_so() {
        let (status, body) = told(Ok(&Destinations::default()));
        assert!(status == 400 && body.contains("this deployment has no destinations"), "{status} {body}");
    }

    #[test]
    fn settings_that_cannot_be_read_are_no_fault_of_the_body() {
        let (status, body) = told(Err(&"destination 1: `secret` is missing".to_owned()));
        assert!(
            status == 422 && body.contains("cannot be read") && !body.contains("secret"),
            "{status} {body}"
        );
    }
}
