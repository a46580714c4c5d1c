// A trap in wasm costs the request that ran into it and nothing else: the next one finds a new instance that runs the
// same bundle, requests in flight do not notice, and the process does not keep what the old instances held.

import assert from "node:assert/strict";
import { test } from "node:test";

import { as, bundle, deploy, logged } from "./deployment.mjs";

/** How much the process may grow by faults, in MiB: far below what one runaway allocation could take. */
const GROWTH_MIB = 512;
/** An answer to a request that runs out of memory must not take longer, in ms. */
const PATIENCE_MS = 5_000;

const INTERNAL = { code: 9999, message: "unknown error" };

/** Does what the caller wants with an event that asks for a fault. */
const faulty = (worker, fault) => worker.event("pageviews", { td_client_id: "faulty" }, { "x-usher-fault": fault });

/** The worker still runs the bundle and counts on. */
async function answers(worker, visitor, views) {
  const answer = await worker.event("pageviews", { td_client_id: visitor, td_path: "/" });
  assert.equal(answer.status, 200, answer.text);
  const [[, offer]] = Object.entries(answer.json.offers);
  assert.equal(offer.attributes.page_views_24h, views, answer.text);
}

for (const [fault, times] of [["panic", 25], ["memory", 4]]) {
  test(`${times} times in a row: ${fault}`, { timeout: 300_000 }, async (t) => {
    const worker = await deploy(t, "test");
    await answers(worker, "steady", 1);
    const before = worker.memory();
    let slowest = 0;
    for (let round = 1; round <= times; round++) {
      const start = performance.now();
      const answer = await faulty(worker, fault);
      const took = performance.now() - start;
      slowest = Math.max(slowest, took);
      assert.equal(answer.status, 500);
      assert.deepEqual(answer.json, INTERNAL);
      assert.equal(answer.headers["cache-control"], "private, no-store");
      await answers(worker, "steady", round + 1);
      // At once, so that a machine without that much memory survives the failure.
      const growth = worker.memory() - before;
      assert.ok(growth < GROWTH_MIB, `the process grew by ${growth.toFixed(0)} MiB in ${round} × ${fault}`);
      assert.ok(took < PATIENCE_MS, `${fault} was answered after ${took.toFixed(0)} ms`);
    }
    const growth = worker.memory() - before;
    t.diagnostic(`${times} × ${fault}: slowest ${slowest.toFixed(0)} ms, grew by ${growth.toFixed(0)} MiB`);
    assert.equal((await worker.explain("faulty")).profile.known, false, "a request that trapped stored nothing");
  });
}

test("requests in flight do not notice", { timeout: 300_000 }, async (t) => {
  const [rounds, around, faults] = [10, 50, 3];
  const worker = await deploy(t, "test");
  let failures = 0;
  for (let round = 1; round <= rounds; round++) {
    const calls = Array.from({ length: around }, (_, index) => {
      const visitor = `flight-${index}`;
      // Events, lookups and batches: what waits for the writer while the instance is replaced.
      if (index % 3 === 0) return worker.event("pageviews", { td_client_id: visitor, td_path: "/" });
      if (index % 3 === 1) return worker.lookup(visitor);
      return worker.batch("pageviews", [{ td_client_id: visitor, td_path: "/" }]);
    });
    const every = Math.floor(around / faults);
    for (let index = 0; index < faults; index++) calls.splice(index * (every + 1), 0, faulty(worker, "panic"));
    const statuses = (await Promise.all(calls)).map((answer) => answer.status);
    const broken = statuses.filter((status) => status === 500).length;
    assert.deepEqual(statuses.filter((status) => status !== 200 && status !== 500), []);
    failures += broken - faults;
  }
  t.diagnostic(`${rounds * around} requests around ${rounds * faults} traps: ${failures} failed with them`);
  assert.equal(failures, 0);
  for (let index = 0; index < around; index++) {
    // Those that only looked are still unknown.
    const { profile } = await worker.explain(`flight-${index}`);
    assert.equal(profile.attributes.page_views_24h.value, index % 3 === 1 ? 0 : rounds);
  }
});

test("a thousand requests after traps", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "test");
  for (let index = 0; index < 5; index++) assert.equal((await faulty(worker, "panic")).status, 500);
  const clients = Array.from({ length: 20 }, async (_, client) => {
    for (let views = 1; views <= 50; views++) await answers(worker, `after-${client}`, views);
  });
  await Promise.all(clients);
  t.diagnostic("1000 of 1000 answered and counted");
});

