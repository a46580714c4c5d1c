//! The duties of a host: pass in requests, store bytes, deliver messages. A host decides nothing.
//!
//! The service is synchronous and never calls out. It answers with the next step as data: a [`Step`] of the front, a
//! [`Read`](crate::store::Read) and a [`Write`](crate::store::Write) of the writer.

use crate::lookup::PendingLookup;
use crate::message::Ambient;
use crate::shard::Split;
use crate::wire::Response;
use usher_engine::gather::Gather;

/// One HTTP request with its body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Path and query as sent, beginning with `/`.
    pub target: &'a str,
    /// Names in lower case; those of [`known_headers`] are enough.
    pub headers: &'a [(String, String)],
    /// As sent, inflated if it was compressed.
    pub body: &'a [u8],
    /// Its arrival time and randomness.
    pub ambient: Ambient,
}

/// A request without its body: the front checks it before a host reads the body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Path and query as sent, beginning with `/`.
    pub target: &'a str,
    /// Names in lower case; those of [`known_headers`] are enough.
    pub headers: &'a [(String, String)],
    /// Its arrival time and randomness.
    pub ambient: Ambient,
}

/// The headers that the service reads of any request, in lower case.
pub const HEADERS: &[&str] = &[
    "authorization",
    "content-encoding",
    "host",
    "origin",
    "wp13n-token",
    #[cfg(feature = "fault")]
    "x-usher-fault",
    #[cfg(feature = "test-clock")]
    "x-usher-now",
];

/// The headers that criteria read as facts of a request ([`Edge::reads_facts`](crate::Edge::reads_facts)), besides.
pub const FACT_HEADERS: &[&str] = &["user-agent"];

/// The headers that it reads of a request of the method `OPTIONS`, besides.
pub const PREFLIGHT_HEADERS: &[&str] = &["access-control-request-headers", "access-control-request-method"];

/// The headers that routes of the control plane read, besides.
pub const CONTROL_HEADERS: &[&str] = &["if-match", "if-none-match"];

/// All of them, for hosts where it costs nothing to ask for one.
pub fn known_headers() -> impl Iterator<Item = &'static str> {
    [HEADERS, FACT_HEADERS, PREFLIGHT_HEADERS, CONTROL_HEADERS].into_iter().flatten().copied()
}

/// Facts about the origin of a request that a host may know. A host adds them itself, and never passes on a caller's:
/// they are not among [`known_headers`].
pub const EDGE_HEADERS: &[(&str, &str)] = &[("usher-edge-country", "country"), ("usher-edge-city", "city")];

/// The source of a request, as a host counts callers: one address, or one customer's network. A host adds it in the
/// same way as [`EDGE_HEADERS`].
pub const SOURCE_HEADER: &str = "usher-edge-source";

impl<'a> Request<'a> {
    /// The request without its body.
    pub fn head(&self) -> Head<'a> {
        let Request { method, target, headers, ambient, .. } = *self;
        Head { method, target, headers, ambient }
    }
}

impl<'a> Head<'a> {
    /// A header's value; an empty one counts as absent.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// True for a preflight that announces this header.
    pub(crate) fn will_send(&self, name: &str) -> bool {
        let announced = self.header("access-control-request-headers").unwrap_or("");
        announced.split(',').any(|known| known.trim().eq_ignore_ascii_case(name))
    }

    /// The facts that criteria read as `edge.country`, `edge.city` and `edge.device`.
    pub(crate) fn edge_context(&self) -> Vec<(String, String)> {
        let from_host = EDGE_HEADERS.iter().filter_map(|(header, name)| Some((*name, self.header(header)?)));
        let device = self.header("user-agent").map(|agent| ("device", device_of(agent)));
        from_host.chain(device).map(|(name, value)| (name.to_owned(), value.to_owned())).gather()
    }
}

/// The kind of device in a browser's user agent.
fn device_of(user_agent: &str) -> &'static str {
    let says = |word: &str| user_agent.contains(word);
    // Android tablets send "Android" without "Mobile".
    if says("iPad") || says("Tablet") || (says("Android") && !says("Mobile")) {
        "tablet"
    } else if says("Mobi") || says("iPhone") {
        "mobile"
    } else {
        "desktop"
    }
}

/// The next step for a request.
#[derive(Debug)]
pub enum Step {
    /// Send this answer.
    Respond(Response),
    /// Deliver this message to the writer of this shard, and send its answer.
    Write {
        /// The shard's number, from 0.
        shard: u32,
        /// For `drive::open` in the writer.
        message: Vec<u8>,
    },
    /// Deliver each part to the writer of its shard, all at the same time, and send what
    /// [`Split::join`] makes of the answers.
    Split(Box<Split>),
    /// Answer from the nearest snapshot that [`lookup::answer`](crate::lookup::answer) accepts.
    LookUp(Box<PendingLookup>),
    /// Store the body under its hash where every isolate finds it, read it back, then deliver the message to the
    /// control object and send its answer.
    Publish {
        /// The name of the body: its SHA-256 as hexadecimal digits.
        hash: String,
        /// The bundle.
        body: Vec<u8>,
        /// For `drive::open` in the control object.
        message: Vec<u8>,
        /// The same, to be handed over before, where the control object lost the audience.
        restore: Option<Vec<u8>>,
    },
    /// Deliver this message to the control object, send its answer, and catch up with it.
    Control {
        /// For `drive::open` in the control object.
        message: Vec<u8>,
    },
    /// Ask the front of a build with the control plane; this one has none.
    ControlPlane,
}
