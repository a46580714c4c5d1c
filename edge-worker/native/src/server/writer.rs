//! The writer: one thread that owns the edge and its store, and takes requests in the order in which they came.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use usher_edge::wire::json::Json;
use usher_edge::{Ambient, Edge, Refusal, Request, Response, front, refresh, serve};

use crate::exit::Failure;
use crate::limits::JOBS_MAX;
use crate::secrets::random;
use crate::store::SqliteStore;
use crate::terminal::note;

/// One request and who waits for its answer.
pub(super) struct Job {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    /// Or why there is none.
    pub(super) body: Result<Vec<u8>, Refusal>,
    pub(super) reply: oneshot::Sender<Response>,
}

/// The running thread.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts it, running the bundles that the store points to.
    pub(super) fn start(
        mut store: SqliteStore,
        secret: Option<String>,
        demo: bool,
    ) -> Result<Writer, Failure> {
        let make = move || Edge::new(secret.as_deref(), demo);
        let mut edge = make();
        if let Some(complaint) = edge.complaint() {
            // Not an end: a deployment without keys says so at `/healthz` and refuses everything else.
            log(&format!("{complaint}; every route but /healthz answers 503"));
        }
        refresh(&mut edge, &mut store, &mut log);
        let (jobs, mut waiting) = mpsc::channel::<Job>(JOBS_MAX);
        let work = move || {
            while let Some(job) = waiting.blocking_recv() {
                // Nothing in the service panics; should it, one caller is told, and the edge is made anew from the store,
                // whose open transaction was rolled back. A release build aborts instead and is started again.
                let result = catch_unwind(AssertUnwindSafe(|| answer(&mut edge, &mut store, &job)));
                let response = result.unwrap_or_else(|_| {
                    log("the service panicked; it starts anew from its store");
                    edge = make();
                    refresh(&mut edge, &mut store, &mut log);
                    Response::refused(Refusal::INTERNAL)
                });
                // Whoever hung up meanwhile does not want it.
                let _ = job.reply.send(response);
            }
        };
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(work)
            .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
        Ok(Writer { jobs, thread })
    }

    /// Where requests are handed in.
    pub(super) fn jobs(&self) -> mpsc::Sender<Job> {
        self.jobs.clone()
    }

    /// Lets it end what it took.
    pub(super) fn stop(self) {
        drop(self.jobs);
        // It does not end by a panic, which it catches.
        let _ = self.thread.join();
    }
}

fn answer(edge: &mut Edge, store: &mut SqliteStore, job: &Job) -> Response {
    let Ok(entropy) = random() else {
        log("the operating system gives no randomness");
        return Response::refused(Refusal::INTERNAL);
    };
    let request = Request {
        method: &job.method,
        target: &job.target,
        headers: &job.headers,
        body: job.body.as_ref().map_or(&[][..], Vec::as_slice),
        ambient: Ambient { now_ms: now_ms(), entropy },
    };
    if let Err(refusal) = job.body {
        return front::failed(edge, &request.head(), refusal);
    }
    serve(edge, store, &request, &mut log)
}

/// Unix milliseconds.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A JSON line on standard error. What the service says about events is JSON already; neither names a visitor.
fn log(said: &str) {
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
