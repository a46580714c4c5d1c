// The demo as static files in Firefox and WebKitGTK: the shop with its edge in the browser, its state after a reload, decisions on the
// device, and a worker of the tab. A browser that is not installed is skipped, with the reason.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DRIVERS } from "../browser/drivers.mjs";
import { until } from "../browser/site.mjs";
import { serveStatic, siteFolder } from "./static.mjs";

const BLANK = `<!doctype html><title>a page</title><link rel="icon" href="data:,">`;
const WITHOUT = `${BLANK}<script>delete Navigator.prototype.serviceWorker;</script>`;

for (const { name, missing, start } of DRIVERS) {
  const skip = missing || siteFolder.missing;
  test(`${name}: the shop as static files`, { skip, timeout: 180_000 }, async (t) => {
    const site = await serveStatic(t, { folder: siteFolder.path });
    const browser = await start(t);
    const tab = await browser.open(site.url);
    const shows = (section) => until(`the offer ${section}`, () => tab.evaluate((section) => document.getElementById("offer-section")?.textContent === section, section));
    await shows("Default");
    t.diagnostic(await tab.evaluate(() => document.getElementById("way").textContent));
    for (const path of ["/product/P-207", "/product/P-311", "/"]) {
      await tab.evaluate((path) => void (location.hash = `#${path}`), path);
      await new Promise((done) => setTimeout(done, 500));
    }
    await shows("Warm");
    await tab.goto("about:blank");
    await tab.goto(site.url);
    await shows("Warm");
  });

  test(`${name}: the device decides without a network, and as the edge does`, { skip, timeout: 180_000 }, async (t) => {
    const site = await serveStatic(t, { folder: siteFolder.path });
    const browser = await start(t);
    const tab = await browser.open(`${site.url}?s=device&way=device`);
    const strip = () => tab.evaluate(() => ({ state: document.getElementById("script")?.dataset.state, said: document.querySelector("#script .say")?.textContent }));
    const said = [];
    for (let steps = 0; steps < 12; steps++) {
      await until("a step", async () => ["ready", "done", "failed"].includes((await strip()).state));
      const { state, said: text } = await strip();
      said.push(text);
      if (state !== "ready") break;
      await tab.evaluate(() => document.querySelector('[data-testid="step"]').click());
    }
    assert.equal((await strip()).state, "done", said.join("\n"));
    assert.match(said.join("\n"), /Device and edge: (\d+) of \1 the same/);
    t.diagnostic(said.at(-1));
  });

  test(`${name}: a worker of the tab`, { skip, timeout: 180_000 }, async (t) => {
    const site = await serveStatic(t, { folder: siteFolder.path, pages: { "blank.html": WITHOUT } });
    const browser = await start(t);
    const tab = await browser.open(`${site.url}blank.html`);
    const { write_key, public_token } = siteFolder.credentials;
    const seen = await tab.evaluate(
      async (keys) => {
        const { startTabEdge } = await import("./edge/index.js");
        const { kind, durable, endpoint } = await startTabEdge();
        const views = [];
        for (const uuid of ["1", "2", "2"]) {
          const response = await fetch(`${endpoint}/public/web/pageviews`, {
            method: "POST",
            headers: { authorization: `TD1 ${keys.write_key}`, "wp13n-token": keys.public_token },
            body: JSON.stringify({ td_client_id: "v", td_path: "/", uuid }),
          });
          views.push((await response.json()).offers.Default?.attributes.page_views_24h);
        }
        return { kind, durable, views };
      },
      { write_key, public_token },
    );
    assert.deepEqual(seen, { kind: "worker", durable: true, views: [1, 2, 2] });
  });
}
