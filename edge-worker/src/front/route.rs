//! The table of routes, for routing, `Allow`, CORS, and the checks of a request's head.

use usher_engine::definition::EventTable;

use super::auth::Callers;
use super::checked_head::CheckedHead;
use super::{
    activations, bundles, control as api, device, discovery, events, flat, health, imports, keys, lookups,
    metrics, mixed, openapi, pipelines, profiles, segments, tables, upkeep,
};
use crate::edge::Edge;
use crate::error::{Refusal, Result};
use crate::host::{Head, Step};
use crate::keys::Scope;
use crate::limits::{
    BATCH_BYTES_MAX, BUNDLE_BYTES_MAX, CONTROL_BYTES_MAX, NATIVE_BYTES_MAX, TARGET_BYTES_MAX,
};
use crate::plane::HAS_CONTROL_PLANE;
use crate::wire::Response;

/// One route: the checks before the body is read, and the handler.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// Parts in braces are parameters, at most three, of which an audience is the first; `{database}` and `{table}` are
    /// names of event tables.
    pub(super) path: &'static str,
    /// True: only requests with `WP13n-Token`; false: only those without; None: either.
    with_token: Option<bool>,
    pub(super) family: Family,
    pub(super) callers: Callers,
    /// Largest body in bytes, after inflation; None: the route reads none.
    pub(super) body_bytes_max: Option<usize>,
    pub(super) handler: Handler,
}

type Handler = fn(&Edge, &CheckedHead<'_>, &[u8]) -> Result<Step>;

/// The routes with which a host without a clock delivers activations: a tick, and operators who want them tried.
const TRIGGERS: [&str; 3] = [TICK, RETRY, DRAIN];

impl Route {
    /// True if a host without a clock delivers activations with it.
    pub(super) fn triggers(&self) -> bool {
        TRIGGERS.contains(&self.path)
    }

    /// True if it takes requests of this method.
    pub(super) fn takes(&self, method: &str) -> bool {
        self.method == method || self.method == ANY
    }
}

/// The format of a route's refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `{"code", "message"}`
    Rt,
    /// Problem details.
    Native,
    /// Problem details, with the header that says whose they are.
    Mixed,
    /// `{"error", "message", "status"}`
    Segments,
    /// `{"errors": […]}`
    Control,
}

const BUNDLE: &str = "/v1/audiences/{audience}/bundle";
const ACTIVATIONS: &str = "/v1/audiences/{audience}/activations";
const RETRY: &str = "/v1/audiences/{audience}/activations/retry";
const DRAIN: &str = "/v1/audiences/{audience}/activations/drain";
const TICK: &str = "/v1/tick";
const IMPORT: &str = "/v1/audiences/{audience}/profiles/import";
const PROFILE: &str = "/v1/audiences/{audience}/profiles/{key}/{value}";
const ROWS: &str = "/v1/audiences/{audience}/tables/{name}/import";
const ROW: &str = "/v1/audiences/{audience}/tables/{name}/rows/{row}";

