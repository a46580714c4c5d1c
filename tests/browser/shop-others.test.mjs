// The demo page in Firefox and WebKitGTK against the worker that ships, as `make demo` serves it: the tour of a minute.
// A browser that is not installed is skipped, with the reason.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DRIVERS } from "./drivers.mjs";
import { serveShop } from "./shop.mjs";
import { until } from "./site.mjs";

/** Steps of the tour, and the end. */
const STEPS = 8;

for (const { name, missing, start } of DRIVERS) {
  test(`${name}: the tour of a minute`, { skip: missing, timeout: 300_000 }, async (t) => {
    const site = await serveShop(t, {}, { plain: true });
    const browser = await start(t);
    const tab = await browser.open(`${site.own}/?s=minute`);
    const strip = () => tab.evaluate(() => ({ state: document.getElementById("script")?.dataset.state, text: document.querySelector("#script .say")?.textContent }));
    const said = [];
    for (let step = 0; step < STEPS; step++) {
      await until("a step", async () => ["ready", "done", "failed"].includes((await strip()).state));
      const { state, text } = await strip();
      said.push(text);
      if (state !== "ready") break;
      await tab.evaluate(() => document.querySelector('[data-testid="step"]').click());
    }
    assert.equal((await strip()).state, "done", said.join("\n"));
    assert.match(said.at(-1), /Lost: 0/);
  });
}
