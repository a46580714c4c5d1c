// The stock td-js-sdk in a real Chromium against the worker that ships: over TLS, as the SDK wants it, first with its
// calls alone and from another origin, then through the demo shop.
//
// The SDK is the file of the npm package, untouched. Nothing is routed or faked between browser and worker.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { chromium } from "playwright-core";

import { freePort } from "../../edge-worker/cloudflare/local/workerd.mjs";
import { as, audience, bundleOf, credentials, deploy, previewToken, root, temporaryFolder } from "../workerd/deployment.mjs";

const executable = process.env.CHROMIUM || "/usr/bin/chromium";
const missing = !existsSync(executable) && `${executable} is missing: apt-get install chromium, or name one in CHROMIUM`;
/** How long the page may take to show what a test waits for, in ms. */
const PATIENCE_MS = 30_000;

const BARE = `<!doctype html><meta charset="utf-8"><title>bare</title><link rel="icon" href="data:,"><script src="/td.min.js"></script>`;

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
  const tables = "\nevent_tables:\n  - {database: web, table: td_cm_context}\n  - {database: web, table: td_cm_consent}\n";
  appendFileSync(join(folder, "rt_config.yaml"), tables);
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
        const body = (id) => JSON.stringify({
          token: public_token,
          sentAt: Date.now(),
          events: [{ table: "web.pageviews", messageId: id, td_client_id: "simple", td_path: "/", timestamp: Date.now() }],
          personalize: { names: ["web_personalization"] },
        });
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

test("the demo shop", { skip: missing, timeout: 300_000 }, async (t) => {
  const site = await serveShop(t);
  await inBrowser(t, "shop", async (page) => {
    const shows = (id, text) =>
      page.locator(`[data-testid="${id}"]`, { hasText: text }).first().waitFor({ state: "visible", timeout: PATIENCE_MS });
    const text = (id) => page.getByTestId(id).innerText();
    const click = (id) => page.getByTestId(id).click();
    const follow = (name) => page.getByRole("main").getByRole("link", { name, exact: true }).click();
    const home = () => page.locator('nav [data-route="home"]').click();

    await page.goto(`${site.own}/`);
    await shows("offer-section", "Default");
    assert.match(await text("offer"), /Goods for an evening in/);
    await shows("why", "page_views_24h");
    assert.match(await text("notice"), /^$/);
    const visitor = await text("visitor");

    await follow("Balcony Lamp");
    await shows("answer", "P-207");
    await home();
    await shows("offer-section", "Warm");
    await follow("Folding Seat");
    // The answer reflects its own event: the seat is the last product now.
    await shows("offer", "Folding Seat");
    await shows("offers-json", '"page_views_24h": 4');
    await shows("profile", "P-311, P-207");

    // Without a tier the rule of the cart is unknown, and so there is no banner.
    await home();
    await click("add-P-207");
    await shows("cart-count", "1");
    await shows("events", "add_to_cart");
    await page.locator('[data-testid="events"] li[data-state="ok"]', { hasText: "add_to_cart" }).waitFor({ timeout: PATIENCE_MS });
    assert.equal(await page.getByTestId("banner").isVisible(), false);

    await page.locator('nav [data-route="account"]').click();
    await page.getByTestId("customer-c-1001").check();
    await click("sign-in");
    await shows("offer-section", "VIP Customers");
    assert.match(await text("offer"), /Your 15% VIP discount/);
    assert.match(await text("offer"), /Mira/);
    await shows("offers-json", '"vip_discount_percentage": 15');
    assert.deepEqual(JSON.parse(await text("offers-json")).offers["VIP Customers"].batch_segments, ["high_value", "newsletter"]);

    await click("add-P-100");
    await shows("cart-count", "2");
    await shows("banner", "Free shipping today");

    // Why: each section with its verdict, and the values that the conditions saw.
    await shows("why-section", "Cart_Section");
    const cart = page.getByTestId("why-section").filter({ hasText: "Cart_Section" });
    assert.equal(await cart.getAttribute("data-result"), "matched");
    assert.match(await cart.innerText(), /loyalty_tier/);
    assert.match(await text("profile"), /VIP/);
    assert.doesNotMatch(await text("inspector"), /mira@shop\.invalid/, "a sensitive value is not for a page");

    await page.locator('nav [data-route="cart"]').click();
    await page.getByTestId("total").filter({ hasText: "$88.82" }).waitFor({ timeout: PATIENCE_MS }); // (79.50 + 25) − 15 %
    assert.match(await text("notice"), /^$/);

    // The page is right, and so is what it wrote.
    const values = await site.worker.values(visitor);
    assert.equal(values.cart_value, 104.5);
    assert.deepEqual(values.cart_items, ["P-100", "P-207"]);
    assert.deepEqual(values.browsed_products_list, ["P-311", "P-207"]);
    // Home, lamp, home, seat, home, account, home, cart.
    assert.equal(values.page_views_24h, 8);
    assert.equal(values.loyalty_tier, "VIP");

    // The next visit is remembered; a new visitor is nobody. Nothing may be under way when the page is left.
    await page.getByTestId("answer").filter({ hasText: "/cart" }).filter({ hasText: "Explain took" }).waitFor({ timeout: PATIENCE_MS });
    await page.reload();
    await shows("offer-section", "VIP Customers");
    await click("start-over");
    await shows("offer-section", "Default");
    assert.notEqual(await text("visitor"), visitor);
  });
});

