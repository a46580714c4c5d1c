//! The front: routes, authenticates, bounds and decodes a request; then answers, or names the writer that continues.
//!
//! Cheap checks come first. [`admit`] decides from the head of a request alone whether its caller may send a body, and
//! of what size; [`serve`] takes the body.

mod activations;
mod auth;
mod bundles;
mod checked_head;
mod control;
mod cors;
mod device;
#[cfg(feature = "control-plane")]
mod discover;
mod discovery;
mod events;
mod flat;
mod health;
mod identity;
mod imports;
mod keys;
mod lookups;
mod metrics;
mod mixed;
mod openapi;
mod pipelines;
mod profiles;
mod route;
mod segments;
mod tables;
mod upkeep;

use auth::{Caller, Callers};
use checked_head::CheckedHead;
use route::{Family, Route};

use crate::edge::Edge;
use crate::error::{Refusal, Refused};
use crate::host::{Head, Request, Step};
use crate::lookup;
use crate::message::Payer;
use crate::metrics::Took;
#[cfg(feature = "fault")]
use crate::plane::HAS_CONTROL_PLANE;
use crate::wire::Response;
#[cfg(feature = "control-plane")]
pub use discover::discover;
use usher_engine::gather::Gather;

/// Handles a request as far as possible without storage, for hosts that have its body already.
///
/// # Examples
///
/// ```
/// use usher_edge::{Ambient, Edge, Request, Step, front};
///
/// let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
/// let request = Request { method: "POST", target: "/web/pages", headers: &[], body: b"{}", ambient };
/// // Without keys nobody may send anything.
/// let Step::Respond(response) = front::handle(&Edge::new(None, false), &request) else { panic!("refused") };
/// assert_eq!(response.status, 503);
/// ```
pub fn handle(edge: &Edge, request: &Request<'_>) -> Step {
    match admit(edge, &request.head()) {
        Ok(admitted) => serve(edge, &admitted, request.body),
        Err(response) => Step::Respond(response),
    }
}

/// A request whose head was checked: its caller may send a body.
#[derive(Debug)]
pub struct Admitted<'a> {
    route: &'static Route,
    checked: CheckedHead<'a>,
}

impl Admitted<'_> {
    /// The largest body that the caller may send, in bytes, after inflation; 0: none is read.
    pub fn body_bytes_max(&self) -> usize {
        self.route.body_bytes_max.unwrap_or(0)
    }

    /// True if a host without a clock delivers activations with the request: a tick, or an operator who wants some tried.
    pub fn triggers_deliveries(&self) -> bool {
        self.route.triggers()
    }

    /// True if the request draws on its source's rate.
    pub fn is_metered(&self) -> bool {
        matches!(self.payer(), Some(Payer::Source(_)))
    }

    /// The rate that the request draws on.
    fn payer(&self) -> Option<Payer<'_>> {
        self.checked.payer().filter(|_| self.route.callers.include_public_keys())
    }
}

/// Checks route, method, key, token, page and encoding, by the head of a request alone.
///
/// # Errors
///
/// The answer: a refusal, or a preflight's. Neither needs the body.
///
/// # Examples
///
/// ```
/// use usher_edge::host::Head;
/// use usher_edge::{Ambient, Edge, front};
///
/// let edge = Edge::new(None, false);
/// let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
/// let head = |method, target| Head { method, target, headers: &[], ambient };
/// // The state of the edge is for anyone, and takes no body.
/// assert_eq!(front::admit(&edge, &head("GET", "/healthz")).map(|admitted| admitted.body_bytes_max()), Ok(0));
/// // Without keys nobody may send anything.
/// let refused = front::admit(&edge, &head("POST", "/web/pageviews")).unwrap_err();
/// assert_eq!(refused.status, 503);
/// ```
pub fn admit<'a>(edge: &'a Edge, head: &Head<'a>) -> Result<Admitted<'a>, Response> {
    let head = with_test_clock(*head);
    obey_fault(&head, "panic");
    if head.header("host").is_some_and(|host| !is_authority(host)) {
        return Err(failed(edge, &head, Refusal::HOST_INVALID));
    }
    let found = route::of_path(&head).find(|(route, _)| route.takes(head.method));
    if let Some((route, parameters)) = found
        && route.callers == Callers::Anyone
    {
        return Ok(Admitted { route, checked: CheckedHead { parameters, head, caller: Caller::default() } });
    }
    let Some(keyring) = edge.keyring() else { return Err(failed(edge, &head, Refusal::UNCONFIGURED)) };
    if head.method == "OPTIONS" {
        return Err(cors::preflight(keyring, &head));
    }
    if edge.storage_is_too_new() {
        return Err(failed(edge, &head, Refusal::TOO_NEW));
    }
    if edge.has_never_caught_up() {
        return Err(failed(edge, &head, Refusal::STORAGE));
    }
    let coding = head.header("content-encoding").unwrap_or("identity");
    if !["identity", "gzip", "x-gzip"].iter().any(|known| coding.eq_ignore_ascii_case(known)) {
        return Err(failed(edge, &head, Refusal::ENCODING));
    }
    let Some((route, parameters)) = found else { return Err(no_route(edge, &head)) };
    let audience = route.path.contains("/{audience}").then_some(parameters[0]);
    match auth::authorize(route.callers, keyring, &head, audience) {
        Ok(caller) => Ok(Admitted { route, checked: CheckedHead { parameters, head, caller } }),
        // Its key or token does not allow this origin, whatever others do.
        Err(refused) if refused.refusal == Refusal::ORIGIN_INVALID => Err(refuse(route.family, &refused)),
        Err(refused) => Err(refuse(route.family, &refused.with_cors(readable_by(edge, &head)))),
    }
}

