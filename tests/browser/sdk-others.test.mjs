// The browser SDK in Firefox and WebKitGTK: delivery, slots, consent, storage that is blocked, and decisions on the device. Chromium has more tests; a browser that
// is not installed is skipped, with the reason.

import assert from "node:assert/strict";
import { test } from "node:test";

import { randomOf } from "../../browser-sdk/js/tests/modules.mjs";
import { DRIVERS } from "./drivers.mjs";
import { engine, FAULTS, serveSite, until } from "./site.mjs";

/** At most 800 of one visitor: an edge remembers 1,000 ids. */
const EVENTS = Math.min(800, Math.ceil(200 * Number(process.env.USHER_CASES ?? 1)));
const HEAD = `<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,">
  <script>window.errors = []; addEventListener("error", ({ message }) => errors.push(message)); addEventListener("unhandledrejection", ({ reason }) => errors.push(String(reason)));</script>`;
const SLOT = `<div id="slot" data-usher-slot="hero" style="height: 120px"><p>Hello <b data-usher-text="headline">you</b></p>
  <template data-usher-section="Pro"><p>Pro <i data-usher-text="headline"></i> <a data-usher-attr="href:link; onclick:headline">go</a> <b data-usher-text="pages_24h" data-usher-format="currency:EUR"></b></p></template></div>`;
const NOTES = `<script>
  const note = (kind, id, more) => localStorage.setItem("note:" + kind + ":" + id, more ?? "");
  usher.on("drop", ({ messageId, reason }) => note("dropped", messageId, reason));
  window.burst = (count) => { for (let at = 0; at < count; at++) usher.track("Counted", { filler: "x".repeat(200) }).then(({ messageId, status }) => note("tracked", messageId, status)); };
</script>`;
const BLOCKED = `<script>for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });</script>`;
const pages = (path, site) => ({
  "/delivery": `${HEAD}${site.tag(`data-consent="granted" data-auto=""`)}${NOTES}`,
  "/slot": `${HEAD}${site.tag(`data-consent="granted" data-auto=""`)}${SLOT}`,
  "/consent": `${HEAD}${site.tag()}${SLOT}`,
  "/blocked": `${HEAD}${BLOCKED}${site.tag(`data-consent="granted"`)}${SLOT}`,
})[path];

