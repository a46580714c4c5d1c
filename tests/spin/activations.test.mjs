// Activations from Spin, which has no clock: a tick delivers them, and so do operators who want some tried.

import assert from "node:assert/strict";
import { test } from "node:test";

import { command, fire, host, listed, receiver } from "../delivery/hosts.mjs";
import { as } from "../workerd/deployment.mjs";

const tick = async (edge) => assert.equal((await edge.call("POST", "/v1/tick", as.admin)).status, 200);
const pairs = (count) => Array.from({ length: count }, (_, place) => [`v${place}`, place]);
const left = async (edge) => (await listed(edge)).activations.length;

test("nothing is sent before a tick, and one tick sends what is due", { timeout: 120_000 }, async (t) => {
  const { url, got } = await receiver(t, () => 200);
  const edge = await host(t, "spin", url, { rests: true });
  // Those of one visitor follow each other.
  await fire(edge, [...pairs(30), ["v0", 100], ["v0", 101]]);
  assert.deepEqual([got.length, await left(edge)], [0, 32]);
  await tick(edge);
  assert.deepEqual([got.length, await left(edge)], [32, 0]);
  assert.deepEqual(got.filter(({ body }) => body.customer === "v0").map(({ body }) => body.sku), ["0", "100", "101"]);
});

test("ticks that overlap begin each attempt once", { timeout: 120_000 }, async (t) => {
  const { url, got } = await receiver(t, () => 200);
  const edge = await host(t, "spin", url, { rests: true });
  await fire(edge, pairs(60));
  await Promise.all(Array.from({ length: 5 }, () => tick(edge)));
  assert.deepEqual([got.length, new Set(got.map(({ id }) => id)).size, await left(edge)], [60, 60, 0]);
});

test("operators drain without a tick", { timeout: 120_000 }, async (t) => {
  let works = false;
  const { url, got } = await receiver(t, () => (works ? 200 : 503));
  const edge = await host(t, "spin", url, { rests: true });
  await fire(edge, pairs(3));
  await assert.rejects(command(edge, ["activations", "drain", "--timeout", "0"]), { code: 1 });
  assert.ok(got.length >= 3 && got.every(({ status }) => status === 503));
  works = true;
  assert.match(await command(edge, ["activations", "drain", "--timeout", "60"]), /Nothing is left/);
  assert.equal(new Set(got.filter(({ status }) => status === 200).map(({ id }) => id)).size, 3);
});

test("a host that the manifest does not name gets nothing, and the list says why", { timeout: 120_000 }, async (t) => {
  const { url, got } = await receiver(t, () => 200);
  // The same machine by another name is another host.
  const edge = await host(t, "spin", url.replace("127.0.0.1", "localhost"), { rests: true, reaches: [new URL(url).origin] });
  await fire(edge, pairs(1));
  await tick(edge);
  assert.equal(got.length, 0);
  const [activation] = (await listed(edge)).activations;
  assert.match(activation.last, /^not_allowed: `allowed_outbound_hosts` in spin.toml does not have http:\/\/localhost:\d+$/);
});

test("what is erased between its lease and its attempt is not attempted", { timeout: 120_000 }, async (t) => {
  const { url, got } = await receiver(t, () => 200);
  const edge = await host(t, "spin", url, { rests: true });
  await fire(edge, pairs(3));
  // Whatever is leased is erased by the same commit, so before its attempt begins.
  const erased = "DELETE FROM sending WHERE number = NEW.number; DELETE FROM delivery WHERE number = NEW.number;";
  edge.sql(`CREATE TRIGGER erasure AFTER INSERT ON delivery WHEN NEW.stage = 1 BEGIN ${erased} END`);
  await tick(edge);
  assert.deepEqual([got.length, edge.sql("SELECT count(*) FROM sending")], [0, ["0"]]);
  assert.deepEqual((await listed(edge, "/attempts")).attempts, []);
  edge.sql("DROP TRIGGER erasure");
  await fire(edge, [["v0", 7]]);
  await tick(edge);
  assert.deepEqual(got.map(({ body }) => body.sku), ["7"]);
});

test("an erasure among ticks ends the attempts about its visitor", { timeout: 120_000 }, async (t) => {
  const { url, got } = await receiver(t, () => 500);
  const edge = await host(t, "spin", url, { rests: true });
  const visitors = pairs(12);
  await fire(edge, visitors);
  let isErasing = true;
  const ticks = [0, 1].map(async () => {
    while (isErasing) await tick(edge);
  });
  const erased = new Map();
  for (const [visitor] of visitors) {
    const answer = await edge.call("DELETE", `/v1/audiences/1069944/profiles/customer_id/${visitor}`, as.server);
    assert.ok([200, 204].includes(answer.status), answer.text);
    erased.set(visitor, Date.now());
  }
  isErasing = false;
  await Promise.all(ticks);
  const before = got.length;
  assert.ok(before > 0, "some were attempted before");
  for (const [visitor, at] of erased) {
    // One may have been on its way.
    const late = got.filter((one) => one.body.customer === visitor && one.at > at);
    assert.ok(late.length <= 1, `${visitor}: ${late.length} attempts after its erasure`);
  }
  assert.equal(await left(edge), 0);
  await tick(edge);
  assert.equal(got.length, before);
});