/// Handles the body of a request, inflated, as far as possible without storage.
///
/// # Examples
///
/// ```
/// use usher_edge::host::Head;
/// use usher_edge::{Ambient, Edge, Step, front};
///
/// let edge = Edge::new(None, false);
/// let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
/// let head = Head { method: "GET", target: "/healthz", headers: &[], ambient };
/// let admitted = front::admit(&edge, &head).expect("it is for anyone");
/// assert!(matches!(front::serve(&edge, &admitted, b""), Step::Write { .. } | Step::Respond(_)));
/// ```
pub fn serve(edge: &Edge, admitted: &Admitted<'_>, body: &[u8]) -> Step {
    obey_fault(&admitted.checked.head, "body panic");
    // Where the rate is used up the body is not looked at.
    let ambient = &admitted.checked.head.ambient;
    if let Some(seconds) = admitted.payer().and_then(|payer| edge.meter.wait(&payer, ambient)) {
        let origin = admitted.checked.caller.origin;
        return Step::Respond(over_rate(admitted.route.family, origin, seconds));
    }
    let result = match admitted.route.body_bytes_max {
        Some(max) if body.len() > max => Err(Refusal::TOO_LARGE.into()),
        _ => (admitted.route.handler)(edge, &admitted.checked, body),
    };
    // A page that may call may also read the refusal.
    result.unwrap_or_else(|refused| {
        Step::Respond(refuse(admitted.route.family, &refused.with_cors(admitted.checked.caller.origin)))
    })
}

/// The answer to a request that was refused before any message, charged to its caller's rate as one event: reading a body
/// costs as much when it is refused. A refusal by the head alone costs nothing.
pub fn charge(edge: &mut Edge, head: &Head<'_>, answer: Response) -> Response {
    let charged = if is_charged(&answer) { charge_refusal(edge, head) } else { Ok(()) };
    charged.map_or_else(|used_up| used_up, |()| answer)
}

/// True for an answer that [`charge`] charges, if the request has a rate.
pub fn is_charged(answer: &Response) -> bool {
    (400..500).contains(&answer.status) && answer.status != Refusal::RATE.status
}

/// Charges a refusal as [`charge`] does: for hosts with a module of the control plane, which finds refusals, too. Sources
/// are counted in one place.
///
/// # Errors
///
/// The answer in place of the refusal when the rate is used up.
pub fn charge_refusal(edge: &mut Edge, head: &Head<'_>) -> Result<(), Response> {
    let Ok(admitted) = admit(edge, head) else { return Ok(()) };
    let Some(payer) = admitted.payer() else { return Ok(()) };
    let ambient = admitted.checked.head.ambient;
    if let Some(seconds) = edge.meter.wait(&payer, &ambient) {
        return Err(over_rate(admitted.route.family, admitted.checked.caller.origin, seconds));
    }
    let payer = payer.into_owned();
    // It fits, as there was no wait.
    let _ = edge.meter.take_events(&payer, 1, &ambient);
    Ok(())
}

fn over_rate(family: Family, origin: Option<&str>, seconds: u64) -> Response {
    let refused = Refused::from(Refusal::RATE).with_cors(origin);
    refuse(family, &refused).header("retry-after", seconds.to_string())
}

/// Takes a lookup from its caller's rate, as one event ([`lookup::meter`]): for hosts with a module of the control plane,
/// which finds lookups, too. Sources are counted in one place.
///
/// # Errors
///
/// The answer when too little is left.
pub fn meter(edge: &mut Edge, head: &Head<'_>) -> Result<(), Response> {
    let admitted = admit(edge, head)?;
    let (payer, ambient) = (admitted.checked.payer().map(Payer::into_owned), admitted.checked.head.ambient);
    let origin = admitted.checked.caller.origin.map(str::to_owned);
    let family = admitted.route.family;
    lookup::take(edge, payer.as_ref(), &ambient)
        .map_err(|seconds| over_rate(family, origin.as_deref(), seconds))
}

