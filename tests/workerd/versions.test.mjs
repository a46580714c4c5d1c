// The previous release and the present build on one set of data: one after the other, side by side, and past the switch of
// the form (docs/operate.md). `tests/previous` holds that release.

import assert from "node:assert/strict";
import { cpSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

import { Deployment, as, audience, credentials, logged, root, secret, temporaryFolder } from "./deployment.mjs";

const stored = join(root, "tests/previous");
/** A bundle as both builds read it. */
const shop = readFileSync(join(root, "edge-worker/golden/shop.json"), "utf8").trim();
/** Both builds know a key that names its audience by its id, and these scopes; `*`, `read` and `erase` are younger. */
const keys = secret(credentials.allowed_origins, ["personalize", "sensitive", "import", "explain"]).replaceAll('"*"', JSON.stringify(audience));
const route = `/v1/audiences/${audience}/bundle`;

/** A folder with the files of another, packed ones unpacked. */
function unpacked(t, from) {
  const folder = temporaryFolder(t);
  cpSync(join(stored, from), folder, { recursive: true });
  for (const name of readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".gz"))) {
    writeFileSync(join(folder, name.slice(0, -3)), gunzipSync(readFileSync(join(folder, name))));
    rmSync(join(folder, name));
  }
  return folder;
}

/** Visitors whose every event is sent again later, and counted once. */
class Visitors {
  #sent = new Map();
  #count = 0;

  constructor(worker) {
    this.worker = worker;
  }

  /** One more view of this visitor by this front; all its earlier ones are sent once more beside it. */
  async view(visitor, send = (...args) => this.worker.call(...args)) {
    const sent = this.#sent.get(visitor) ?? [];
    this.#sent.set(visitor, sent);
    sent.push({ td_client_id: visitor, td_path: "/product/P-1", product_id: "P-1", event_id: `view-${++this.#count}` });
    const answer = await send("POST", "/web/pageviews", as.collector, { events: sent });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.json.receipts.every(({ success }) => success), answer.text);
  }

  /** Every view of every visitor was counted exactly once. */
  async check(send = (...args) => this.worker.call(...args)) {
    const values = {};
    for (const [visitor, sent] of this.#sent) {
      const body = { audience, key: { name: "td_client_id", value: visitor } };
      const answer = await send("POST", "/v1/explain", as.server, body);
      assert.equal(answer.status, 200, answer.text);
      const { attributes } = answer.json.profile;
      values[visitor] = Object.fromEntries(Object.entries(attributes).map(([name, { value }]) => [name, value]));
      assert.equal(values[visitor].page_views_24h, sent.length, `${visitor}: ${answer.text}`);
    }
    return values;
  }
}

const named = (name) => shop.replace("RT_Lab_ACME_Shop", name);

async function publish(send, body) {
  const answer = await send("PUT", route, as.admin, body);
  assert.equal(answer.status, 200, answer.text);
  return answer.json.number;
}

async function running(send) {
  const answer = await send("GET", route, as.admin);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text).definition.audience.name;
}

test("builds take turns on one set of data, and nothing is lost or counted twice", { timeout: 300_000 }, async (t) => {
  const previous = unpacked(t, "worker");
  const worker = new Deployment(t, previous, { form: "1", keys });
  await worker.start();
  const send = (...args) => worker.call(...args);
  const visitors = new Visitors(worker);
  assert.equal(await publish(send, shop), 1);
  let known = {};
  let number = 1;
  for (const [turn, kind] of [previous, "release", previous, "release", previous].entries()) {
    if (turn > 0) await worker.become(kind);
    // What the other one left, to the last value.
    assert.deepEqual(await visitors.check(), known, `turn ${turn}`);
    await visitors.view("stays");
    await visitors.view(`new in turn ${turn}`);
    // Each of them writes what the other merges.
    const forms = ["stays", `merged ${turn}`].map((browser) => ({ td_client_id: browser, customer_id: "c-1", event_id: `form ${turn} ${browser}` }));
    const answer = await worker.batch("formfills", forms);
    assert.deepEqual(answer.json.receipts.map(({ success }) => success), [true, true], answer.text);
    assert.equal((await worker.explain(`merged ${turn}`)).meta.profile.id, (await worker.explain("stays")).meta.profile.id);
    const look = await worker.lookup("stays");
    assert.equal(look.status, 200, look.text);
    // Bundles of either run in the other; so do rollbacks.
    assert.equal(await publish(send, named(`turn ${turn}`)), ++number);
    const back = await worker.call("POST", `/v1/audiences/${audience}/rollback`, as.admin);
    assert.deepEqual([back.status, back.json.number], [200, ++number], back.text);
    known = await visitors.check();
  }
});

