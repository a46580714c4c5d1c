// Rates by source on workerd: those of the service, and the rate-limiting binding where a deployment has one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { as, audience, bundle, deploy } from "./deployment.mjs";

/** Events that a source has at once: those of a minute. */
const MINUTE = 6_000;
/** Requests after which a rate would have been met, however slow this machine is. */
const REQUESTS_MAX = 40_000;

/** Where a caller is, as the platform says it. */
const from = (address) => ({ "cf-connecting-ip": address });

/** Sends until it is refused with 429, 32 at a time; the number of requests, and the refusal. */
async function untilRefused(send) {
  let [sent, refused] = [0, undefined];
  const caller = async () => {
    while (!refused && sent < REQUESTS_MAX) {
      sent++;
      const answer = await send();
      if (answer.status === 429) refused ??= answer;
    }
  };
  await Promise.all(Array.from({ length: 32 }, caller));
  return { sent, refused };
}

test("bodies that are refused, and lookups by a public token, draw on the rate of their source", { timeout: 120_000 }, async (t) => {
  const edge = await deploy(t, "release");
  const body = { audience, personalization: "web_personalization", key: { name: "td_client_id", value: "v" } };
  for (const [name, address, send] of [
    ["a body that is no JSON", "203.0.113.1", () => edge.call("POST", "/web/pageviews", { ...as.collector, origin: as.browser.origin, ...from("203.0.113.1") }, "{")],
    ["a lookup", "203.0.113.2", () => edge.call("POST", "/v1/personalize", { ...as.browser, ...from("203.0.113.2") }, body)],
  ]) {
    const { sent, refused } = await untilRefused(send);
    t.diagnostic(`${name}: ${sent} requests until 429`);
    assert.ok(refused, name);
    assert.ok(sent > MINUTE, `${name}: ${sent}`);
    assert.ok(Number(refused.headers["retry-after"]) >= 1, name);
    assert.equal(refused.headers["access-control-allow-origin"], as.browser.origin, name);
    // Another source has its own, and a server has none.
    assert.equal((await edge.event("pageviews", { td_client_id: "v" }, from("203.0.113.9"))).status, 200, name);
    assert.equal((await edge.call("POST", "/v1/personalize", { ...as.server, ...from(address) }, body)).status, 200, name);
  }
});

test("a batch whose writer has to catch up is counted once", { timeout: 120_000 }, async (t) => {
  // The writers are in the first isolate, which nobody else asks: it finds the next bundle when a batch names it.
  const worker = await deploy(t, "test", { isolates: 2 });
  const now = { ...from("192.0.2.7"), "x-usher-now": String(Date.now()) };
  const batch = (count) => {
    const events = Array.from({ length: count }, () => ({ td_client_id: "busy", td_path: "/" }));
    return worker.second("POST", "/web/pageviews", { ...as.collector, ...now }, { events });
  };
  for (let sent = 0; sent < MINUTE - 500; sent += 500) {
    const answer = await batch(500);
    assert.equal(answer.status, 200, answer.text);
  }
  const next = JSON.parse(await bundle());
  next.definition.audience.name = "next";
  const published = await worker.second("PUT", `/v1/audiences/${audience}/bundle`, as.admin, next);
  assert.equal(published.status, 200, published.text);
  const late = await batch(400);
  assert.deepEqual([late.status, late.json.receipts?.length], [200, 400], late.text);
  assert.equal((await batch(101)).status, 429, "more than is left");
  assert.equal((await batch(100)).status, 200, "what is left");
});

test("a trap gives no source its rate back", { timeout: 120_000 }, async (t) => {
  const worker = await deploy(t, "test");
  const at = (address) => ({ ...from(address), "x-usher-now": String(Date.now()) });
  const [busy, calm] = [at("192.0.2.7"), at("192.0.2.8")];
  const batch = (headers, count) => worker.batch("pageviews", Array.from({ length: count }, () => ({ td_client_id: "v" })), headers);
  for (let sent = 0; sent < MINUTE; sent += 500) assert.equal((await batch(busy, 500)).status, 200);
  assert.equal((await batch(calm, 100)).status, 200);
  for (const fault of ["panic", "memory"]) {
    const trapped = await worker.event("pageviews", { td_client_id: "faulty" }, { "x-usher-fault": fault });
    assert.equal(trapped.status, 500, trapped.text);
    const refused = await batch(busy, 1);
    assert.equal(refused.status, 429, `after ${fault}: ${refused.text}`);
    assert.equal((await batch(calm, 100)).status, 200, "another source has its own");
  }
  // What is left of the other one's minute is what it had not used.
  for (let sent = 300; sent + 500 <= MINUTE; sent += 500) assert.equal((await batch(calm, 500)).status, 200);
  assert.equal((await batch(calm, 201)).status, 429);
  assert.equal((await batch(calm, 200)).status, 200);
});

test("the rate-limiting binding refuses requests by public keys beyond its limit", async (t) => {
  const edge = await deploy(t, "release", { rate: 5 });
  const view = (address) => edge.event("pageviews", { td_client_id: "v" }, from(address));
  const batch = (address) => edge.batch("pageviews", [{ td_client_id: "v" }], from(address));
  let refused;
  // A minute may end between two of them, which then counts anew.
  for (let index = 0; index < 11 && refused?.status !== 429; index++) {
    refused = await (index % 2 ? view : batch)("2001:db8::1");
    assert.ok(index >= 5 || refused.status === 200, refused.text);
  }
  assert.equal(refused.status, 429, refused.text);
  assert.equal(refused.json.code, 2003);
  assert.ok(Number(refused.headers["retry-after"]) >= 1);
  // The same network, another one, and who has no rate.
  assert.equal((await view("2001:db8::2:0:0:1")).status, 429);
  assert.equal((await view("2001:db8:0:1::1")).status, 200);
  const body = { audience, personalization: "web_personalization", key: { name: "td_client_id", value: "v" } };
  for (let index = 0; index < 8; index++) {
    const lookup = await edge.call("POST", "/v1/personalize", { ...as.server, ...from("2001:db8::1") }, body);
    assert.equal(lookup.status, 200, lookup.text);
  }
  // A large body is refused like a small one.
  const large = { events: Array.from({ length: 400 }, (_, at) => ({ td_client_id: `v${at}`, note: "x".repeat(200) })) };
  assert.equal((await edge.call("POST", "/web/pageviews", { ...as.collector, ...from("2001:db8::1") }, large)).status, 429);
});