/// In the order of docs/http.md.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/public/{database}/{table}",
        with_token: None,
        family: Family::Rt,
        callers: Callers::PublicToken,
        body_bytes_max: Some(BATCH_BYTES_MAX),
        handler: events::personalize,
    },
    Route {
        method: "POST",
        path: "/{database}/{table}",
        with_token: Some(true),
        family: Family::Rt,
        callers: Callers::PrivateToken,
        body_bytes_max: Some(BATCH_BYTES_MAX),
        handler: events::personalize,
    },
    Route {
        method: "POST",
        path: "/{database}/{table}",
        with_token: Some(false),
        family: Family::Rt,
        callers: Callers::Ingest,
        body_bytes_max: Some(BATCH_BYTES_MAX),
        handler: events::ingest,
    },
    Route {
        path: "/audiences/{audience}/personalizations/{personalization}",
        family: Family::Rt,
        ..control(Callers::Server(Scope::Personalize), flat::by_path)
    },
    Route {
        method: "POST",
        path: "/audiences/{audience}/personalization",
        family: Family::Rt,
        body_bytes_max: Some(NATIVE_BYTES_MAX),
        ..control(Callers::Server(Scope::Personalize), flat::by_body)
    },
    Route {
        path: "/cdp/lookup/collect/segments",
        family: Family::Segments,
        ..control(Callers::Segments, segments::segments)
    },
    Route {
        method: "POST",
        path: "/v1/e",
        family: Family::Mixed,
        body_bytes_max: Some(NATIVE_BYTES_MAX),
        ..native(Callers::Mixed, mixed::mixed)
    },
    Route {
        method: "POST",
        path: "/v1/personalize",
        body_bytes_max: Some(NATIVE_BYTES_MAX),
        ..native(Callers::Lookup, lookups::personalize)
    },
    Route {
        method: "POST",
        path: "/v1/explain",
        body_bytes_max: Some(NATIVE_BYTES_MAX),
        ..control(Callers::Explain, lookups::explain)
    },
    Route {
        method: "POST",
        path: "/v1/device",
        body_bytes_max: Some(NATIVE_BYTES_MAX),
        ..control(Callers::Lookup, device::extract)
    },
    Route {
        path: "/v1/audiences/{audience}/programs/{program}",
        ..control(Callers::Segments, device::program)
    },
    Route {
        method: "DELETE",
        path: "/v1/audiences/{audience}/programs/{program}",
        ..control(Callers::Admin, device::revoke)
    },
    Route { path: "/v1/audiences", ..control(Callers::Admin, bundles::list_audiences) },
    Route { path: BUNDLE, ..control(Callers::Admin, bundles::running) },
    Route {
        method: "PUT",
        path: BUNDLE,
        body_bytes_max: Some(BUNDLE_BYTES_MAX),
        ..control(Callers::Admin, bundles::publish)
    },
    Route { method: "DELETE", path: BUNDLE, ..control(Callers::Admin, bundles::take_out) },
    Route { path: "/v1/audiences/{audience}/bundles", ..control(Callers::Admin, bundles::list) },
    Route { path: "/v1/audiences/{audience}/bundles/{which}", ..control(Callers::Admin, bundles::kept) },
    Route {
        method: "POST",
        path: "/v1/audiences/{audience}/rollback",
        body_bytes_max: Some(NATIVE_BYTES_MAX),
        ..control(Callers::Admin, bundles::roll_back)
    },
    Route {
        method: "POST",
        path: IMPORT,
        body_bytes_max: Some(BATCH_BYTES_MAX),
        ..control(Callers::Server(Scope::Import), imports::import)
    },
    Route { path: IMPORT, ..control(Callers::Server(Scope::Import), imports::columns) },
    Route { path: PROFILE, ..control(Callers::Server(Scope::Read), profiles::read) },
    Route { method: "DELETE", path: PROFILE, ..control(Callers::Server(Scope::Erase), profiles::erase) },
    Route {
        method: "DELETE",
        path: "/v1/audiences/{audience}/suppressions/{key}/{value}",
        ..control(Callers::Server(Scope::Erase), profiles::admit)
    },
    Route { path: "/v1/audiences/{audience}/keys", ..control(Callers::Admin, keys::of_audience) },
    Route {
        method: "DELETE",
        path: "/v1/audiences/{audience}/keys/{tag}",
        ..control(Callers::Admin, keys::revoke)
    },
    Route { path: ACTIVATIONS, ..control(Callers::Admin, activations::list) },
    Route {
        path: "/v1/audiences/{audience}/activations/attempts",
        ..control(Callers::Admin, activations::attempts)
    },
    Route { method: "POST", path: RETRY, ..control(Callers::Admin, activations::retry) },
    Route { method: "POST", path: DRAIN, ..control(Callers::Admin, activations::drain) },
    Route { method: "POST", path: TICK, ..control(Callers::Admin, upkeep::tick) },
    Route { path: "/openapi.json", ..control(Callers::Anyone, openapi::openapi) },
    Route { path: "/healthz", family: Family::Rt, ..native(Callers::Anyone, health::health) },
    Route { path: "/metrics", ..control(Callers::Operator, metrics::metrics) },
    Route {
        method: "PUT",
        path: ROWS,
        body_bytes_max: Some(BATCH_BYTES_MAX),
        ..control(Callers::Server(Scope::Import), tables::import)
    },
    Route { path: ROWS, ..control(Callers::Server(Scope::Import), tables::columns) },
    Route { path: ROW, ..control(Callers::Server(Scope::Read), tables::read) },
    Route { method: "DELETE", path: ROW, ..control(Callers::Server(Scope::Import), tables::delete) },
    Route {
        method: "POST",
        path: "/v1/audiences/{audience}/pipelines/{name}",
        body_bytes_max: Some(NATIVE_BYTES_MAX),
        ..control(Callers::Server(Scope::Personalize), pipelines::enrich)
    },
];

