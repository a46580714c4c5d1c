//! The writer: one thread that owns the edge and its store, and takes requests in the order in which they came.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use usher_edge::log::STORAGE_FAILED;
use usher_edge::store::StoreFailure;
use usher_edge::{Ambient, Edge, Form, Rates, drive, refresh};

use super::job::{Job, Jobs, Waiting};
use super::log::{event, log};
use super::turn::turn;
use crate::clock::now_ms;
use crate::exit::Failure;
use crate::limits::{FIRST_UPKEEP_TIME, JOBS_MAX, TURN_TIME, WAKE_TIME};
use crate::secrets::random;
use crate::store::SqliteStore;

/// The running thread.
pub(super) struct Writer {
    jobs: Jobs,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts it, running the bundles that the store points to.
    pub(super) fn start(
        mut store: SqliteStore,
        secret: Option<String>,
        demo: bool,
        rates: Rates,
        form: Option<Form>,
        profile_days: u32,
    ) -> Result<Writer, Failure> {
        // No earlier build shares what is new.
        let form = form.or(store.is_new().then_some(Form::NEWEST));
        let form = form.map_or_else(String::new, |form| form.number().to_string());
        let make = move |store: &mut SqliteStore| {
            let mut edge = Edge::new(secret.as_deref(), demo);
            edge.set_rates(rates);
            edge.set_form(&form);
            edge.set_profile_days(&profile_days.to_string());
            edge.keep_metrics();
            meet(&mut edge, store).map(|()| edge)
        };
        let unknown = |failure: StoreFailure| Failure::new(format!("the form of the data: {failure}"));
        let mut edge = make(&mut store).map_err(unknown)?;
        if let Some(complaint) = edge.complaint() {
            // Not an end: a deployment without keys says so at `/healthz` and refuses everything else.
            event("unconfigured", format!("{complaint}; every route but /healthz answers 503"));
        }
        if let Some(complaint) = edge.form_complaint() {
            event("form_refused", complaint);
        }
        if let Err(failure) = store.scrub() {
            let detail = format!("the free space of the database may have what was deleted: {failure}");
            event("free_space_kept", detail);
        }
        refresh(&mut edge, &mut store, &mut log);
        let (jobs, mut waiting) = mpsc::channel::<Waiting>(JOBS_MAX);
        let mut upkeep_at = Instant::now() + FIRST_UPKEEP_TIME;
        let work = move || {
            while let Some(first) = waiting.blocking_recv() {
                store.forget(false);
                if Instant::now() >= upkeep_at {
                    upkeep_at = Instant::now() + upkeep(&mut edge, &mut store);
                }
                if turn(&mut edge, &mut store, first, &mut waiting, TURN_TIME).is_ok() {
                    continue;
                }
                event("panicked", "the service starts over from its store");
                match make(&mut store) {
                    Ok(made) => edge = made,
                    Err(failure) => {
                        event(STORAGE_FAILED, failure.to_string());
                        process::exit(1);
                    }
                }
                refresh(&mut edge, &mut store, &mut log);
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

/// Wakes the writer now and then, for its upkeep, where nobody calls.
pub(super) async fn wake(jobs: Jobs) {
    loop {
        tokio::time::sleep(WAKE_TIME).await;
        if jobs.send((Job::nothing(), oneshot::channel().0)).await.is_err() {
            return;
        }
    }
}

/// A turn of upkeep; the time to the next one.
fn upkeep(edge: &mut Edge, store: &mut SqliteStore) -> Duration {
    let Ok(entropy) = random() else { return FIRST_UPKEEP_TIME };
    let ambient = Ambient { now_ms: now_ms(), entropy };
    let next_ms = catch_unwind(AssertUnwindSafe(|| drive::upkeep(edge, store, ambient, &mut log)));
    let next_ms = next_ms.ok().and_then(|next_ms| u64::try_from(next_ms).ok());
    next_ms.map_or(FIRST_UPKEEP_TIME, Duration::from_millis)
}

/// Brings the forms of the edge and of its store together, before anything is written.
fn meet(edge: &mut Edge, store: &mut SqliteStore) -> Result<(), StoreFailure> {
    let stored = store.form()?;
    match edge.meet_form(stored) {
        Some(form) if i64::from(form.number()) > stored => store.set_form(form),
        Some(_) => Ok(()),
        None => {
            event("storage_too_new", "a newer build wrote the data; every route but /healthz answers 503");
            Ok(())
        }
    }
}
