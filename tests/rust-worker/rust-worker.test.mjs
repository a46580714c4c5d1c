// The service as a library in a Rust Worker (`examples/rust-worker`): beside a route of its own, over kills and traps, and on
// the data of the ready-made Worker. Its answers are those of the vectors, which run on it, too.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { as, bundle, deploy } from "../workerd/deployment.mjs";

const built = process.env.USHER_TEST_RUST_WORKER || "target/worker/rust";

/** The worker counts on. */
async function answers(worker, visitor, views) {
  const answer = await worker.event("pageviews", { td_client_id: visitor, td_path: "/" });
  assert.equal(answer.status, 200, answer.text);
  const [[, offer]] = Object.entries(answer.json.offers);
  assert.equal(offer.attributes.page_views_24h, views, answer.text);
}

test("a route of the Worker's own stands beside the service", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, built);
  const own = await worker.call("GET", "/hello");
  assert.deepEqual([own.status, own.text], [200, "a route of my own\n"]);
  assert.equal((await worker.call("GET", "/healthz")).json.status, "ok");
  assert.equal((await worker.call("GET", "/elsewhere")).status, 404);
});

test("events outlive kill -9 and count once", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, built);
  let acknowledged = 0;
  for (let kill = 0; kill < 3; kill++) {
    let alive = true;
    const send = async () => {
      while (alive) {
        const event = { td_client_id: "steady", td_path: "/", uuid: `event-${acknowledged}` };
        // Without an answer the same event is sent again after the restart.
        const answer = await worker.event("pageviews", event).catch(() => undefined);
        if (answer?.status === 200) acknowledged += 1;
      }
    };
    const sending = send();
    for (const enough = acknowledged + 2; acknowledged < enough; ) await sleep(100);
    alive = false;
    await worker.kill();
    await sending;
    await worker.start();
  }
  assert.ok(acknowledged > 3, "some events were acknowledged");
  // The one in doubt, which may have been stored, is sent once more.
  const last = { td_client_id: "steady", td_path: "/", uuid: `event-${acknowledged}` };
  assert.equal((await worker.event("pageviews", last)).status, 200);
  assert.equal((await worker.values("steady")).page_views_24h, acknowledged + 1);
});

test("a trap costs its request and the state in memory", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, built);
  for (let round = 1; round <= 5; round++) {
    const answer = await worker.event("pageviews", { td_client_id: "faulty" }, { "x-usher-fault": "panic" });
    assert.equal(answer.status, 500);
    await answers(worker, "steady", round);
  }
  assert.equal((await worker.explain("faulty")).profile.known, false, "a request that trapped stored nothing");
});

test("a bundle that traps where it is installed stops no other audience", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, built);
  const broken = "1069945";
  const publish = async (name) => {
    const body = JSON.parse(await bundle());
    Object.assign(body.definition.audience, { id: broken, name });
    return await worker.call("PUT", `/v1/audiences/${broken}/bundle`, as.admin, body);
  };
  const look = async () => {
    const key = { name: "td_client_id", value: "somebody" };
    return await worker.call("POST", "/v1/personalize", as.server, { audience: broken, personalization: "web_personalization", key });
  };
  assert.equal((await publish("sound")).status, 200);
  // The bundle is stored; the trap comes when the same request installs it.
  assert.equal((await publish("x-usher-fault: install")).status, 500);
  for (let round = 1; round <= 3; round++) {
    await answers(worker, "steady", round);
    assert.equal((await worker.call("GET", "/healthz")).json.status, "degraded");
    assert.deepEqual([(await look()).status, (await look()).json.meta?.bundle], [200, 2], "one of its history answers");
  }
  assert.equal((await publish("sound again")).status, 200);
  assert.equal((await look()).status, 200);
  assert.equal((await worker.call("GET", "/healthz")).json.status, "ok");
});

test("both Workers run on the same data", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "test");
  await answers(worker, "both", 1);
  await worker.become(built);
  await answers(worker, "both", 2);
  await worker.become("test");
  await answers(worker, "both", 3);
});

test("data that the ready-made Worker put into a jurisdiction are refused, and so is the setting", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "release", { jurisdiction: "eu" });
  await answers(worker, "steady", 1);
  for (const [jurisdiction, reason] of [["", /the data are in a jurisdiction/], ["eu", /USHER_JURISDICTION is a setting of the ready-made Worker/]]) {
    await worker.become(built, { jurisdiction });
    assert.equal((await worker.event("pageviews", { td_client_id: "steady", td_path: "/" })).status, 503);
    const health = await worker.call("GET", "/healthz");
    assert.deepEqual([health.status, health.json.status], [503, "unconfigured"]);
    assert.match(health.json.detail, reason);
  }
  await worker.become("release", { jurisdiction: "eu" });
  await answers(worker, "steady", 2);
});
