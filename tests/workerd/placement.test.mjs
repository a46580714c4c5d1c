// Where the data are: the region that is hinted at, and the jurisdiction, which never changes.

import assert from "node:assert/strict";
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

import { Deployment, as, audience, bundle, deploy, logged, root, secret, startStore, temporaryFolder } from "./deployment.mjs";

const route = `/v1/audiences/${audience}/bundle`;
const health = async (worker) => (await worker.call("GET", "/healthz")).json;
const view = { td_client_id: "anna", td_path: "/product/P-1", product_id: "P-1", event_id: "one" };

/** Nothing is stored, and nobody is unknown: every route refuses. */
async function refuses(call) {
  for (const [method, path, headers, body] of [
    ["POST", "/web/pageviews", as.collector, { events: [{ ...view, event_id: "two" }] }],
    ["POST", "/v1/personalize", as.server, { audience, personalization: "web_personalization", key: { name: "td_client_id", value: "anna" } }],
    ["PUT", route, as.admin, JSON.parse(await bundle())],
  ]) {
    const answer = await call(method, path, headers, body);
    assert.equal(answer.status, 503, `${path}: ${answer.text}`);
    assert.equal(answer.headers["usher-placement-fault"], undefined);
  }
}

test("objects are asked for in the jurisdiction and near the region that are set", { timeout: 120_000 }, async (t) => {
  const [store, other] = [await startStore(t), await startStore(t)];
  const worker = await deploy(t, "release", { jurisdiction: "eu", hint: "weur", kv: store.address });
  assert.equal((await worker.batch("pageviews", [view])).status, 200);
  assert.equal((await worker.lookup("anna")).json.meta.source, "writer");
  assert.equal((await worker.lookup("anna")).json.meta.source, "memory");
  await logged(worker, /"name":"eu:shard-0".*\n/);
  const asked = [...worker.log.matchAll(/\{"event":"object".*\}/g)].map(([line]) => JSON.parse(line));
  assert.deepEqual(asked.map(({ name, locationHint }) => [name, locationHint]), [["control", "weur"], ["eu:shard-0", "weur"]]);
  // KV is in no jurisdiction: it has bundles, and nothing of visitors, which elsewhere follow the answer.
  const elsewhere = await deploy(t, "release", { hint: "oc", kv: other.address });
  await elsewhere.batch("pageviews", [view]);
  await elsewhere.lookup("anna");
  await logged(elsewhere, /"name":"shard-0","locationHint":"oc"/);
  const kinds = ({ entries }) => [...new Set([...entries.keys()].map((name) => name.split("/")[0]))];
  for (const until = Date.now() + 10_000; kinds(other).length < 2 && Date.now() < until; ) await new Promise((done) => setTimeout(done, 20));
  assert.equal(kinds(other).length, 2);
  assert.deepEqual(kinds(store), ["bundle"]);
});

test("another jurisdiction than that of the data is refused until it is set back", { timeout: 120_000 }, async (t) => {
  const worker = await deploy(t, "release", { jurisdiction: "eu", isolates: 2 });
  assert.equal((await worker.batch("pageviews", [view])).status, 200);
  const known = await worker.values("anna");
  for (const [jurisdiction, hint, shown] of [["", "weur", "none"], ["us", "", "us"]]) {
    await worker.become("release", { jurisdiction, hint });
    // The second isolate has no objects: it hears it from the control object.
    await refuses((...call) => worker.second(...call));
    await refuses((...call) => worker.call(...call));
    for (const { status, json } of [await worker.call("GET", "/healthz"), await worker.second("GET", "/healthz")]) {
      assert.deepEqual([status, json.status], [503, "unconfigured"]);
      assert.match(json.detail, new RegExp(`^USHER_JURISDICTION is ${shown}, but the data are in eu: set it back`));
    }
    await logged(worker, /"event":"misplaced"/);
  }
  await worker.become("release", { jurisdiction: "eu", hint: "" });
  assert.deepEqual(await worker.values("anna"), known);
  assert.equal((await worker.second("GET", "/healthz")).json.status, "ok");
});

test("data of an earlier release are in no jurisdiction", { timeout: 120_000 }, async (t) => {
  const data = temporaryFolder(t);
  cpSync(join(root, "tests/previous/workerd"), data, { recursive: true });
  for (const name of readdirSync(data, { recursive: true }).filter((name) => name.endsWith(".gz"))) {
    writeFileSync(join(data, name.slice(0, -3)), gunzipSync(readFileSync(join(data, name))));
    rmSync(join(data, name));
  }
  const keys = secret().replaceAll('"*"', JSON.stringify(audience));
  const worker = new Deployment(t, "release", { data, keys, jurisdiction: "eu" });
  await worker.start();
  await refuses((...call) => worker.call(...call));
  assert.match((await health(worker)).detail, /is eu, but the data are in none/);
  await worker.become("release", { jurisdiction: "" });
  assert.equal((await worker.values("browser-1")).cart_value, 42.5);
});

test("a setting can be mended while there are no data, and one that nobody knows is refused", { timeout: 120_000 }, async (t) => {
  const worker = new Deployment(t, "release", { jurisdiction: "us" });
  await worker.start();
  assert.equal((await health(worker)).status, "ok");
  for (const [settings, name] of [[{ jurisdiction: "moon" }, "USHER_JURISDICTION"], [{ jurisdiction: "eu", hint: "moon" }, "USHER_LOCATION_HINT"]]) {
    await worker.become("release", settings);
    const { status, detail } = await health(worker);
    assert.equal(status, "unconfigured");
    assert.match(detail, new RegExp(`^${name} is one of `));
    await logged(worker, new RegExp(`"unconfigured".*${name} is one of`));
  }
  await worker.become("release", { jurisdiction: "eu", hint: "" });
  assert.equal((await worker.call("PUT", route, as.admin, JSON.parse(await bundle()))).status, 200);
  assert.equal((await worker.batch("pageviews", [view])).status, 200);
  assert.equal((await health(worker)).status, "ok");
});
