// The demo as static files in Chromium: from a plain static server, below a sub-path, whose types are wrong. The shop is personalized by
// the edge in the browser, keeps its state, and works without the server.

import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { missing, startBrowser, until } from "../browser/site.mjs";
import { root, temporaryFolder } from "../workerd/deployment.mjs";
import { serveStatic, siteFolder } from "./static.mjs";

const skip = missing || siteFolder.missing;
const BLANK = `<!doctype html><title>a page</title><link rel="icon" href="data:,">`;

test("the shop as static files", { skip, timeout: 120_000 }, async (t) => {
  const site = await serveStatic(t, { folder: siteFolder.path });
  const browser = await startBrowser(t);
  const { page, errors, foreign } = await visit(browser, site);
  const shows = (section) => until(`the offer ${section}`, async () => (await page.locator("#offer-section").textContent()) === section);

  await page.goto(site.url);
  await shows("Default");
  await until("the edge is a Service Worker", async () => /Service Worker/.test(await page.getByTestId("way").textContent()));
  assert.equal(await page.evaluate(() => performance.getEntriesByType("navigation").length), 1, "no reload was needed");
  for (const product of ["P-207", "P-311"]) {
    await page.goto(`${site.url}#/product/${product}`);
    await page.waitForFunction((product) => location.hash.endsWith(product), product);
    await page.waitForTimeout(300);
  }
  await page.goto(`${site.url}#/`);
  await shows("Warm");
  await page.reload();
  await shows("Warm");

  // Nobody is there any more: what is left is in the browser.
  site.stop();
  await page.reload();
  await shows("Warm");
  await page.getByTestId("add-P-207").click();
  await until("the cart has it", async () => (await page.getByTestId("cart-count").textContent()) === "1");
  assert.deepEqual(errors, []);
  assert.deepEqual(foreign, []);
});

test("the guided tour, and a link to it that somebody else opens", { skip, timeout: 120_000 }, async (t) => {
  const site = await serveStatic(t, { folder: siteFolder.path });
  const browser = await startBrowser(t);
  const { page, errors, foreign } = await visit(browser, site);
  await page.addInitScript(() => (navigator.clipboard.writeText = async (text) => void (window.copied = text)));
  await page.goto(site.url);
  await until("the offer", async () => (await page.locator("#offer-section").textContent()) === "Default");
  await page.getByTestId("tour").click();
  await page.waitForURL(`${site.url}?s=minute`);
  const begun = (page) => until("the tour", async () => /1 of 7/.test(await page.getByTestId("script").textContent()));
  await begun(page);
  await page.getByTestId("share").click();
  await until("the link", async () => (await page.evaluate(() => window.copied)) === `${site.url}?s=minute`);
  const { page: other } = await visit(browser, site);
  await other.goto(await page.evaluate(() => window.copied));
  await begun(other);
  assert.deepEqual([errors, foreign], [[], []]);
});

test("the lines of HTML in README, in a file beside it", { skip, timeout: 120_000 }, async (t) => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/```html\n([^]*?)```/g)].map(([, text]) => text);
  const [lines, sixth] = [blocks.find((text) => text.includes("/usher.js")), blocks.find((text) => text.includes("setConsent"))];
  const here = lines.replace(`src="/usher.js"`, `src="usher.js" data-endpoint="api"`);
  assert.notEqual(here, lines);
  const pages = { "try.html": here, "banner.html": here.replace(` data-consent="granted"`, "") + sixth };
  const site = await serveStatic(t, { folder: siteFolder.path, pages });
  const browser = await startBrowser(t);
  const { page, context } = await visit(browser, site);
  // The demo's own page starts the edge, and is a visit of its own.
  await page.goto(site.url);
  await until("the offer", async () => (await page.locator("#offer-section").textContent()) === "Default");
  await page.evaluate(() => Promise.all([usher.flush(), usher.reset()]));
  for (const text of ["Welcome, stranger.", "Welcome, stranger.", "Welcome back: 3 pages today."]) {
    await page.goto(`${site.url}try.html`);
    await page.locator("[data-usher-state]").waitFor();
    await page.getByText(text).waitFor();
  }
  await page.evaluate(() => Promise.all([usher.flush(), usher.reset()]));
  const other = await context.newPage();
  await other.goto(`${site.url}banner.html`);
  await other.waitForFunction(() => window.usher?.debug.status());
  assert.equal(await other.evaluate(() => usher.debug.status().consent.analytics), "pending");
  await other.getByRole("button").click();
  await other.locator("[data-usher-state]").waitFor();
  await other.waitForFunction(() => usher.debug.status().pending === 0 && usher.debug.status().consent.analytics === "granted");
});

