//! The answer to a request: its head is looked at, its body is read for a caller who may send one, and the writer decides.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use http_body_util::Full;
use hyper::Version;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use tokio::sync::oneshot::{self, error::RecvError};
use usher_edge::host::{SOURCE_HEADER, known_headers};
use usher_edge::{Ambient, CALLERS_REQUEST_ID, Edge, Line, REQUEST_ID, Refusal, Response, front, request_id};

use super::access::{self, AccessLog};
use super::body;
use super::job::{Job, Jobs};
use super::log::{event, log_about};
use super::room::Room;
use super::seats::{Seat, Seats};
use super::source::{Proxies, Source};
use super::tls::Tls;
use crate::clock::now_ms;
use crate::secrets::random;
use crate::website::Website;

/// The state that connections share.
pub(super) struct Host {
    pub(super) jobs: Jobs,
    /// Looks at heads. It runs no bundle and is never changed, so nobody waits for it.
    pub(super) door: Edge,
    pub(super) website: Option<Website>,
    pub(super) tls: Option<Tls>,
    pub(super) access: Option<AccessLog>,
    pub(super) proxies: Proxies,
    /// The log said that there is a proxy that nobody named.
    pub(super) unnamed_proxy: AtomicBool,
    pub(super) seats: Seats,
    /// For bodies.
    pub(super) room: Room,
}

type HttpResponse = hyper::Response<Full<Bytes>>;

impl Host {
    /// Reads the certificate again.
    pub(super) fn reload(&self) {
        let Some(tls) = &self.tls else {
            return event("not_reloaded", "there is no certificate, so nothing to do");
        };
        match tls.reload() {
            Ok(()) => event("reloaded", "the certificate was read again"),
            Err(failure) => {
                event("not_reloaded", format!("the certificate stays as it was: {}", failure.message))
            }
        }
    }

