//! The front: route, bound, authenticate, decode; then answer, or say which writer goes on.
//!
//! Cheap checks come first: key, token, origin, size, table, and the body last.

mod admin;
mod auth;
mod cors;
mod events;
mod personalize;

pub(crate) use personalize::lookup_keys;
pub use personalize::{Candidate, Look};
use usher_engine::definition::EventTable;

use crate::bundle::Edge;
use crate::error::Refusal;
use crate::host::{Request, Step};
use crate::limits::TARGET_BYTES_MAX;
use crate::wire::Response;

impl Edge {
    /// Takes a request as far as it goes without storage.
    pub fn front(&self, request: &Request<'_>) -> Step {
        let request = &with_test_clock(request);
        fault(request);
        let route = Route::of(request);
        if route == Route::Health && request.method == "GET" {
            return Step::Respond(self.health());
        }
        let Ok(keyring) = &self.keyring else {
            return Step::Respond(Response::refused(Refusal::UNCONFIGURED));
        };
        if request.method == "OPTIONS" {
            return Step::Respond(cors::preflight(keyring, &route, request));
        }
        if self.knows_nothing() {
            return Step::Respond(self.failed(request, Refusal::STORAGE));
        }
        let coding = request.header("content-encoding").unwrap_or("identity");
        if !["identity", "gzip", "x-gzip"].iter().any(|known| coding.eq_ignore_ascii_case(known)) {
            return Step::Respond(self.failed(request, Refusal::ENCODING));
        }
        let native = route.is_native();
        let result = if route.method() != Some(request.method) {
            Err(if route == Route::Unknown { Refusal::NOT_FOUND } else { Refusal::METHOD }.into())
        } else {
            match route {
                Route::Unknown | Route::Health => Err(Refusal::NOT_FOUND.into()),
                Route::PublicEvent { database, table } => {
                    self.public_event(keyring, request, database, table)
                }
                Route::PrivateEvent { database, table } => {
                    self.private_event(keyring, request, database, table)
                }
                Route::Ingest { database, table } => self.ingest(keyring, request, database, table),
                Route::Personalize => self.look_native(keyring, request),
                Route::Explain => self.look_explain(keyring, request),
                Route::PutBundle { audience } => self.put_bundle(keyring, request, audience),
                Route::GetBundle { audience } => self.get_bundle(keyring, request, audience),
                Route::ListAudiences => self.list_audiences(keyring, request),
                Route::ListBundles { audience } => self.list_bundles(keyring, request, audience),
                Route::GetKept { audience, which } => self.get_kept(keyring, request, audience, which),
                Route::Rollback { audience } => self.rollback(keyring, request, audience),
                Route::Import { audience } => self.import(keyring, request, audience),
                Route::ImportColumns { audience } => self.import_columns(keyring, request, audience),
            }
        };
        result.unwrap_or_else(|Refused { refusal, detail, origin }| {
            let response = if native {
                Response::problem(refusal, detail.as_deref())
            } else {
                Response::refused(refusal)
            };
            // A page that may call may also read why it was refused.
            Step::Respond(response.with_cors(origin.as_deref()))
        })
    }
}

impl Edge {
    /// The answer to a request that could not be served, in the words of its route; a page that may call may read it.
    pub fn failed(&self, request: &Request<'_>, refusal: Refusal) -> Response {
        let response = if Route::of(request).is_native() {
            Response::problem(refusal, None)
        } else {
            Response::refused(refusal)
        };
        let known = |origin: &&str| self.keyring.as_ref().is_ok_and(|keyring| keyring.knows_origin(origin));
        response.with_cors(request.header("origin").filter(known))
    }
}

/// What a part of the front makes of a request.
type Result<T = Step> = std::result::Result<T, Refused>;

/// A refusal on its way out.
pub(crate) struct Refused {
    refusal: Refusal,
    /// What to do about it, for native routes; never an echo.
    detail: Option<String>,
    /// The page that may read it.
    origin: Option<String>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused { refusal, detail: None, origin: None }
    }
}

impl Refused {
    fn because(refusal: Refusal, detail: impl Into<String>) -> Refused {
        Refused { refusal, detail: Some(detail.into()), origin: None }
    }

    fn readable_by(mut self, origin: Option<&str>) -> Refused {
        self.origin = origin.map(str::to_owned);
        self
    }
}

