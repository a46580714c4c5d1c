// Identity tokens of the browser SDK at a real edge whose one key is `verified`: without a good token an event has no key.

import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { root, temporaryFolder } from "../workerd/deployment.mjs";
import { missing, serveSite, startBrowser, until } from "./site.mjs";

const page = (path, site) => path === "/" && `<!doctype html><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,"><script src="/usher.js"></script>
  <script>
    window.token = null;
    window.asked = [];
    window.sent = [];
    usher.on("sent", ({ messageId, notes }) => sent.push([messageId, notes]));
    usher.load({ writeKey: "${site.keys.write_key}", token: "${site.keys.public_token}", consent: "granted", auto: "", identity: async (last) => (asked.push(last), token) });
  </script>`;

test("events of a user wait for a token, and those that an expired one left without a key go again", { skip: missing, timeout: 120_000 }, async (t) => {
  const definition = join(temporaryFolder(t), "definition");
  cpSync(join(root, "tests/browser/definition"), definition, { recursive: true });
  const file = join(definition, "rt_config.yaml");
  const text = readFileSync(file, "utf8");
  writeFileSync(file, `${text.slice(0, text.indexOf("id_stitching:"))}id_stitching:\n  primary_key: userId\n  stitching_keys: [{name: userId, trust: verified}]\n`);
  const site = await serveSite(t, page, { definition });
  const tab = await (await startBrowser(t)).newPage();
  await tab.goto(site.url);
  const rows = () => site.requests.filter(({ url }) => url.startsWith("/v1/e")).flatMap(({ body }) => JSON.parse(body).events.map(({ event }) => event));
  const give = (token) => tab.evaluate((token) => void (window.token = token), token);

  const { messageId } = await tab.evaluate(async () => {
    await usher.track("Anonymous");
    const receipt = await usher.identify("u-1", { plan: "pro" });
    await usher.flush();
    return receipt;
  });
  await until("what needs no token", () => rows().includes("Anonymous"));
  assert.deepEqual(rows(), ["Anonymous"]);
  assert.equal(await tab.evaluate(() => usher.debug.status().pending), 1);

  await give(site.identityOf({ userId: "u-1" }, -5));
  await until("the refusal", () => tab.evaluate(() => usher.flush().then(() => asked.some(({ refused }) => refused === "expired"))));
  assert.equal(await tab.evaluate((id) => sent.some(([known]) => known === id), messageId), false, "it was not stored, so it is not told as sent");
  await give(site.identityOf({ userId: "u-1" }));
  await until("the event", () => tab.evaluate((id) => usher.flush().then(() => sent.some(([known]) => known === id)), messageId));
  assert.equal((await site.explain("userId", "u-1")).profile.attributes.plan.value, "pro");
  assert.equal(rows().filter((event) => event === "Anonymous").length, 1, "what counted is not sent again");

  // A question has a token, together with an event or alone, and storage has none.
  const { meta, offers } = await tab.evaluate(() => usher.track("Asked").then(() => usher.personalize({ names: ["hero"] })));
  assert.deepEqual([meta.engine, offers.Pro?.attributes.plan], ["edge", "pro"]);
  await tab.evaluate(() => usher.personalize({ names: ["hero"] }));
  const { url, body } = site.requests.at(-1);
  assert.deepEqual([url, JSON.parse(body).identity], ["/v1/personalize", await tab.evaluate(() => token)]);
  const kept = await tab.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.ok(!kept.includes(await tab.evaluate(() => token)) && !kept.includes("eyJ"));
});
