// Activations from commit to receiver, on each host that delivers: verified by the library of Standard Webhooks, in order, again
// after failures, parked after a day, and through kills.

import assert from "node:assert/strict";
import { test } from "node:test";

import { command, everyKind, exampleReceiver, fire, host, listed, receiver, until } from "./hosts.mjs";

const KILLS = 3;
const DAY_MS = 24 * 60 * 60 * 1_000;

// USHER_TEST_HOSTS names some of them, separated by commas.
for (const kind of process.env.USHER_TEST_HOSTS?.split(",") ?? everyKind) {
  test(`${kind}: messages are signed, in order, and sent again after failures`, { timeout: 300_000 }, async (t) => {
    const failing = { 0: 500, 1: 302 };
    const { url, got } = await receiver(t, ({ body }, before) => (body.customer === "anna" && body.sku === "1" && failing[before]) || 200);
    const edge = await host(t, kind, url);
    await fire(edge, [["anna", 1]]);
    await until(() => got[0], "the first attempt");
    await fire(edge, [["anna", 2]]);
    await fire(edge, [["bert", 1]]);
    await until(() => (got.length >= 5 ? got : undefined), "all attempts");
    const anna = got.filter(({ body }) => body.customer === "anna");
    assert.deepEqual(anna.map(({ body, status }) => [body.sku, status]), [["1", 500], ["1", 302], ["1", 200], ["2", 200]]);
    assert.ok(anna[0].id === anna[1].id && anna[1].id === anna[2].id && anna[2].id !== anna[3].id);
    assert.ok(anna.slice(0, 3).every(({ text, sequence }) => text === anna[0].text && sequence === anna[0].sequence));
    assert.ok(anna[3].sequence > anna[2].sequence);
    // Half of two seconds at least.
    assert.ok(anna[1].at - anna[0].at >= 900, `a pause of ${anna[1].at - anna[0].at} ms`);
    await until(async () => ((await listed(edge)).activations.length === 0 ? true : undefined), "nothing is left");
    const { attempts } = await listed(edge, "/attempts");
    assert.deepEqual(attempts.map(({ status }) => status).sort(), ["200", "200", "200", "302", "500"]);
    assert.deepEqual([...new Set(attempts.map(({ event_id }) => event_id))].sort(), ["anna-1", "anna-2", "bert-1"]);
  });

  test(`${kind}: after a day a message is parked, and can be tried again`, { timeout: 300_000 }, async (t) => {
    let works = false;
    const { url, got } = await receiver(t, () => (works ? 200 : 503));
    const edge = await host(t, kind, url);
    // An event of yesterday, by the clock that tests may set.
    await fire(edge, [["anna", 1]], { "x-usher-now": String(Date.now() - DAY_MS) });
    const parked = await until(async () => (await listed(edge, "?state=parked")).activations[0], "it is parked");
    assert.deepEqual([parked.state, parked.last, parked.attempts], ["parked", "503", 1]);
    assert.match(await command(edge, ["activations", "list", "--parked"]), new RegExp(parked.id));
    works = true;
    await command(edge, ["activations", "retry", "--id", parked.id]);
    await until(() => (got.length >= 2 ? got : undefined), "it is tried again");
    assert.equal(got[1].id, got[0].id);
    await until(async () => ((await listed(edge, "?state=parked")).activations.length === 0 ? true : undefined), "it is delivered");
  });

  test(`${kind}: no message is lost by ${KILLS} kills while every other attempt fails`, { timeout: 300_000 }, async (t) => {
    const drawn = (id) => Number.parseInt(id.slice(0, 8), 16);
    const { url, got } = await receiver(t, ({ id }, before) => ((drawn(id) + before) % 2 === 0 ? 200 : 500));
    const edge = await host(t, kind, url);
    let fired = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const pairs = Array.from({ length: 30 }, () => [`v${fired % 25}`, fired++]);
      await fire(edge, pairs);
      const before = got.length;
      await until(() => (got.length >= before + 5 + kill ? true : undefined), "attempts are under way");
      await edge.kill();
      await edge.start();
    }
    const delivered = () => new Set(got.filter(({ status }) => status === 200).map(({ id }) => id));
    await until(() => (delivered().size >= fired ? true : undefined), "all are delivered");
    const [texts, last] = [new Map(), new Map()];
    for (const { id, text, body, sequence } of got) {
      assert.equal(texts.get(id) ?? text, text, "the same id has the same body");
      texts.set(id, text);
      assert.ok(sequence >= (last.get(body.customer) ?? 0), `${body.customer}: ${sequence} after ${last.get(body.customer)}`);
      last.set(body.customer, sequence);
    }
    assert.equal(texts.size, fired, "no message is there that no event fired");
  });

  test(`${kind}: the example's receiver keeps each message once`, { timeout: 120_000 }, async (t) => {
    const { url, received } = await exampleReceiver(t);
    const edge = await host(t, kind, url);
    await fire(edge, [["anna", 1], ["bert", 2], ["anna", 3]]);
    const all = await until(() => (received().length >= 3 ? received() : undefined), "all are kept");
    assert.deepEqual(all.map(({ body }) => `${body.customer} ${body.sku}`).sort(), ["anna 1", "anna 3", "bert 2"]);
    assert.ok(all.every(({ late }) => !late));
    // Nobody else's requests.
    const forged = await fetch(url, { method: "POST", body: "{}", headers: { "webhook-id": "x", "webhook-timestamp": String(Math.floor(Date.now() / 1_000)), "webhook-signature": "v1,AAAA" } });
    assert.equal(forged.status, 401);
    await until(async () => ((await listed(edge)).activations.length === 0 ? true : undefined), "nothing is left");
    assert.equal(received().length, 3);
  });
}
