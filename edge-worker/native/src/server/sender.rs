//! Attempts to deliver activations: each is a task beside the writer, which hears of their ends.
//!
//! The writer hands an attempt over when its lease is durable. An erasure that is acknowledged is counted first, and an attempt
//! that was handed over before and has not begun by then does not begin.

mod attempt;

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use usher_edge::message::{Attempt, AttemptResult};

use super::log::event;
use crate::clock::now_ms;
use attempt::{Authorities, outcome};

/// The attempts of this process.
#[derive(Default)]
pub(super) struct Sender {
    /// Made with the first attempt.
    runtime: Option<(Runtime, Arc<Authorities>)>,
    under_way: u32,
    shared: Arc<Shared>,
}

/// Shared by attempts and the writer.
#[derive(Default)]
struct Shared {
    /// Those that ended, each with its shard.
    ended: Mutex<Vec<(u32, AttemptResult)>>,
    /// Erasures that were acknowledged.
    erasures: AtomicU64,
    woken: Arc<Notify>,
}

impl Shared {
    fn ended(&self) -> MutexGuard<'_, Vec<(u32, AttemptResult)>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender {
    /// Notified when an attempt has ended.
    pub(super) fn woken(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.woken)
    }

    /// The number of attempts that have not ended, or of whose end the writer has not heard.
    pub(super) fn under_way(&self) -> u32 {
        self.under_way
    }

    /// An erasure is about to be acknowledged.
    pub(super) fn note_erasure(&self) {
        self.shared.erasures.fetch_add(1, Ordering::SeqCst);
    }

    /// The results of attempts since this was asked last, each with its shard.
    pub(super) fn ended(&mut self) -> Vec<(u32, AttemptResult)> {
        let ended = mem::take(&mut *self.shared.ended());
        self.under_way = self.under_way.saturating_sub(u32::try_from(ended.len()).unwrap_or(u32::MAX));
        ended
    }

    /// Begins an attempt of a shard.
    pub(super) fn begin(&mut self, shard: u32, attempt: Attempt) {
        let Attempt { number, id, request } = attempt;
        let (shared, erasures) = (Arc::clone(&self.shared), self.shared.erasures.load(Ordering::SeqCst));
        let Some((runtime, authorities)) = self.runtime() else { return };
        let authorities = Arc::clone(authorities);
        runtime.spawn(async move {
            let may_begin = || shared.erasures.load(Ordering::SeqCst) == erasures;
            let at_ms = now_ms();
            let outcome = outcome(&request, &authorities, may_begin).await;
            shared.ended().push((shard, AttemptResult { number, id, at_ms, outcome }));
            shared.woken.notify_one();
        });
        self.under_way += 1;
    }

    /// None: there is none, and the lease of the attempt ends by its time.
    fn runtime(&mut self) -> Option<&(Runtime, Arc<Authorities>)> {
        if self.runtime.is_none() {
            let made = Authorities::find().and_then(|authorities| {
                let runtime =
                    Builder::new_multi_thread().worker_threads(2).thread_name("sender").enable_all().build();
                Ok((runtime.map_err(|error| error.to_string())?, Arc::new(authorities)))
            });
            match made {
                Ok(made) => self.runtime = Some(made),
                Err(fault) => event("sender_failed", fault),
            }
        }
        self.runtime.as_ref()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Messages under way are attempted again after the start.
        if let Some((runtime, _)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