test("every scenario of the demo that runs in a tab", { skip, timeout: 240_000 }, async (t) => {
  const site = await serveStatic(t, { folder: siteFolder.path, pages: { "blank.html": BLANK } });
  const browser = await startBrowser(t);
  const { page: blank } = await visit(browser, site);
  await blank.goto(`${site.url}blank.html`);
  /** The words of each scenario's steps; null: it does not run in a tab. */
  const scenarios = await blank.evaluate(async () => {
    const { SCENARIOS } = await import("./scenarios.js");
    return Object.entries(SCENARIOS).map(([name, { notInTab, steps }]) => [name, notInTab ? null : steps.map(({ say }) => say)]);
  });
  const inTab = scenarios.filter(([, steps]) => steps !== null);
  assert(inTab.length >= 8 && inTab.some(([name]) => name === "window"), scenarios.join(" "));
  const play = async ([name, steps], prepare = () => {}) => {
    const { page, context, errors, foreign } = await visit(browser, site);
    await prepare(context);
    await page.goto(`${site.url}?s=${name}`);
    const script = page.getByTestId("script");
    for (const say of steps) {
      await until(`${name}: ${say}`, async () => (await script.getAttribute("data-state")) === "ready" && (await script.textContent()).includes(say));
      await page.getByTestId("step").click();
    }
    await until(`${name} to end`, async () => ["done", "failed"].includes(await script.getAttribute("data-state")));
    assert.equal(await script.getAttribute("data-state"), "done", await script.textContent());
    assert.deepEqual([errors, foreign], [[], []], name);
    await context.close();
  };
  for (const scenario of inTab) await play(scenario);
  await play(inTab[0], (context) => context.addInitScript(() => delete Navigator.prototype.serviceWorker));
});

test("where there is no Service Worker, a worker of the tab serves the same page and the same state", { skip, timeout: 120_000 }, async (t) => {
  const site = await serveStatic(t, { folder: siteFolder.path, pages: { "blank.html": BLANK } });
  const browser = await startBrowser(t);
  const { page, context } = await visit(browser, site);
  await context.addInitScript(() => delete Navigator.prototype.serviceWorker);
  await page.goto(`${site.url}blank.html`);
  const started = await page.evaluate(start);
  assert.equal(started.kind, "worker");
  assert.match(started.reason, /no Service Workers/);
  assert.equal(started.durable, true);
  const credentials = siteFolder.credentials;
  for (const uuid of ["1", "2", "2"]) assert.equal((await page.evaluate(view, { credentials, uuid })).status, 200);
  assert.match((await page.evaluate(view, { credentials, uuid: "2" })).text, /"page_views_24h":2/);
  // Of another tab, whose worker knows what this one stored.
  const other = await context.newPage();
  await other.goto(`${site.url}blank.html`);
  await other.evaluate(start);
  assert.match((await other.evaluate(view, { credentials, uuid: "3" })).text, /"page_views_24h":3/);
  assert.match((await page.evaluate(view, { credentials, uuid: "4" })).text, /"page_views_24h":4/);
  // A call that its page gives up, and one that goes elsewhere.
  const aborted = await page.evaluate(() => fetch(`${edge.endpoint}/healthz`, { signal: AbortSignal.abort() }).catch((error) => error.name));
  assert.equal(aborted, "AbortError");
  assert.equal(await page.evaluate(async () => (await fetch("demo.json")).json().then(({ edge }) => edge)), "tab");
});

