// Delivery, rule by rule: what is sent when, what an answer does, and the bounds.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Browser, receipts, settled } from "./browser.mjs";
import { module, randomOf } from "./modules.mjs";

const { CHUNK_BYTES_MAX, EVENTS_MAX, LEAVING_BYTES_MAX, RETRY_MS_MAX } = await module("limits");
const { bytesOf } = await module("queue");
const { newId, timeOf } = await module("id");

/** A browser whose edge answers by a list, and counts when the list is at its end. */
function browserWith(answers, options = {}) {
  const requests = [];
  const browser = new Browser({
    random: randomOf(7),
    ...options,
    answer(request) {
      requests.push({ at: browser.now, request, ids: request.events.map(({ messageId }) => messageId) });
      const next = answers.shift();
      const reply = next === undefined ? receipts(request) : typeof next === "function" ? next(request) : next;
      return { ms: 20, counts: reply?.status === 200, reply: reply && { retryAfterMs: 0, offsetMs: null, ...reply } };
    },
  });
  return { browser, requests };
}

test("events of one moment leave together, in their order", async () => {
  const { browser, requests } = browserWith([]);
  const tab = browser.open();
  const ids = [1, 2, 3].map(() => browser.track(tab).id);
  assert.equal(browser.stored().size, 3, "they are stored before they are sent");
  await browser.pass(99);
  assert.equal(requests.length, 0);
  await browser.pass(200);
  assert.deepEqual(requests.map((one) => one.ids), [ids]);
  assert.equal(browser.stored().size, 0);
});

test("an answer that is no edge's costs nothing, and the same ids are sent again", async () => {
  const { browser, requests } = browserWith([null, null, { status: 503, json: { code: "storage_unavailable" } }]);
  const tab = browser.open();
  const { id } = browser.track(tab);
  await browser.pass(60_000);
  assert.deepEqual(requests.map((one) => one.ids), [[id], [id], [id], [id]]);
  assert.equal(browser.counted.get(id), 1);
  assert.equal(tab.outbox.delivery.failures(), 0);
});

test("`Retry-After` is obeyed, also by a page that ends", async () => {
  const { browser, requests } = browserWith([{ status: 429, json: { code: "rate" }, retryAfterMs: 120_000 }]);
  const tab = browser.open();
  browser.track(tab);
  await browser.pass(1_000);
  tab.outbox.delivery.leave();
  assert.equal(tab.outbox.delivery.ask(["hero"]), null, "a question waits, too");
  await browser.pass(118_000);
  assert.equal(requests.length, 1);
  await browser.pass(5_000);
  assert.equal(requests.length, 2);
});

test("pauses have full jitter, grow, and end at their longest", async () => {
  const { browser, requests } = browserWith(Array(40).fill({ status: 500, json: { code: "internal" } }));
  browser.track(browser.open());
  await browser.pass(4 * 3_600_000);
  const pauses = requests.slice(1).map(({ at }, index) => at - requests[index].at);
  assert.ok(pauses.every((ms) => ms <= RETRY_MS_MAX + 50), `${pauses}`);
  assert.ok(pauses.some((ms) => ms > 60_000), "they grow");
  assert.ok(new Set(pauses.map((ms) => Math.round(ms / 100))).size > pauses.length / 2, "they differ");
});

test("a tab has a budget of retries", async () => {
  // Without jitter each pause is nothing.
  const { browser, requests } = browserWith(Array(100).fill({ status: 500, json: { code: "internal" } }), { random: () => 0 });
  browser.track(browser.open());
  await browser.pass(20_000);
  assert.ok(requests.length <= 12, `${requests.length} requests in 20 s`);
  await browser.pass(600_000);
  assert.ok(requests.length <= 35, `${requests.length} requests in 10 min`);
});

test("one event that is refused for what it is does not hold up the others", async () => {
  const bad = new Set();
  const refuse = (request) => (request.events.some(({ messageId }) => bad.has(messageId)) ? { status: 400, json: { code: "event_invalid" } } : receipts(request));
  const { browser } = browserWith(Array(20).fill(refuse));
  const tab = browser.open();
  const ids = Array.from({ length: 9 }, () => browser.track(tab).id);
  bad.add(ids[4]);
  await browser.pass(1_000);
  assert.deepEqual([...browser.dropped], [[ids[4], "rejected"]]);
  assert.equal(browser.counted.size, 8);
  assert.equal(browser.stored().size, 0);
});

test("a refusal of the key keeps the events", async () => {
  const { browser, requests } = browserWith([{ status: 401, json: { code: "key_invalid" } }]);
  browser.track(browser.open());
  await browser.pass(RETRY_MS_MAX + 1_000);
  assert.equal(requests.length, 2);
  assert.equal(browser.dropped.size, 0);
  assert.equal(browser.counted.size, 1);
});

