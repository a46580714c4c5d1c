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

/** What an isolate remembers at most; it has 128 MB for everything. */
const MEMORY_BYTES_MAX = 16 * 1024 * 1024;
/** A snapshot of nobody: a time, and a profile of no bytes. */
const NOBODY_BYTES = 12;
/** As long as a snapshot may answer (`limits.rs`); the platform keeps nothing shorter. */
const KV_SECONDS = 60;

/** Oldest first, because a map keeps the order of insertion. */
const memory = new Map();
let memoryBytes = 0;

export async function lookUp(service, env, context, frame, { shard, message, cacheKey }) {
  const near = cacheKey && memory.get(cacheKey);
  if (near) {
    const response = service.answer(frame, MEMORY, near, false);
    if (response) return response;
  }
  const answer = (tier, snapshot) => service.answer(frame, tier, snapshot, true);
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
      // A key that nobody has costs no write: whoever makes up keys would make up writes.
      if (truth.length > NOBODY_BYTES) context.waitUntil(toKv(env, cacheKey, truth));
    }
    const response = answer(WRITER, truth);
    if (response) return response;
  }
  // Storage failure is not "no profile": an old snapshot is better, and nothing at all is said to be nothing.
  for (const old of [near, kept]) {
    const response = old && answer(STALE, old);
    if (response) return response;
  }
  return answer(NOTHING, new Uint8Array()) ?? service.failed(frame, STORAGE);
}

function remember(key, snapshot) {
  forget(key);
  memory.set(key, snapshot);
  memoryBytes += key.length + snapshot.length;
  while (memoryBytes > MEMORY_BYTES_MAX) forget(memory.keys().next().value);
}

function forget(key) {
  const snapshot = memory.get(key);
  if (!snapshot) return;
  memory.delete(key);
  memoryBytes -= key.length + snapshot.length;
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
