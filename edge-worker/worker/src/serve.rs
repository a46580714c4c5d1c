//! One request, from head to answer.

use usher_edge::{DROPPED, Refusal, Step, front, lookup};
use worker::{Context, Env, Request, Response, Result};

use crate::body::{Body, discard};
use crate::bundles::{catch_up, refresh};
use crate::edge::edge;
use crate::head::{OwnedHead, source};
use crate::log;
use crate::objects::{control, copy, drop_copy, put_copy, quiet, send, writer};
use crate::response::{self, take};
use crate::snapshots::{forget_copies, look_up, without_copies};

/// The service's answer to a request.
///
/// # Errors
///
/// If the platform fails: it gives no randomness, or refuses an answer.
///
/// # Examples
///
/// In the example of the [crate](crate#examples).
pub async fn fetch(mut request: Request, env: Env, context: Context) -> Result<Response> {
    catch_up(&env, &context).await;
    let head = OwnedHead::of(&request)?;
    let body = Body::of(&request);
    let rate = env.rate_limiter("USHER_RATE").ok();
    let mut most = body.bound();
    if !body.is_small() || rate.is_some() {
        // A body is read only for a caller who may send it.
        let admitted = edge(|edge| match front::admit(edge, &head.head()) {
            Ok(admitted) if body.is_over(admitted.body_bytes_max()) => {
                Err(front::failed(edge, &head.head(), Refusal::TOO_LARGE))
            }
            Ok(admitted) => Ok((admitted.body_bytes_max(), admitted.is_metered())),
            Err(refused) => Err(refused),
        });
        let refused = match admitted {
            Err(refused) => Some(refused),
            Ok((bound, is_metered)) => {
                if !body.is_small() {
                    most = bound;
                }
                let over = match rate.filter(|_| is_metered) {
                    Some(rate) => is_over_rate(&rate, &request, head.id()).await,
                    None => false,
                };
                over.then(|| failed(&head, Refusal::RATE))
            }
        };
        if let Some(refused) = refused {
            discard(&request).await;
            return response::of(refused, head.id());
        }
    }
    let body = match body.read(&mut request, most).await {
        Ok(body) => body,
        Err(refusal) => return response::of(failed(&head, refusal), head.id()),
    };
    // The head is checked again: the edge may have changed while the body came.
    let step = edge(|edge| front::handle(edge, &head.with(&body)));
    drop(body);
    match step {
        Step::Respond(answer) => {
            response::of(edge(|edge| front::charge(edge, &head.head(), answer)), head.id())
        }
        Step::Write { shard, message } => {
            let sent = send(writer(&env, shard), &message, head.id()).await;
            without_copies(&env, &context, deliver(sent, &message, head.id())?, head.id())
        }
        Step::LookUp(pending) => {
            let refused = edge(|edge| lookup::meter(edge, &pending)).err();
            let answer = match refused {
                Some(refused) => refused,
                None => {
                    let answer = look_up(&env, &context, &head, &pending).await;
                    if let Some((shard, message)) = pending.later {
                        let (env, id) = (env.clone(), head.id().to_owned());
                        context.wait_until(async move {
                            let sent = send(writer(&env, shard), &message, &id).await;
                            let answer = deliver(sent, &message, &id);
                            if let Some(answer) = quiet(&id, "storage_unavailable", answer) {
                                forget_copies(&env, answer, &id).await;
                            }
                        });
                    }
                    answer
                }
            };
            response::of(answer, head.id())
        }
        Step::Publish { hash, body, message, restore } => {
            // The body first, then the pointer, so that no pointer refers to a missing body.
            if let Err(error) = store(&env, &hash, &body, head.id()).await {
                log::fault(head.id(), "storage_unavailable", &error.to_string());
                return response::of(failed(&head, Refusal::STORAGE), head.id());
            }
            // A control object that lost the audience continues from the shards' number.
            if let Some(restore) = restore {
                quiet(head.id(), "storage_unavailable", send(control(&env), &restore, head.id()).await);
            }
            instruct(&env, &message, head.id()).await
        }
        Step::Control { message } => instruct(&env, &message, head.id()).await,
        // This build has the control plane, and there is one shard.
        Step::ControlPlane | Step::Split(_) => response::of(failed(&head, Refusal::INTERNAL), head.id()),
    }
}

/// The refusal of a request, in the format of its route.
fn failed(head: &OwnedHead, refusal: Refusal) -> usher_edge::Response {
    edge(|edge| {
        let refused = front::failed(edge, &head.head(), refusal);
        front::charge(edge, &head.head(), refused)
    })
}

/// True if the rate-limiting binding has counted too many requests of this source in this location.
async fn is_over_rate(rate: &worker::RateLimiter, request: &Request, request_id: &str) -> bool {
    let Some(source) = source(request) else { return false };
    // Whoever is counted elsewhere, too, is not refused for want of this count.
    quiet(request_id, "rate_unavailable", rate.limit(source).await).is_some_and(|outcome| !outcome.success)
}

/// The answer of the object that owns the data, or the one for its failure.
fn deliver(sent: Result<Response>, message: &[u8], request_id: &str) -> Result<Response> {
    match quiet(request_id, "storage_unavailable", sent) {
        Some(answer) => Ok(answer),
        None => response::of(edge(|edge| usher_edge::drive::unavailable(edge, message)), request_id),
    }
}

/// Stores a body where every isolate finds it, and reads it back.
async fn store(env: &Env, hash: &str, body: &[u8], request_id: &str) -> Result<()> {
    let name = format!("bundle/{hash}");
    put_copy(env, &name, body, None).await?;
    match copy(env, &name, request_id).await {
        Some(stored) if stored.len() == body.len() => Ok(()),
        _ => Err(worker::Error::RustError("the bundle did not read back".to_owned())),
    }
}

/// Takes a message to the control object, and catches up with it. Deletes the copies of bodies that it dropped.
async fn instruct(env: &Env, message: &[u8], request_id: &str) -> Result<Response> {
    let answer = deliver(send(control(env), message, request_id).await, message, request_id)?;
    refresh(env).await;
    let (answer, dropped) = take(answer, DROPPED)?;
    for hash in dropped.iter().flat_map(|hashes| hashes.split(',')) {
        drop_copy(env, &format!("bundle/{hash}"), request_id).await;
    }
    Ok(answer)
}
