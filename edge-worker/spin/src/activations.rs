//! Delivers activations within one call: a tick, or an operator who wants some tried.
//!
//! Calls overlap, in one instance and in several. A turn leases its messages in its transaction, so no other call begins them, and an
//! instance that ends loses no more than its leases, which end by themselves.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use usher_edge::deliveries::{Bounds, Deliveries, DeliveryStep};
use usher_edge::message::{Attempt, AttemptOutcome, AttemptResult};
use usher_edge::store::activations::ActivationsRead;
use usher_edge::store::{Found, Read, StoreFailure};

use crate::attempt::Lock;
use crate::database::Session;
use crate::deliver::deliver;
use crate::edge::edge;
use crate::limits::{ATTEMPTS_MAX, DELIVERY_AGAIN_MS, DELIVERY_MS, DELIVERY_WAIT_MS};
use crate::log;
use crate::patience::within;
use crate::request::ambient;
use crate::sender;

/// Delivers what is due until nothing is, for a bounded time.
pub(crate) async fn deliver_activations() {
    let bounds = Bounds {
        most: ATTEMPTS_MAX,
        time_ms: DELIVERY_MS,
        wait_ms: DELIVERY_WAIT_MS,
        again_ms: DELIVERY_AGAIN_MS,
    };
    // Other calls may have attempts under way.
    let mut deliveries = Deliveries::new(bounds, false);
    let mut under_way = UnderWay::default();
    let Some(began) = ambient() else { return };
    deliveries.begin(began.now_ms);
    while let Some(ambient) = ambient() {
        match edge(|edge| deliveries.step(edge, ambient)) {
            DeliveryStep::Turn(message) => {
                let response = deliver("", &message, Lock::FromRead).await;
                let attempts = edge(|edge| deliveries.turned(edge, ambient.now_ms, &response));
                if !attempts.is_empty() {
                    let ended = begin(attempts, ambient.now_ms, &mut under_way).await;
                    ended.into_iter().for_each(|result| deliveries.ended(result));
                }
            }
            DeliveryStep::Wait(pause_ms) => {
                if let Some(result) = within(Duration::from_millis(pause_ms), under_way.next()).await {
                    deliveries.ended(result);
                }
            }
            DeliveryStep::Rest => return,
        }
    }
}

/// Begins attempts; the results of those that ended at once, or were not begun.
async fn begin(attempts: Vec<Attempt>, now_ms: i64, under_way: &mut UnderWay) -> Vec<AttemptResult> {
    let not_begun = |attempt: &Attempt| AttemptResult {
        number: attempt.number,
        id: attempt.id,
        at_ms: now_ms,
        outcome: AttemptOutcome::NotBegun,
    };
    let all: Vec<AttemptResult> = attempts.iter().map(not_begun).collect();
    match begin_locked(attempts, now_ms, under_way).await {
        Ok(ended) => ended,
        Err(failure) => {
            log::event("not_delivered", &failure.0);
            all
        }
    }
}

/// Begins attempts while the database's lock is held: of a message that was erased since its lease none begins, and no erasure can
/// be acknowledged meanwhile.
async fn begin_locked(
    attempts: Vec<Attempt>,
    now_ms: i64,
    under_way: &mut UnderWay,
) -> Result<Vec<AttemptResult>, StoreFailure> {
    let mut session = Session::open().await?;
    session.lock().await?;
    let ended = attempts.iter().map(|attempt| attempt.number).collect();
    let found = session.read(&Read::Activations(ActivationsRead::Turn { now_ms, ended })).await?;
    let Found::Activations(found) = found else { return Err(StoreFailure("no activations".to_owned())) };
    let mut results = Vec::new();
    for Attempt { number, id, request } in attempts {
        let is_there = found.messages.iter().any(|message| (message.number, message.row.id) == (number, id));
        let result = move |outcome| AttemptResult { number, id, at_ms: now_ms, outcome };
        if is_there {
            let attempt = async move { result(sender::outcome(request).await) };
            results.extend(under_way.begin(Box::pin(attempt)).await);
        } else {
            results.push(result(AttemptOutcome::NotBegun));
        }
    }
    session.roll_back().await;
    Ok(results)
}

type Running = Pin<Box<dyn Future<Output = AttemptResult>>>;

/// The attempts of this call that are under way.
#[derive(Default)]
struct UnderWay(Vec<Running>);

impl UnderWay {
    /// Hands the request of an attempt over; its result, if there is one already.
    async fn begin(&mut self, mut attempt: Running) -> Option<AttemptResult> {
        let begun = poll_fn(|context| Poll::Ready(attempt.as_mut().poll(context))).await;
        match begun {
            Poll::Ready(result) => Some(result),
            Poll::Pending => {
                self.0.push(attempt);
                None
            }
        }
    }

    /// The result of the one that ends next; without any this waits for ever.
    async fn next(&mut self) -> AttemptResult {
        poll_fn(|context| {
            for place in 0..self.0.len() {
                if let Poll::Ready(result) = self.0[place].as_mut().poll(context) {
                    drop(self.0.swap_remove(place));
                    return Poll::Ready(result);
                }
            }
            Poll::Pending
        })
        .await
    }
}