test("the page sets the clock, publishes a bundle and erases everything", { skip, timeout: 120_000 }, async (t) => {
  const site = await serveStatic(t, { folder: siteFolder.path, pages: { "blank.html": BLANK } });
  const browser = await startBrowser(t);
  const { page } = await visit(browser, site);
  // Counts the page's calls of upkeep, and holds the clock that makes them.
  await page.addInitScript(() => {
    window.upkeeps = 0;
    const { postMessage } = ServiceWorker.prototype;
    ServiceWorker.prototype.postMessage = function (message, ports) {
      if (message.name === "upkeep" && !message.options.always) window.upkeeps++;
      return postMessage.call(this, message, ports);
    };
    window.setInterval = (run, ms) => {
      if (ms === 60_000) window.minute = run;
      return 0;
    };
  });
  await page.goto(`${site.url}blank.html`);
  const started = await page.evaluate(start);
  assert.deepEqual(started, { kind: "service-worker", reason: "", durable: true, endpoint: "/some/folder/api" });
  const credentials = siteFolder.credentials;
  const views = async (uuid) => Number(/"page_views_24h":(\d+)/.exec((await page.evaluate(view, { credentials, uuid })).text)[1]);
  assert.equal(await views("1"), 1);
  assert.equal(await views("2"), 2);
  const token = await page.evaluate(() => edge.previewToken(60));
  await page.evaluate(() => edge.setClockOffset(26 * 3_600_000));
  assert.equal(await page.evaluate(() => edge.clockOffset()), 26 * 3_600_000);
  const explained = await page.evaluate(async (token) => {
    const response = await fetch(`${edge.endpoint}/v1/explain`, {
      method: "POST", headers: { authorization: `Bearer ${token}` }, body: JSON.stringify({ audience: "1069944", key: { name: "td_client_id", value: "v" } }),
    });
    return response.json();
  }, token);
  assert.equal(explained.profile.attributes.page_views_24h.value, 0, "the window is over");
  await page.evaluate(() => edge.setClockOffset(0));

  // Expired state stays while only the clock moves, and goes when upkeep is asked for.
  await page.evaluate(() => edge.setClockOffset(2 * 400 * 86_400_000));
  await page.evaluate(() => minute());
  await page.evaluate(() => edge.setClockOffset(0));
  assert.equal(await views("kept"), 3);
  await page.evaluate(() => edge.setClockOffset(2 * 400 * 86_400_000));
  assert.ok((await page.evaluate(() => edge.upkeep())).purged > 0);
  await page.evaluate(() => edge.setClockOffset(0));
  assert.equal(await views("anew"), 1);
  assert.deepEqual(await page.evaluate(() => upkeeps), 2, "when the page opened, and a minute later");
  await page.evaluate(() => edge.erase());
  await views("1");
  await views("2");

  const bundle = JSON.parse(await page.evaluate(() => edge.bundle()));
  const published = await page.evaluate((text) => edge.publish(text), JSON.stringify({ ...bundle, examples: [] }));
  assert.deepEqual([published.ok, published.answer.number, published.answer.changed], [true, 2, true]);
  const refused = await page.evaluate(() => edge.publish("{}"));
  assert.equal(refused.ok, false);
  assert.equal(typeof refused.answer.code, "string");
  assert.equal(await views("3"), 3);
  // A later start takes the edited bundle for what it is, and does not publish the shop's again.
  await page.reload();
  await page.evaluate(start);
  assert.deepEqual(JSON.parse(await page.evaluate(() => edge.bundle())).examples ?? [], []);

  await page.evaluate(() => edge.erase());
  assert.deepEqual(JSON.parse(await page.evaluate(() => edge.bundle())), bundle);
  assert.equal(await views("1"), 1, "erased ids count again");
});

