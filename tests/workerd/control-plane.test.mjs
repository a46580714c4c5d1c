// The control plane is a module of its own, with an instance that is started when it is first asked: what traps there costs
// its request and no visitor's, and what all callers share is counted once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { as, audience, bundle, deploy, logged, previewToken } from "./deployment.mjs";

const counted = (answer) => Object.values(answer.json.offers)[0].attributes.page_views_24h;

/** One more view of a visitor, who is served whatever happens elsewhere. */
async function view(worker, visitor, views, headers = {}) {
  const answer = await worker.event("pageviews", { td_client_id: visitor, td_path: "/" }, headers);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(counted(answer), views, answer.text);
}

const importRows = (worker, rows, into = audience) =>
  worker.call("POST", `/v1/audiences/${into}/profiles/import`, as.server, rows.map((row) => JSON.stringify(row)).join("\n"));

test("a trap in front of the control plane costs its own request", { timeout: 120_000 }, async (t) => {
  const worker = await deploy(t, "test");
  const faulty = { "x-usher-fault": "control panic" };
  for (let round = 1; round <= 10; round++) {
    const trapped = await worker.call("GET", "/v1/audiences", { ...as.admin, ...faulty });
    assert.equal(trapped.status, 500, trapped.text);
    // A visitor's request does not reach it, and so has no ear for that fault.
    await view(worker, "steady", round, faulty);
    const listed = await worker.call("GET", "/v1/audiences", as.admin);
    assert.deepEqual([listed.status, listed.json.audiences?.[0]?.id], [200, audience], listed.text);
  }
  // Nor does a trap of a visitor's request cost the control plane.
  assert.equal((await worker.event("pageviews", {}, { "x-usher-fault": "panic" })).status, 500);
  assert.equal((await worker.explain("steady")).profile.attributes.page_views_24h.value, 10);
});

test("an import that traps in the writer costs no visitor's request beside it", { timeout: 120_000 }, async (t) => {
  const worker = await deploy(t, "test");
  const rounds = 10;
  for (let round = 1; round <= rounds; round++) {
    const visitors = Array.from({ length: 10 }, (_, index) => view(worker, `beside-${index}`, round));
    const trapping = [0, 1].map(() => importRows(worker, [{ customer_id: "x-usher-fault: control open from 0" }]));
    for (const trapped of await Promise.all(trapping)) assert.equal(trapped.status, 500, trapped.text);
    await Promise.all(visitors);
    const imported = await importRows(worker, [{ customer_id: "c-1001", loyalty_tier: `VIP ${round}` }]);
    assert.deepEqual([imported.status, imported.json.imported], [200, 1], imported.text);
  }
});

test("a bundle that traps in the control plane alone serves its visitors, and stops no other audience", { timeout: 120_000 }, async (t) => {
  const worker = await deploy(t, "test");
  const broken = "1069945";
  const publish = async (name) => {
    const body = JSON.parse(await bundle());
    Object.assign(body.definition.audience, { id: broken, name });
    const answer = await worker.call("PUT", `/v1/audiences/${broken}/bundle`, as.admin, body);
    assert.equal(answer.status, 200, answer.text);
  };
  const look = () => {
    const body = { audience: broken, personalization: "web_personalization", key: { name: "td_client_id", value: "somebody" } };
    return worker.call("POST", "/v1/personalize", as.server, body);
  };
  const started = () => worker.log.split("in the control plane").length - 1;
  await publish("sound");
  assert.equal((await worker.batch("pageviews", [{ td_client_id: "other", td_path: "/" }])).status, 200);
  await publish("x-usher-fault: control install from 1");
  // Events of known visitors start no instance of it, which would trap.
  assert.equal((await worker.batch("pageviews", [{ td_client_id: "other", td_path: "/" }])).status, 200);
  assert.equal((await worker.lookup("other")).status, 200);
  assert.equal((await worker.call("GET", "/healthz")).status, 200);
  assert.equal((await worker.event("pageviews", { td_client_id: "other", td_path: "/" })).status, 200);
  assert.equal(started(), 0, worker.log);
  for (let round = 1; round <= 3; round++) {
    assert.equal((await look()).status, 200);
    const refused = await importRows(worker, [{ customer_id: "c-1001" }], broken);
    assert.deepEqual([refused.status, refused.json.code], [503, "storage_unavailable"], refused.text);
    const imported = await importRows(worker, [{ customer_id: "c-1001", loyalty_tier: `VIP ${round}` }]);
    assert.deepEqual([imported.status, imported.json.imported], [200, 1], imported.text);
    await view(worker, "steady", round);
  }
  await logged(worker, /in the control plane/);
  assert.equal(started(), 1, `it is tried once: ${worker.log}`);
  await publish("sound");
  assert.equal((await importRows(worker, [{ customer_id: "c-1001" }], broken)).status, 200);
});

test("events and explanations of one source draw from one rate", { timeout: 120_000 }, async (t) => {
  const worker = await deploy(t, "test");
  const begin = Date.now();
  const from = (seconds, source = "192.0.2.7") => ({ "cf-connecting-ip": source, "x-usher-now": String(begin + 1_000 * seconds) });
  const explain = (headers) => {
    const body = { audience, key: { name: "td_client_id", value: "busy" } };
    return worker.call("POST", "/v1/explain", { authorization: `TD1 ${previewToken()}`, ...headers }, body);
  };
  // A minute of the rate at once: all of it but one event.
  const events = (count) => Array.from({ length: count }, () => ({ td_client_id: "busy", td_path: "/" }));
  for (let batch = 1; batch <= 12; batch++) {
    const answer = await worker.batch("pageviews", events(batch < 12 ? 500 : 499), from(0));
    assert.equal(answer.status, 200, answer.text);
  }
  assert.equal((await explain(from(0))).status, 200);
  const refused = await explain(from(0));
  assert.deepEqual([refused.status, refused.json.code, refused.headers["retry-after"]], [429, "rate", "1"], refused.text);
  assert.equal((await worker.batch("pageviews", events(1), from(0))).status, 429);
  assert.equal((await explain(from(0, "192.0.2.8"))).status, 200, "another source has its own");
  assert.equal((await explain(from(1))).status, 200, "and a second later there is more");
});

test("explanations that are refused draw on the rate of their source", { timeout: 120_000 }, async (t) => {
  const worker = await deploy(t, "test");
  const begin = Date.now();
  const from = (seconds, source = "192.0.2.7") => ({ "cf-connecting-ip": source, "x-usher-now": String(begin + 1_000 * seconds) });
  const explain = (headers, body = "{") => worker.call("POST", "/v1/explain", { authorization: `TD1 ${previewToken()}`, ...headers }, body);
  let sent = 0;
  const statuses = new Map();
  const caller = async () => {
    while (sent < 6_000) {
      sent++;
      const { status } = await explain(from(0));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: 32 }, caller));
  assert.deepEqual([...statuses], [[400, 6_000]], "a minute of the rate at once");
  const refused = await explain(from(0));
  assert.deepEqual([refused.status, refused.json.code, refused.headers["retry-after"]], [429, "rate", "1"], refused.text);
  assert.equal((await explain(from(0), { audience, key: { name: "td_client_id", value: "busy" } })).status, 429);
  assert.equal((await explain(from(0, "192.0.2.8"))).status, 400, "another source has its own");
  assert.equal((await explain({ ...from(0), ...as.server })).status, 400, "and a server has no rate");
  assert.equal((await explain(from(1))).status, 400, "a second later there is more");
});
