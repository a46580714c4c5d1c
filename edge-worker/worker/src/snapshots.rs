//! Lookups from the nearest snapshot that the service accepts: the isolate's memory, the key-value store, the writer.

use std::cell::RefCell;

use usher_edge::limits::STALE_SNAPSHOT_MS;
use usher_edge::lookup::{self, Candidate, Copies, PendingLookup};
use usher_edge::{FORGET, Refusal, front};
use worker::{Context, Env, Response, Result};

use crate::edge::edge;
use crate::head::OwnedHead;
use crate::objects::{copy, drop_copy, put_copy, quiet, send, writer};
use crate::response::take;

/// The snapshots of an isolate.
#[derive(Default)]
struct Memory {
    copies: Copies,
    /// Copies up to this time, in milliseconds, are invalid after an import.
    forgotten_ms: i64,
    /// Counts the answers that made copies invalid. A lookup that read before such an answer keeps nothing of what it read.
    invalidations: u64,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Lends the memory to a closure, which cannot wait.
fn memory<T>(work: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with_borrow_mut(work)
}

/// The answer to a lookup.
pub(crate) async fn look_up(
    env: &Env,
    context: &Context,
    head: &OwnedHead,
    pending: &PendingLookup,
) -> usher_edge::Response {
    let request_id = head.id();
    let before = memory(|memory| memory.invalidations);
    let is_unchanged = || memory(|memory| memory.invalidations) == before;
    let answer = |candidate: Candidate<'_>| {
        let forgotten_ms = memory(|memory| memory.forgotten_ms);
        edge(|edge| lookup::answer(edge, pending, candidate, forgotten_ms))
    };
    // The edge and the memory are lent separately.
    if let Some(answered) = memory(|memory| edge(|edge| memory.copies.answer(edge, pending))) {
        return answered;
    }
    let name = edge(|edge| pending.cache_key(edge)).unwrap_or_default();
    let name = name.as_str();
    let keep = |name: &str, snapshot: &[u8]| {
        let keys = pending.keys();
        memory(|memory| edge(|edge| memory.copies.remember(edge, name, &keys, snapshot)));
    };
    let kept = if name.is_empty() { None } else { copy(env, name, request_id).await };
    if let Some(kept) = &kept
        && let Some(answered) = answer(Candidate::Kv(kept))
    {
        if is_unchanged() {
            keep(name, kept);
        }
        return answered;
    }
    if let Some((found, snapshot)) =
        quiet(request_id, "storage_unavailable", from_writer(env, pending, request_id).await).flatten()
    {
        // A key without a profile is not cached: invented keys would evict real visitors. A lookup by several keys is
        // cached under the one that found a profile.
        if let Some(found) = found.as_ref().filter(|_| !name.is_empty() && is_unchanged()) {
            keep(found, &snapshot);
            let (env, found, snapshot) = (env.clone(), found.clone(), snapshot.clone());
            let id = request_id.to_owned();
            let seconds = u64::try_from(STALE_SNAPSHOT_MS / 1_000).unwrap_or_default();
            context.wait_until(async move {
                quiet(&id, "snapshot_not_kept", put_copy(&env, &found, &snapshot, Some(seconds)).await);
            });
        }
        if found.as_deref() != Some(name) {
            memory(|memory| memory.copies.forget(name));
        }
        if let Some(answered) = answer(Candidate::Writer(&snapshot)) {
            return answered;
        }
    }
    // A storage failure does not mean "no profile": an old snapshot is better, and without one the answer names no profile.
    // This isolate's memory is not used: only the key-value store forgets a snapshot when its key moves to another visitor.
    let old = kept.and_then(|kept| answer(Candidate::Stale(&kept)));
    old.or_else(|| answer(Candidate::Nothing))
        .unwrap_or_else(|| edge(|edge| front::failed(edge, &head.head(), Refusal::STORAGE)))
}

