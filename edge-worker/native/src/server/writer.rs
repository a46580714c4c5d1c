//! The writer: one thread that owns the edge and its store, and takes requests in the order in which they came.

use std::process;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;
use usher_edge::store::StoreFailure;
use usher_edge::{Edge, Form, Rates, refresh};

use super::job::{Jobs, Waiting};
use super::log::log;
use super::turn::turn;
use crate::exit::Failure;
use crate::limits::{JOBS_MAX, TURN_TIME};
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
    ) -> Result<Writer, Failure> {
        // No earlier build shares what is new.
        let form = form.or(store.is_new().then_some(Form::NEWEST));
        let form = form.map_or_else(String::new, |form| form.number().to_string());
        let make = move |store: &mut SqliteStore| {
            let mut edge = Edge::new(secret.as_deref(), demo);
            edge.set_rates(rates);
            edge.set_form(&form);
            meet(&mut edge, store).map(|()| edge)
        };
        let unknown = |failure: StoreFailure| Failure::new(format!("the form of the data: {failure}"));
        let mut edge = make(&mut store).map_err(unknown)?;
        if let Some(complaint) = edge.complaint() {
            // Not an end: a deployment without keys says so at `/healthz` and refuses everything else.
            log(&format!("{complaint}; every route but /healthz answers 503"));
        }
        if let Some(complaint) = edge.form_complaint() {
            log(&complaint);
        }
        refresh(&mut edge, &mut store, &mut log);
        let (jobs, mut waiting) = mpsc::channel::<Waiting>(JOBS_MAX);
        let work = move || {
            while let Some(first) = waiting.blocking_recv() {
                if turn(&mut edge, &mut store, first, &mut waiting, TURN_TIME).is_ok() {
                    continue;
                }
                log("the service panicked; it starts over from its store");
                match make(&mut store) {
                    Ok(made) => edge = made,
                    Err(failure) => {
                        log(&failure.to_string());
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

/// Brings the forms of the edge and of its store together, before anything is written.
fn meet(edge: &mut Edge, store: &mut SqliteStore) -> Result<(), StoreFailure> {
    let stored = store.form()?;
    match edge.meet_form(stored) {
        Some(form) if i64::from(form.number()) > stored => store.set_form(form),
        Some(_) => Ok(()),
        None => {
            log("a newer build wrote the data; every route but /healthz answers 503");
            Ok(())
        }
    }
}
