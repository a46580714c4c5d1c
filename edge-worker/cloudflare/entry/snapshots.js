// Lookups from the nearest snapshot that Rust accepts: isolate memory, which is that of wasm, KV, the writer.

import { STORAGE } from "./engine.js";
import { fault } from "./log.js";
import { send, writer } from "./objects.js";
import { patiently } from "./patience.js";

// In the order of `Candidate`.
const MEMORY = 0;
const KV = 1;
const WRITER = 2;
const STALE = 3;
const NOTHING = 4;

/** The greatest age of a snapshot that answers when its writer fails (`STALE_SNAPSHOT_MS` in `limits.rs`). */
const KV_SECONDS = 24 * 60 * 60;

/** Copies up to this time, in milliseconds, are invalid after an import. */
let forgottenMs = 0;
/** Counts the answers that made copies invalid. A lookup that read before such an answer keeps nothing of what it read. */
let invalidations = 0;

/** KV has no jurisdiction: where one is set, it gets nothing of visitors. */
function keepsCopies(env) {
  return !env.USHER_JURISDICTION;
}

export async function lookUp(service, env, context, head, step) {
  const { shard, message, cacheKey, keys, near } = step;
  const before = invalidations;
  const answer = (tier, snapshot) => step.answer(tier, snapshot, forgottenMs);
  if (near) {
    const response = answer(MEMORY, near);
    if (response) return response;
  }
  const kept = cacheKey && keepsCopies(env) && (await fromKv(env, cacheKey, head.id));
  if (kept) {
    const response = answer(KV, kept);
    if (response) {
      if (invalidations === before) service.remember(cacheKey, keys, kept, head.id);
      return response;
    }
  }
  const truth = await fromWriter(env, shard, message, head.id);
  if (truth) {
    // A key without a profile is not cached: invented keys would evict real visitors. A lookup by several keys is
    // cached under the one that found a profile.
    if (cacheKey && truth.name && invalidations === before) {
      service.remember(truth.name, keys, truth.snapshot, head.id);
      if (keepsCopies(env)) context.waitUntil(toKv(env, truth.name, truth.snapshot, head.id));
    }
    if (cacheKey && truth.name !== cacheKey) service.forget([cacheKey]);
    const response = answer(WRITER, truth.snapshot);
    if (response) return response;
  }
  // A storage failure does not mean "no profile": an old snapshot is better, and without one the answer names no
  // profile. This isolate's memory is not used: only KV forgets a snapshot when its key moves to another visitor.
  const old = kept && answer(STALE, kept);
  if (old) return old;
  return answer(NOTHING, new Uint8Array()) ?? service.failed(head, STORAGE);
}

/** Sends a writer's answer to the caller, after the copies that it invalidates are deleted, or replaced by tombstones. */
export async function withoutCopies(service, env, context, response, requestId) {
  const forgotten = response.headers.get("usher-forget");
  if (!forgotten) return response;
  invalidations += 1;
  const [timeMs, names, tombstone] = forgotten.split(" ");
  if (tombstone) {
    service.forget(names.split(","));
    await entomb(env, names, tombstone, requestId);
  } else if (names === "*") {
    forgottenMs = Math.max(forgottenMs, Number(timeMs));
    service.forget([], forgottenMs);
  } else {
    service.forget(names.split(","));
    for (const name of names.split(",")) {
      // A copy that stays expires within a minute.
      if (keepsCopies(env)) context.waitUntil(patiently(() => env.USHER_KV.delete(name), requestId));
    }
  }
  const answer = new Response(response.body, response);
  answer.headers.delete("usher-forget");
  return answer;
}

/**
 * Puts a tombstone, in hexadecimal digits, under each name: who reads a copy there finds nobody. False when KV failed, and
 * a copy may be left.
 */
export async function entomb(env, names, tombstone, requestId) {
  if (!keepsCopies(env)) return true;
  const bytes = Uint8Array.from(tombstone.match(/../g), (digits) => parseInt(digits, 16));
  const put = (name) => patiently(async () => (await env.USHER_KV.put(name, bytes, { expirationTtl: KV_SECONDS }), true), requestId);
  return (await Promise.all(names.split(",").map(put))).every((done) => done);
}

/** A snapshot from KV, or undefined if KV fails or is slow; the writer has the newest one. */
async function fromKv(env, key, requestId) {
  const snapshot = await patiently(() => env.USHER_KV.get(key, "arrayBuffer"), requestId);
  return snapshot && new Uint8Array(snapshot);
}

async function toKv(env, key, snapshot, requestId) {
  try {
    await env.USHER_KV.put(key, snapshot, { expirationTtl: KV_SECONDS });
  } catch (error) {
    fault("snapshot_not_kept", error, requestId);
  }
}

async function fromWriter(env, shard, message, requestId) {
  try {
    const response = await send(writer(env, shard), message, requestId);
    if (response.status !== 200) return undefined;
    return { name: response.headers.get("usher-snapshot"), snapshot: new Uint8Array(await response.arrayBuffer()) };
  } catch (error) {
    fault("storage_unavailable", error, requestId);
    return undefined;
  }
}