/// The control API. A build without it hands all of its paths over alike ([`REST_OF_API`]), so that they take no room there.
#[rustfmt::skip]
const API: &[Route] = &[
    Route { path: "/audiences/{audience}", ..rest(api::audience_read) },
    Route { path: "/audiences/{audience}/realtime_setting", ..rest(api::setting_read) },
    Route { method: "PATCH", path: "/audiences/{audience}/realtime_setting", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::setting_patch) },
    Route { path: "/audiences/{audience}/realtime_attributes", ..rest(api::attribute_list) },
    Route { method: "POST", path: "/audiences/{audience}/realtime_attributes", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::attribute_create) },
    Route { path: "/audiences/{audience}/realtime_attributes/{attribute}", ..rest(api::attribute_read) },
    Route { method: "PATCH", path: "/audiences/{audience}/realtime_attributes/{attribute}", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::attribute_patch) },
    Route { method: "DELETE", path: "/audiences/{audience}/realtime_attributes/{attribute}", ..rest(api::attribute_delete) },
    Route { method: "POST", path: "/audiences/{audience}/realtime_imported_attributes/bulk_update", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::imported_update) },
    Route { path: "/audiences/{audience}/realtime_key_events", ..rest(api::key_event_list) },
    Route { method: "POST", path: "/audiences/{audience}/realtime_key_events", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::key_event_create) },
    Route { path: "/audiences/{audience}/realtime_key_events/{key_event}", ..rest(api::key_event_read) },
    Route { method: "PATCH", path: "/audiences/{audience}/realtime_key_events/{key_event}", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::key_event_patch) },
    Route { method: "DELETE", path: "/audiences/{audience}/realtime_key_events/{key_event}", ..rest(api::key_event_delete) },
    Route { path: "/audiences/{audience}/realtime_key_events/{key_event}/columns", ..rest(api::key_event_columns) },
    Route { path: "/audiences/{audience}/realtime_event_tables/{database}/{table}/columns", ..rest(api::table_columns) },
    Route { path: "/audiences/{audience}/realtime_personalization_services", ..rest(api::service_list) },
    Route { method: "POST", path: "/audiences/{audience}/realtime_personalization_services", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::service_create) },
    Route { path: "/audiences/{audience}/realtime_personalization_services/{service}", ..rest(api::service_read) },
    Route { method: "PATCH", path: "/audiences/{audience}/realtime_personalization_services/{service}", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::service_patch) },
    Route { method: "DELETE", path: "/audiences/{audience}/realtime_personalization_services/{service}", ..rest(api::service_delete) },
    Route { method: "POST", path: "/audiences/{audience}/realtime_personalization_services/{service}/tokens", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::token_create) },
    Route { method: "DELETE", path: "/audiences/{audience}/realtime_personalization_services/{service}/tokens/{token}", ..rest(api::token_delete) },
    Route { path: "/audiences/{audience}/realtime_configuration_versions/current", ..rest(api::version_read) },
    Route { path: "/audiences/{audience}/folders", ..rest(api::folder_list) },
    Route { path: "/tree/audiences/{audience}/segment_folders", ..rest(api::folder_tree) },
    Route { method: "POST", path: "/entities/realtime_personalizations", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::entity_create) },
    Route { path: "/entities/realtime_personalizations/{entity}", ..rest(api::entity_read) },
    Route { method: "PATCH", path: "/entities/realtime_personalizations/{entity}", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::entity_patch) },
    Route { method: "DELETE", path: "/entities/realtime_personalizations/{entity}", ..rest(api::entity_delete) },
    Route { path: "/entities/parent_segments/{audience}/realtime_personalizations", ..rest(api::entity_list) },
    Route { path: "/entities/parent_segments/{audience}/realtime_attributes", ..rest(api::attribute_resources) },
    Route { path: "/audiences/{audience}/draft", ..rest(api::draft_read) },
    Route { method: "DELETE", path: "/audiences/{audience}/draft", ..rest(api::draft_discard) },
    Route { method: "POST", path: "/audiences/{audience}/draft/publish", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::draft_publish) },
    Route { method: "POST", path: "/audiences/{audience}/draft/services", body_bytes_max: Some(BUNDLE_BYTES_MAX), ..rest(api::service_push) },
    Route { path: "/v3/database/list", ..rest(discovery::databases) },
    Route { path: "/v3/table/list/{database}", ..rest(discovery::tables) },
    Route { path: "/v3/table/show/{database}/{table}", ..rest(discovery::table) },
    Route { method: "POST", path: "/entities/realtime_journeys", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::journey_create) },
    Route { method: "POST", path: "/entities/realtime_journeys/duplicate", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::journey_copy) },
    Route { path: "/entities/realtime_journeys/abtest_variants", ..rest(api::journey_variants) },
    Route { path: "/entities/realtime_journeys/{journey}", ..rest(api::journey_read) },
    Route { method: "PATCH", path: "/entities/realtime_journeys/{journey}", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::journey_patch) },
    Route { method: "DELETE", path: "/entities/realtime_journeys/{journey}", ..rest(api::journey_delete) },
    Route { method: "POST", path: "/entities/realtime_journeys/{journey}/detail", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::journey_check) },
    Route { method: "PATCH", path: "/entities/realtime_journeys/{journey}/pause", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::journey_pause) },
    Route { method: "PATCH", path: "/entities/realtime_journeys/{journey}/resume", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::journey_resume) },
    Route { path: "/entities/realtime_journeys/{journey}/activations", ..rest(api::activation_list) },
    Route { method: "POST", path: "/entities/realtime_journeys/{journey}/activations", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::activation_create) },
    Route { path: "/entities/realtime_journeys/{journey}/activations/{activation}", ..rest(api::activation_read) },
    Route { method: "PATCH", path: "/entities/realtime_journeys/{journey}/activations/{activation}", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::activation_patch) },
    Route { path: "/entities/parent_segments/{audience}/realtime_journeys", ..rest(api::journey_list) },
    Route { path: "/entities/parent_segments/{audience}/realtime_activations", ..rest(api::activations_of_audience) },
    Route { method: "POST", path: "/v4/streaming_task_auths", body_bytes_max: Some(CONTROL_BYTES_MAX), ..rest(api::auth_create) },
];

