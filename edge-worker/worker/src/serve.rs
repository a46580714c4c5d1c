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
    let most = match admit(&env, &request, (&head, &body)).await {
        Ok(most) => most,
        Err(refused) => {
            discard(&request).await;
            return response::of(refused, head.id());
        }
    };
    let body = match body.read(&mut request, most).await {
        Ok(body) => body,
        Err(refusal) => return response::of(failed(&head, refusal), head.id()),
    };
    // The head is checked again: the edge may have changed while the body came.
    let step = edge(|edge| front::handle(edge, &head.with(&body)));
    drop(body);
    perform(&env, &context, &head, step).await
}

/// The most bytes that are read of the body of this caller; `Err` is the refusal of one who may not send it.
async fn admit(
    env: &Env,
    request: &Request,
    (head, body): (&OwnedHead, &Body),
) -> std::result::Result<usize, usher_edge::Response> {
    let rate = env.rate_limiter("USHER_RATE").ok();
    if body.is_small() && rate.is_none() {
        return Ok(body.bound());
    }
    let (bound, is_metered) = edge(|edge| match front::admit(edge, &head.head()) {
        Ok(admitted) if body.is_over(admitted.body_bytes_max()) => {
            Err(front::failed(edge, &head.head(), Refusal::TOO_LARGE))
        }
        Ok(admitted) => Ok((admitted.body_bytes_max(), admitted.is_metered())),
        Err(refused) => Err(refused),
    })?;
    if let Some(rate) = rate.filter(|_| is_metered)
        && is_over_rate(&rate, request, head.id()).await
    {
        return Err(failed(head, Refusal::RATE));
    }
    Ok(if body.is_small() { body.bound() } else { bound })
}

/// Takes a request's step to its end.
async fn perform(env: &Env, context: &Context, head: &OwnedHead, step: Step) -> Result<Response> {
    match step {
        Step::Respond(answer) => {
            response::of(edge(|edge| front::charge(edge, &head.head(), answer)), head.id())
        }
        Step::Write { shard, message } => {
            let sent = send(writer(env, shard), &message, head.id()).await;
            without_copies(env, context, deliver(sent, &message, head.id())?, head.id())
        }
        Step::LookUp(pending) => {
            let answer = match edge(|edge| lookup::meter(edge, &pending)) {
                Err(refused) => refused,
                Ok(()) => {
                    let answer = look_up(env, context, head, &pending).await;
                    if let Some((shard, message)) = pending.later {
                        store_later(env, context, head, (shard, message));
                    }
                    answer
                }
            };
            response::of(answer, head.id())
        }
        Step::Publish { hash, body, message, restore } => {
            // The body first, then the pointer, so that no pointer refers to a missing body.
            if let Err(error) = store(env, &hash, &body, head.id()).await {
                log::fault(head.id(), "storage_unavailable", &error.to_string());
                return response::of(failed(head, Refusal::STORAGE), head.id());
            }
            // A control object that lost the audience continues from the shards' number.
            if let Some(restore) = restore {
                quiet(head.id(), "storage_unavailable", send(control(env), &restore, head.id()).await);
            }
            instruct(env, &message, head.id()).await
        }
        Step::Control { message } => instruct(env, &message, head.id()).await,
        // This build has the control plane, and there is one shard.
        Step::ControlPlane | Step::Split(_) => response::of(failed(head, Refusal::INTERNAL), head.id()),
    }
}

/// Delivers the event of a lookup after its answer.
fn store_later(env: &Env, context: &Context, head: &OwnedHead, (shard, message): (u32, Vec<u8>)) {
    let (env, id) = (env.clone(), head.id().to_owned());
    context.wait_until(async move {
        let sent = send(writer(&env, shard), &message, &id).await;
        let answer = deliver(sent, &message, &id);
        if let Some(answer) = quiet(&id, "storage_unavailable", answer) {
            forget_copies(&env, answer, &id).await;
        }
    });
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
