//! The edge that all requests and objects of an isolate share. Others run wherever one waits, so it is lent to closures,
//! which cannot wait.

use std::cell::RefCell;

use usher_edge::Edge;
use worker::Env;

use crate::log;

thread_local! {
    /// None until the settings were read.
    static EDGE: RefCell<Option<Edge>> = const { RefCell::new(None) };
}

/// Lends the edge to a closure. The closure must not call this function.
pub(crate) fn edge<T>(work: impl FnOnce(&mut Edge) -> T) -> T {
    EDGE.with_borrow_mut(|edge| work(edge.get_or_insert_with(|| Edge::new(None, false))))
}

/// Reads the settings, once for an isolate.
pub(crate) fn configure(env: &Env) {
    EDGE.with_borrow_mut(|edge| {
        if edge.is_some() {
            return;
        }
        let secret = setting(env, "USHER_KEYS");
        let mut made = Edge::new(Some(&secret), setting(env, "USHER_DEMO") == "1");
        made.set_form(&setting(env, "USHER_FORM"));
        made.set_profile_days(&setting(env, "USHER_PROFILE_DAYS"));
        if !setting(env, "USHER_JURISDICTION").is_empty() {
            made.set_placement_fault("USHER_JURISDICTION is a setting of the ready-made Worker alone");
        }
        if !["", "1"].contains(&setting(env, "USHER_SHARDS").as_str()) {
            made.set_placement_fault(
                "USHER_SHARDS is a setting of the ready-made Worker alone: this one has 1 shard",
            );
        }
        made.set_destinations(&setting(env, "USHER_DESTINATIONS"));
        if let Some(complaint) = made.complaint() {
            log::fault("", "unconfigured", complaint);
        }
        if let Some(complaint) = made.destinations_complaint() {
            log::fault("", "destinations_refused", complaint);
        }
        *edge = Some(made);
    });
}

/// A secret or variable; empty if there is none.
pub(crate) fn setting(env: &Env, name: &str) -> String {
    env.var(name).map(|value| value.to_string()).unwrap_or_default()
}