for (const [front, store] of [["previous", "present"], ["present", "previous"]]) {
  test(`a ${front} front and a ${store} writer`, { timeout: 300_000 }, async (t) => {
    const builds = { previous: unpacked(t, "worker"), present: "release" };
    const fronts = { previous: builds.previous, present: join(root, "target/worker/release") };
    if (process.env.USHER_TEST_WORKER_RELEASE) fronts.present = process.env.USHER_TEST_WORKER_RELEASE;
    const worker = new Deployment(t, builds[store], { form: "1", keys, isolates: 2, front: fronts[front] });
    await worker.start();
    const own = (...args) => worker.call(...args);
    const other = (...args) => worker.second(...args);
    const visitors = new Visitors(worker);
    assert.equal(await publish(own, shop), 1);
    assert.equal(await running(other), "RT_Lab_ACME_Shop");
    for (let round = 0; round < 3; round++) {
      for (const send of [other, own]) {
        await visitors.view("both", send);
        await visitors.view(`one ${round}`, send);
        const seen = await visitors.check(other);
        assert.deepEqual(await visitors.check(own), seen);
        const key = { name: "td_client_id", value: "both" };
        const look = await send("POST", "/v1/personalize", as.server, { audience, personalization: "web_personalization", key });
        assert.equal(look.status, 200, look.text);
        const event = await send("POST", "/public/web/add_to_cart", as.browser, { td_client_id: "page", price: 1, event_id: `${round}` });
        assert.equal(event.status, 200, event.text);
        const record = await send("POST", `/v1/audiences/${audience}/profiles/import`, as.server, '{"customer_id":"c-9","loyalty_tier":"VIP"}');
        assert.equal(record.status, 200, record.text);
      }
    }
    // What one publishes runs by the other, and it rolls back.
    await publish(other, named("by the front"));
    const back = await other("POST", `/v1/audiences/${audience}/rollback`, as.admin);
    assert.equal(back.status, 200, back.text);
    const list = await other("GET", `/v1/audiences/${audience}/bundles`, as.admin);
    assert.deepEqual(list.json.bundles.map(({ number }) => number), [3, 2, 1], list.text);
    await visitors.check(other);
    assert.doesNotMatch(worker.log, /failure|damaged|too_new/, worker.log);
  });
}

test("past the switch the previous build counts nothing, and going forward finds everything", { timeout: 300_000 }, async (t) => {
  const previous = unpacked(t, "worker");
  const worker = new Deployment(t, previous, { form: "1", keys });
  await worker.start();
  const send = (...args) => worker.call(...args);
  const health = async () => (await worker.call("GET", "/healthz")).json;
  const visitors = new Visitors(worker);
  await publish(send, shop);
  await visitors.view("old");
  await worker.become("release", { form: "1" });
  assert.equal((await health()).form, 1);
  // What 0.1.0 could not run waits for the switch.
  const newer = shop.replace('"identity":{', '"identity":{"placeholder_list":1,');
  const refused = await send("PUT", route, as.admin, newer);
  assert.deepEqual([refused.status, refused.json.code], [409, "needs_form"], refused.text);
  assert.match(refused.json.detail, /identity\.placeholder_list needs form 2.*USHER_FORM/);
  await worker.become("release", { form: "2" });
  await visitors.view("old");
  await visitors.view("switched");
  assert.equal((await health()).form, 2);
  const known = await visitors.check();

  // Code is rolled back past the switch: it refuses whom it cannot read, and leaves them as they are.
  const refuses = async () => {
    for (const visitor of ["old", "switched"]) {
      const answer = await worker.batch("pageviews", [{ td_client_id: visitor, td_path: "/", event_id: `lost ${visitor}` }]);
      assert.ok(answer.status >= 400 || answer.json.receipts.every(({ success }) => !success), answer.text);
      // A lookup falls back on what needs no profile, and says so.
      const look = await worker.lookup(visitor);
      assert.ok(look.status >= 400 || ["none", "stale"].includes(look.json.meta.source), look.text);
    }
  };
  await worker.become(previous);
  await refuses();
  // And forward again: a lower setting lowers nothing.
  await worker.become("release", { form: "1" });
  assert.deepEqual(await visitors.check(), known);
  const state = await health();
  assert.deepEqual([state.status, state.form], ["degraded", 2]);
  assert.match(state.detail, /form 2 is still written/);
  await logged(worker, /form_refused/);
  await visitors.view("old");
  // A bundle that only the present build runs.
  await worker.become("release", { form: "2" });
  assert.equal(await publish(send, newer), 2);
  await visitors.view("switched");
  await worker.become(previous);
  await refuses();
  await worker.become("release");
  assert.equal((await health()).status, "ok");
  await visitors.view("old");
  await visitors.view("switched");
  await visitors.check();
});

test("the storage that the previous release left is read", { timeout: 300_000 }, async (t) => {
  const data = unpacked(t, "workerd");
  assert.ok(statSync(join(data, "do/usher-store")).isDirectory());
  const worker = new Deployment(t, "release", { data, form: "", keys });
  await worker.start();
  const one = await worker.explain("browser-1");
  assert.equal((await worker.call("GET", "/healthz")).json.form, 1);
  assert.equal(one.meta.profile.id, (await worker.explain("browser-2")).meta.profile.id);
  const { cart_value, loyalty_tier } = await worker.values("browser-2");
  assert.deepEqual([cart_value, loyalty_tier], [42.5, "VIP"]);
  const answer = await worker.batch("add_to_cart", [{ td_client_id: "browser-1", product_id: "P-9", price: 10, event_id: "again" }]);
  assert.deepEqual(answer.json.receipts, [{ success: true }]);
  assert.equal((await worker.values("browser-1")).cart_value, 52.5);
});
