// The stock td-js-sdk in a real Chromium against the worker that ships: over TLS, as the SDK wants it, and from another origin.
//
// The SDK is the file of the npm package, untouched. Nothing is routed or faked between browser and worker.

import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { as, audience, bundleOf, credentials, root, temporaryFolder } from "../workerd/deployment.mjs";
import { inBrowser, missing, PATIENCE_MS, serveShop } from "./shop.mjs";

test("the stock SDK", { skip: missing, timeout: 300_000 }, async (t) => {
  const site = await serveShop(t);
  const { preflights } = await inBrowser(t, "sdk", async (page) => {
    // A page of one origin, a worker of another: the browser asks before each call whether it may.
    await page.goto(`${site.page}/product/bare.html`);
    const seen = await page.evaluate(
      async ({ host, write_key, public_token }) => {
        const td = new window.Treasure({ database: "web", writeKey: write_key, host, startInSignedMode: true });
        const call = (start) =>
          new Promise((done, fail) => start(done, (error) => fail(new Error(`the SDK called back with ${JSON.stringify(error?.message ?? error)}`))));
        td.set("pageviews", { product_id: "P-311" });
        const view = await call((done, fail) => td.trackPageview("pageviews", done, fail));
        const visitor = td.getTrackValues().td_client_id;
        // A record as it is: what ties it to the visitor is the caller's to send.
        const record = await call((done, fail) => td.addRecord("formfills", { customer_id: "c-1002", td_client_id: visitor }, done, fail));
        const fetched = [];
        for (const td_path of ["/", "/cart"]) {
          const where = { endpoint: host, database: "web", table: "pageviews", token: public_token };
          fetched.push(await call((done, fail) => td.fetchPersonalization(where, { ...td.getTrackValues(), td_path }, done, fail)));
        }
        return { visitor, view, record, fetched };
      },
      { host: site.host, ...credentials },
    );
    t.diagnostic(`trackPageview ${JSON.stringify(seen.view)}, addRecord ${JSON.stringify(seen.record)}`);
    assert.deepEqual(seen.view, { receipts: [{ success: true }] });
    assert.deepEqual(seen.record, { receipts: [{ success: true }] });
    assert.deepEqual(seen.fetched, [
      { offers: { Default: { attributes: { last_product_viewed: "P-311", page_views_24h: 2 }, batch_segments: [] } } },
      { offers: { Warm: { attributes: { last_product_viewed: "P-311", page_views_24h: 3 }, batch_segments: [] } } },
    ]);

    // What arrived, as the writer tells it.
    const { profile } = await site.worker.explain(seen.visitor);
    assert.equal(profile.known, true);
    assert.deepEqual(profile.keys.map(({ name }) => name).sort(), ["customer_id", "td_client_id"]);
    const values = Object.fromEntries(Object.entries(profile.attributes).map(([name, { value }]) => [name, value]));
    assert.equal(values.page_views_24h, 3);
    assert.deepEqual(values.browsed_products_list, ["P-311"]);
    assert.equal(values.loyalty_tier, "Gold", "the record tied the visitor to the customer");
    assert.equal((await site.worker.values("c-1002", "customer_id")).page_views_24h, 3);
  });
  assert.ok(preflights > 0, "the calls went to another origin, so the browser must have asked");
});