/// The path of a request's route as docs/http.md writes it, such as `/public/{database}/{table}`; None: no route has the
/// path. It holds nothing that a caller wrote, so a log may.
///
/// # Examples
///
/// ```
/// use usher_edge::host::Head;
/// use usher_edge::{Ambient, front};
///
/// let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
/// let head = |target| Head { method: "POST", target, headers: &[], ambient };
/// assert_eq!(front::route_of(&head("/web/pageviews?email=a@b.example")), Some("/{database}/{table}"));
/// assert_eq!(front::route_of(&head("/a@b.example")), None);
/// ```
pub fn route_of(head: &Head<'_>) -> Option<&'static str> {
    route::of_path(head).next().map(|(route, _)| route.path)
}

/// Counts an answer that was sent, and the time that it took, for hosts that keep metrics ([`Edge::keep_metrics`]). Each is counted once, when it leaves.
///
/// # Examples
///
/// ```
/// use usher_edge::{Ambient, Edge, Request, Took, front, serve, store::memory::MemoryStore};
///
/// let (mut edge, mut store) = (Edge::new(None, false), MemoryStore::default());
/// edge.keep_metrics();
/// let ambient = Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] };
/// let request = Request { method: "GET", target: "/healthz", headers: &[], body: b"", ambient };
/// let answer = serve(&mut edge, &mut store, &request, &mut |_line| ());
/// front::count(&mut edge, &request.head(), &answer, Took { whole_us: 250, computing_us: 40 });
/// ```
pub fn count(edge: &mut Edge, head: &Head<'_>, answer: &Response, took: Took) {
    let Some(metrics) = edge.metrics.as_mut() else { return };
    let found = route::of_path(head).find(|(route, _)| route.takes(head.method));
    let route = found.map(|(route, _)| (route.method, route.path));
    metrics.answered(answer.status, &answer.counts, route, took);
}

/// The answer to a failed request, in the format of its route; a page that may call may read it.
pub fn failed(edge: &Edge, head: &Head<'_>, refusal: Refusal) -> Response {
    let refused = Refused::from(refusal).with_cors(readable_by(edge, head));
    let response = refuse(route::family(head), &refused);
    // Capacity is free again as soon as current requests are answered.
    if refusal == Refusal::RATE { response.header("retry-after", "1") } else { response }
}

/// The origin of the page that may read a refusal whose key is not known: any that some key or token allows, but not on
/// a path for servers alone.
fn readable_by<'a>(edge: &Edge, head: &Head<'a>) -> Option<&'a str> {
    let mut routes = route::of_path(head).map(|(route, _)| route.callers.include_pages()).peekable();
    let is_for_servers = routes.peek().is_some() && !routes.any(|for_pages| for_pages);
    let is_known = |origin: &&str| edge.keyring().is_some_and(|keyring| keyring.knows_origin(origin));
    head.header("origin").filter(is_known).filter(|_| !is_for_servers)
}

fn refuse(family: Family, refused: &Refused) -> Response {
    let response = match family {
        Family::Rt => Response::refused_with(refused.refusal, refused.detail.as_deref()),
        Family::Native => Response::problem(refused.refusal, refused.detail.as_deref()),
        Family::Mixed => Response::problem(refused.refusal, refused.detail.as_deref()).of_wire(),
        Family::Segments => Response::failed_lookup(refused.refusal, refused.detail.as_deref()),
        Family::Control => Response::failed_call(refused.refusal, refused.detail.as_deref()),
    };
    response.with_cors(refused.origin.as_deref())
}

/// The answer where no route has the path, or the method.
fn no_route(edge: &Edge, head: &Head<'_>) -> Response {
    let mut methods: Vec<&str> = route::of_path(head).map(|(route, _)| route.method).gather();
    methods.dedup();
    if methods.is_empty() {
        return failed(edge, head, Refusal::NOT_FOUND);
    }
    failed(edge, head, Refusal::METHOD).header("allow", methods.join(", "))
}

/// True for a host name or address, with or without a port. In a URL made of `Host` and target, a slash in `Host` would
/// become a part of the target.
fn is_authority(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte))
}

/// In a test build the header `x-usher-now` is the time.
#[cfg(feature = "test-clock")]
fn with_test_clock(mut head: Head<'_>) -> Head<'_> {
    if let Some(now_ms) = head.header("x-usher-now").and_then(|text| text.parse().ok()) {
        head.ambient.now_ms = now_ms;
    }
    head
}

#[cfg(not(feature = "test-clock"))]
fn with_test_clock(head: Head<'_>) -> Head<'_> {
    head
}

/// In a fault build the header `x-usher-fault` selects a fault; `panics` is the one that panics here.
#[cfg(feature = "fault")]
#[expect(clippy::panic, reason = "it is what a fault build is for")]
fn obey_fault(head: &Head<'_>, panics: &str) {
    match head.header("x-usher-fault") {
        Some(fault) if fault == panics => panic!("asked for by x-usher-fault"),
        Some("control panic") if HAS_CONTROL_PLANE => panic!("asked for by x-usher-fault"),
        Some("memory") => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1_u8; 64 * 1024 * 1024]);
            }
        }
        _ => {}
    }
}

#[cfg(not(feature = "fault"))]
fn obey_fault(_: &Head<'_>, _: &str) {}

#[cfg(test)]
mod tests;
