//! The writer: one thread that owns the edge and its store, and takes requests in the order in which they came.

use std::process;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;
use usher_edge::log::STORAGE_FAILED;
use usher_edge::store::StoreFailure;
use usher_edge::{Edge, Form, Rates, refresh};

use super::job::{Jobs, Waiting};
use super::log::{event, log};
use super::turn::Service;
use crate::exit::Failure;
use crate::limits::{JOBS_MAX, TURN_TIME};
use crate::store::Shards;

/// The running thread.
pub(super) struct Writer {
    jobs: Jobs,
    thread: JoinHandle<()>,
}

/// The deployment's settings, as the edge takes them.
pub(super) struct Rules {
    /// `USHER_KEYS`
    pub(super) secret: Option<String>,
    /// True if the demo's keys are accepted.
    pub(super) demo: bool,
    pub(super) rates: Rates,
    /// The form in which data is written, if one was said.
    pub(super) form: Option<Form>,
    pub(super) profile_days: u32,
    /// True if visitors whom a restored shard has lost begin anew.
    pub(super) lost_begin_anew: bool,
    /// `USHER_DESTINATIONS`, as JSON.
    pub(super) destinations: String,
}

impl Writer {
    /// Starts it, running the bundles that the store points to.
    pub(super) fn start(mut shards: Shards, rules: Rules) -> Result<Writer, Failure> {
        let Rules { secret, demo, rates, form, profile_days, lost_begin_anew, destinations } = rules;
        // No earlier build shares what is new.
        let form = form.or(shards.is_new().then_some(Form::NEWEST));
        let form = form.map_or_else(String::new, |form| form.number().to_string());
        let make = move |shards: &mut Shards| {
            let mut edge = Edge::new(secret.as_deref(), demo);
            edge.set_rates(rates);
            edge.set_form(&form);
            edge.set_profile_days(&profile_days.to_string());
            edge.set_lost(if lost_begin_anew { "anew" } else { "" });
            edge.set_destinations(&destinations);
            edge.keep_metrics();
            edge.keep_discovery();
            meet(&mut edge, shards)?;
            edge.set_shards(shards.count());
            Ok(edge)
        };
        let unknown = |failure: StoreFailure| Failure::new(format!("the form of the data: {failure}"));
        let mut edge = make(&mut shards).map_err(unknown)?;
        if shards.count() > 1 && edge.form() < Form::Two {
            let said = "several shards need form 2, which earlier builds do not read";
            return Err(Failure::new(said).help("leave --form 1 out"));
        }
        if let Some(complaint) = edge.complaint() {
            // Not an end: a deployment without keys says so at `/healthz` and refuses everything else.
            event("unconfigured", format!("{complaint}; every route but /healthz answers 503"));
        }
        if let Some(complaint) = edge.destinations_complaint() {
            return Err(Failure::new(format!("the destinations of activations: {complaint}"))
                .help("docs/activations.md has their settings"));
        }
        if let Some(complaint) = edge.form_complaint() {
            event("form_refused", complaint);
        }
        if let Err(failure) = shards.scrub() {
            let detail = format!("the free space of the database may have what was deleted: {failure}");
            event("free_space_kept", detail);
        }
        refresh(&mut edge, &mut shards, &mut log);
        let (jobs, mut waiting) = mpsc::channel::<Waiting>(JOBS_MAX);
        let mut service = Service::new(edge, shards);
        let woken = service.woken();
        // Its own, because it ends what it took when the one of connections is gone.
        let clock = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
        let work = move || {
            loop {
                let wait = if service.is_ready() { Duration::ZERO } else { service.pause_time() };
                let called = clock.block_on(async {
                    tokio::select! {
                        biased;
                        called = timeout(wait, waiting.recv()) => called.ok(),
                        // An attempt has ended.
                        () = woken.notified() => None,
                    }
                });
                let first = match called {
                    Some(None) if service.is_ready() => None,
                    // Nobody will call any more.
                    Some(None) => break,
                    Some(first) => first,
                    None => None,
                };
                if service.turn(first, &mut waiting, TURN_TIME).is_ok() {
                    continue;
                }
                event("panicked", "the service starts over from its store");
                match make(&mut service.shards) {
                    Ok(made) => service.edge = made,
                    Err(failure) => {
                        event(STORAGE_FAILED, failure.to_string());
                        process::exit(1);
                    }
                }
                refresh(&mut service.edge, &mut service.shards, &mut log);
            }
        };
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(work)
            .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
        Ok(Writer { jobs, thread })
    }

    /// The queue of requests.
    pub(super) fn jobs(&self) -> Jobs {
        self.jobs.clone()
    }

    /// Lets it end what it took.
    pub(super) fn stop(self) {
        drop(self.jobs);
        // It does not end by a panic, which it catches.
        let _ = self.thread.join();
    }
}

/// Brings the forms of the edge and of its store together, before anything is written.
fn meet(edge: &mut Edge, shards: &mut Shards) -> Result<(), StoreFailure> {
    let stored = shards.form()?;
    match edge.meet_form(stored) {
        Some(form) if i64::from(form.number()) > stored => shards.set_form(form),
        Some(_) => Ok(()),
        None => {
            event("storage_too_new", "a newer build wrote the data; every route but /healthz answers 503");
            Ok(())
        }
    }
}