for (const { name, missing, start } of DRIVERS) {
  test(`${name}: ${EVENTS} events over faults, navigations and tabs`, { skip: missing, timeout: 240_000 + EVENTS * 200 }, async (t) => {
    const site = await serveSite(t, pages);
    const browser = await start(t);
    const random = randomOf(20261130);
    const pick = (list) => list[Math.floor(random() * list.length)];
    let share = 0;
    site.fault = () => (random() < share ? pick(Object.keys(FAULTS)) : null);
    const tabs = [await browser.open(`${site.url}/delivery`), await browser.open(`${site.url}/delivery`)];
    for (let made = 0; made < EVENTS; ) {
      share = pick([0, 0.5, 0.9]);
      const tab = pick(tabs);
      const count = Math.min(EVENTS - made, pick([1, 5, 20]));
      made += count;
      await tab.evaluate((count) => burst(count), count);
      const act = random();
      if (act < 0.4) await tab.goto(`${site.url}/delivery`);
      else if (act < 0.5) {
        tabs.push(await browser.open(`${site.url}/delivery`));
        tabs.splice(tabs.indexOf(tab), 1);
        await tab.close();
      } else await new Promise((done) => setTimeout(done, pick([0, 100, 500])));
    }
    share = 0;
    const last = await browser.open(`${site.url}/delivery`);
    // A tab that lives keeps its events through a pause of up to five minutes; those of an ended one are taken over.
    for (const tab of tabs) await tab.close();
    await until("everything is sent", () => last.evaluate(() => usher.flush().then(() => usher.debug.status().pendingAll === 0)), 60_000);
    const notes = await last.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("note:")));
    const of = (kind) => notes.map((key) => key.split(":")).filter(([, its]) => its === kind).map(([, , id]) => id);
    const dropped = new Set(of("dropped"));
    const lost = of("tracked").filter((id) => !dropped.has(id) && site.ledger.get(id)?.counted !== 1);
    assert.deepEqual(lost, []);
    assert.ok(of("tracked").length >= EVENTS * 0.9, `${of("tracked").length} were tracked`);
    assert.equal(site.requests.filter(({ method }) => method === "OPTIONS").length, 0, "no browser asked first");
  });

  test(`${name}: slots, consent, storage`, { skip: missing, timeout: 240_000 }, async (t) => {
    const site = await serveSite(t, pages);
    const browser = await start(t);
    const tab = await browser.open(`${site.url}/slot`);
    const shown = await tab.evaluate(async () => {
      const show = async (headline, link) => {
        const decision = { offers: { Pro: { attributes: { headline, link, pages_24h: 5 } } }, meta: { engine: "edge", personalizations: { Pro: "hero" } } };
        await usher.render(decision);
        const anchor = document.querySelector("#slot a");
        return [document.querySelector("#slot").innerText.replace(/\s+/g, " ").trim(), anchor?.getAttribute("href"), anchor?.hasAttribute("onclick")];
      };
      const shown = [await show("<img src=x onerror=alert(1)>", "/offer"), await show("News", "javascript:alert(1)")];
      await usher.reset();
      return [...shown, document.querySelector("#slot").innerText.trim(), errors];
    });
    assert.deepEqual(shown, [["Pro <img src=x onerror=alert(1)> go €5.00", `${site.url}/offer`, false], ["Pro News go €5.00", null, false], "Hello you", []]);
    await tab.evaluate(() => usher.track("Told", { headline: "News", plan: "pro" }).then(() => usher.personalize()).then((decision) => usher.render(decision)));
    await until("the edge's offer", () => tab.evaluate(() => document.querySelector("#slot").dataset.usherState === "personalized"));

    await tab.evaluate(() => usher.setConsent("denied"));
    site.requests.length = 0;
    await tab.goto(`${site.url}/consent`);
    const kept = () => tab.evaluate(() => [...Object.keys(localStorage), ...Object.keys(sessionStorage), document.cookie].filter(Boolean));
    const held = await tab.evaluate(() => usher.track("Held"));
    assert.equal(held.status, "held");
    assert.deepEqual([await kept(), site.requests.length], [[], 0]);
    await tab.evaluate(() => usher.setConsent("granted"));
    await until("what was held", () => site.ledger.get(held.messageId)?.counted === 1);
    await tab.evaluate(() => usher.setConsent("denied"));
    assert.deepEqual(await kept(), []);

    await tab.goto(`${site.url}/blocked`);
    const receipt = await tab.evaluate(() => usher.track("Blocked"));
    assert.equal(receipt.status, "memory");
    await until("it leaves all the same", () => site.ledger.get(receipt.messageId)?.counted === 1);
    assert.deepEqual(await tab.evaluate(() => errors), []);
  });

  test(`${name}: decisions on the device`, { skip: missing || (!engine() && "the engine for devices is missing: make device"), timeout: 120_000 }, async (t) => {
    const page = (path, site) => path === "/" && `${HEAD}${site.tag(`data-consent="granted" data-auto="" data-anonymous-id-column="visitor" data-mode="device" data-engine="${engine()}"`)}`;
    const site = await serveSite(t, page, { definition: "tests/device/definition" });
    const tab = await (await start(t)).open(site.url);
    await tab.evaluate(() => usher.track("view", { path: "/product/sofa", sku: "sofa" }, { table: "web.pages" }).then(() => usher.personalize({ names: ["all"], timeoutMs: 5_000 })));
    await until("the engine", () => tab.evaluate(() => usher.engine.info().state === "ready"));
    const { meta, offers } = await tab.evaluate(() =>
      Promise.all([1, 2].map(() => usher.track("view", { path: "/" }, { table: "web.pages" }))).then(() => usher.personalize({ names: ["all"] })));
    assert.deepEqual([meta.engine, offers.Often?.attributes], ["device", { views: 3, line: "3 times, last sofa" }]);
    t.diagnostic(`${(await tab.evaluate(() => usher.engine.measure({ names: ["all"] }))).us.toFixed(1)} µs a decision`);
    assert.deepEqual(await tab.evaluate(() => errors), []);
  });
}