test("modes, consent and segments of the stock SDK", { skip: missing, timeout: 300_000 }, async (t) => {
  const site = await serveShop(t);
  // The SDK writes consent into tables of its own, which a definition declares like any other.
  const folder = join(temporaryFolder(t), "shop");
  cpSync(join(root, "examples/shop"), folder, { recursive: true });
  const file = join(folder, "rt_config.yaml");
  const tables = "event_tables:\n  - {database: web, table: td_cm_context}\n  - {database: web, table: td_cm_consent}\n";
  const [before, after] = readFileSync(file, "utf8").split("event_tables:\n");
  writeFileSync(file, before + tables + after);
  const published = await site.worker.call("PUT", `/v1/audiences/${audience}/bundle`, as.admin, await bundleOf(folder));
  assert.equal(published.status, 200, published.text);

  await inBrowser(t, "sdk-modes", async (page) => {
    await page.goto(`${site.page}/product/bare.html`);
    const seen = await page.evaluate(
      async ({ host, write_key, public_token }) => {
        const td = new window.Treasure({ database: "web", writeKey: write_key, host, cdpHost: host });
        const call = (start) =>
          new Promise((done, fail) => start(done, (error) => fail(new Error(`the SDK called back with ${JSON.stringify(error?.message ?? error)}`))));
        const view = () => call((done, fail) => td.trackPageview("pageviews", done, fail));
        const where = { endpoint: host, database: "web", table: "pageviews", token: public_token };
        const fetched = () => call((done, fail) => td.fetchPersonalization(where, td.getTrackValues(), done, fail));
        const segments = (keys) => call((done, fail) => td.fetchUserSegments({ audienceToken: public_token, keys }, done, fail));

        const anonymous = [await view(), await fetched()];
        td.setSignedMode();
        const signed = [await view(), await fetched()];
        const visitor = td.getTrackValues().td_client_id;

        td.addContext({ brand: "Shop", domain_name: "shop.example", collection_type: "banner", collection_point_id: "footer", context_id: "c-1" });
        td.addConsents({ marketing: { description: "Letters", datatype: "Attributes", status: "given", expiry_date: "2040-01-01", context_id: "c-1" } });
        const contexts = await call((done, fail) => td.saveContexts(done, fail));
        const consents = await call((done, fail) => td.saveConsents(done, fail));

        const customer = await segments({ customer_id: "c-1001" });
        const several = await segments({ td_client_id: visitor, email: "a+b@shop.invalid" });
        const nobody = await segments({ td_client_id: "nobody" });
        return { anonymous, signed, visitor, contexts, consents, customer, several, nobody };
      },
      { host: site.host, ...credentials },
    );
    // Anonymous: the SDK sends nothing that tells the visitor, and nothing is kept.
    const offer = (page_views_24h) => ({ offers: { Default: { attributes: { page_views_24h }, batch_segments: [] } } });
    assert.deepEqual(seen.anonymous, [{ receipts: [{ success: true, notes: ["no_usable_key"] }] }, offer(1)]);
    assert.deepEqual(seen.signed, [{ receipts: [{ success: true }] }, offer(2)]);
    assert.deepEqual(seen.contexts, [{ receipts: [{ success: true, notes: ["no_usable_key"] }] }]);
    assert.equal(seen.consents.marketing.status, "given");

    assert.equal(seen.customer.length, 1);
    assert.deepEqual(seen.customer[0].key, { customer_id: "c-1001" });
    assert.deepEqual(seen.customer[0].values, ["high_value", "newsletter"]);
    assert.equal(seen.customer[0].attributes.vip_discount_percentage, 15);
    assert.equal(seen.customer[0].audienceId, audience);
    assert.deepEqual(seen.several[0].key, { td_client_id: seen.visitor });
    assert.equal(seen.several[0].attributes.page_views_24h, 2);
    assert.deepEqual(seen.nobody, []);
  });
});

test("events and offers in one request, for which no browser asks first", { skip: missing, timeout: 300_000 }, async (t) => {
  const site = await serveShop(t);
  const { preflights } = await inBrowser(t, "simple", async (page) => {
    await page.goto(`${site.page}/product/bare.html`);
    const seen = await page.evaluate(
      async ({ host, write_key, public_token }) => {
        const url = `https://${host}/v1/e?key=${write_key}`;
        const body = (id) => {
          // Read once: an event that is younger than its sending is one of the future.
          const now = Date.now();
          return JSON.stringify({
            token: public_token,
            sentAt: now,
            events: [{ table: "web.pageviews", messageId: id, td_client_id: "simple", td_path: "/", timestamp: now }],
            personalize: { names: ["web_personalization"] },
          });
        };
        const answer = await fetch(url, { method: "POST", body: body("e-1"), keepalive: true, credentials: "include" });
        const beacon = navigator.sendBeacon(url, body("e-2"));
        return { status: answer.status, wire: answer.headers.get("usher-wire"), token: answer.headers.get("usher-seen"), json: await answer.json(), beacon };
      },
      { host: site.host, ...credentials },
    );
    assert.deepEqual([seen.status, seen.wire, seen.beacon], [200, "1", true]);
    assert.ok(seen.token);
    assert.deepEqual(seen.json.receipts, [{ id: "e-1", success: true }]);
    assert.deepEqual(seen.json.offers, { Default: { attributes: { page_views_24h: 1 }, batch_segments: [] } });
    assert.deepEqual(seen.json.meta.personalizations, { Default: "web_personalization" });
    for (const until = Date.now() + PATIENCE_MS; (await site.worker.values("simple")).page_views_24h !== 2; ) {
      assert.ok(Date.now() < until, "the beacon did not arrive");
      await new Promise((done) => setTimeout(done, 50));
    }
  });
  assert.equal(preflights, 0);
});

test("the stock SDK is told when it may not", { skip: missing, timeout: 300_000 }, async (t) => {
  const site = await serveShop(t);
  const { statuses } = await inBrowser(t, "sdk-refused", async (page) => {
    await page.goto(`${site.page}/product/bare.html`);
    const outcome = await page.evaluate(
      async ({ host, public_token }) => {
        const td = new window.Treasure({ database: "web", writeKey: "1/not-a-key", host, startInSignedMode: true });
        const where = { endpoint: host, database: "web", table: "pageviews", token: public_token };
        return Promise.all([
          new Promise((done) => td.fetchPersonalization(where, td.getTrackValues(), () => done("answered"), () => done("refused"))),
          new Promise((done) => td.trackPageview("pageviews", () => done("answered"), () => done("refused"))),
        ]);
      },
      { host: site.host, ...credentials },
    );
    assert.deepEqual(outcome, ["refused", "refused"]);
  }, { refusals: true });
  assert.ok(statuses.has(401), `the worker answered ${[...statuses]}`);
});
