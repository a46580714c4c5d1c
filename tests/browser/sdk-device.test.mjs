// Decisions in the page: the engine in Chromium beside a real edge. Where both decide, offers are equal; what may not be decided here,
// or cannot be, is asked of the edge; and everything of the visitor goes with the visitor.
//
// `USHER_CASES` scales the number of streams, `USHER_SEED` is another run.

import assert from "node:assert/strict";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { randomOf } from "../../browser-sdk/js/tests/modules.mjs";
import { root, temporaryFolder } from "../workerd/deployment.mjs";
import { engine, missing, serveSite, startBrowser, until } from "./site.mjs";

const STREAMS = Math.ceil(100 * Number(process.env.USHER_CASES ?? 1));
const SEED = Number(process.env.USHER_SEED ?? 20261130);
const skip = missing || (!engine() && "the engine for devices is missing: make device");
/** Sections that read what is sensitive. */
const PRIVATE = ["Searched", "Scored"];
const DEFINITION = "tests/device/definition";

const page = (site, more = "", before = "") => `<!doctype html><meta charset="utf-8"><title>device</title><link rel="icon" href="data:,">${before}
  ${site.tag(`nonce="n" data-consent="granted" data-auto="" data-anonymous-id-column="visitor" data-engine="${engine()}" ${more}`)}
  <script nonce="n">
    window.view = (columns, options) => usher.track("view", columns, { table: "web.pages", ...options });
    window.buy = (columns, options) => usher.track("cart", columns, { table: "web.carts", ...options });
    window.ask = (...names) => usher.personalize({ names, timeoutMs: 3000 });
    window.stored = () => Object.keys(localStorage).filter((key) => /:d$/.test(key)).length;
  </script>`;

async function open(t, pages, { definition = DEFINITION } = {}) {
  const site = await serveSite(t, pages, { definition });
  const browser = await startBrowser(t);
  const context = await browser.newContext();
  const troubles = [];
  const visit = async (path = "/") => {
    const tab = await context.newPage();
    tab.on("pageerror", (error) => troubles.push(error.message));
    await tab.goto(site.url + path);
    return tab;
  };
  t.after(() => assert.deepEqual(troubles, []));
  return { site, context, visit };
}

/** Until the device decides: the edge has to answer once, and then gives its part. */
async function ready(tab) {
  await tab.evaluate(() => view({ path: "/" }).then(() => ask("all")));
  await until("the engine", async () => (await tab.evaluate(() => usher.engine.info())).state === "ready");
}

test(`${STREAMS} streams of events: equal offers where both decide`, { skip, timeout: 120_000 + STREAMS * 3_000 }, async (t) => {
  const { site, visit } = await open(t, (path, site) => path === "/" && page(site, `data-mode="device"`));
  const tab = await visit();
  const random = randomOf(SEED);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const counts = { equal: 0, partial: 0, edge: 0 };
  for (let stream = 0; stream < STREAMS; stream++) {
    await tab.evaluate(() => usher.reset());
    await ready(tab);
    for (let step = 0; step < 3; step++) {
      const events = Array.from({ length: pick([1, 2, 5]) }, () => {
        const options = { timestamp: Date.now() - pick([0, 1, 5, 30]) * 3_000_000 };
        return random() < 0.6
          ? ["view", { path: pick(["/", "/product/chair", "/product/sofa"]), sku: pick(["chair", "sofa", "lamp", "table"]), search: pick(["hidden-wish", "lamp"]) }, options]
          : ["buy", { kind: pick(["buy", "add"]), total: pick([3, 40.5, 120, "7"]) }, options];
      });
      const { answers, id } = await tab.evaluate(async (events) => {
        await Promise.all(events.map(([verb, ...args]) => window[verb](...args)));
        const answers = [await ask("all"), await ask("first")];
        for (let tries = 0; (await usher.flush()).pending && tries < 50; tries++);
        return { answers, id: usher.user().anonymousId };
      }, events);
      for (const [at, name] of ["all", "first"].entries()) {
        const { offers, meta } = answers[at];
        if (meta.engine === "edge") {
          assert.deepEqual(meta.device, "UNDECIDED");
          counts.edge++;
          continue;
        }
        assert.equal(meta.engine, "device");
        const edge = await site.explain("visitor", id, name);
        const theirs = Object.entries(edge.offers).filter(([section]) => !PRIVATE.includes(section));
        assert.equal(JSON.stringify(offers), JSON.stringify(Object.fromEntries(theirs)), `stream ${stream}, ${name}: ${JSON.stringify(events)}`);
        counts[meta.partial ? "partial" : "equal"]++;
      }
    }
  }
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.equal + counts.partial > STREAMS && counts.edge > 0, "hardly anything was compared");
});