test("receipts decide event by event", async () => {
  const first = ({ events }) => ({
    status: 200,
    json: {
      receipts: [
        { id: events[0].messageId, success: true, notes: ["duplicate"] },
        { success: false, error: { name: "InvalidCollectionNameError" } },
        { id: events[2].messageId, success: false, error: { name: "StorageUnavailable" } },
        { id: "somebody else's", success: true },
        { id: "o-5", success: true },
      ],
    },
  });
  const { browser, requests } = browserWith([first], { random: () => 0.9 });
  const tab = browser.open();
  const ids = [1, 2, 3, 4].map(() => browser.track(tab).id);
  // A definition may take another column for the id.
  const ordered = newId(browser.now);
  tab.outbox.queue.add(ordered, JSON.stringify({ messageId: ordered, order: "o-5" }), () => false);
  await browser.pass(150);
  assert.deepEqual([...browser.stored().keys()], [ids[2], ids[3]]);
  assert.deepEqual([...browser.dropped], [[ids[1], "rejected"]]);
  assert.ok(browser.sent.has(ids[0]) && browser.sent.has(ordered));
  await browser.pass(60_000);
  assert.deepEqual(requests[1].ids, [ids[2], ids[3]]);
});

test("requests are within their bytes, whatever the alphabet", async () => {
  const { browser, requests } = browserWith([]);
  const tab = browser.open();
  for (let count = 0; count < 30; count++) {
    const id = newId(browser.now);
    tab.outbox.queue.add(id, JSON.stringify({ messageId: id, text: "漢".repeat(2_500) }), () => false);
  }
  tab.outbox.delivery.leave();
  const all = requests.reduce((sum, { request }) => sum + bytesOf(JSON.stringify(request)), 0);
  assert.ok(all <= LEAVING_BYTES_MAX && all > LEAVING_BYTES_MAX / 2, `${all} bytes are under way when the page ends`);
  await browser.pass(10_000);
  for (const { request } of requests) assert.ok(bytesOf(JSON.stringify(request)) <= CHUNK_BYTES_MAX);
  assert.equal(browser.counted.size, 30);
});

test("over the bounds the oldest of this tab go, those under way never", async () => {
  const { browser } = browserWith([() => null]);
  const [tab, other] = [browser.open(), browser.open()];
  const theirs = browser.track(other).id;
  const flying = browser.track(tab).id;
  tab.outbox.delivery.leave();
  const ids = Array.from({ length: EVENTS_MAX }, () => browser.track(tab).id);
  assert.equal(browser.stored().size, EVENTS_MAX);
  assert.deepEqual([...browser.dropped], [[ids[0], "overflow"], [ids[1], "overflow"]]);
  assert.ok(browser.stored().has(theirs) && browser.stored().has(flying));
});

test("an event of over 7 days goes, and says why", async () => {
  const { browser } = browserWith([]);
  const tab = browser.open();
  const { id } = browser.track(tab);
  browser.crash(tab);
  assert.equal(timeOf(id), browser.now);
  await browser.pass(7 * 24 * 3_600_000 + 1);
  browser.open();
  await browser.pass(1_000);
  assert.deepEqual([...browser.dropped], [[id, "expired"]]);
  assert.equal(browser.counted.size, 0);
});

test("a question takes the newest events along, the last one last", async () => {
  const { browser, requests } = browserWith([]);
  const tab = browser.open();
  const ids = Array.from({ length: 5 }, () => browser.track(tab, 15_000).id);
  const answer = tab.outbox.delivery.ask(["hero", "banner"]);
  assert.deepEqual(requests[0].request.personalize, { names: ["hero", "banner"] });
  assert.deepEqual(requests[0].ids, ids.slice(-3));
  await browser.pass(1_000);
  assert.equal((await answer).status, 200);
  assert.equal(browser.counted.size, 5);
  assert.equal(tab.outbox.delivery.ask(["hero"]), undefined, "there is nothing to take along");
});

test("the next page waits for what the last one has under way, and then sends it itself", async () => {
  const { browser, requests } = browserWith([]);
  const tab = browser.open();
  const { id } = browser.track(tab);
  await browser.close(tab);
  browser.open();
  await browser.pass(2_500);
  assert.equal(requests.length, 1);
  await browser.pass(31_000);
  assert.deepEqual(requests.map((one) => one.ids), [[id], [id]], "the answer was lost with the page");
  assert.equal(browser.stored().size, 0);
});

test("the tab of a crash is found by another that lives", async () => {
  const { browser } = browserWith([]);
  const [tab] = [browser.open(), browser.open()];
  await settled();
  const { id } = browser.track(tab);
  browser.crash(tab);
  await browser.pass(31_000);
  assert.equal(browser.counted.get(id), 1);
});

