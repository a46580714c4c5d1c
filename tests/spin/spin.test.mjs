// The Spin component under load: requests that share an instance, several instances, kills, traps, locks and damaged data.
//
// Each event has its own product, so the visitor's list of products shows which events were stored, and a counter how often.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { as, audience, logged, newId } from "../workerd/deployment.mjs";
import { deploy, shop, start } from "./application.mjs";

const KILLS = 5;
/** The list holds 100. */
const EVENTS_MAX = 90;

const view = (visitor, id = newId()) => ({ td_client_id: visitor, td_path: `/product/${id}`, product_id: id, uuid: id });

const profile = (visitor) => `/v1/audiences/${audience}/profiles/td_client_id/${visitor}`;

/** Every event of a visitor is stored, and counted once. */
async function holds(application, visitor, ids) {
  const { page_views_24h: counted = 0, browsed_products_list: listed = [] } = await application.values(visitor);
  assert.deepEqual([...listed].sort(), [...ids].sort(), visitor);
  assert.equal(counted, ids.length, visitor);
}

for (const [how, reuse, together] of [["share instances", 128, 64], ["have an instance each", 1, 24]]) {
  test(`${together} requests at once that ${how}`, { timeout: 120_000 }, async (t) => {
    const application = await deploy(t, { reuse });
    const visitors = ["one", "two", "three"];
    const events = visitors.flatMap((visitor) => Array.from({ length: EVENTS_MAX }, () => view(visitor)));
    // Mixes the visitors, so that several events of one visitor are sent at once.
    events.sort((left, right) => (left.uuid < right.uuid ? -1 : 1));
    const calls = events.flatMap((event, index) => {
      const send = [() => application.batch([event])];
      // Other visitors, and publishing again.
      if (index % 5 === 0) send.push(() => application.event({ td_client_id: `passer-by-${index}`, td_path: "/" }));
      if (index % 50 === 0) send.push(() => application.push());
      return send;
    });
    const client = async () => {
      for (let call; (call = calls.pop()); ) {
        const answer = await application.patient(call);
        assert.equal(answer.status, 200, answer.text);
        if (answer.json.receipts) assert.deepEqual(answer.json.receipts, [{ success: true }]);
      }
    };
    await Promise.all(Array.from({ length: together }, client));
    t.diagnostic(`${application.waits} calls waited over 5 s for the lock, and were made again`);
    for (const visitor of visitors) {
      await holds(application, visitor, events.filter((event) => event.td_client_id === visitor).map((event) => event.uuid));
    }
  });
}

test("no acknowledged event is lost or counted twice by kill -9", { timeout: 120_000 }, async (t) => {
  const application = await deploy(t);
  const visitors = new Map();
  let [acknowledged, doubtful] = [0, []];
  for (let kill = 0; kill < KILLS; kill++) {
    let alive = true;
    const client = async (name) => {
      for (let count = 0; alive && count < EVENTS_MAX; count++) {
        const event = view(name);
        const answer = await application.patient(() => application.batch([event])).catch(() => undefined);
        assert.ok(answer || !alive, "a connection broke before the kill");
        if (answer) assert.equal(answer.status, 200, answer.text);
        else doubtful.push(event);
        visitors.set(name, [...(visitors.get(name) ?? []), event.uuid]);
        acknowledged += answer ? 1 : 0;
      }
    };
    const clients = Array.from({ length: 8 }, (_, index) => client(`killed-${kill}-${index}`));
    // The moment of the kill is random, and there is load before it.
    for (const enough = acknowledged + randomInt(6, 60); acknowledged < enough; ) await sleep(randomInt(1, 10));
    alive = false;
    await application.stop("SIGKILL");
    await Promise.all(clients);
    await application.start();
  }
  // Clients send events without an answer again, with the same ids.
  for (const event of doubtful) assert.equal((await application.patient(() => application.batch([event]))).status, 200);
  for (const [visitor, ids] of visitors) await holds(application, visitor, ids);
  t.diagnostic(`kills ${KILLS}, acknowledged ${acknowledged}, in doubt ${doubtful.length}`);
});

test("a trap ends an instance and nothing that is stored", { timeout: 120_000 }, async (t) => {
  const application = await deploy(t);
  const ids = [];
  for (let round = 0; round < 8; round++) {
    const events = Array.from({ length: 10 }, () => view("beside"));
    const trapped = application.event({ td_client_id: "faulty" }, { "x-usher-fault": "panic" });
    const answers = await Promise.all([...events.map((event) => application.patient(() => application.batch([event]))), trapped]);
    assert.equal(answers.pop().status, 500);
    for (const [index, answer] of answers.entries()) {
      // The trap failed other requests of its instance, too. Clients send them again.
      assert.ok([200, 500].includes(answer.status), answer.text);
      if (answer.status === 500) assert.equal((await application.patient(() => application.batch([events[index]]))).status, 200);
      ids.push(events[index].uuid);
    }
  }
  await holds(application, "beside", ids);
  assert.equal((await application.profile("faulty")).known, false, "a request that trapped stored nothing");
});

test("instances run what another one published", { timeout: 60_000 }, async (t) => {
  const application = await deploy(t);
  // Many at once, so that there are several instances.
  const health = async () => (await application.call("GET", "/healthz", {})).json.bundles[0];
  await Promise.all(Array.from({ length: 64 }, health));
  const other = Buffer.from(`${shop.toString().trim()} `);
  assert.equal((await application.push(other)).status, 200);
  const until = Date.now() + 10_000;
  let bundles;
  do {
    await sleep(100);
    bundles = await Promise.all(Array.from({ length: 64 }, health));
  } while (bundles.some(({ number }) => number !== 2) && Date.now() < until);
  assert.ok(bundles.every(({ number }) => number === 2), JSON.stringify(bundles));
});