test("a hard reload goes past the Service Worker, which takes over all the same", { skip, timeout: 60_000 }, async (t) => {
  const site = await serveStatic(t, { folder: siteFolder.path, pages: { "blank.html": BLANK } });
  const browser = await startBrowser(t);
  const { page, context } = await visit(browser, site);
  await page.goto(`${site.url}blank.html`);
  await page.evaluate(start);
  const devtools = await context.newCDPSession(page);
  const loaded = page.waitForEvent("load");
  await devtools.send("Page.reload", { ignoreCache: true });
  await loaded;
  assert.equal(await page.evaluate(() => navigator.serviceWorker.controller === null), true);
  assert.equal((await page.evaluate(start)).kind, "service-worker");
});

test("a new version of the site takes the place of the one before, and keeps the state", { skip, timeout: 60_000 }, async (t) => {
  const folder = join(temporaryFolder(t), "site");
  cpSync(siteFolder.path, folder, { recursive: true });
  const site = await serveStatic(t, { folder, pages: { "blank.html": BLANK } });
  const browser = await startBrowser(t);
  const { page } = await visit(browser, site);
  await page.goto(`${site.url}blank.html`);
  await page.evaluate(start);
  const credentials = siteFolder.credentials;
  await page.evaluate(view, { credentials, uuid: "1" });
  const customers = () => page.evaluate(async () => (await (await fetch("demo.json")).json()).customers);
  assert.equal((await customers()).length, 3);

  const change = (name, text) => writeFileSync(join(folder, name), text(readFileSync(join(folder, name), "utf8")));
  change("demo.json", (text) => JSON.stringify({ ...JSON.parse(text), customers: ["c-1001"] }));
  assert.equal((await customers()).length, 3, "the files of one version stay together");
  const [, version] = /"([0-9a-f]{64})"/.exec(readFileSync(join(folder, "service-worker.js"), "utf8"));
  change("service-worker.js", (text) => text.replaceAll(version, version.split("").reverse().join("")));
  await page.reload();
  // Browsers look for a new version some seconds after a page was loaded.
  await page.evaluate(async () => (await navigator.serviceWorker.getRegistration()).update());
  await until("the new version took over", async () => (await customers()).length === 1);
  await page.evaluate(start);
  assert.match((await page.evaluate(view, { credentials, uuid: "2" })).text, /"page_views_24h":2/);
  await until("the files of the version before are gone", async () => (await page.evaluate(() => caches.keys())).length === 1);
});

/** A page in a browser context of its own; its errors, and the requests that it made elsewhere. */
async function visit(browser, site) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const [errors, foreign] = [[], []];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (line) => line.type() === "error" && /Content.Security|Trusted/i.test(line.text()) && errors.push(line.text()));
  page.on("request", (request) => !request.url().startsWith(site.url) && !request.url().startsWith("data:") && foreign.push(request.url()));
  return { context, page, errors, foreign };
}

/** In the page: starts the edge. */
async function start() {
  const { startTabEdge } = await import("./edge/index.js");
  globalThis.edge = await startTabEdge();
  const { kind, reason, durable, endpoint } = globalThis.edge;
  return { kind, reason, durable, endpoint };
}

/** In the page: sends a page view as the stock SDK does. */
async function view({ credentials, uuid }) {
  const response = await fetch(`${globalThis.edge.endpoint}/public/web/pageviews`, {
    method: "POST",
    headers: { authorization: `TD1 ${credentials.write_key}`, "wp13n-token": credentials.public_token },
    body: JSON.stringify({ td_client_id: "v", td_path: "/", uuid }),
  });
  return { status: response.status, text: await response.text() };
}
