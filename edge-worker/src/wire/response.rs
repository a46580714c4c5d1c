//! HTTP responses: answers, refusals and CORS.

use super::json::{Json, Object};
use super::read::Unreadable;
use crate::error::Refusal;
use crate::metrics::Counts;
use usher_engine::gather::Gather;

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body as sent.
    pub body: Vec<u8>,
    /// The counts of its request, for [`front::count`](crate::front::count).
    pub counts: Counts,
}

/// The headers of answers that a shard gives to another one, or to the front.
const PASSED: &[&str] = &[
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "content-type",
    "retry-after",
    "usher-forget",
    "usher-seen",
    "usher-snapshot",
    "usher-wire",
    "vary",
    "x-content-type-options",
];

impl Response {
    /// The answer of a shard, as a host has received it; headers that no shard sends are left out.
    pub fn received<'h>(
        status: u16,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: Vec<u8>,
    ) -> Response {
        let known = |(name, value): (&str, &str)| {
            PASSED.iter().find(|known| **known == name).map(|known| (*known, value.to_owned()))
        };
        Response { status, headers: headers.filter_map(known).gather(), body, counts: Counts::default() }
    }

    /// A JSON answer. No cache may store it.
    pub fn json(status: u16, body: Json) -> Response {
        Response::typed(status, "application/json", body.into_bytes())
    }

    /// An answer of another content type.
    pub(crate) fn typed(status: u16, content_type: &'static str, body: Vec<u8>) -> Response {
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("cache-control", "private, no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        Response { status, headers, body, counts: Counts::default() }
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Response {
        let headers = vec![("cache-control", "private, no-store".to_owned())];
        Response { status, headers, body: Vec::new(), counts: Counts::default() }
    }

    /// A refusal in the format of the RT routes.
    pub fn refused(refusal: Refusal) -> Response {
        Response::refused_with(refusal, None)
    }

    /// The same, with a hint where there is one.
    pub(crate) fn refused_with(refusal: Refusal, detail: Option<&str>) -> Response {
        let mut body = Json::new();
        body.object(|o| {
            o.field("code").number(i64::from(refusal.code));
            o.field("message").text(&refusal.message_with(detail));
        });
        Response::json(refusal.status, body)
    }

    /// A refusal in the format of the native routes, with a hint where there is one.
    pub(crate) fn problem(refusal: Refusal, detail: Option<&str>) -> Response {
        Response::problem_with(refusal, |o| {
            if let Some(detail) = detail {
                o.field("detail").text(detail);
            }
        })
    }

    /// The same, with further fields.
    pub(crate) fn problem_with(refusal: Refusal, fields: impl FnOnce(&mut Object<'_>)) -> Response {
        let mut body = Json::new();
        body.object(|o| {
            o.field("type").text("about:blank");
            o.field("title").text(refusal.message);
            o.field("status").number(i64::from(refusal.status));
            o.field("code").text(refusal.name);
            fields(o);
        });
        Response::typed(refusal.status, "application/problem+json", body.into_bytes())
    }

    /// A refusal in the format of `fetchUserSegments`.
    pub(crate) fn failed_lookup(refusal: Refusal, detail: Option<&str>) -> Response {
        let mut body = Json::new();
        body.object(|o| {
            o.field("error").text(refusal.name);
            o.field("message").text(&refusal.message_with(detail));
            o.field("status").number(i64::from(refusal.status));
        });
        Response::json(refusal.status, body)
    }

    /// A refusal in the format of the control API. Both modules of a worker answer it alike, so it is not one of the control plane.
    pub(crate) fn failed_call(refusal: Refusal, detail: Option<&str>) -> Response {
        let mut body = Json::new();
        body.object(|o| {
            o.field("errors").list([refusal].iter(), |json, refusal| {
                json.object(|o| {
                    o.field("code").text(refusal.api_code());
                    o.field("status").text(&refusal.status.to_string());
                    o.field("detail").text(&refusal.message_with(detail));
                });
            });
        });
        Response::json(refusal.status, body)
    }

    /// Allows a page of this origin to read the answer, and declares that answers differ by origin. CORS: the exact
    /// origin, never a star. The stock SDK sends credentials, so they are allowed. An empty origin means none.
    pub(crate) fn with_cors(self, origin: Option<&str>) -> Response {
        let response = self.header("vary", "Origin");
        match origin.filter(|origin| !origin.is_empty()) {
            None => response,
            Some(origin) => response
                .header("access-control-allow-origin", origin)
                .header("access-control-allow-credentials", "true")
                .header(
                    "access-control-expose-headers",
                    "usher-seen, usher-wire, usher-request-id, retry-after, date",
                ),
        }
    }

    /// Marks an answer of `/v1/e`: what stands between a page and its edge, such as a portal that asks to sign in, answers 200,
    /// too, and a page that takes that for receipts loses its events.
    pub(crate) fn of_wire(self) -> Response {
        self.header("usher-wire", "1")
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Unreadable> for Refusal {
    fn from(unreadable: Unreadable) -> Refusal {
        match unreadable {
            Unreadable::Malformed => Refusal::EVENT_INVALID,
            Unreadable::WithoutEvents => Refusal::EVENTS_MISSING,
            Unreadable::TooLarge => Refusal::TOO_LARGE,
        }
    }
}