test("a database that stays locked: 503, and nothing is acknowledged", { timeout: 60_000 }, async (t) => {
  const application = await deploy(t);
  const unlock = await application.lock();
  const event = view("waiting");
  const [refused, looked] = await Promise.all([
    application.batch([event]),
    // A read does not wait for a writer.
    application.profile("waiting"),
  ]);
  assert.equal(refused.status, 503, refused.text);
  assert.equal(looked.known, false);
  await unlock();
  assert.equal((await application.batch([event])).status, 200);
  await holds(application, "waiting", [event.uuid]);
});

test("a commit is on disk, and a damaged copy of a bundle is one that is not there", { timeout: 60_000 }, async (t) => {
  const application = await deploy(t);
  assert.deepEqual(application.sql("PRAGMA journal_mode"), ["wal"]);
  // FULL is the default of every connection.
  assert.deepEqual(application.sql("PRAGMA synchronous"), ["2"]);
  const copies = "sqlite_key_value.db";
  const running = (await application.call("GET", "/healthz", {})).json.bundles;
  assert.equal(application.sql("SELECT key FROM pair", copies).length, 1);
  application.sql("UPDATE pair SET value = x'7b7d'", copies);
  await application.stop("SIGKILL");
  await application.start();
  const health = (await application.call("GET", "/healthz", {})).json;
  assert.deepEqual([health.status, health.bundles], ["ok", running]);
  // The copy was replaced.
  assert.deepEqual(application.sql("SELECT length(value) FROM pair", copies), [String(shop.length)]);
  // A copy is kept as long as its bundle is in the history.
  assert.equal((await application.push(Buffer.from(`${shop.toString().trim()} `))).status, 200);
  assert.equal(application.sql("SELECT key FROM pair", copies).length, 2);
});

test("data of a newer build stay unchanged", { timeout: 60_000 }, async (t) => {
  const application = await deploy(t);
  assert.equal((await application.batch([view("early")])).status, 200);
  assert.deepEqual(application.sql("SELECT value FROM meta WHERE name = 'form'"), ["2"]);
  application.sql("UPDATE meta SET value = 9 WHERE name = 'form'");
  await application.stop("SIGKILL");
  const before = application.sql("SELECT hex(state) FROM profile");
  await application.start();
  assert.equal((await application.batch([view("early")])).status, 503);
  const health = await application.call("GET", "/healthz", {});
  assert.deepEqual([health.status, health.json.status], [503, "too_new"]);
  assert.deepEqual(application.sql("SELECT hex(state) FROM profile"), before);
});

test("a file that is not a database: 503, and degraded", { timeout: 60_000 }, async (t) => {
  const application = await start(t);
  application.sql("CREATE TABLE unlike (text)");
  const { writeFileSync } = await import("node:fs");
  writeFileSync(`${application.data}/sqlite_db.db`, "this is not a database, and it is longer than the head of one, which has a hundred bytes: so it is refused");
  assert.equal((await application.batch([view("nobody")])).status, 503);
  await logged(application, /"event":"storage_failed"/);
});

test("nothing of an erased visitor is left in any file", { timeout: 60_000 }, async (t) => {
  const application = await deploy(t);
  const left = () => {
    const files = readdirSync(application.data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const has = ({ parentPath, name }) => readFileSync(join(parentPath, name)).includes("canary-gone");
    return files.filter(has).map(({ name }) => name);
  };
  for (let product = 0; product < 30; product++) {
    for (const word of ["gone", "kept"]) {
      const product_id = `canary-${word}-${product}-${"x".repeat(5 * product)}`;
      const answer = await application.batch([{ td_client_id: `canary-${word}`, td_path: "/product/1", product_id }]);
      assert.match(answer.text, /"success":true/);
    }
  }
  assert.notDeepEqual(left(), [], "it is there before");
  const erased = await application.call("DELETE", profile("canary-gone"), as.server);
  assert.equal(erased.status, 200, erased.text);
  assert.deepEqual(left(), []);
  assert.equal((await application.call("GET", profile("canary-gone"), as.server)).status, 404);
  assert.equal((await application.call("GET", profile("canary-kept"), as.server)).status, 200);
  await application.stop("SIGKILL");
  await application.start();
  assert.deepEqual(left(), []);
});

test("a tick deletes who has been idle for too long", { timeout: 60_000 }, async (t) => {
  const application = await deploy(t);
  assert.equal((await application.batch([view("idle")])).status, 200);
  const days = 401;
  application.sql(`UPDATE profile SET touched_ms = touched_ms - ${days} * 86400000`);
  application.sql(`UPDATE idle SET day = day - ${days}`);
  assert.equal((await application.batch([view("active")])).status, 200);
  const tick = await application.call("POST", "/v1/tick", as.admin);
  assert.deepEqual(tick.json, { purged: 1, more: false }, tick.text);
  assert.equal((await application.call("GET", profile("idle"), as.server)).status, 404);
  assert.equal((await application.call("GET", profile("active"), as.server)).status, 200);
  assert.deepEqual(application.sql("SELECT count(*) FROM profile"), ["1"]);
});
