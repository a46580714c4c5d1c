//! Requests on their way to the writer.

use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use usher_edge::host::Head;
use usher_edge::{Ambient, Refusal, Response};

/// One request.
pub(super) struct Job {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) ambient: Ambient,
    /// The request's, for its answer and the log.
    pub(super) id: String,
    /// When its head was there.
    pub(super) arrived: Instant,
    /// Or why there is none.
    pub(super) body: Result<Vec<u8>, Refusal>,
}

impl Job {
    pub(super) fn head(&self) -> Head<'_> {
        Head { method: &self.method, target: &self.target, headers: &self.headers, ambient: self.ambient }
    }
}

/// A request, and the channel for its answer; it is closed without one when the outcome is not known.
pub(super) type Waiting = (Job, oneshot::Sender<Response>);

/// The queue of requests.
pub(super) type Jobs = mpsc::Sender<Waiting>;