/// A route of the control API.
const fn rest(handler: Handler) -> Route {
    Route { family: Family::Control, ..control(Callers::Admin, handler) }
}

/// Everything else on its paths: for admins alone, so that a build without the control plane, which knows none of the routes,
/// refuses the same callers.
const REST_OF_API: &[Route] = &[Route {
    method: ANY,
    path: "/",
    family: Family::Control,
    body_bytes_max: Some(BUNDLE_BYTES_MAX),
    ..control(Callers::Admin, no_such_route)
}];

fn no_such_route(_: &Edge, checked: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    let methods = of_path(&checked.head).map(|(route, _)| route.method).filter(|method| *method != ANY);
    let methods: Vec<&str> = methods.collect();
    Ok(Step::Respond(if methods.is_empty() {
        Response::failed_call(Refusal::NOT_FOUND, None)
    } else {
        Response::failed_call(Refusal::METHOD, None).header("allow", methods.join(", "))
    }))
}

/// The method of a route that takes every one.
const ANY: &str = "*";

/// A native route; `GET` and without a body unless it says otherwise.
const fn native(callers: Callers, handler: Handler) -> Route {
    let (method, path, family) = ("GET", "", Family::Native);
    Route { method, path, with_token: None, family, callers, body_bytes_max: None, handler }
}

/// A native route of the control plane.
const fn control(callers: Callers, handler: Handler) -> Route {
    native(callers, if HAS_CONTROL_PLANE { handler } else { hand_over })
}

/// The handler of the control plane's routes in a build without it.
fn hand_over(_: &Edge, _: &CheckedHead<'_>, _: &[u8]) -> Result<Step> {
    Ok(Step::ControlPlane)
}

