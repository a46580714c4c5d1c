// `td-compat` in Chromium over plain HTTP, against a real edge with the shop's definition: the verbs of the RT 2.0 SDK on the durable queue.

import assert from "node:assert/strict";
import { test } from "node:test";

import { missing, PLAIN, serveSite, startBrowser, until } from "./site.mjs";

const HEAD = `<!doctype html><meta charset="utf-8"><title>compat</title><link rel="icon" href="data:,"><meta name="description" content="a page">`;
/** As the loader's snippet leaves it before the script is there. */
const SNIPPET = `<script>
  window.Treasure = function (...config) { Treasure.clients.push(this); this._init = [config]; };
  Treasure.clients = [];
  for (const verb of ["set", "trackEvent"]) Treasure.prototype[verb] = function (...args) { (this["_" + verb] ??= []).push(args); return this; };
  window.early = new Treasure({ database: "web", writeKey: "KEY", host: location.host });
  early.set("$global", "shop", "north");
  early.trackEvent("formfills", { form: "early" });
</script>`;
const page = (path, site) => ["/", "/snippet"].includes(path) &&
  `${HEAD}${path === "/snippet" ? SNIPPET.replace("KEY", site.keys.write_key) : ""}<script src="/usher.js"></script><script src="/td-compat.js"></script><script>
    window.make = (more) => new Treasure({ database: "web", writeKey: "${site.keys.write_key}", host: location.host, ...more });
    window.told = (run) => new Promise((done) => run((result) => done(result), (error) => done(error.message)));
  </script>`;

async function open(t, path = "/") {
  const site = await serveSite(t, page, { definition: "examples/shop", audience: "1069944", demo: "examples/shop/credentials.json" });
  const context = await (await startBrowser(t)).newContext();
  const tab = await context.newPage();
  const troubles = [];
  tab.on("pageerror", (error) => troubles.push(error.message));
  tab.on("console", (message) => message.type() === "warning" && troubles.push(message.text()));
  t.after(() => assert.deepEqual(troubles, []));
  await tab.goto(site.url.replace("127.0.0.1", PLAIN) + path);
  return { site, tab, context };
}
const rows = (site) => site.requests.filter(({ url }) => url.startsWith("/v1/e")).flatMap(({ body }) => JSON.parse(body).events);

test("records, modes and settings", { skip: missing, timeout: 120_000 }, async (t) => {
  const { site, tab, context } = await open(t);
  assert.equal(await tab.evaluate(() => isSecureContext), false, "the page is one of plain HTTP");
  const receipts = await tab.evaluate(async () => {
    window.td = make();
    td.set("$global", "shop", "north").set("formfills", { form: "any", lang: "de" });
    const anonymous = await told((ok, failed) => td.trackEvent("formfills", { form: "login", td_client_id: "mine" }, ok, failed));
    const plain = await told((ok, failed) => td.addRecord("purchase", { price: 5 }, ok, failed));
    td.setSignedMode();
    const signed = await told((ok, failed) => td.trackPageview(undefined, ok, failed));
    const unknown = await told((ok, failed) => td.addRecord("no_such_table", {}, ok, failed));
    return [anonymous, plain, signed, unknown];
  });
  const ok = { receipts: [{ success: true }] };
  assert.deepEqual(receipts, [ok, ok, ok, "rejected"]);
  const [anonymous, plain, signed] = rows(site);
  assert.deepEqual([anonymous.table, anonymous.form, anonymous.lang, anonymous.shop, anonymous.td_client_id], ["web.formfills", "login", "de", "north", null]);
  assert.deepEqual([anonymous.td_title, anonymous.td_path, anonymous.td_description], ["compat", "/", "a page"]);
  assert.ok(Math.abs(anonymous.time - Date.now() / 1000) < 60);
  assert.deepEqual([plain.table, plain.price, plain.td_title, plain.event, plain.context], ["web.purchase", 5, undefined, undefined, undefined]);
  assert.equal(signed.table, "web.pageviews");
  const cookies = Object.fromEntries((await context.cookies()).map(({ name, value }) => [name, value]));
  assert.deepEqual([signed.td_client_id, cookies.__td_signed], [cookies._td, "true"]);

  const after = await tab.evaluate(() => {
    const id = td.client.uuid;
    const again = make();
    again.blockEvents();
    const told = [again.client.uuid === id, again.inSignedMode(), again.areEventsBlocked(), again.get("$global"), td.get(null, "shop")];
    again.trackEvent("formfills", { form: "blocked" });
    again.unblockEvents();
    again.setAnonymousMode();
    return [...told, again.inSignedMode(), document.cookie.includes("_td=")];
  });
  assert.deepEqual(after, [true, true, true, {}, "north", false, false]);
  await tab.evaluate(() => usher.flush());
  assert.ok(!rows(site).some(({ form }) => form === "blocked"));
});

test("a record outlives an edge that fails and a page that goes", { skip: missing, timeout: 120_000 }, async (t) => {
  const { site, tab } = await open(t);
  site.fault = () => "500 of a proxy";
  const settled = await tab.evaluate(async () => {
    let settled = 0;
    make().addRecord("purchase", { price: 7 }, () => settled++, () => settled++);
    await usher.flush();
    return settled;
  });
  assert.equal(settled, 0, "neither callback was called yet");
  await tab.reload();
  site.fault = () => null;
  await tab.evaluate(() => void make());
  await until("the record", () => [...site.ledger.values()].some(({ counted }) => counted === 1), 20_000);
  assert.deepEqual([...site.ledger.values()], [{ counted: 1, duplicates: 0 }]);
});

test("offers and segments", { skip: missing, timeout: 120_000 }, async (t) => {
  const { site, tab } = await open(t);
  const token = site.keys.public_token;
  const [offers, again, refused, blocked] = await tab.evaluate(async (token) => {
    const td = make({ startInSignedMode: true, clientId: "visitor-1" });
    const ask = (more, data) => told((ok, failed) => td.fetchPersonalization({ endpoint: location.host, database: "web", table: "pageviews", token, ...more }, data, ok, failed));
    const data = { td_client_id: "visitor-1", td_path: "/" };
    const answers = [await ask({}, data), await ask({}, data), await ask({ token: "1/demo/99999999999999999999999999999999" }, data)];
    await usher.flush();
    td.blockEvents();
    let called = 0;
    await td.fetchPersonalization({ endpoint: location.host, database: "web", table: "pageviews", token }, data, () => called++, () => called++);
    return [...answers, called];
  }, token);
  assert.ok(offers.offers && again.offers, JSON.stringify([offers, again]));
  assert.equal(typeof refused, "string", "an error that tells the status");
  assert.equal(blocked, 0);
  await until("the queue", () => tab.evaluate(() => usher.flush().then(({ pending }) => pending === 0)));
  const { profile } = await site.explain("td_client_id", "visitor-1", "web_personalization");
  assert.equal(profile.attributes.page_views_24h.value, 3, "each event counts once, whichever way came first");

  const segments = await tab.evaluate((token) => {
    const td = make();
    return told((ok, failed) => td.fetchUserSegments({ audienceToken: token, keys: { td_client_id: "visitor-1" } }, ok, failed));
  }, token);
  assert.ok(Array.isArray(segments), JSON.stringify(segments));
});

test("clients of the loader's snippet, with their calls", { skip: missing, timeout: 120_000 }, async (t) => {
  const { site, tab } = await open(t, "/snippet");
  await until("the early call", () => rows(site).some(({ form, shop }) => form === "early" && shop === "north"));
  assert.equal(await tab.evaluate(() => early.areEventsBlocked()), false);
});
