// What the SDK costs a page: no shift of what is seen, no long task, and little time for a call, with a full queue, too.

import assert from "node:assert/strict";
import { test } from "node:test";

import { missing, serveSite, startBrowser, until } from "./site.mjs";

const HEAD = `<!doctype html><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,">
<script>
  window.shift = 0;
  window.longest = 0;
  new PerformanceObserver((list) => { for (const { value } of list.getEntries()) shift += value; }).observe({ type: "layout-shift", buffered: true });
  new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) longest = Math.max(longest, duration); }).observe({ type: "longtask", buffered: true });
</script>`;
const slot = (style) => `<div data-usher-slot="hero" style="${style}"><p>Default</p><p hidden data-usher-section="Returning" style="height: 200px">Back</p></div>`;

test("nothing that is seen moves, however late the answer", { skip: missing, timeout: 120_000 }, async (t) => {
  const page = (path, site) => path === "/" && `${HEAD}${site.tag(`async data-consent="granted" data-timeout-ms="3000"`)}
    ${slot("height: 220px")}<p>between</p>${slot("")}<p>after</p><div style="height: 2000px"></div>${slot("")}<p>end</p>`;
  const site = await serveSite(t, page);
  const browser = await startBrowser(t);
  const tab = await browser.newPage({ viewport: { width: 800, height: 600 } });
  const states = () => tab.evaluate(() => [...document.querySelectorAll("[data-usher-slot]")].map((element) => element.dataset.usherState));
  for (const [fault, expected] of [[null, "default"], ["slow", "personalized"]]) {
    site.fault = () => fault;
    await tab.goto(site.url);
    await until("an answer", async () => (await states()).every(Boolean));
    await new Promise((done) => setTimeout(done, 300));
    assert.ok((await tab.evaluate(() => window.shift)) <= 0.01, `${await tab.evaluate(() => window.shift)} after ${fault}`);
    // The one with a size shows it, the one without comes too late, the one below is out of sight.
    assert.deepEqual(await states(), expected === "default" ? Array(3).fill("default") : ["personalized", "late", "personalized"]);
  }
});

test("a call is short, with a full queue and no edge", { skip: missing, timeout: 120_000 }, async (t) => {
  const page = (path, site) => path === "/" && `${HEAD}${site.tag(`data-consent="granted" data-auto=""`)}`;
  const site = await serveSite(t, page);
  site.fault = () => "hang";
  const browser = await startBrowser(t);
  const tab = await browser.newPage();
  await tab.goto(site.url);
  const { each_ms, baseline_ms, pending } = await tab.evaluate(async () => {
    const time = (count, run) => {
      const began = performance.now();
      for (let at = 0; at < count; at++) run(at);
      return (performance.now() - began) / count;
    };
    for (let at = 0; at < 250; at++) void usher.track("Fill", { filler: "x".repeat(500) });
    // What a page pays for as many entries that it reads and writes itself.
    const keys = Array.from({ length: 200 }, (_, at) => `own:${at}`);
    const baseline_ms = time(10, () => { for (const key of keys) localStorage.setItem(key, "x".repeat(900)); for (const key of keys) localStorage.getItem(key); });
    // What else this machine does only makes calls longer.
    const each_ms = Math.min(...Array.from({ length: 5 }, () => time(10, () => void usher.track("Measured", { filler: "x".repeat(500) }))));
    await new Promise((done) => setTimeout(done, 100));
    return { each_ms, baseline_ms, pending: usher.debug.status().pendingAll };
  });
  t.diagnostic(`${each_ms.toFixed(2)} ms a call with 200 events stored; reading and writing 200 entries takes ${baseline_ms.toFixed(2)} ms`);
  assert.equal(pending, 200);
  assert.ok(each_ms < 10 + baseline_ms * 3, `${each_ms} ms`);
});

test("no long task, beside an empty page in the same run", { skip: missing, timeout: 180_000 }, async (t) => {
  const filled = (site) => `${HEAD}${site.tag(`async data-consent="granted"`)}${slot("height: 220px").repeat(20)}`;
  const site = await serveSite(t, (path, site) => ({ "/empty": HEAD, "/": filled(site), "/dead": filled(site) })[path]);
  const browser = await startBrowser(t);
  const least = { "/empty": Infinity, "/": Infinity, "/dead": Infinity };
  const excess = () => ["/", "/dead"].filter((path) => least[path] > Math.max(50, 1.5 * least["/empty"]));
  // On a busy machine it takes more runs until none is disturbed.
  let runs = 0;
  for (; runs < 5 || (runs < 25 && excess().length > 0); runs++) {
    for (const path of Object.keys(least)) {
      site.fault = () => (path === "/dead" ? "reset" : null);
      const context = await browser.newContext();
      const tab = await context.newPage();
      await tab.goto(site.url + path);
      if (path !== "/empty") await until("the slots", () => tab.evaluate(() => document.querySelectorAll("[data-usher-state]").length === 20));
      await new Promise((done) => setTimeout(done, 200));
      // What else this machine does only makes tasks longer, so the shortest of several runs is the page's own.
      least[path] = Math.min(least[path], await tab.evaluate(() => window.longest));
      await context.close();
    }
  }
  t.diagnostic(`longest task of a page, least of ${runs} loads (0: none over 50 ms): ${JSON.stringify(least)}`);
  assert.deepEqual(excess(), [], JSON.stringify(least));
});
