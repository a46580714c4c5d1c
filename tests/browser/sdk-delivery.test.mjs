// The delivery of the browser SDK in a real Chromium, against a real edge behind a server that fails: navigations, tab crashes,
// offline spells, two tabs, storage that is full. Every id is counted exactly once at the edge, or still stored, or reported dropped.
//
// `USHER_CASES` scales the number of events, `USHER_SEED` is another run.

import assert from "node:assert/strict";
import { test } from "node:test";

import { randomOf } from "../../browser-sdk/js/tests/modules.mjs";
import { FAULTS, missing, serveSite, startBrowser, until } from "./site.mjs";

const EVENTS = Math.ceil(1_000 * Number(process.env.USHER_CASES ?? 1));
const SEED = Number(process.env.USHER_SEED ?? 20261129);
/** At most so many events of one visitor: an edge remembers 1,000 ids. */
const VISITOR_EVENTS_MAX = 800;

/** A page that notes in its own storage what `track()` returned, and what the SDK said of it. */
const page = (site) => `<!doctype html><meta charset="utf-8"><title>delivery</title><link rel="icon" href="data:,">
${site.tag(`data-consent="granted" data-auto=""`)}
<script>
  window.unnoted = [];
  const note = (kind, id, more = "") => {
    try {
      localStorage.setItem("note:" + kind + ":" + id, more);
    } catch {
      // The storage is full, which is the test's own doing: it takes them out of the page.
      unnoted.push([kind, id, more]);
    }
  };
  usher.on("drop", ({ messageId, reason }) => note("dropped", messageId, reason));
  usher.on("sent", ({ messageId }) => note("sent", messageId));
  window.burst = (count, bytes) => {
    for (let at = 0; at < count; at++) {
      usher.track("Counted", { filler: "x".repeat(bytes) }).then(({ messageId, status }) => note("tracked", messageId, status));
    }
  };
  window.receipts = (count) => Promise.all(Array.from({ length: count }, () => usher.track("Counted", { filler: "x".repeat(2_000) })));
</script>`;

