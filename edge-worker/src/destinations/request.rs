//! A stored message as the request that is sent.

use usher_engine::value::Value;

use super::address::Address;
use super::header::is_header;
use super::{Destination, Destinations};
use crate::limits::SENT_BYTES_MAX;
use crate::message::SignedRequest;
use crate::wire::read::document;

/// A message that may be sent, and to whom.
#[derive(Debug)]
pub(crate) struct Sendable<'d> {
    pub(crate) destination: &'d Destination,
    url: String,
    method: &'static str,
    headers: Vec<(String, String)>,
    body: String,
}

/// The reason why a message is never sent, as lists have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) &'static str, pub(crate) &'static str);

impl Refused {
    const DESTINATION: Refused = Refused(
        "destination_not_allowed",
        "no destination of the deployment has this id, or this origin and path",
    );
    const OUTSIDE: Refused =
        Refused("destination_not_allowed", "the address is not at the destination's origin and path");
    const REQUEST: Refused =
        Refused("invalid_request", "its method, a header or its size is none that a webhook can have");
}

impl Destinations {
    /// The request of a stored message; `message` is its JSON.
    pub(crate) fn sendable(&self, message: &str) -> Result<Sendable<'_>, Refused> {
        let Ok(Value::Object(fields)) = document(message.as_bytes()) else { return Err(Refused::REQUEST) };
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let text = |name: &str| field(name).and_then(Value::as_str);
        let (connection, url) = (text("connection").unwrap_or_default(), text("url"));
        let named = self.of(connection).or_else(|| self.at(url?));
        let destination = named.ok_or(Refused::DESTINATION)?;
        let url = match url {
            None => destination.address.text(),
            Some(url) => {
                let address = Address::read(url).filter(|address| destination.address.covers(address));
                address.ok_or(Refused::OUTSIDE)?.text()
            }
        };
        let method = match text("method") {
            Some("POST") => "POST",
            Some("PUT") => "PUT",
            Some("PATCH") => "PATCH",
            _ => return Err(Refused::REQUEST),
        };
        let mut headers = destination.headers.clone();
        if let Some(Value::Object(own)) = field("headers") {
            for (name, value) in own {
                let value = value.as_str().filter(|value| is_header(name, value)).ok_or(Refused::REQUEST)?;
                let name = name.to_ascii_lowercase();
                // Those of the deployment stay.
                if !headers.iter().any(|(known, _)| *known == name) {
                    headers.push((name, value.to_owned()));
                }
            }
        }
        let has_type = headers.iter().any(|(name, _)| name == "content-type");
        if !has_type {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let body = text("body").unwrap_or_default().to_owned();
        if body.len() > SENT_BYTES_MAX {
            return Err(Refused::REQUEST);
        }
        Ok(Sendable { destination, url, method, headers, body })
    }
}

impl Sendable<'_> {
    /// The request of an attempt at this time, Unix milliseconds. Attempts differ in time and signature alone.
    pub(crate) fn sign(self, id: &str, sequence: i64, now_ms: i64) -> SignedRequest {
        let seconds = now_ms.div_euclid(1_000);
        let mut headers = self.headers;
        for (name, value) in [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", self.destination.secret.sign(id, seconds, &self.body)),
            ("usher-sequence", sequence.to_string()),
            ("user-agent", "usher".to_owned()),
        ] {
            headers.push((name.to_owned(), value));
        }
        SignedRequest {
            destination: self.destination.id.clone(),
            private: self.destination.private,
            method: self.method.to_owned(),
            url: self.url,
            headers,
            body: self.body.into_bytes(),
        }
    }
}