test("the release build has no ear for it", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "release");
  for (const [index, fault] of ["panic", "memory", "panic", "memory"].entries()) {
    const answer = await faulty(worker, fault);
    assert.equal(answer.status, 200, answer.text);
    await answers(worker, "steady", index + 1);
  }
});

const lookup = (audience) => ({ audience, personalization: "web_personalization", key: { name: "td_client_id", value: "somebody" } });

/** The example as a bundle of another audience, with a text that answers read; in a fault build it can ask for a fault. */
async function saying(audience, text) {
  const body = JSON.parse(await bundle());
  body.definition.audience.id = audience;
  const outputs = body.definition.personalizations.flatMap(({ sections }) => sections).flatMap((section) => section.outputs);
  outputs.find(({ source }) => typeof source.constant === "string").source.constant = text;
  return body;
}

for (const step of ["compiled", "installed"]) test(`a bundle that traps where it is ${step} stops no other audience, warm and cold`, { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "test");
  // Audiences are installed in the order of their ids; the one that traps stands between two others.
  const [broken, later] = ["1069945", "1069946"];
  const publish = async (audience, name) => {
    const answer = await worker.call("PUT", `/v1/audiences/${audience}/bundle`, as.admin, await saying(audience, name));
    assert.equal(answer.status, 200, answer.text);
  };
  const look = (audience) => worker.call("POST", "/v1/personalize", as.server, lookup(audience));
  const health = async () => (await worker.call("GET", "/healthz")).json;
  const traps = () => worker.log.split(`audience ${broken} stopped the engine`).length - 1;
  let views = 0;
  const othersRun = async () => {
    await answers(worker, "steady", ++views);
    const other = await look(later);
    assert.deepEqual([other.status, other.json.meta?.bundle], [200, 1], other.text);
    assert.equal((await health()).status, "degraded");
  };

  await publish(broken, "sound");
  await publish(broken, `x-usher-fault: ${step === "compiled" ? "compile" : "install"} from 1`);
  await publish(later, "sound");
  await othersRun();
  const before = await look(broken);
  assert.deepEqual([before.status, before.json.meta?.bundle], [200, 1], "the last good bundle answers on");
  // A new instance after a trap runs the same, and says the same.
  assert.equal((await faulty(worker, "panic")).status, 500);
  await othersRun();
  await logged(worker, new RegExp(`audience ${broken} stopped the engine`));
  assert.equal(traps(), 1, worker.log);

  await worker.restart();
  for (let round = 0; round < 3; round++) await othersRun();
  const cold = await look(broken);
  assert.deepEqual([cold.status, cold.json.meta?.bundle], [200, 2], "one of its history answers");
  assert.equal((await faulty(worker, "panic")).status, 500);
  await othersRun();
  await logged(worker, new RegExp(`(audience ${broken} stopped the engine[^]*){2}`));
  assert.equal(traps(), 2, `once a process: ${worker.log}`);

  // A bundle that can be installed heals it.
  await publish(broken, "sound again");
  assert.equal((await look(broken)).status, 200);
  assert.equal((await health()).status, "ok");
});

test("a bundle that runs and traps in the next instance stops no other audience", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "test", { isolates: 2 });
  const [broken, later] = ["1069945", "1069946"];
  const put = async (send, audience, name) => {
    const answer = await send("PUT", `/v1/audiences/${audience}/bundle`, as.admin, await saying(audience, name));
    assert.equal(answer.status, 200, answer.text);
  };
  const call = worker.call.bind(worker);
  const second = worker.second.bind(worker);
  await put(call, broken, "x-usher-fault: install from 3");
  await put(call, later, "sound");
  // The other isolate runs something else in between; this one only hears of the new number.
  await put(second, broken, "sound");
  await put(second, broken, "x-usher-fault: install from 3");
  assert.equal((await call("GET", `/v1/audiences/${broken}/bundles`, as.admin)).status, 200);
  const renumbered = await call("POST", "/v1/personalize", as.server, lookup(broken));
  assert.equal(renumbered.json.meta?.bundle, 3, renumbered.text);

  for (let round = 1; round <= 3; round++) {
    assert.equal((await faulty(worker, "panic")).status, 500);
    await answers(worker, "steady", round);
    assert.equal((await call("POST", "/v1/personalize", as.server, lookup(later))).status, 200);
    const stopped = await call("POST", "/v1/personalize", as.server, lookup(broken));
    assert.deepEqual([stopped.status, stopped.json.code], [503, "storage_unavailable"], stopped.text);
    assert.equal((await call("GET", "/healthz")).json.status, "degraded");
  }
});
