// The key-value store fails: only copies lie in it, so visitors are answered and nothing is lost. The store here is a
// server of the test's own, which answers, answers 500, or does not answer at all.

import assert from "node:assert/strict";
import { test } from "node:test";

import { as, audience, bundle, deploy, startStore } from "./deployment.mjs";

/** When a caller has given up, in ms. */
const PATIENCE_MS = 2_000;

test("a key-value store that answers 500", { timeout: 300_000 }, async (t) => {
  const store = await startStore(t);
  const worker = await deploy(t, "release", { kv: store.address });
  assert.ok(store.entries.size > 0, "the bundle went through the store of the test");
  await visit(worker, "before", 1);

  store.mode = "broken";
  await visit(worker, "broken", 1);
  await visit(worker, "before", 2);

  // No one is pointed at a body that did not read back; what ran goes on.
  assert.equal((await publish(worker)).status, 503);
  await visit(worker, "broken", 2);

  // A cold start finds the body in the control object.
  await worker.restart();
  await visit(worker, "broken", 3);
  const health = await worker.call("GET", "/healthz");
  assert.equal(health.status, 200, health.text);

  store.mode = "well";
  await visit(worker, "broken", 4);
});

test("a publication that is not stored says so in the words of its route", { timeout: 300_000 }, async (t) => {
  const store = await startStore(t);
  const worker = await deploy(t, "release", { kv: store.address });
  store.mode = "broken";
  const answer = await publish(worker);
  assert.equal(answer.headers["content-type"], "application/problem+json", answer.text);
  assert.deepEqual([answer.status, answer.json.code], [503, "storage_unavailable"], answer.text);
});

// Not promised yet: a store that is slow without end takes its callers along.
test("a key-value store that does not answer", { timeout: 300_000 }, async (t) => {
  const store = await startStore(t);
  const worker = await deploy(t, "release", { kv: store.address });
  await visit(worker, "before", 1);
  store.mode = "silent";
  await t.test("events are answered", async () => {
    const answer = await within(worker.event("pageviews", { td_client_id: "silent", td_path: "/" }));
    assert.equal(answer.status, 200);
  });
  await t.test("lookups are answered by the writer", async () => {
    assert.equal((await within(worker.lookup("silent"))).status, 200);
  });
  await t.test("a cold start finds its bundle", async () => {
    await worker.restart();
    assert.equal((await within(worker.event("pageviews", { td_client_id: "cold", td_path: "/" }))).status, 200);
  });
});

const publish = async (worker) => worker.call("PUT", `/v1/audiences/${audience}/bundle`, as.admin, await bundle());

/** One event and one lookup; both count. */
async function visit(worker, visitor, views) {
  const answer = await within(worker.event("pageviews", { td_client_id: visitor, td_path: "/" }));
  assert.equal(answer.status, 200, answer.text);
  const look = await within(worker.lookup(visitor, { seen: answer.headers["usher-seen"] }));
  assert.equal(look.status, 200, look.text);
  for (const { json } of [answer, look]) assert.equal(Object.values(json.offers)[0].attributes.page_views_24h, views);
}

function within(promise) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  promise.catch(() => {});
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
