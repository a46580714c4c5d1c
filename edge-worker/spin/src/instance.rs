//! The progress of an instance: settings, tables and bundles.
//!
//! No request waits for another one. If two of them find something missing, both fetch it, and the second result changes
//! nothing.

use std::cell::Cell;
use std::time::Instant;

use spin_sdk::variables::{self, Error};
use usher_edge::Edge;

use crate::edge::edge;
use crate::limits::POINTERS_TIME;
use crate::{bundles, database, log};

thread_local! {
    static IS_CONFIGURED: Cell<bool> = const { Cell::new(false) };
    static HAS_TABLES: Cell<bool> = const { Cell::new(false) };
    /// The last time that the pointers were read; None: never.
    static CHECKED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Brings the edge up to date: its keys, its tables, and the bundles that run. A failure is logged and noted in the edge, and
/// the next request tries again.
pub(crate) async fn catch_up() {
    if !IS_CONFIGURED.get() {
        configure().await;
    }
    // The form to write is a setting, too.
    if !IS_CONFIGURED.get() {
        return;
    }
    if !HAS_TABLES.get() {
        match database::make_tables().await {
            Ok(()) => HAS_TABLES.set(true),
            Err(failure) => return fail(&failure.to_string()),
        }
    }
    let checked = CHECKED.get();
    if checked.is_some_and(|at| at.elapsed() < POINTERS_TIME) {
        return;
    }
    if checked.is_some() {
        // Requests that come meanwhile do not read them again.
        CHECKED.set(Some(Instant::now()));
    }
    refresh().await;
}

/// Installs the bundles that the database points to.
pub(crate) async fn refresh() {
    match bundles::refresh().await {
        Ok(()) => {
            CHECKED.set(Some(Instant::now()));
            edge(|edge| edge.set_fault("", None, false));
        }
        Err(failure) => fail(&failure.to_string()),
    }
}

fn fail(detail: &str) {
    log::event("storage_failed", detail);
    edge(|edge| edge.set_fault("", Some("the database does not answer"), false));
}

/// Reads the settings.
async fn configure() {
    let settings = async {
        Ok::<_, Error>((
            setting("usher_keys").await?,
            setting("usher_demo").await?,
            setting("usher_form").await?,
            setting("usher_profile_days").await?,
            setting("usher_destinations").await?,
        ))
    };
    let (secret, demo, form, profile_days, destinations) = match settings.await {
        Ok(settings) => settings,
        // The edge stays unconfigured and answers so.
        Err(error) => return log::event("settings_failed", &error.to_string()),
    };
    // Another request was faster.
    if IS_CONFIGURED.replace(true) {
        return;
    }
    let mut made = Edge::new(Some(&secret), demo == "1");
    made.set_form(&form);
    made.set_profile_days(&profile_days);
    made.set_destinations(&destinations);
    if let Some(complaint) = made.complaint() {
        log::event("unconfigured", complaint);
    }
    if let Some(complaint) = made.destinations_complaint() {
        log::event("destinations_refused", complaint);
    }
    edge(|edge| *edge = made);
}

/// A variable of the application; empty if it is not declared.
async fn setting(name: &str) -> Result<String, Error> {
    match variables::get(name).await {
        Err(Error::Undefined(_)) => Ok(String::new()),
        read => read,
    }
}
