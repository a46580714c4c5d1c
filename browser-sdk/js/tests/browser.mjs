// A browser that is simulated: tabs that share a storage and locks, a clock, and a network to one edge.
//
// A tab that crashes loses its timers, its locks and what it waits for; what it stored stays.

import { module } from "./modules.mjs";

const { makeOutbox } = await module("outbox");
const { newId } = await module("id");

let began = 1_790_000_000_000;

export class Browser {
  constructor({ random, hasLocks = true, answer }) {
    this.random = random;
    this.hasLocks = hasLocks;
    /** (request, tab) → `{ms, reply, counts}`: when the answer comes, which, and whether the edge counted the events, or which. */
    this.answer = answer;
    // Ids carry times, and never go back.
    this.now = began += 100 * 24 * 3_600_000;
    /** What the clock of the device is wrong by. */
    this.skew = 0;
    this.entries = new Map();
    this.isFull = false;
    /** The page's identity tokens: whether it has any to give, what it gives now, and what edges said of them. */
    this.hasIdentity = false;
    this.identity = () => null;
    this.refusals = [];
    this.tabs = new Set();
    this.holders = new Map();
    this.timers = [];
    /** What an edge counted, how often each id was on the wire, and how often without an answer that counts it. */
    this.counted = new Map();
    this.wire = new Map();
    this.unanswered = new Map();
    this.dropped = new Map();
    this.sent = new Set();
  }

  store = {
    keys: () => [...this.entries.keys()],
    get: (key) => this.entries.get(key) ?? null,
    set: (key, value) => {
      if (this.isFull && !this.entries.has(key)) return false;
      this.entries.set(key, value);
      return true;
    },
    remove: (key) => void this.entries.delete(key),
  };

  open() {
    const tab = { timers: new Set(), held: new Map(), isAlive: true, memory: new Set() };
    const setTimer = (run, ms) => {
      const timer = { run, at: this.now + Math.max(0, ms), tab };
      this.timers.push(timer);
      return timer;
    };
    const locks = {
      request: async (name, _options, held) => {
        if (this.holders.has(name)) return held(null);
        this.holders.set(name, tab);
        await held({});
        if (this.holders.get(name) === tab) this.holders.delete(name);
      },
    };
    tab.outbox = makeOutbox(this.store, "usher:key:", {
      now: () => this.now + this.skew,
      ticks: () => this.now,
      random: this.random,
      setTimer,
      clearTimer: (timer) => void (this.timers = this.timers.filter((other) => other !== timer)),
      locks: this.hasLocks ? locks : undefined,
      post: (body) => this.post(tab, body, setTimer),
      token: undefined,
      needsIdentity: (body) => this.hasIdentity && JSON.parse(body).userId !== undefined,
      identity: () => this.identity(),
      refused: (why) => this.refusals.push(why),
      dropped: (id, reason) => this.dropped.set(id, reason),
      sent: (id) => this.sent.add(id),
      failed: () => {},
    });
    this.tabs.add(tab);
    return tab;
  }

  /** Tracks an event; returns its id and the status. */
  track(tab, bytes = 200, more = {}) {
    const id = newId(this.now + this.skew);
    const body = JSON.stringify({ table: "web.events", messageId: id, filler: "x".repeat(bytes), ...more });
    const status = tab.outbox.queue.add(id, body, tab.outbox.delivery.isFlying);
    if (status === "overflow") this.dropped.set(id, "overflow");
    tab.outbox.delivery.wake(100);
    return { id, status };
  }

  post(tab, body, setTimer) {
    const request = JSON.parse(body);
    const { ms, reply, counts } = this.answer(request, tab);
    for (const [index, { messageId: id }] of request.events.entries()) {
      this.wire.set(id, (this.wire.get(id) ?? 0) + 1);
      if (typeof counts === "function" ? counts(index) : counts) this.counted.set(id, (this.counted.get(id) ?? 0) + 1);
      // Until the answer came to the tab that sent it.
      this.unanswered.set(id, (this.unanswered.get(id) ?? 0) + 1);
    }
    return new Promise((done) =>
      setTimer(() => {
        const told = new Set((reply?.json?.receipts ?? []).filter(({ success }) => success).map(({ id }) => id));
        for (const { messageId: id } of request.events) if (told.has(id)) this.unanswered.set(id, this.unanswered.get(id) - 1);
        done(reply);
      }, ms),
    );
  }

  crash(tab) {
    tab.isAlive = false;
    this.tabs.delete(tab);
    this.timers = this.timers.filter((timer) => timer.tab !== tab);
    for (const [name, holder] of this.holders) if (holder === tab) this.holders.delete(name);
  }

  /** A navigation: what the page does at its end, then nothing of it any more. */
  async close(tab) {
    tab.outbox.leave();
    await settled();
    this.crash(tab);
  }

  /** Lets time pass, timer by timer. */
  async pass(ms) {
    const end = this.now + ms;
    for (;;) {
      await settled();
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
  }

  /** The events in storage, by id. */
  stored() {
    const events = [...this.entries].filter(([key]) => key.startsWith("usher:key:e:"));
    return new Map(events.map(([key, body]) => [key.split(":").at(-1), body]));
  }
}

export const settled = () => new Promise((done) => setImmediate(done));

/** What an edge answers that counted every event. */
export const receipts = (request, more = {}) => ({
  status: 200,
  json: { receipts: request.events.map(({ messageId: id }) => ({ id, success: true, ...more })) },
  retryAfterMs: 0,
  offsetMs: null,
});
