//! An incoming request: its head, and its body, which is read only if the caller may send it.

use std::io::Read;
use std::time::SystemTime;

use flate2::bufread::GzDecoder;
use spin_sdk::wasip3::http::types::{self, ErrorCode, Method, Trailers};
use spin_sdk::wasip3::{random, wit_future};
use spin_sdk::wit_bindgen::{FutureReader, StreamReader, StreamResult};
use usher_edge::host::{Head, known_headers};
use usher_edge::{Ambient, CALLERS_REQUEST_ID, Refusal, Request, request_id};

use crate::limits::{BODY_TIME, DISCARD_TIME, DISCARDED_BYTES_MAX, PART_BYTES};
use crate::patience::within;
use crate::room::Room;

/// A request.
pub(crate) struct Incoming {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    ambient: Ambient,
    id: String,
    /// The declared length of the body, in bytes.
    declared: Option<usize>,
    /// True if the caller sends the body only after a 100.
    asks_first: bool,
    /// None: the body was read.
    unread: Option<types::Request>,
}

impl Incoming {
    /// Reads the head.
    ///
    /// # Errors
    ///
    /// The refusal if the platform gives no randomness or no time.
    pub(crate) fn of(request: types::Request) -> Result<Incoming, Refusal> {
        let sent = request.get_headers().copy_all();
        // The values of a repeated header are joined, as HTTP does: a check that expects one value refuses them.
        let joined = |name: &str| {
            let values = sent.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            let values: Vec<_> = values.map(|(_, value)| String::from_utf8_lossy(value)).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        let declared = joined("content-length").and_then(|length| length.trim().parse().ok());
        let mut headers: Vec<_> =
            known_headers().filter_map(|name| Some((name.to_owned(), joined(name)?))).collect();
        // Spin moves the host out of the headers. It adds headers that begin with `spin-`, which are not read.
        if let Some(authority) = request.get_authority().filter(|_| joined("host").is_none()) {
            headers.push(("host".to_owned(), authority));
        }
        let ambient = ambient().ok_or(Refusal::INTERNAL)?;
        // Of two values joined none is an id.
        let id = request_id(joined(CALLERS_REQUEST_ID).as_deref(), &ambient);
        let asks_first = joined("expect").is_some();
        let method = name(request.get_method());
        let target = request.get_path_with_query().unwrap_or_else(|| "/".to_owned());
        Ok(Incoming { method, target, headers, ambient, id, declared, asks_first, unread: Some(request) })
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn head(&self) -> Head<'_> {
        Head { method: &self.method, target: &self.target, headers: &self.headers, ambient: self.ambient }
    }

    pub(crate) fn with<'a>(&'a self, body: &'a [u8]) -> Request<'a> {
        let Head { method, target, headers, ambient } = self.head();
        Request { method, target, headers, body, ambient }
    }

    /// True if the declared length is over the bound of the route. 0: the route reads no body, and ignores one.
    pub(crate) fn declares_more_than(&self, most: usize) -> bool {
        most > 0 && self.declared.is_some_and(|declared| declared > most)
    }

    /// The body, inflated, of at most `most` bytes.
    ///
    /// # Errors
    ///
    /// The refusal. Enough of the body was read for the caller to see the answer.
    pub(crate) async fn body(&mut self, most: usize, room: &mut Room) -> Result<Vec<u8>, Refusal> {
        let Some(request) = self.unread.take().filter(|_| most > 0) else { return Ok(Vec::new()) };
        let (mut parts, ended) = consume(request);
        let expected = self.declared.unwrap_or(0).min(most);
        let sent = within(BODY_TIME, async {
            let sent = collect(&mut parts, expected, most, room).await?;
            // A body that was cut off is not complete.
            ended.await.map(|_| sent).map_err(|_| Refusal::EVENT_INVALID)
        });
        let sent = match sent.await {
            Some(Ok(sent)) => sent,
            Some(Err(refusal)) => {
                discard(parts).await;
                return Err(refusal);
            }
            None => return Err(Refusal::TIMEOUT),
        };
        let coding = self.head().header("content-encoding").unwrap_or("");
        // Unknown codings were refused with the head.
        if !["gzip", "x-gzip"].iter().any(|known| coding.eq_ignore_ascii_case(known)) {
            return Ok(sent);
        }
        let inflated = unpack(&sent, most)?;
        room.grow(inflated.len())?;
        Ok(inflated)
    }

    /// Reads and drops the body for a while: a caller who is still sending would not see the answer otherwise. A caller who
    /// waits for a 100 gets none.
    pub(crate) async fn discard(&mut self) {
        if let Some(request) = self.unread.take().filter(|_| !self.asks_first) {
            discard(consume(request).0).await;
        }
    }
}

fn name(method: Method) -> String {
    let known = match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(other) => return other,
    };
    known.to_owned()
}

/// The time, and fresh randomness.
pub(crate) fn ambient() -> Option<Ambient> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let now_ms = i64::try_from(since_1970.as_millis()).ok()?;
    let entropy = random::random::get_random_bytes(32).try_into().ok()?;
    Some(Ambient { now_ms, entropy })
}

type Parts = StreamReader<u8>;
type Ended = FutureReader<Result<Option<Trailers>, ErrorCode>>;

/// The parts of a body, and its end.
fn consume(request: types::Request) -> (Parts, Ended) {
    // The caller is not told how it went.
    let (_, said) = wit_future::new(|| Ok::<(), ErrorCode>(()));
    types::Request::consume_body(request, said)
}

/// The whole body, at most `most` bytes; `expected` are declared. Memory is taken as they arrive.
async fn collect(
    parts: &mut Parts,
    expected: usize,
    most: usize,
    room: &mut Room,
) -> Result<Vec<u8>, Refusal> {
    // One byte more, so that the end is read without another allocation.
    let mut bytes = Vec::with_capacity(expected.saturating_add(1).min(PART_BYTES));
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(PART_BYTES);
        }
        let before = bytes.len();
        let (status, read) = parts.read(bytes).await;
        bytes = read;
        if bytes.len() > most {
            return Err(Refusal::TOO_LARGE);
        }
        room.grow(bytes.len() - before)?;
        if !matches!(status, StreamResult::Complete(_)) {
            return Ok(bytes);
        }
    }
}

/// Reads and drops the rest for a while.
async fn discard(mut parts: Parts) {
    let discarded = async {
        let mut discarded = 0;
        while discarded <= DISCARDED_BYTES_MAX {
            let (status, part) = parts.read(Vec::with_capacity(PART_BYTES)).await;
            discarded += part.len();
            if !matches!(status, StreamResult::Complete(_)) {
                break;
            }
        }
    };
    within(DISCARD_TIME, discarded).await;
}

/// One member, and nothing after it.
fn unpack(mut packed: &[u8], most: usize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    // One byte more than the bound is enough to see that it is over it, however much would follow.
    let enough = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = GzDecoder::new(&mut packed).take(enough).read_to_end(&mut bytes);
    match read {
        Ok(_) if bytes.len() > most => Err(Refusal::TOO_LARGE),
        Ok(_) if packed.is_empty() => Ok(bytes),
        _ => Err(Refusal::EVENT_INVALID),
    }
}
