// The edge of a tab in Chromium, stopped between any two steps of a request: as a worker of the tab, which is terminated, and as a
// Service Worker, which the browser stops. What was acknowledged is there afterwards, and what is sent again counts once.

import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { build } from "esbuild";

import { missing, startBrowser } from "../browser/site.mjs";
import { root, temporaryFolder } from "../workerd/deployment.mjs";
import { serveStatic, siteFolder } from "./static.mjs";

const STEPS = ["queued", "folded", "opened", "committed", "answered"];
/** The steps after which an event is stored. */
const STORED = ["committed", "answered"];
const ROUNDS = Math.ceil(3 * Number(process.env.USHER_CASES ?? 1));
const skip = missing || siteFolder.missing;

for (const kind of ["worker", "service worker"]) {
  test(`a ${kind} that is stopped between any two steps`, { skip, timeout: 120_000 }, async (t) => {
    const tab = await open(t, kind);
    let counted = 0;
    for (let round = 0; round < ROUNDS; round++) {
      for (const step of STEPS) {
        const event = { uuid: `${step}-${round}`, td_client_id: "visitor", td_path: "/" };
        await tab.start();
        if (step === "answered") assert.equal((await tab.send(event)).status, 200);
        else await tab.sendUntil(step, event);
        await tab.stop();
        await tab.start();
        const stored = STORED.includes(step) || (await tab.outcome()) === 200;
        if (stored) counted++;
        assert.equal(await tab.views(), counted, `after a stop at ${step}`);
        const again = await tab.send(event);
        assert.equal(again.status, 200, again.text);
        if (!stored) counted++;
        assert.equal(JSON.parse(again.text).receipts[0].notes?.includes("duplicate") ?? false, stored, again.text);
        assert.equal(await tab.views(), counted, `sent again after a stop at ${step}`);
        await tab.stop();
      }
    }
  });
}

test("events of many tabs at once, each with a worker on the same storage", { skip, timeout: 120_000 }, async (t) => {
  const tab = await open(t, "worker");
  const statuses = await tab.page.evaluate(async () => {
    const workers = Array.from({ length: 3 }, () => new Worker("stopping.js"));
    const send = (worker, uuid) => ask(worker, { request: write({ uuid, td_client_id: "visitor", td_path: "/" }) });
    const all = workers.flatMap((worker, number) => Array.from({ length: 20 }, (_, index) => send(worker, `${number}-${index}`)));
    const answers = await Promise.all(all);
    workers.forEach((worker) => worker.terminate());
    return answers.map(({ status }) => status);
  });
  assert(statuses.every((status) => status === 200), statuses.join(" "));
  await tab.start();
  assert.equal(await tab.views(), statuses.length);
});

test("a worker that is stopped in its turn holds the others up, but not for ever", { skip, timeout: 60_000 }, async (t) => {
  const tab = await open(t, "worker");
  const status = await tab.page.evaluate(async () => {
    const [stopped, other] = [new Worker("stopping.js"), new Worker("stopping.js")];
    const send = (worker, uuid) => ask(worker, { request: write({ uuid, td_client_id: "visitor", td_path: "/" }) });
    await ask(stopped, { at: "committed" });
    const reached = new Promise((done) => (new BroadcastChannel("stops").onmessage = done));
    void send(stopped, "1");
    await reached;
    const answer = await send(other, "2");
    [stopped, other].forEach((worker) => worker.terminate());
    return answer.status;
  });
  assert.equal(status, 200);
  await tab.start();
  assert.equal(await tab.views(), 2);
});

test("a transaction that fails is not acknowledged, and the edge goes on from what is stored", { skip, timeout: 60_000 }, async (t) => {
  const tab = await open(t, "worker");
  await tab.start();
  assert.equal((await tab.send({ uuid: "1", td_client_id: "visitor", td_path: "/" })).status, 200);
  await tab.tell({ at: "aborted" });
  const lost = { uuid: "2", td_client_id: "visitor", td_path: "/" };
  const refused = await tab.send(lost);
  assert.equal(refused.status, 503, refused.text);
  assert.match(refused.text, /storage/);
  await tab.tell({ at: null });
  assert.equal(await tab.views(), 1);
  assert.equal((await tab.send(lost)).status, 200);
  assert.equal(await tab.views(), 2);
});