/// The routes with a request's path, for any method, each with its parameters in the order of the path.
pub(super) fn of_path<'a>(head: &Head<'a>) -> OfPath<'a> {
    let path = head.target.split_once('?').map_or(head.target, |(path, _)| path);
    let path = if head.target.len() > TARGET_BYTES_MAX { "" } else { path };
    let with_token = head.header("wp13n-token").is_some() || head.will_send("wp13n-token");
    let of = |others: [&'static [Route]; 2]| OfPath { routes: ROUTES.iter(), others, path, with_token };
    let is_other = API_PATHS.iter().any(|start| path.starts_with(start)) && of(NONE).next().is_none();
    of(if is_other { [if HAS_CONTROL_PLANE { API } else { &[] }, REST_OF_API] } else { NONE })
}

/// The routes of a path, those of tables behind the first one last. One type for all who ask, so that there is one search.
pub(super) struct OfPath<'a> {
    routes: core::slice::Iter<'static, Route>,
    others: [&'static [Route]; 2],
    path: &'a str,
    with_token: bool,
}

impl<'a> Iterator for OfPath<'a> {
    type Item = (&'static Route, [&'a str; 3]);

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            for route in &mut self.routes {
                if !begins_alike(route.path, self.path)
                    || route.with_token.is_some_and(|wanted| wanted != self.with_token)
                {
                    continue;
                }
                let found =
                    if route.method == ANY { Some([""; 3]) } else { parameters(route.path, self.path) };
                if let Some(parameters) = found {
                    return Some((route, parameters));
                }
            }
            let [next, last] = core::mem::replace(&mut self.others, NONE);
            if next.is_empty() && last.is_empty() {
                return None;
            }
            (self.routes, self.others) = (next.iter(), [last, &[]]);
        }
    }
}

const NONE: [&[Route]; 2] = [&[], &[]];

/// The beginnings of the control API's paths.
const API_PATHS: [&str; 5] = ["/audiences/", "/entities/", "/tree/", "/v3/", "/v4/"];

/// Every route, for its documentation.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().chain(API)
}

/// False if a path differs from a pattern before its first parameter, as it does from most.
fn begins_alike(pattern: &str, path: &str) -> bool {
    let differs = pattern.bytes().zip(path.bytes()).find(|(of_pattern, of_path)| of_pattern != of_path);
    differs.is_none_or(|(of_pattern, _)| of_pattern == b'{')
}

/// The family of a path; RT's if no route has it.
pub(super) fn family(head: &Head<'_>) -> Family {
    of_path(head).next().map_or(Family::Rt, |(route, _)| route.family)
}

/// The parameters in a path, if it matches the pattern.
fn parameters<'a>(pattern: &str, path: &'a str) -> Option<[&'a str; 3]> {
    let mut parameters = [""; 3];
    let mut free = parameters.iter_mut();
    let mut parts = path.split('/');
    for (index, pattern) in pattern.split('/').enumerate() {
        let part = parts.next()?;
        if !pattern.starts_with('{') {
            if part != pattern {
                return None;
            }
            continue;
        }
        let is_table = ["{database}", "{table}"].contains(&pattern);
        // A reserved first element belongs to another route, and is not a database.
        let is_reserved = index == 1 && EventTable::ROUTED.contains(&part);
        if is_table && (is_reserved || !EventTable::is_name(part)) {
            return None;
        }
        *free.next()? = part;
    }
    parts.next().is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_its_paths_only() {
        let event = "/{database}/{table}";
        assert_eq!(parameters(event, "/web/pageviews"), Some(["web", "pageviews", ""]));
        for path in
            ["/web", "/web/", "/web/pageviews/", "web/pageviews", "//pageviews", "/v1/audiences", "/We/x"]
        {
            assert_eq!(parameters(event, path), None, "{path}");
        }
        assert_eq!(parameters(BUNDLE, "/v1/audiences/7/bundle"), Some(["7", "", ""]));
        assert_eq!(parameters("/v1/audiences", "/v1/audiences"), Some(["", "", ""]));
    }

    #[test]
    fn every_parameter_has_room() {
        for route in all() {
            assert!(route.path.matches('{').count() <= 3, "{}", route.path);
        }
    }
}
