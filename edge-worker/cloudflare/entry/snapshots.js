// Lookups from the nearest snapshot that Rust accepts: isolate memory, KV, the writer.

import { STORAGE } from "./engine.js";
import { patiently } from "./patience.js";
import { writer } from "./store.js";

// In the order of `Candidate`.
const MEMORY = 0;
const KV = 1;
const WRITER = 2;
const STALE = 3;
const NOTHING = 4;

const SNAPSHOTS_MAX = 1_000;
/** As long as a snapshot may answer (`limits.rs`); the platform keeps nothing shorter. */
const KV_SECONDS = 60;

/** Oldest first, because a map keeps the order of insertion. */
const memory = new Map();

export async function lookUp(service, env, context, frame, { shard, message, cacheKey, number }) {
  const answer = (tier, snapshot) => service.answer(frame, number, tier, snapshot);
  const near = cacheKey && memory.get(cacheKey);
  if (near) {
    const response = answer(MEMORY, near);
    if (response) return response;
  }
  const kept = cacheKey && (await fromKv(env, cacheKey));
  if (kept) {
    const response = answer(KV, kept);
    if (response) {
      remember(cacheKey, kept);
      return response;
    }
  }
  const truth = await fromWriter(env, shard, message);
  if (truth) {
    if (cacheKey) {
      remember(cacheKey, truth);
      context.waitUntil(toKv(env, cacheKey, truth));
    }
    const response = answer(WRITER, truth);
    if (response) return response;
  }
  // Storage failure is not "no profile": an old snapshot is better, and nothing at all is said to be nothing.
  const old = near ?? kept;
  const response = old ? answer(STALE, old) : answer(NOTHING, new Uint8Array());
  return response ?? service.failed(frame, STORAGE);
}

function remember(key, snapshot) {
  memory.delete(key);
  memory.set(key, snapshot);
  if (memory.size > SNAPSHOTS_MAX) memory.delete(memory.keys().next().value);
}

/** The writer knows better anyway, if KV fails or keeps us waiting. */
async function fromKv(env, key) {
  const snapshot = await patiently(env.USHER_KV.get(key, "arrayBuffer"));
  return snapshot && new Uint8Array(snapshot);
}

async function toKv(env, key, snapshot) {
  try {
    await env.USHER_KV.put(key, snapshot, { expirationTtl: KV_SECONDS });
  } catch (error) {
    console.error(JSON.stringify({ event: "snapshot_not_kept", detail: String(error?.message ?? error) }));
  }
}

async function fromWriter(env, shard, message) {
  try {
    const response = await writer(env, shard).fetch("http://store/", { method: "POST", body: message });
    return response.status === 200 ? new Uint8Array(await response.arrayBuffer()) : undefined;
  } catch (error) {
    console.error(JSON.stringify({ event: "storage_unavailable", detail: String(error?.message ?? error) }));
    return undefined;
  }
}