test("a decision takes a twentieth of the time of an edge on this machine, or less", { skip, timeout: 120_000 }, async (t) => {
  const folder = join(temporaryFolder(t), "definition");
  cpSync(join(root, DEFINITION), folder, { recursive: true });
  const sections = Array.from({ length: 20 }, (_, at) => `    - name: S${at}\n      criteria: views >= ${at} AND (highest > ${at * 7} OR viewed CONTAINS 'sofa' OR event.path LIKE '/p${at}/%')\n      attributes: [views, {name: line, template: "${at}: {{views}} views"}]`);
  writeFileSync(join(folder, "twenty.yaml"), `parent_segment_id: "7"\npersonalization_service:\n  name: twenty\n  choice: all\n  device: true\n  sections:\n${sections.join("\n")}\n`);
  const { visit } = await open(t, (path, site) => path === "/" && page(site, `data-mode="device"`), { definition: folder });
  const tab = await visit();
  await ready(tab);
  const { measured, edge_us, count } = await tab.evaluate(async () => {
    for (let at = 0; at < 12; at++) await view({ path: "/product/sofa", sku: "sofa" });
    const { offers, meta } = await ask("twenty");
    const measured = usher.engine.measure({ names: ["twenty"], batches: 9 });
    const times = [];
    for (let at = 0; at < 9; at++) {
      const began = performance.now();
      await fetch("/v1/personalize", { method: "POST", headers: { authorization: `TD1 ${document.querySelector("script[data-token]").dataset.writeKey}`, "wp13n-token": document.querySelector("script[data-token]").dataset.token, "content-type": "application/json" }, body: JSON.stringify({ personalization: "twenty", key: { name: "visitor", value: usher.user().anonymousId } }) }).then((answer) => answer.text());
      times.push(performance.now() - began);
    }
    return { measured, edge_us: times.sort((a, b) => a - b)[4] * 1_000, count: meta.engine === "device" ? Object.keys(offers).length : -1 };
  });
  t.diagnostic(`${measured.us.toFixed(1)} µs a decision of 20 sections on the device (least ${measured.least.toFixed(1)}; ${measured.batches} batches of ${measured.of}, after one), ${Math.round(edge_us)} µs at an edge on this machine`);
  assert.ok(count >= 10, `${count} sections answered`);
  // A must in microseconds is for a quiet machine; beside an edge in the same run it holds on any.
  assert.ok(measured.least * 20 <= edge_us, `${measured.least} µs, ${edge_us} µs at an edge`);
});

test("without a network the device decides, and else its last answers hold", { skip, timeout: 120_000 }, async (t) => {
  const { site, context, visit } = await open(t, (path, site) => path === "/" && page(site, `data-mode="device"`));
  const tab = await visit();
  await ready(tab);
  await tab.evaluate(async () => {
    await view({ sku: "sofa", path: "/product/sofa" });
    await usher.flush();
    await ask("first");
  });
  await until("an extract with everything", () => tab.evaluate(() => usher.engine.info().waiting === 0));
  await context.setOffline(true);
  const offline = await tab.evaluate(async () => {
    await view({ sku: "lamp", path: "/product/lamp" });
    const both = [await ask("all"), await ask("first")];
    await buy({ kind: "buy", total: 120 });
    return [...both, await ask("first")];
  });
  const [all, first, big] = offline;
  assert.deepEqual([all.meta.engine, all.offers.Often.attributes.views, all.meta.reasons.Often], ["device", 3, "TARGETING_MATCH"]);
  // A section before the matching one is private, so the walk stops there.
  assert.deepEqual([first.meta.engine, first.meta.reasons, Object.keys(first.offers)], ["device", { Everybody: "STALE" }, ["Everybody"]]);
  assert.deepEqual([big.meta.engine, Object.keys(big.offers), big.meta.reasons], ["device", ["Big"], { Big: "TARGETING_MATCH" }]);
  // The next page finds no edge: what an earlier one was given answers, and says that it is old.
  site.fault = () => "reset";
  await context.setOffline(false);
  await tab.close();
  const next = await visit();
  // Until its engine has been loaded, a page has its defaults.
  const { meta, offers } = await next.evaluate(async () => {
    let answer = await ask("all");
    for (let call = 0; call < 20 && answer.meta.engine === "default"; call++) answer = await ask("all");
    return answer;
  });
  assert.deepEqual([meta.engine, offers.Often?.attributes.views, meta.reasons?.Often], ["device", 3, "STALE"]);
  await next.evaluate(() => {
    for (const key of Object.keys(localStorage).filter((key) => /:d$/.test(key))) {
      const known = JSON.parse(localStorage[key]);
      localStorage[key] = JSON.stringify({ ...known, since: known.since - 25 * 3_600_000, answers: Object.fromEntries(Object.entries(known.answers).map(([name, last]) => [name, { ...last, since: last.since - 25 * 3_600_000 }])) });
    }
  });
  await next.close();
  const later = await visit();
  assert.equal((await later.evaluate(() => ask("all"))).meta.engine, "default", "for a day at most");
});

test("of all tabs, the events without a receipt", { skip, timeout: 120_000 }, async (t) => {
  const { site, visit } = await open(t, (path, site) => path === "/" && page(site, `data-mode="device"`));
  const [one, other] = [await visit(), await visit()];
  await ready(one);
  site.fault = ({ url }) => (url.startsWith("/v1/e") ? "500 of a proxy" : null);
  const before = await one.evaluate(async () => (await ask("all")).offers.Often?.attributes.views ?? 0);
  await other.evaluate(() => Promise.all([view({ path: "/" }), view({ path: "/" }), view({ path: "/" })]));
  await until("the other tab's events", async () => (await one.evaluate(() => ask("all"))).offers.Often?.attributes.views === before + 4);
  site.fault = () => null;
  await other.evaluate(() => usher.flush());
  const { offers, meta } = await one.evaluate(() => ask("all"));
  assert.deepEqual([meta.engine, offers.Often.attributes.views], ["device", before + 4], "a receipt takes nothing away");
});