/// The routes, as far as a request line and one header tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Health,
    PublicEvent { database: &'a str, table: &'a str },
    PrivateEvent { database: &'a str, table: &'a str },
    Ingest { database: &'a str, table: &'a str },
    Personalize,
    Explain,
    PutBundle { audience: &'a str },
    GetBundle { audience: &'a str },
    ListAudiences,
    ListBundles { audience: &'a str },
    GetKept { audience: &'a str, which: &'a str },
    Rollback { audience: &'a str },
    Import { audience: &'a str },
    ImportColumns { audience: &'a str },
    Unknown,
}

impl<'a> Route<'a> {
    fn of(request: &Request<'a>) -> Route<'a> {
        if request.target.len() > TARGET_BYTES_MAX {
            return Route::Unknown;
        }
        let path = request.target.split_once('?').map_or(request.target, |(path, _)| path);
        let Some(path) = path.strip_prefix('/') else { return Route::Unknown };
        // No route has more than five parts, and a sixth makes it none.
        let mut parts = [""; 6];
        let mut count = 0;
        for (slot, part) in parts.iter_mut().zip(path.split('/')) {
            *slot = part;
            count += 1;
        }
        match parts.get(..count).unwrap_or(&[]) {
            ["healthz"] => Route::Health,
            ["v1", "personalize"] => Route::Personalize,
            ["v1", "explain"] => Route::Explain,
            ["v1", "audiences", audience, "bundle"] if request.method == "GET" => {
                Route::GetBundle { audience }
            }
            ["v1", "audiences", audience, "bundle"] => Route::PutBundle { audience },
            ["v1", "audiences"] => Route::ListAudiences,
            ["v1", "audiences", audience, "bundles"] => Route::ListBundles { audience },
            ["v1", "audiences", audience, "bundles", which] => Route::GetKept { audience, which },
            ["v1", "audiences", audience, "rollback"] => Route::Rollback { audience },
            ["v1", "audiences", audience, "profiles", "import"] if request.method == "GET" => {
                Route::ImportColumns { audience }
            }
            ["v1", "audiences", audience, "profiles", "import"] => Route::Import { audience },
            ["public", database, table] if EventTable::is_name(database) && EventTable::is_name(table) => {
                Route::PublicEvent { database, table }
            }
            [first, ..] if EventTable::RESERVED.contains(first) => Route::Unknown,
            [database, table] if EventTable::is_name(database) && EventTable::is_name(table) => {
                let asked = request.header("access-control-request-headers").unwrap_or("");
                let private = request.header("wp13n-token").is_some()
                    || asked.split(',').any(|name| name.trim().eq_ignore_ascii_case("wp13n-token"));
                if private {
                    Route::PrivateEvent { database, table }
                } else {
                    Route::Ingest { database, table }
                }
            }
            _ => Route::Unknown,
        }
    }

    fn method(self) -> Option<&'static str> {
        match self {
            Route::Unknown => None,
            Route::Health
            | Route::GetBundle { .. }
            | Route::ListAudiences
            | Route::ListBundles { .. }
            | Route::ImportColumns { .. }
            | Route::GetKept { .. } => Some("GET"),
            Route::PutBundle { .. } => Some("PUT"),
            _ => Some("POST"),
        }
    }

    fn is_native(self) -> bool {
        matches!(
            self,
            Route::Personalize
                | Route::Explain
                | Route::PutBundle { .. }
                | Route::GetBundle { .. }
                | Route::ListAudiences
                | Route::ListBundles { .. }
                | Route::GetKept { .. }
                | Route::Rollback { .. }
                | Route::Import { .. }
                | Route::ImportColumns { .. }
        )
    }
}

/// In a test build the header `x-usher-now` is the time.
#[cfg(feature = "test-clock")]
fn with_test_clock<'a>(request: &Request<'a>) -> Request<'a> {
    let mut request = *request;
    if let Some(now_ms) = request.header("x-usher-now").and_then(|text| text.parse().ok()) {
        request.ambient.now_ms = now_ms;
    }
    request
}

#[cfg(not(feature = "test-clock"))]
fn with_test_clock<'a>(request: &Request<'a>) -> Request<'a> {
    *request
}

/// In a fault build the header `x-usher-fault` is obeyed.
#[cfg(feature = "fault")]
#[expect(clippy::panic, reason = "it is what a fault build is for")]
fn fault(request: &Request<'_>) {
    match request.header("x-usher-fault") {
        Some("panic") => panic!("asked for by x-usher-fault"),
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
fn fault(_: &Request<'_>) {}