/** The worker with the demo's shop, TLS and records, on a port of its own. */
async function serveShop(t) {
  const folder = temporaryFolder(t);
  const tls = certificate(folder);
  const port = await freePort();
  // Two names of this machine are two origins.
  const [own, page] = [`https://127.0.0.1:${port}`, `https://localhost:${port}`];
  const www = join(folder, "www");
  cpSync(join(root, "www"), www, { recursive: true });
  // The SDK tells the path of the page: this one is a product's.
  mkdirSync(join(www, "product"));
  writeFileSync(join(www, "product/bare.html"), BARE);
  const data = join(folder, "data");
  mkdirSync(join(data, "site"), { recursive: true });
  const records = readFileSync(join(root, "examples/shop/profiles.ndjson"), "utf8");
  const customers = records.split("\n").filter(Boolean).map((line) => JSON.parse(line).customer_id);
  const { write_key, public_token } = credentials;
  const demo = { write_key, public_token, preview_token: previewToken(), audience, customers };
  writeFileSync(join(data, "site/demo.json"), JSON.stringify(demo));
  const worker = await deploy(t, "release", { port, tls, www, data, origins: [own, page] });
  const imported = await worker.call("POST", `/v1/audiences/${audience}/profiles/import`, as.server, records);
  assert.equal(imported.status, 200, imported.text);
  return { worker, own, page, host: `127.0.0.1:${port}` };
}

/** A certificate for this machine that nobody signed. */
function certificate(folder) {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  const names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
  execFileSync("openssl", [...options.split(" "), "-addext", names, "-keyout", key, "-out", certificate], { stdio: "pipe" });
  return { key: readFileSync(key, "utf8"), certificate: readFileSync(certificate, "utf8") };
}

/**
 * Runs a visit in a fresh browser. The page must stay quiet: no error, no failed or refused request, none to others.
 * After a failure its picture lies in target/test-output.
 */
async function inBrowser(t, name, visit, { refusals = false } = {}) {
  const browser = await chromium.launch({
    executablePath: executable,
    args: ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  t.after(() => browser.close());
  t.diagnostic(`Chromium ${browser.version()}`);
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const troubles = [];
  let [requests, preflights] = [0, 0];
  const statuses = new Set();
  // The driver does not show preflights, nor answers that the page may not read.
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  network.on("Network.requestWillBeSent", ({ request }) => (preflights += request.method === "OPTIONS" ? 1 : 0));
  network.on("Network.responseReceivedExtraInfo", ({ statusCode }) => statuses.add(statusCode));
  page.on("pageerror", (error) => troubles.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) troubles.push(`console: ${message.text()}`);
  });
  page.on("requestfailed", (request) => troubles.push(`failed: ${request.method()} ${request.url()} ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    if (response.status() >= 400) troubles.push(`${response.status()}: ${response.url()}`);
  });
  page.on("request", (request) => {
    requests++;
    const { protocol, hostname } = new URL(request.url());
    const own = protocol === "data:" || ["127.0.0.1", "localhost"].includes(hostname);
    if (!own) troubles.push(`third party: ${request.url()}`);
  });
  try {
    await visit(page);
    if (!refusals) assert.deepEqual(troubles, []);
    t.diagnostic(`${requests} requests, ${preflights} preflights, ${troubles.length} troubles`);
    return { preflights, statuses };
  } catch (error) {
    const picture = join(root, "target/test-output", `${name}.png`);
    mkdirSync(join(root, "target/test-output"), { recursive: true });
    await page.screenshot({ path: picture, fullPage: true }).catch(() => {});
    t.diagnostic(`picture: target/test-output/${name}.png; troubles: ${JSON.stringify(troubles)}`);
    throw error;
  }
}