    /// The answer to a request, with the request's id, and logged if requests are.
    ///
    /// # Errors
    ///
    /// Nobody knows what came of the request: its connection is closed without an answer.
    pub(super) async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        peer: IpAddr,
        seat: &Seat,
    ) -> Result<HttpResponse, RecvError> {
        let entropy = random();
        let ambient = Ambient { now_ms: now_ms(), entropy: entropy.as_ref().copied().unwrap_or_default() };
        let id = request_id(callers_id(request.headers()), &ambient);
        let mut entry = self.access.as_ref().map(|log| log.entry(request.method().as_str(), id.clone()));
        let route = entry.as_mut().map(|entry| &mut entry.route);
        let mut response = if entropy.is_ok() {
            self.decide(request, peer, seat, &id, ambient, route).await?
        } else {
            log_about(&id, &Line::with_detail("failure", "the operating system gives no randomness"));
            http(Response::refused(Refusal::INTERNAL))
        };
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        if let Some(entry) = &mut entry {
            entry.status = response.status().as_u16();
            entry.bytes = response.body().size_hint().lower();
        }
        Ok(response)
    }

    /// `route` becomes the request's, where it is wanted.
    async fn decide(
        &self,
        request: hyper::Request<Incoming>,
        peer: IpAddr,
        seat: &Seat,
        id: &str,
        ambient: Ambient,
        mut route: Option<&mut &'static str>,
    ) -> Result<HttpResponse, RecvError> {
        let (parts, incoming) = request.into_parts();
        if let Some(refusal) = refused_head(&parts) {
            body::discard(incoming, &parts.headers);
            let mut refused = Response::refused(refusal);
            if refusal == Refusal::METHOD {
                refused.headers.push(("allow", METHODS.to_owned()));
            }
            return Ok(http(refused));
        }
        if parts.method == hyper::Method::GET
            && let Some(page) = self.page(parts.uri.path()).await
        {
            if let Some(route) = &mut route {
                **route = access::FILE;
            }
            return Ok(page);
        }
        self.note_unnamed_proxy(peer, &parts.headers);
        let forwarded = parts.headers.get_all("x-forwarded-for").iter();
        let source = self.proxies.source(peer, forwarded.filter_map(|value| value.to_str().ok()));
        // Given back when the answer is there.
        let mut room = self.room.part(source);
        let mut job = Job {
            method: parts.method.as_str().to_owned(),
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
            headers: headers(&parts.headers, source),
            ambient,
            id: id.to_owned(),
            arrived: Instant::now(),
            body: Ok(Vec::new()),
        };
        if let Some(route) = route
            && let Some(known) = front::route_of(&job.head())
        {
            *route = known;
        }
        // Nothing of a body is taken for a caller who may not send one.
        let admit = || front::admit(&self.door, &job.head()).map(|admitted| admitted.body_bytes_max());
        // Nothing in it panics, as nothing in the writer's turn does; the edge of the door never changes.
        let admitted = catch_unwind(AssertUnwindSafe(admit));
        match admitted.unwrap_or_else(|_| Err(Response::refused(Refusal::INTERNAL))) {
            Ok(most) => job.body = body::read(incoming, &parts.headers, most, &mut room, seat).await,
            Err(refused) => {
                body::discard(incoming, &parts.headers);
                return Ok(http(refused));
            }
        }
        let (reply, answered) = oneshot::channel();
        if self.jobs.send((job, reply)).await.is_err() {
            return Ok(http(Response::refused(Refusal::STORAGE)));
        }
        answered.await.map(http)
    }

    /// Says once that a proxy may stand before this process without being named: nothing else tells that all visitors behind
    /// it share one source's bounds.
    fn note_unnamed_proxy(&self, peer: IpAddr, headers: &HeaderMap) {
        if headers.contains_key("x-forwarded-for")
            && !self.proxies.trust(peer)
            && !self.unnamed_proxy.swap(true, Ordering::Relaxed)
        {
            event(
                "proxy_not_named",
                "a request with X-Forwarded-For came from a peer that --trusted-proxies does not name; if that is a \
                 proxy, everybody behind it counts as one source",
            );
        }
    }

    async fn page(&self, path: &str) -> Option<HttpResponse> {
        let website = self.website.clone()?;
        let path = path.to_owned();
        let page = tokio::task::spawn_blocking(move || website.page(&path)).await.ok()??;
        hyper::Response::builder()
            .header("content-type", page.content_type)
            .header("cache-control", "no-cache")
            .header("x-content-type-options", "nosniff")
            .body(Full::from(page.body))
            .ok()
    }
}

/// The id by which a proxy or a caller named the request; None: none did, or more than one.
fn callers_id(headers: &HeaderMap) -> Option<&str> {
    let mut named = headers.get_all(CALLERS_REQUEST_ID).iter();
    let first = named.next().filter(|_| named.next().is_none())?;
    first.to_str().ok()
}

/// The methods that any route has. A tunnel has no path whose own could be listed.
const METHODS: &str = "DELETE, GET, OPTIONS, PATCH, POST, PUT";

/// The refusal of a head that breaks HTTP: a host that is none or not given once (RFC 9112, 3.2), or a tunnel.
fn refused_head(parts: &Parts) -> Option<Refusal> {
    if parts.method == hyper::Method::CONNECT {
        return Some(Refusal::METHOD);
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let is_host = |value: &HeaderValue| {
        let authority = value.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
        authority.is_some_and(|authority| !authority.as_str().contains('@'))
    };
    let fits = match (hosts.next(), hosts.next()) {
        (None, _) => parts.version < Version::HTTP_11,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    };
    (!fits).then_some(Refusal::HOST_INVALID)
}

/// The headers that the service looks at, and who calls. Of one that came twice all values stand in one, as HTTP joins
/// them: a check that expects a single value then refuses it.
fn headers(sent: &HeaderMap, source: Source) -> Vec<(String, String)> {
    let joined = |name: &str| {
        let values: Vec<_> =
            sent.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (!values.is_empty()).then(|| (name.to_owned(), values.join(", ")))
    };
    let source = (SOURCE_HEADER.to_owned(), source.to_string());
    known_headers().filter_map(joined).chain([source]).collect()
}

fn http(response: Response) -> HttpResponse {
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::from(response.body)).unwrap_or_else(|_| {
        let mut broken = HttpResponse::default();
        *broken.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}
