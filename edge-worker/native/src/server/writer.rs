//! The writer: one thread that owns the edge and its store, and takes requests in the order in which they came.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};
use usher_edge::host::Head;
use usher_edge::store::StoreFailure;
use usher_edge::wire::json::Json;
use usher_edge::{Ambient, Edge, Form, Rates, Refusal, Request, Response, front, refresh, serve};

use crate::clock::now_ms;
use crate::exit::Failure;
use crate::limits::JOBS_MAX;
use crate::store::SqliteStore;
use crate::terminal::note;

/// One request.
pub(super) struct Job {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) ambient: Ambient,
    /// Or why there is none.
    pub(super) body: Result<Vec<u8>, Refusal>,
}

impl Job {
    pub(super) fn head(&self) -> Head<'_> {
        Head { method: &self.method, target: &self.target, headers: &self.headers, ambient: self.ambient }
    }
}

/// The queue of requests, each with the channel for its answer; it is closed without one when the outcome is not known.
pub(super) type Jobs = mpsc::Sender<(Job, oneshot::Sender<Response>)>;

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
        let (jobs, mut waiting) = mpsc::channel::<(Job, oneshot::Sender<Response>)>(JOBS_MAX);
        let work = move || {
            while let Some((job, reply)) = waiting.blocking_recv() {
                if let Some(happened) = store.settle_again() {
                    log(&format!(
                        "the database can be asked again: the commit in doubt {}",
                        if happened { "happened" } else { "did not happen" }
                    ));
                    refresh(&mut edge, &mut store, &mut log);
                }
                let was_in_doubt = store.is_in_doubt();
                // Nothing in the service panics; should it, one caller is told, and the edge is made anew from the store,
                // whose open transaction was rolled back. A release build aborts instead and is started again.
                let result = catch_unwind(AssertUnwindSafe(|| answer(&mut edge, &mut store, &job)));
                let response = result.unwrap_or_else(|_| {
                    log("the service panicked; it starts over from its store");
                    match make(&mut store) {
                        Ok(made) => edge = made,
                        Err(failure) => {
                            log(&failure.to_string());
                            process::exit(1);
                        }
                    }
                    refresh(&mut edge, &mut store, &mut log);
                    Response::refused(Refusal::INTERNAL)
                });
                if store.is_in_doubt() && !was_in_doubt {
                    // Neither that it happened nor that it did not would be true for sure: the caller gets no answer.
                    log(
                        "it is not known whether a commit happened; until the database can be asked, nothing is taken",
                    );
                    continue;
                }
                // Whoever hung up meanwhile does not want it.
                let _ = reply.send(response);
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

fn answer(edge: &mut Edge, store: &mut SqliteStore, job: &Job) -> Response {
    match &job.body {
        Ok(body) => {
            let Head { method, target, headers, mut ambient } = job.head();
            // It arrives here: what is written is in the order of its times.
            ambient.now_ms = now_ms();
            serve(edge, store, &Request { method, target, headers, body, ambient }, &mut log)
        }
        Err(refusal) => {
            let refused = front::failed(edge, &job.head(), *refusal);
            front::charge(edge, &job.head(), refused)
        }
    }
}

/// A JSON line on standard error. What the service says about events is JSON already; neither names a visitor.
pub(super) fn log(said: &str) {
    let mut json = Json::new();
    json.object(|o| {
        o.field("at_ms").number(now_ms());
        match serde_json::from_str::<serde_json::Value>(said) {
            Ok(serde_json::Value::Object(fields)) => {
                for (name, value) in &fields {
                    o.field(name).text(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                }
            }
            _ => {
                o.field("event").text("service");
                o.field("detail").text(said);
            }
        }
    });
    note(&json.into_text());
}
