// The overlay in a page with a strict policy: each tab, by the keyboard alone, with what a real edge explains.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { root } from "../workerd/deployment.mjs";
import { missing, serveSite, startBrowser, until } from "./site.mjs";

test("the overlay", { skip: missing, timeout: 120_000 }, async (t) => {
  const page = (path, site) => path === "/" && `<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,">
    <style nonce="n">* { color: red !important; font-size: 40px !important; }</style>
    <script nonce="n">usherTexts = { consent: "Einwilligung" };</script>
    ${site.tag(`nonce="n" data-consent="granted"`)}<div data-usher-slot="hero"><p hidden data-usher-section="Returning">Back</p></div>
    <script nonce="n" defer src="/overlay.js" data-audience="7" data-preview-token="${site.previewToken}" data-write-key="${site.keys.write_key}" data-token="${site.keys.public_token}"></script>`;
  const site = await serveSite(t, page);
  site.headers = { "content-security-policy": "default-src 'none'; script-src 'nonce-n'; style-src 'nonce-n'; connect-src 'self'; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'" };
  const browser = await startBrowser(t);
  const tab = await browser.newPage();
  await tab.addInitScript(() => (navigator.clipboard.writeText = async (text) => void (window.copied = text)));
  const troubles = [];
  tab.on("pageerror", (error) => troubles.push(error.message));
  tab.on("console", (message) => ["error", "warning"].includes(message.type()) && troubles.push(message.text()));
  await tab.goto(site.url);
  const overlay = tab.locator("usher-overlay");
  const panel = () => overlay.locator("[role=tabpanel]").innerText();
  const selected = () => overlay.locator("[role=tab][aria-selected=true]").innerText();
  await overlay.locator(".open").focus();
  await tab.keyboard.press("Enter");
  assert.equal(await selected(), "Slots");
  await until("the slot", async () => /hero default, no section/.test(await panel()));
  assert.match(await panel(), /Engine on the device: off/);

  await tab.evaluate(async () => {
    await usher.track("Told", { headline: "News", plan: "basic" });
    await usher.page();
    await usher.render(await usher.personalize());
  });
  await until("its section", async () => /hero (personalized|late)/.test(await panel()));
  assert.match(await panel(), /The last answer, decided by edge/);
  // The markup of the slot and its question in a shell, each with a button that copies it.
  await overlay.locator("summary", { hasText: "HTML, hero" }).click();
  assert.match(await panel(), /data-usher-slot="hero"/);
  await overlay.locator("summary", { hasText: "Ask by curl, hero" }).click();
  const line = await overlay.locator("pre", { hasText: "curl '" }).innerText();
  const { stdout: asked } = await promisify(execFile)("sh", ["-c", line.replace(/^curl /, "curl -s ")]);
  assert.match(asked, /"Returning"/);
  await overlay.getByRole("button", { name: "Copy" }).last().click();
  await until("the copy", async () => /Copied/.test(await panel()));
  assert.match(JSON.parse(await tab.evaluate(() => copied)).meta.engine, /edge/);
  await overlay.getByRole("tab", { name: "Slots" }).focus();
  await tab.keyboard.press("ArrowRight");
  assert.equal(await selected(), "Why");
  await until("the reasons", async () => /Returning ✓ matched/.test(await panel()));
  assert.match(await panel(), /Pro ✗ not matched/);
  assert.match(await panel(), /saw pages_24h = 2/);
  await tab.keyboard.press("ArrowRight");
  await until("the profile", async () => /headline\s+News/.test(await panel()));
  await tab.keyboard.press("ArrowRight");
  await until("the events", async () => /Told web\.events counted/.test(await panel()));
  const log = overlay.locator("[role=log]");
  assert.equal(await log.getAttribute("aria-live"), "off");
  await overlay.getByLabel("Announce new events").check();
  await until("announced", async () => (await log.getAttribute("aria-live")) === "polite");
  await overlay.getByRole("tab", { name: "Events" }).focus();
  await tab.keyboard.press("ArrowRight");
  await until("the requests", async () => /\d × request, median \d+ ms, 95 % within \d+ ms, slowest \d+ ms/.test(await panel()));
  assert.match(await overlay.locator(".bars").getAttribute("aria-label"), /log scale\): (\d+ ≤ (\d+|Infinity) ms(, )?)+$/);
  await overlay.locator("summary", { hasText: "Each request" }).click();
  assert.match(await panel(), /\/v1\/e\s+\d+/);
  await overlay.getByRole("button", { name: "Time decisions" }).click();
  await until("the device's word", async () => /This device decides nothing/.test(await panel()));
  await overlay.getByRole("tab", { name: "Timing" }).focus();
  await tab.keyboard.press("ArrowRight");
  assert.equal(await selected(), "Einwilligung");
  assert.match(await panel(), /analytics\s+granted/);
  await overlay.getByRole("button", { name: "Deny all" }).focus();
  await tab.keyboard.press("Enter");
  await until("the denial", async () => /analytics\s+denied/.test(await panel()));

  // The page's styles stay outside, the overlay's inside; it is one node more for the page.
  const colors = await tab.evaluate(() => {
    const shadow = document.querySelector("usher-overlay").shadowRoot;
    return [getComputedStyle(shadow.querySelector("h2")).fontSize, document.querySelectorAll("body > *").length];
  });
  assert.equal(colors[0], "15px");
  await tab.keyboard.press("Escape");
  assert.equal(await overlay.locator(".panel").isVisible(), false);
  assert.equal(await tab.evaluate(() => document.querySelector("usher-overlay").shadowRoot.activeElement.className), "open");
  assert.deepEqual(troubles, []);
});

test("the overlay before axe, in both schemes, narrow and wide", { skip: missing, timeout: 120_000 }, async (t) => {
  const page = (path, site) => path === "/" && `<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,">
    ${site.tag(`data-consent="granted"`)}<main><h1>Shop</h1><div data-usher-slot="hero"><p>Hello</p></div></main>
    <script defer src="/overlay.js" data-audience="7" data-preview-token="${site.previewToken}"></script>`;
  const site = await serveSite(t, page);
  const browser = await startBrowser(t);
  const axe = readFileSync(join(root, "node_modules/axe-core/axe.min.js"), "utf8");
  for (const [width, colorScheme] of [[320, "dark"], [1280, "light"]]) {
    const context = await browser.newContext({ viewport: { width, height: 700 }, colorScheme });
    const tab = await context.newPage();
    await tab.goto(site.url);
    await tab.evaluate(() => usher.track("Told", { headline: "News" }).then(() => usher.flush()));
    const overlay = tab.locator("usher-overlay");
    await overlay.locator(".open").click();
    await tab.evaluate(axe);
    for (const name of ["Slots", "Why", "Profile", "Events", "Timing", "Consent"]) {
      await overlay.getByRole("tab", { name }).click();
      await until("the panel", async () => (await overlay.locator("[role=tabpanel]").innerText()) !== "");
      const found = await tab.evaluate(async () => (await window.axe.run(document)).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`));
      assert.deepEqual(found, [], `${name}, ${width} px, ${colorScheme}`);
      const isClipped = await overlay.locator(".status").evaluate((element) => element.scrollHeight > element.clientHeight + 1);
      assert.equal(isClipped, false, "the sentence of what happened is seen whole");
      const wide = await tab.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(wide, false, "nothing is wider than the window");
    }
    await context.close();
  }
});
