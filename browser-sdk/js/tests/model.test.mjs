// The delivery of many tabs beside a model that only keeps sets: random runs of tracking, crashes, navigations, time, faults and
// full storage. `USHER_CASES` scales their number.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Browser, receipts, settled } from "./browser.mjs";
import { module, randomOf } from "./modules.mjs";

const { EVENTS_MAX, QUEUE_BYTES_MAX } = await module("limits");
const RUNS = Math.ceil(60 * Number(process.env.USHER_CASES ?? 1));

/** The faults of the network and of what stands before an edge. */
const FAULTS = {
  "500 of the edge": (request) => ({ reply: { status: 500, json: { code: "internal" } } }),
  "no answer": () => ({ reply: null, ms: 10_000 }),
  "a reset": () => ({ reply: null }),
  "counted, then a reset": () => ({ reply: null, counts: true }),
  "counted, then no answer": () => ({ reply: null, ms: 10_000, counts: true }),
  "come later": () => ({ reply: { status: 429, json: { code: "rate" }, retryAfterMs: 3_000 } }),
  "a list of another length": (request) => ({ reply: { ...receipts(request), json: { receipts: [] } }, counts: true }),
  "receipts of others": (request) => ({ reply: { ...receipts(request), json: { receipts: request.events.map(() => ({ id: "other", success: true })) } } }),
  "no storage": (request) => ({ reply: { ...receipts(request), json: { receipts: request.events.map(() => ({ success: false, error: { name: "StorageUnavailable" } })) } } }),
  "storage for every other": (request) => {
    const receipt = ({ messageId: id }, index) => (index % 2 ? { id, success: true } : { success: false, error: { name: "StorageUnavailable" } });
    return { reply: { ...receipts(request), json: { receipts: request.events.map(receipt) } }, counts: (index) => index % 2 === 1 };
  },
  "no JSON": () => ({ reply: { status: 200, json: undefined } }),
};

for (const hasLocks of [true, false]) {
  test(`every event is counted, stored or dropped (${hasLocks ? "with" : "without"} Web Locks)`, { timeout: 300_000 + RUNS * 2_000 }, async (t) => {
    const seen = {};
    for (let seed = 1; seed <= RUNS; seed++) await run(seed, hasLocks, seen);
    t.diagnostic(`${RUNS} runs: ${JSON.stringify(seen)}`);
    for (const what of [...Object.keys(FAULTS), "crash", "navigation", "full", "overflow", "counted"]) {
      assert.ok(seen[what] > 0, `no run had: ${what}`);
    }
  });
}

async function run(seed, hasLocks, seen) {
  const random = randomOf(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const note = (what) => (seen[what] = (seen[what] ?? 0) + 1);
  let faulty = 0;
  const browser = new Browser({
    random,
    hasLocks,
    answer(request) {
      const fault = random() < faulty ? pick(Object.keys(FAULTS)) : null;
      if (fault) note(fault);
      const usual = { ms: 5 + random() * 300, reply: receipts(request), counts: !fault };
      const { reply = usual.reply, ...rest } = fault ? FAULTS[fault](request) : {};
      return { ...usual, ...rest, reply: reply && { retryAfterMs: 0, offsetMs: null, ...reply } };
    },
  });
  const tracked = new Map();
  const check = (when) => {
    const stored = browser.stored();
    assert.ok(stored.size <= EVENTS_MAX, `seed ${seed}: ${stored.size} events are stored`);
    const bytes = [...stored.values()].reduce((sum, body) => sum + body.length, 0);
    assert.ok(bytes <= QUEUE_BYTES_MAX, `seed ${seed}: ${bytes} bytes are stored`);
    for (const [id, tab] of tracked) {
      const isSomewhere = browser.counted.has(id) || stored.has(id) || browser.dropped.has(id);
      // Events that storage refused are in their tab's memory, and their receipts say so.
      const isInMemory = tab?.isAlive === true;
      const isLost = tab && !tab.isAlive;
      assert.ok(isSomewhere || isInMemory || isLost, `seed ${seed}, ${when}: ${id} is lost`);
      if (browser.sent.has(id)) assert.ok(browser.counted.has(id), `seed ${seed}: ${id} was told sent, and no edge counted it`);
      // An answer that came ends the attempts.
      const open = browser.unanswered.get(id) ?? 0;
      assert.ok((browser.wire.get(id) ?? 0) <= open + 1 + (hasLocks ? 0 : 2), `seed ${seed}: ${id} was sent again after its answer`);
    }
  };
  browser.open();
  const steps = 20 + Math.floor(random() * 60);
  for (let step = 0; step < steps; step++) {
    faulty = step < steps * 0.8 ? pick([0, 0.3, 0.9]) : 0.2;
    const tab = pick([...browser.tabs]);
    const act = random();
    if (!tab || act < 0.05) browser.tabs.size < 4 && browser.open();
    else if (act < 0.6) {
      for (let count = pick([1, 1, 3, 40]); count > 0; count--) {
        const { id, status } = browser.track(tab, pick([50, 400, 400, 9_000]));
        tracked.set(id, status === "memory" ? tab : null);
        if (status !== "queued") note(status === "memory" ? "full" : status);
      }
    } else if (act < 0.68) (browser.crash(tab), note("crash"));
    else if (act < 0.78) {
      await browser.close(tab);
      note("navigation");
      browser.open();
    } else if (act < 0.82) browser.isFull = !browser.isFull;
    else await browser.pass(pick([10, 200, 3_000, 40_000, 400_000]));
    await settled();
    check(`step ${step}`);
  }
  // In peace everything arrives, as long as one tab is open.
  faulty = 0;
  browser.isFull = false;
  browser.open();
  await browser.pass(3 * 3_600_000);
  check("the end");
  assert.equal(browser.stored().size, 0, `seed ${seed}: something is still stored`);
  for (const [id, tab] of tracked) {
    if (!tab || tab.isAlive) assert.ok(browser.counted.has(id) || browser.dropped.has(id), `seed ${seed}: ${id} never arrived`);
  }
  seen.counted = (seen.counted ?? 0) + browser.counted.size;
}
