// One request and its answer: what counts as an edge's answer, and what is read of it.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { module } from "./modules.mjs";

const { makePost } = await module("wire");
const { fetch } = globalThis;
afterEach(() => {
  globalThis.fetch = fetch;
  delete globalThis.navigator.sendBeacon;
});
if (!globalThis.navigator) globalThis.navigator = {};

/** Answers the next request. */
function answers(body, headers = {}, status = 200) {
  const calls = [];
  globalThis.fetch = async (url, options) => {
    calls.push([url, options]);
    return new Response(body, { status, headers: { "usher-request-id": "1", ...headers } });
  };
  return calls;
}

test("a request is one that no browser asks for first, and outlives its page", async () => {
  const calls = answers("{}");
  await makePost("https://edge.example", () => false)("/v1/e?key=k", "body");
  const [url, { method, body, keepalive, headers }] = calls[0];
  assert.deepEqual([url, method, body, keepalive, headers], ["https://edge.example/v1/e?key=k", "POST", "body", true, undefined]);
});

test("an answer without an edge's request id is none", async () => {
  const post = makePost("", () => false);
  answers(`{"receipts":[]}`);
  assert.deepEqual((await post("/", "")).json, { receipts: [] });
  globalThis.fetch = async () => new Response(`{"receipts":[]}`);
  assert.equal(await post("/", ""), null);
  globalThis.fetch = async () => {
    throw new TypeError("Failed to fetch");
  };
  assert.equal(await post("/", ""), null);
  answers("<html>");
  assert.equal((await post("/", "")).json, undefined);
});

test("`Retry-After` is seconds, within bounds", async () => {
  const post = makePost("", () => false);
  const after = async (headers) => (answers("{}", headers), (await post("/", "")).retryAfterMs);
  assert.equal(await after({}), 0);
  assert.equal(await after({ "retry-after": "7" }), 7_000);
  assert.equal(await after({ "retry-after": "999999" }), 3_600_000);
  assert.equal(await after({ "retry-after": "soon" }), 0);
});

test("the clock's offset is told to the second", async () => {
  answers("{}", { date: new Date(Date.now() + 86_400_000).toUTCString() });
  const { offsetMs } = await makePost("", () => false)("/", "");
  assert.ok(Math.abs(offsetMs - 86_400_000) < 1_500, `${offsetMs}`);
});

test("a page that ends and may not fetch sends a beacon", async () => {
  const beacons = [];
  globalThis.navigator.sendBeacon = (url, body) => beacons.push([url, body]);
  globalThis.fetch = async () => {
    throw new TypeError("quota");
  };
  assert.equal(await makePost("", () => false)("/v1/e", "body"), null);
  assert.equal(beacons.length, 0);
  assert.equal(await makePost("", () => true)("/v1/e", "body"), null, "which brings no answer");
  assert.deepEqual(beacons, [["/v1/e", "body"]]);
});