test("where storage is blocked the edge says so, and works until its worker ends", { skip, timeout: 60_000 }, async (t) => {
  const tab = await open(t, "worker");
  await tab.start();
  assert.equal(await tab.tell({ blocked: true }), false);
  assert.equal((await tab.send({ uuid: "1", td_client_id: "visitor", td_path: "/" })).status, 200);
  assert.equal(await tab.views(), 1);
  await tab.stop();
  await tab.start();
  assert.equal(await tab.tell({}), true);
  assert.equal(await tab.views(), 0);
});

/** A page with a worker of the given kind, which listens to tests. */
async function open(t, kind) {
  const folder = join(temporaryFolder(t), "site");
  cpSync(siteFolder.path, folder, { recursive: true });
  await build({
    entryPoints: [join(root, "tests/tab/stopping.js")], outfile: join(folder, "stopping.js"), bundle: true, format: "iife", logLevel: "warning",
    alias: { service: join(siteFolder.edge, "service.mjs") }, define: { SITE: JSON.stringify({ base: "./" }) },
  });
  const site = await serveStatic(t, { folder, pages: { "page.html": PAGE } });
  const browser = await startBrowser(t);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${site.url}page.html`);
  const devtools = await context.newCDPSession(page);
  await devtools.send("ServiceWorker.enable");
  const isService = kind === "service worker";
  if (isService) await page.evaluate(() => navigator.serviceWorker.register("stopping.js").then(() => new Promise((done) => (navigator.serviceWorker.controller ? done() : (navigator.serviceWorker.oncontrollerchange = done)))));
  const tell = (message) => page.evaluate((message) => ask(worker ?? navigator.serviceWorker.controller, message), message);
  return {
    page,
    tell,
    start: () => (isService ? undefined : page.evaluate(() => void (worker = new Worker("stopping.js")))),
    stop: () => (isService ? devtools.send("ServiceWorker.stopAllWorkers") : page.evaluate(() => worker.terminate())),
    send: (event) => page.evaluate((event) => sent(write(event)), event),
    /** Sends an event and waits until the worker has stopped at a step. */
    sendUntil: (step, event) =>
      page.evaluate(
        async ({ step, event }) => {
          await ask(worker ?? navigator.serviceWorker.controller, { at: step });
          const reached = new Promise((done) => (new BroadcastChannel("stops").onmessage = done));
          sending = sent(write(event)).then(({ status }) => status, () => "no answer");
          await reached;
        },
        { step, event },
      ),
    /** The status of what was sent. A terminated worker answers nothing; Chromium asks a Service Worker that it stopped again. */
    outcome: () => (isService ? page.evaluate(() => sending) : undefined),
    views: () =>
      page.evaluate(async () => {
        const token = await ask(worker ?? navigator.serviceWorker.controller, { preview: true });
        return JSON.parse((await sent(explain(token))).text).profile?.attributes?.page_views_24h?.value ?? 0;
      }),
  };
}

const credentials = siteFolder.credentials;
const PAGE = `<!doctype html><title>a page</title><link rel="icon" href="data:,"><script>
  let worker, sending;
  const ask = (worker, message) => new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => done(data);
    worker.postMessage(message, [port2]);
  });
  // Of a worker of the tab by a message, of a Service Worker as pages ask.
  const sent = async (request) => {
    if (worker) return ask(worker, { request });
    const response = await fetch("api" + request.path, request);
    return { status: response.status, text: await response.text() };
  };
  const write = (event) => ({ path: "/web/pageviews", method: "POST", headers: { authorization: "TD1 ${credentials.write_key}" }, body: JSON.stringify({ events: [event] }) });
  const explain = (token) => ({ path: "/v1/explain", method: "POST", headers: { authorization: "Bearer " + token }, body: JSON.stringify({ audience: "1069944", key: { name: "td_client_id", value: "visitor" } }) });
</script>`;