test("a clock that is set by a day stops nothing", async () => {
  for (const hours of [-24, 24]) {
    const { browser, requests } = browserWith([null, { status: 429, json: { code: "rate" }, retryAfterMs: 5_000 }]);
    const tab = browser.open();
    const { id } = browser.track(tab);
    await browser.pass(150);
    browser.skew = hours * 3_600_000;
    const later = browser.track(tab).id;
    await browser.pass(60_000);
    assert.deepEqual([browser.counted.get(id), browser.counted.get(later), browser.dropped.size], [1, 1, 0], `${hours} h`);
    // The edge shifts the times of a request by this.
    assert.ok(Math.abs(requests.at(-1).request.sentAt - requests.at(-1).at - browser.skew) < 1_000);
  }
});

test("nothing but events stays in storage", async () => {
  const { browser } = browserWith([]);
  for (let count = 0; count < 5; count++) {
    const tab = browser.open();
    browser.track(tab);
    await browser.pass(200);
    browser.track(tab);
    // The answer comes while the page is put aside, and the page never comes back.
    tab.outbox.leave();
    await browser.pass(1_000);
    browser.crash(tab);
  }
  assert.ok(browser.entries.size > 0, "a note for the next page");
  browser.open();
  await browser.pass(10_000);
  assert.deepEqual([...browser.entries.keys()], []);
});

/** A tab whose page signs visitors in: an event of a user, and one of nobody in particular. */
function signedIn(answers, identity) {
  const { browser, requests } = browserWith(answers);
  browser.hasIdentity = true;
  browser.identity = identity;
  const tab = browser.open();
  const ofUser = browser.track(tab, 10, { userId: "u" }).id;
  const ofAnybody = browser.track(tab, 10).id;
  return { browser, requests, tab, ofUser, ofAnybody };
}

test("the page is asked for an identity token at each sending, and nothing stores it", async () => {
  let asked = 0;
  const { browser, requests, tab } = signedIn([null], async () => `token-${++asked}`);
  await browser.pass(5_000);
  assert.deepEqual(requests.map(({ request }) => request.identity), ["token-1", "token-2"], "again for the second attempt");
  assert.equal(browser.stored().size, 0);
  browser.track(tab);
  await browser.pass(5_000);
  assert.equal(requests.at(-1).request.identity, undefined, "an event that names no user needs none");
  assert.equal(asked, 2);
  assert.ok(![...browser.entries.values()].some((value) => value.includes("token-")));
});

test("an event that needs a token waits while the page has none", async () => {
  let token = null;
  const { browser, requests, tab, ofUser, ofAnybody } = signedIn([], () => token);
  await browser.pass(15_000);
  assert.deepEqual(requests.map((one) => one.ids), [[ofAnybody]]);
  assert.deepEqual([...browser.stored().keys()], [ofUser]);
  assert.equal(await tab.outbox.delivery.ask(["hero"]), undefined, "a question does not take it along");
  token = "token";
  await browser.pass(15_000);
  assert.deepEqual(requests.slice(1).map(({ ids, request }) => [ids, request.identity]), [[[ofUser], "token"]]);
  assert.equal(browser.counted.get(ofUser), 1);
});

test("a page that fails or never answers has no token", async () => {
  const { makeToken } = await module("token");
  assert.equal(makeToken(undefined).ask(), undefined);
  assert.equal(makeToken(() => { throw new Error("the page"); }).ask(), null);
  assert.equal(await makeToken(async () => { throw new Error("the page"); }).ask(), null);
  const told = [];
  const token = makeToken((last) => void told.push(last));
  token.refused("expired");
  token.ask();
  token.ask();
  assert.deepEqual(told, [{ refused: "expired" }, {}]);
});

test("a page that ends sends at once with a token that is there", () => {
  const { requests, tab } = signedIn([], () => "token");
  tab.outbox.delivery.leave();
  assert.equal(requests[0].request.identity, "token");
});

test("only what was not stored for want of a key is sent again, with a new token", async () => {
  const tokens = ["old", "new"];
  const expired = (request) => ({
    ...receipts(request, { notes: ["identity_expired"] }),
    json: { receipts: request.events.map(({ messageId: id, userId }) => ({ id, success: true, notes: ["identity_expired", ...(userId ? ["no_usable_key"] : [])] })) },
  });
  const { browser, requests, ofUser, ofAnybody } = signedIn([expired], () => tokens.shift());
  await browser.pass(10_000);
  assert.deepEqual(requests.map(({ ids, request }) => [ids, request.identity]), [[[ofUser, ofAnybody], "old"], [[ofUser], "new"]]);
  assert.deepEqual(browser.refusals, ["expired", "expired"], "the page is told why it is asked");
  assert.ok(browser.sent.has(ofUser) && browser.sent.has(ofAnybody));
  assert.equal(browser.stored().size, 0);
});
