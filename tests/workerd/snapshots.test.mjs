// Copies of snapshots while other requests make them invalid: the entry's own module, with answers that come when told.

import assert from "node:assert/strict";
import { register } from "node:module";
import { test } from "node:test";

// The module asks the engine for one constant, and nothing else of it.
const hooks = `export async function resolve(specifier, context, next) {
  if (specifier === "./engine.js") return { url: "data:text/javascript,export const STORAGE = 1;", shortCircuit: true };
  const found = await next(specifier, context);
  return found.url.includes("/cloudflare/entry/") ? { ...found, format: "module" } : found;
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { lookUp, withoutCopies } = await import("../../edge-worker/cloudflare/entry/snapshots.js");

const TIERS = ["memory", "kv", "writer", "stale", "nothing"];

/** A writer that answers when it is told to, and KV and the copies in memory as maps. */
function deployment() {
  const kv = new Map();
  const copies = new Map();
  const service = {
    remember: (name, _keys, snapshot) => copies.set(name, new TextDecoder().decode(snapshot)),
    forget: (names, untilMs = 0) => {
      if (untilMs > 0) copies.clear();
      names.forEach((name) => copies.delete(name));
    },
  };
  const waiting = [];
  const stub = { fetch: () => new Promise((answer) => waiting.push(answer)) };
  const env = {
    USHER_STORE: { idFromName: (name) => name, get: () => stub },
    USHER_KV: {
      get: async (key) => kv.get(key)?.buffer,
      put: async (key, bytes) => void kv.set(key, bytes.slice()),
      delete: async (key) => void kv.delete(key),
    },
  };
  const later = [];
  const context = { waitUntil: (promise) => later.push(promise) };
  const settle = () => Promise.all(later.splice(0));
  return { kv, copies, service, waiting, env, context, settle };
}

/** A lookup by this key; its answer is the tier and the snapshot that it comes from. */
function look({ service, env, context }, cacheKey) {
  const answer = (tier, snapshot) => (TIERS[tier] === "stale" ? undefined : `${TIERS[tier]}: ${new TextDecoder().decode(snapshot)}`);
  return lookUp(service, env, context, {}, { shard: 0, message: new Uint8Array(), cacheKey, keys: new Uint8Array(), answer });
}

const until = async (holds) => {
  while (!holds()) await new Promise((turn) => setImmediate(turn));
};

const snapshotOf = (who, name) => new Response(who, { headers: { "usher-snapshot": name } });

for (const [what, header] of [
  ["moves its key", (name) => `5 ${name}`],
  ["is an import", () => "5 *"],
]) {
  test(`a lookup that read before an event that ${what} leaves no copy`, async () => {
    const here = deployment();
    // Names have no spaces.
    const name = `snapshot-of-${what.replaceAll(" ", "-")}`;
    const first = look(here, name);
    await until(() => here.waiting.length === 1);
    // The event is answered while the snapshot of before is on its way.
    const event = new Response("{}", { headers: { "usher-forget": header(name) } });
    const answered = await withoutCopies(here.service, here.env, here.context, event);
    assert.equal(answered.headers.get("usher-forget"), null);
    here.waiting.shift()(snapshotOf("alice", name));
    assert.equal(await first, "writer: alice");
    await here.settle();
    assert.deepEqual([here.kv.size, here.copies.size], [0, 0]);
    // The next one asks the writer again, and what that says is kept.
    const second = look(here, name);
    await until(() => here.waiting.length === 1);
    here.waiting.shift()(snapshotOf("bob", name));
    assert.equal(await second, "writer: bob");
    await here.settle();
    assert.equal(here.kv.size, 1);
    assert.deepEqual([...here.copies], [[name, "bob"]]);
    // The next such event takes both away.
    await withoutCopies(here.service, here.env, here.context, new Response("{}", { headers: { "usher-forget": header(name) } }));
    assert.equal(here.copies.size, 0);
  });
}
