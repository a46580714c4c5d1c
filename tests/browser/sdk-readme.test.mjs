// The lines of HTML in README, in an otherwise empty file, against an edge with the demo's definition and keys.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { root } from "../workerd/deployment.mjs";
import { missing, serveSite, startBrowser, until } from "./site.mjs";

test("the lines of HTML in README", { skip: missing, timeout: 120_000 }, async (t) => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/```html\n([^]*?)```/g)].map(([, text]) => text);
  const lines = blocks.find((text) => text.includes("/usher.js"));
  const sixth = blocks.find((text) => text.includes("setConsent"));
  assert.equal(lines.trim().split("\n").length, 4);
  const pages = (path) => (path === "/try.html" ? lines : path === "/banner.html" && lines.replace(` data-consent="granted"`, "") + sixth);
  const site = await serveSite(t, pages, { definition: "examples/shop", audience: "1069944", demo: "examples/shop/credentials.json" });
  const browser = await startBrowser(t);

  const page = await browser.newPage();
  const shows = (text) => until(text, async () => (await page.locator("div").innerText()).includes(text));
  for (const text of ["Welcome, stranger.", "Welcome, stranger.", "Welcome back: 3 pages today."]) {
    await page.goto(`${site.url}/try.html`);
    await until("an answer", () => page.locator("[data-usher-state]").count());
    await shows(text);
  }

  await page.evaluate(() => window.usher.flush());
  await page.close();
  const other = await (await browser.newContext()).newPage();
  await other.goto(`${site.url}/banner.html`);
  await new Promise((done) => setTimeout(done, 400));
  const view = () => site.requests.find(({ body }) => body.includes("/banner.html"));
  assert.equal(view(), undefined, "without consent nothing is sent");
  await other.locator("button").click();
  await until("the view", view);
  const { events } = JSON.parse(view().body);
  assert.deepEqual(events.map(({ table, event }) => [table, event]), [["web.pageviews", "page"]]);
});