test(`${EVENTS} events over faults, crashes and navigations`, { skip: missing, timeout: 600_000 + EVENTS * 200 }, async (t) => {
  const random = randomOf(SEED);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const site = await serveSite(t, (path, site) => (path.startsWith("/page") ? page(site) : undefined));
  const browser = await startBrowser(t);
  const names = Object.keys(FAULTS);
  let share = 0;
  site.fault = () => (random() < share ? pick(names) : null);

  const tracked = new Map();
  const dropped = new Map();
  const happened = {};
  const visitors = Math.max(2, Math.ceil(EVENTS / VISITOR_EVENTS_MAX));
  for (let visitor = 0; visitor < visitors; visitor++) {
    const context = await browser.newContext();
    let tabs = [];
    const openTab = async () => {
      const tab = await context.newPage();
      tab.setDefaultTimeout(15_000);
      await tab.goto(`${site.url}/page/${tabs.length}`);
      tabs.push(tab);
    };
    await openTab();
    await openTab();
    let made = 0;
    const most = Math.ceil(EVENTS / visitors);
    for (let step = 0; made < most || step < 20; step++) {
      share = pick([0, 0.3, 0.6, 0.95]);
      const tab = pick(tabs);
      const act = random();
      const does = async (name, run) => {
        happened[name] = (happened[name] ?? 0) + 1;
        await run();
      };
      if (made < most && act < 0.6) {
        const count = Math.min(most - made, pick([1, 2, 5, 25]));
        made += count;
        await tab.evaluate(([count, bytes]) => window.burst(count, bytes), [count, pick([10, 300, 1_500])]);
        // Some leave at once, some wait for an answer.
        await new Promise((done) => setTimeout(done, pick([0, 0, 50, 150, 600])));
      } else if (act < 0.75) await does("navigation", () => tab.goto(`${site.url}/page/${step}`));
      else if (act < 0.82) {
        await does("crash", async () => {
          const session = await context.newCDPSession(tab);
          const crashed = new Promise((done) => tab.once("crash", done));
          session.send("Page.crash").catch(() => {});
          await crashed;
          tabs = tabs.filter((other) => other !== tab);
          await tab.close();
          await openTab();
        });
      } else if (act < 0.87) {
        await does("close", async () => {
          tabs = tabs.filter((other) => other !== tab);
          await tab.close();
          await openTab();
        });
      } else if (act < 0.93) {
        await does("offline", async () => {
          await context.setOffline(true);
          await tab.evaluate(() => window.burst(3, 100));
          made += 3;
          await new Promise((done) => setTimeout(done, 300));
          await context.setOffline(false);
        });
      } else {
        await does("quota", async () => {
          // The page's own data fills the storage to the last byte.
          const receipts = await tab.evaluate(() => {
            let size = 1 << 22;
            for (let at = 0; size > 64; at++) {
              try {
                localStorage.setItem("filler:" + at, "y".repeat(size));
              } catch {
                size >>= 1;
              }
            }
            return window.receipts(4);
          });
          made += receipts.length;
          for (const { messageId, status } of receipts) tracked.set(messageId, status);
          for (const [kind, id, more] of await tab.evaluate(() => window.unnoted)) ({ tracked, dropped })[kind]?.set(id, more);
          if (random() < 0.5) await tab.reload();
          await tab.evaluate(() => Object.keys(localStorage).forEach((key) => key.startsWith("filler:") && localStorage.removeItem(key)));
        });
      }
    }
    // Peace, as long as it takes for the pauses to end; a new page has none.
    share = 0;
    for (const tab of tabs) await tab.close();
    const last = await context.newPage();
    await last.goto(`${site.url}/page/last`);
    await until("everything is sent", async () => {
      await last.evaluate(() => window.usher.flush());
      return (await last.evaluate(() => window.usher.debug.status().pendingAll)) === 0;
    }, 60_000);
    const notes = await last.evaluate(() => Object.entries(localStorage).filter(([key]) => key.startsWith("note:")));
    for (const [key, value] of notes) {
      const [, kind, id] = key.split(":");
      if (kind === "tracked") tracked.set(id, value);
      if (kind === "dropped") dropped.set(id, value);
    }
    const id = await last.evaluate(() => window.usher.user().anonymousId);
    // The ledger is of the receipts; the profile is what the edge stored.
    const { profile } = await site.explain("anonymousId", id);
    const own = [...tracked.keys()].length;
    t.diagnostic(`visitor ${visitor}: ${profile.attributes.counted_24h.value} counted at the edge, ${own} tracked so far`);
    await context.close();
  }

  const counts = { counted: 0, dropped: 0, memory: 0 };
  for (const [id, status] of tracked) {
    const { counted = 0 } = site.ledger.get(id) ?? {};
    assert.ok(counted <= 1, `${id} was counted ${counted} times`);
    if (counted === 1) counts.counted++;
    else if (dropped.has(id)) counts.dropped++;
    // The tab said that it could not store it.
    else if (status === "memory") counts.memory++;
    else assert.fail(`${id} is lost; it was ${status}`);
  }
  const faults = {};
  for (const { fault } of site.requests) if (fault) faults[fault] = (faults[fault] ?? 0) + 1;
  const duplicates = [...site.ledger.values()].reduce((sum, entry) => sum + entry.duplicates, 0);
  t.diagnostic(JSON.stringify({ tracked: tracked.size, ...counts, duplicates, requests: site.requests.length, ...happened, faults }));
  assert.ok(tracked.size >= EVENTS * 0.9, `${tracked.size} events were tracked`);
  assert.ok(counts.counted >= tracked.size * 0.7);
  assert.ok([...tracked.values()].includes("memory") || EVENTS < 500, "storage was full once");
  assert.equal(site.requests.filter(({ method }) => method === "OPTIONS").length, 0, "no browser asked first");
  for (const name of ["navigation", "crash", "offline", "quota"]) assert.ok(happened[name] > 0 || EVENTS < 500, `there was no ${name}`);
});