/// The snapshot of the writer, and the name under which it may be kept.
async fn from_writer(
    env: &Env,
    pending: &PendingLookup,
    request_id: &str,
) -> Result<Option<(Option<String>, Vec<u8>)>> {
    let mut answer =
        send(writer(env, pending.shard), &edge(|edge| pending.message(edge)), request_id).await?;
    if answer.status_code() != 200 {
        return Ok(None);
    }
    let name = answer.headers().get("usher-snapshot")?;
    Ok(Some((name, answer.bytes().await?)))
}

/// A writer's answer for the caller; the copies that it invalidates are deleted, or replaced by tombstones.
pub(crate) fn without_copies(
    env: &Env,
    context: &Context,
    response: Response,
    request_id: &str,
) -> Result<Response> {
    let (response, names, tombstone) = forget_near(response)?;
    for name in names {
        let (env, tombstone, id) = (env.clone(), tombstone.clone(), request_id.to_owned());
        context.wait_until(async move { forget_far(&env, &name, &tombstone, &id).await });
    }
    Ok(response)
}

/// The same for an answer that nobody waits for.
pub(crate) async fn forget_copies(env: &Env, response: Response, request_id: &str) {
    let Some((_, names, tombstone)) = quiet(request_id, "failure", forget_near(response)) else { return };
    for name in names {
        forget_far(env, &name, &tombstone, request_id).await;
    }
}

/// Forgets the copies in memory that an answer invalidates; returns it, the names of the copies in KV, and what takes their
/// place.
fn forget_near(response: Response) -> Result<(Response, Vec<String>, Vec<u8>)> {
    let (response, forgotten) = take(response, FORGET)?;
    let Some(forgotten) = forgotten else { return Ok((response, Vec::new(), Vec::new())) };
    memory(|memory| memory.invalidations += 1);
    let (forgotten, tombstone) = match forgotten.rsplit_once(' ') {
        Some((before, tombstone)) if before.contains(' ') => (before, bytes_of(tombstone)),
        _ => (forgotten.as_str(), Vec::new()),
    };
    let mut names = Vec::new();
    match forgotten.split_once(' ') {
        Some((time_ms, "*")) => memory(|memory| {
            memory.forgotten_ms = memory.forgotten_ms.max(time_ms.parse().unwrap_or_default());
            memory.copies.forget_all(memory.forgotten_ms);
        }),
        Some((_, listed)) => {
            for name in listed.split(',') {
                memory(|memory| memory.copies.forget(name));
                names.push(name.to_owned());
            }
        }
        None => {}
    }
    Ok((response, names, tombstone))
}

/// Deletes a copy in KV, or puts a tombstone in its place. A copy that stays expires within a minute.
async fn forget_far(env: &Env, name: &str, tombstone: &[u8], request_id: &str) {
    if tombstone.is_empty() {
        drop_copy(env, name, request_id).await;
    } else {
        quiet(request_id, "tombstone_not_put", put_tombstone(env, name, tombstone).await);
    }
}

/// Replaces the copies that an answer names by its tombstone. False when it names none, or a copy may be left.
pub(crate) async fn entomb(env: &Env, answer: &usher_edge::Response) -> bool {
    let forget = answer.headers.iter().find(|(name, _)| *name == FORGET);
    let parts: Vec<&str> = forget.map(|(_, value)| value.split(' ').collect()).unwrap_or_default();
    let [_, names, tombstone] = parts.as_slice() else { return false };
    let tombstone = bytes_of(tombstone);
    let mut is_done = true;
    for name in names.split(',') {
        is_done &= quiet("", "tombstone_not_put", put_tombstone(env, name, &tombstone).await).is_some();
    }
    is_done
}

async fn put_tombstone(env: &Env, name: &str, tombstone: &[u8]) -> Result<()> {
    let seconds = u64::try_from(STALE_SNAPSHOT_MS / 1_000).unwrap_or_default();
    put_copy(env, name, tombstone, Some(seconds)).await
}

/// The bytes of hexadecimal digits.
fn bytes_of(digits: &str) -> Vec<u8> {
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().filter_map(byte).collect()
}
