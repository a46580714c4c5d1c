//! One request, from head to answer.

use spin_sdk::wasip3::http::types;
use usher_edge::lookup::{self, Candidate};
use usher_edge::{Ambient, DROPPED, FORGET, NEXT, Refusal, Response, Step, front, request_id};

use crate::activations::deliver_activations;
use crate::attempt::Lock;
use crate::copies;
use crate::deliver::deliver;
use crate::edge::edge;
use crate::instance::{catch_up, refresh};
use crate::request::Incoming;
use crate::room::Room;

/// The service's answer, with the request's id.
pub(crate) async fn answer(request: types::Request) -> Response {
    match Incoming::of(request) {
        Ok(mut incoming) => decide(&mut incoming).await.with_request_id(incoming.id()),
        // Without randomness there is no id of its own.
        Err(refusal) => {
            let none = Ambient { now_ms: 0, entropy: [0; 32] };
            Response::refused(refusal).with_request_id(&request_id(None, &none))
        }
    }
}

async fn decide(incoming: &mut Incoming) -> Response {
    catch_up().await;
    // A body is read only for a caller who may send it.
    let admitted = edge(|edge| {
        let head = incoming.head();
        match front::admit(edge, &head) {
            Ok(admitted) if incoming.declares_more_than(admitted.body_bytes_max()) => {
                Err(front::failed(edge, &head, Refusal::TOO_LARGE))
            }
            Ok(admitted) => Ok((admitted.body_bytes_max(), admitted.triggers_deliveries())),
            Err(refused) => Err(refused),
        }
    });
    let (most, delivers) = match admitted {
        Ok(admitted) => admitted,
        Err(refused) => {
            incoming.discard().await;
            return refused;
        }
    };
    // Held until the answer is there.
    let mut room = Room::default();
    let body = match incoming.body(most, &mut room).await {
        Ok(body) => body,
        Err(refusal) => {
            return edge(|edge| {
                let refused = front::failed(edge, &incoming.head(), refusal);
                front::charge(edge, &incoming.head(), refused)
            });
        }
    };
    // The head is checked again: the edge may have changed while the body came.
    let step = edge(|edge| front::handle(edge, &incoming.with(&body)));
    drop(body);
    match step {
        Step::Respond(response) => edge(|edge| front::charge(edge, &incoming.head(), response)),
        Step::Write { message, .. } => {
            let mut response = deliver(incoming.id(), &message, Lock::FromRead).await;
            // No snapshots are kept.
            response.headers.retain(|(name, _)| *name != FORGET && *name != NEXT);
            // An instance may end with its answer.
            if delivers && response.status == 200 {
                deliver_activations().await;
            }
            response
        }
        // The commit stores the body with its pointer. The instance that installs it first makes the copy.
        Step::Publish { message, restore, .. } => {
            if let Some(restore) = restore {
                deliver(incoming.id(), &restore, Lock::FromRead).await;
            }
            instruct(incoming.id(), &message).await
        }
        Step::Control { message } => instruct(incoming.id(), &message).await,
        // This build has the control plane, and there is one shard.
        Step::ControlPlane | Step::Split(_) => {
            edge(|edge| front::failed(edge, &incoming.head(), Refusal::INTERNAL))
        }
        Step::LookUp(pending) => {
            if let Err(refused) = edge(|edge| lookup::meter(edge, &pending)) {
                return refused;
            }
            let snapshot = deliver(incoming.id(), &edge(|edge| pending.message(edge)), Lock::ForWrite).await;
            let candidate =
                if snapshot.status == 200 { Candidate::Writer(&snapshot.body) } else { Candidate::Nothing };
            let answer = edge(|edge| {
                lookup::answer(edge, &pending, candidate, i64::MIN)
                    .unwrap_or_else(|| front::failed(edge, &incoming.head(), Refusal::STORAGE))
            });
            // An instance may end with its answer.
            if let Some((_, message)) = &pending.later {
                deliver(incoming.id(), message, Lock::FromRead).await;
            }
            answer
        }
    }
}

/// Delivers a message about bundles, and catches up with it. Deletes the copies of bodies that it dropped.
async fn instruct(request_id: &str, message: &[u8]) -> Response {
    let mut response = deliver(request_id, message, Lock::FromRead).await;
    let is_dropped = |(name, _): &mut (&'static str, String)| *name == DROPPED;
    response.headers.retain(|(name, _)| *name != NEXT);
    let dropped: Vec<_> = response.headers.extract_if(.., is_dropped).map(|(_, hashes)| hashes).collect();
    // This instance runs the new bundle at once; others read its pointer.
    refresh().await;
    for hash in dropped.iter().flat_map(|hashes| hashes.split(',')) {
        copies::delete(hash).await;
    }
    response
}