test("what is of a visitor goes with the visitor", { skip, timeout: 120_000 }, async (t) => {
  const { visit } = await open(t, (path, site) => path === "/" && page(site, `data-mode="device"`));
  const tab = await visit();
  const erased = async (what, run) => {
    await ready(tab);
    await until("an entry", () => tab.evaluate(() => stored() === 1));
    const left = await tab.evaluate(run);
    assert.equal(left, 0, what);
    assert.notEqual((await tab.evaluate(() => usher.engine.info())).state, "ready", what);
  };
  await erased("reset", () => usher.reset().then(() => stored()));
  await erased("a user", () => (usher.identify("u-1"), stored()));
  await erased("another user", () => (usher.identify("u-2"), stored()));
  await erased("personalization denied", () => (usher.setConsent({ personalization: "denied" }), stored()));
  await tab.evaluate(() => usher.setConsent("granted"));
  await erased("a denial", () => (usher.setConsent("denied"), stored()));
  assert.deepEqual(await tab.evaluate(() => Object.keys(localStorage)), []);
});

test("a program that an operator revokes is dropped", { skip, timeout: 120_000 }, async (t) => {
  const { site, visit } = await open(t, (path, site) => path === "/" && page(site, `data-mode="device"`));
  const tab = await visit();
  await ready(tab);
  const { program } = await tab.evaluate(() => usher.engine.info());
  assert.equal((await site.operate("DELETE", `/v1/audiences/7/programs/${program}`)).status, 200);
  await tab.close();
  const next = await visit();
  await until("the edge's word", async () => (await next.evaluate(() => view({}).then(() => ask("all")).then(() => usher.engine.info()))).reason === "NO_PROGRAM");
  const { meta } = await next.evaluate(() => ask("all"));
  assert.deepEqual([meta.engine, meta.device], ["edge", "NO_PROGRAM"]);
  assert.equal(await next.evaluate(() => stored()), 0);
});

test("where wasm is forbidden, or does not come as it was built, the edge decides", { skip, timeout: 120_000 }, async (t) => {
  const { site, visit } = await open(t, (path, site) => path.startsWith("/at") && page(site));
  const loads = (tab) => tab.evaluate(async () => [await usher.engine.load(), await view({ path: "/" }).then(() => ask("all")), await usher.track("after").then(() => usher.flush())]);
  const strict = "default-src 'none'; connect-src 'self'; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'; script-src 'nonce-n'";
  const cases = [
    ["wasm", () => (site.headers = { "content-security-policy": strict })],
    [undefined, () => (site.headers = { "content-security-policy": `${strict} 'wasm-unsafe-eval'` })],
    ["network", () => (site.changed = (path, bytes) => (path.endsWith(".wasm") ? Buffer.concat([bytes, Buffer.from([0, 1, 0])]) : bytes))],
    ["network", () => (site.lost = (path) => path.endsWith(".wasm"))],
    ["network", () => (site.lost = (path) => path.startsWith("/engine"))],
    ["network", () => (site.lost = (path) => path.startsWith("/device"))],
  ];
  for (const [index, [reason, arrange]] of cases.entries()) {
    arrange();
    const [info, decision, { pending }] = await loads(await visit(`/at/${index}`));
    assert.deepEqual([info.state, info.reason], reason ? ["failed", reason] : ["loaded", "NO_EXTRACT"]);
    assert.deepEqual([decision.meta.engine, pending], ["edge", 0], "events still leave");
  }
});

test("an engine that is asked for before the SDK has its options", { skip, timeout: 120_000 }, async (t) => {
  const before = `<script src="/usher.js"></script><script>window.early = usher.engine.load();</script>`;
  const { visit } = await open(t, (path, site) => path === "/" && `<!doctype html><meta charset="utf-8"><title>early</title><link rel="icon" href="data:,">${before}
    <script>usher.load({ writeKey: "${site.keys.write_key}", token: "${site.keys.public_token}", consent: "granted", auto: "", engine: "${engine()}" });</script>`);
  const tab = await visit();
  assert.deepEqual(await tab.evaluate(() => early), { state: "loaded", reason: "NO_EXTRACT", waiting: 0 });
});

test("an edge of another origin gives its part, too", { skip, timeout: 120_000 }, async (t) => {
  const { site, context } = await open(t, (path, site) => path === "/" && page(site, `data-mode="device" data-endpoint="${site.url}"`));
  const tab = await context.newPage();
  await tab.goto(site.url.replace("127.0.0.1", "localhost"));
  await ready(tab);
  const { meta } = await tab.evaluate(() => view({ path: "/" }).then(() => ask("all")));
  assert.equal(meta.engine, "device");
});
