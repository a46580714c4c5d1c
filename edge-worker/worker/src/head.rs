//! The head of a request: what the service reads of it, with the platform's facts.

use std::net::IpAddr;

use usher_edge::host::{Head, SOURCE_HEADER, known_headers};
use usher_edge::{Ambient, CALLERS_REQUEST_ID, Request, request_id};
use worker::Result;

use crate::javascript::ambient;

/// A head, held by the host.
pub(crate) struct OwnedHead {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    ambient: Ambient,
    id: String,
}

impl OwnedHead {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// If the platform gives no randomness.
    pub(crate) fn of(request: &worker::Request) -> Result<OwnedHead> {
        let sent = request.inner();
        let mut headers = Vec::new();
        for name in known_headers() {
            if let Some(value) = request.headers().get(name)? {
                headers.push((name.to_owned(), value));
            }
        }
        // Under names that are never read from a caller.
        let mut add = |name: &str, value: Option<String>| {
            headers.extend(value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value)));
        };
        add("usher-edge-country", request.cf().and_then(worker::Cf::country));
        add("usher-edge-city", request.cf().and_then(worker::Cf::city));
        add(SOURCE_HEADER, source(request));
        let target = target(&sent.url()).to_owned();
        let ambient = ambient()?;
        let id = request_id(request.headers().get(CALLERS_REQUEST_ID)?.as_deref(), &ambient);
        Ok(OwnedHead { method: sent.method(), target, headers, ambient, id })
    }

    /// The request's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The same as the service reads it.
    pub(crate) fn head(&self) -> Head<'_> {
        Head { method: &self.method, target: &self.target, headers: &self.headers, ambient: self.ambient }
    }

    /// With its body.
    pub(crate) fn with<'a>(&'a self, body: &'a [u8]) -> Request<'a> {
        let Head { method, target, headers, ambient } = self.head();
        Request { method, target, headers, body, ambient }
    }
}

/// The unit that rates count: an IPv4 address, or the /64 of an IPv6 address, which belongs to one customer.
pub(crate) fn source(request: &worker::Request) -> Option<String> {
    let address = request.headers().get("cf-connecting-ip").ok()??;
    Some(match address.parse() {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        _ => address,
    })
}

/// Path and query of a raw URL: parsing it would link 155 KB.
fn target(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.find('/').and_then(|at| after_scheme.get(at..)).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_path_and_query() {
        assert_eq!(target("https://edge.example/web/pages?a=https://x/y"), "/web/pages?a=https://x/y");
        assert_eq!(target("https://edge.example"), "/");
    }
}
