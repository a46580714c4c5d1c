// Sends what the queue holds until an edge has counted it. At least once on the wire, once at the edge, by the event's id.

import {
  CHUNK_BYTES_MAX, LEAVING_BYTES_MAX, NAMES_MAX, RETRIES_MAX, RETRY_GRANT_MS, RETRY_MS, RETRY_MS_MAX,
} from "./limits.ts";
import type { Entry, Queue } from "./queue.ts";
import type { Answer } from "./wire.ts";

export interface Delivery {
  /** Sends soon, unless a pause after a failure is on. */
  wake(inMs: number): void;
  /** Sends everything now: the page may end. Returns true if requests are under way. */
  leave(): boolean;
  /** Sends now, also in a pause, unless the edge asked for one; resolves when nothing is under way. */
  flush(): Promise<void>;
  /** Sends the newest events together with a question. Undefined if there are none; null if the edge asked for a pause. */
  ask(names: string[]): Promise<Answer | null> | null | undefined;
  isFlying(id: string): boolean;
  failures(): number;
  /** Takes note of an answer to something else. */
  note(answer: Answer): void;
  offsetMs(): number | null;
  stop(): void;
}

export interface Around {
  now(): number;
  /** A clock that nobody sets, for pauses. */
  ticks(): number;
  /** From 0 to 1. */
  random(): number;
  setTimer(run: () => void, ms: number): unknown;
  clearTimer(timer: unknown): void;
  post(body: string): Promise<Answer | null>;
  token: string | undefined;
  sent(id: string, notes: string[]): void;
  failed(code: string, status: number): void;
}

/** Events of one moment leave together. */
export const BATCH_MS = 100;
/** Bytes around the events of a request, without names of personalizations. */
const AROUND_BYTES = 1_024;
/** The edge keeps these out for now. */
const FOR_NOW = "StorageUnavailable";

export function makeDelivery(queue: Queue, around: Around): Delivery {
  const { ticks } = around;
  /** Ids under way, with the bytes of their events. */
  const flying = new Map<string, number>();
  let requests = 0;
  let failures = 0;
  let [pauseEnds, heldOffUntil] = [0, 0];
  let [budget, grantedAt] = [RETRIES_MAX, ticks()];
  let timer: unknown;
  let due = Infinity;
  let offsetMs: number | null = null;
  let stopped = false;
  let landed: (() => void)[] = [];

  const waiting = () => queue.mine().filter(({ id }) => !flying.has(id));

  /** As many as fit, from the first. */
  function chunk(entries: Entry[], room: number): Entry[] {
    let bytes = AROUND_BYTES;
    let count = 0;
    for (const entry of entries) {
      if ((bytes += entry.bytes + 1) > room) break;
      count++;
    }
    return entries.slice(0, count);
  }

  async function send(entries: Entry[], names?: string[]): Promise<Answer | null> {
    const body =
      `{"sentAt":${around.now()}${around.token ? `,"token":${JSON.stringify(around.token)}` : ""}` +
      (names ? `,"personalize":${JSON.stringify({ names: names.slice(0, NAMES_MAX) })}` : "") +
      `,"events":[${entries.map((entry) => entry.body).join()}]}`;
    for (const { id, bytes } of entries) flying.set(id, bytes);
    requests++;
    let answer: Answer | null = null;
    try {
      answer = await around.post(body);
    } catch {}
    requests--;
    for (const { id } of entries) flying.delete(id);
    if (!stopped) {
      const split = settle(entries, answer);
      if (split) {
        const half = Math.ceil(entries.length / 2);
        // One that is refused alone is the one; the others are innocent.
        await send(entries.slice(0, half));
        await send(entries.slice(half));
      }
    }
    if (!requests) {
      for (const done of landed.splice(0)) done();
      if (!stopped && waiting().length) wake(0);
    }
    return answer;
  }

  /** Notes what an answer says of these events; true if they are to be sent again in halves. */
  function settle(entries: Entry[], answer: Answer | null): boolean {
    if (!answer) return fail("network", 0), false;
    note(answer);
    const { status, json } = answer;
    const receipts = json?.receipts;
    if (status === 200 && Array.isArray(receipts) && receipts.length === entries.length) {
      let kept = 0;
      entries.forEach((entry, index) => {
        const receipt = receipts[index] ?? {};
        const error = receipt.error?.name;
        if (error && error !== FOR_NOW) queue.drop(entry, "rejected", String(error));
        else if (!error && receipt.success === true && isOf(receipt.id, entry.body)) {
          queue.remove(entry);
          around.sent(entry.id, Array.isArray(receipt.notes) ? receipt.notes : []);
        } else kept++;
      });
      if (kept) return fail(FOR_NOW, status), false;
      failures = pauseEnds = 0;
      return false;
    }
    const code = String(json?.code ?? status);
    // About what was sent, and not about who sends or when.
    if (status === 413 || (status === 400 && /^(event|body)/.test(code))) {
      around.failed(code, status);
      if (entries.length > 1) return true;
      queue.drop(entries[0]!, "rejected", code);
      return false;
    }
    fail(code, status);
    return false;
  }

  /** A pause of full jitter: between nothing and the doubled time, so that tabs that failed together do not return together. */
  function fail(code: string, status: number) {
    failures++;
    around.failed(code, status);
    // No answer at all is often something that blocks requests, which does not end soon; nor does a key that is refused.
    const isLasting = (status === 0 && failures > 3) || (status >= 400 && status < 500 && ![408, 425, 429].includes(status));
    const most = isLasting ? RETRY_MS_MAX : Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (failures - 1));
    const grants = Math.floor((ticks() - grantedAt) / RETRY_GRANT_MS);
    if (grants > 0) [budget, grantedAt] = [Math.min(RETRIES_MAX, budget + grants), grantedAt + grants * RETRY_GRANT_MS];
    budget = Math.max(-1, budget - 1);
    pauseEnds = ticks() + Math.max(around.random() * most, budget < 0 ? RETRY_GRANT_MS : 0);
  }

  function note({ offsetMs: offset, retryAfterMs }: Answer) {
    if (offset !== null) offsetMs = offset;
    if (retryAfterMs) heldOffUntil = ticks() + retryAfterMs;
  }

  function wake(inMs: number) {
    const at = Math.max(ticks() + inMs, pauseEnds, heldOffUntil);
    if (stopped || due <= at) return;
    around.clearTimer(timer);
    due = at;
    timer = around.setTimer(run, at - ticks());
  }

  /** One request at a time; the end of it wakes the next. */
  function run() {
    due = Infinity;
    if (stopped || requests) return;
    if (ticks() < Math.max(pauseEnds, heldOffUntil)) return wake(0);
    const entries = chunk(waiting(), CHUNK_BYTES_MAX);
    if (entries.length) void send(entries);
  }

  /** Sends all that fits into what a page may have under way. */
  function sendAll(room: number) {
    if (stopped || ticks() < heldOffUntil) return;
    for (const bytes of flying.values()) room -= bytes;
    for (;;) {
      const entries = chunk(waiting(), Math.min(room, CHUNK_BYTES_MAX));
      if (!entries.length) return;
      room -= entries.reduce((sum, { bytes }) => sum + bytes + 1, AROUND_BYTES);
      void send(entries);
    }
  }

  return {
    wake,
    leave: () => (sendAll(LEAVING_BYTES_MAX), requests > 0),
    flush: () =>
      new Promise((done) => {
        pauseEnds = 0;
        sendAll(LEAVING_BYTES_MAX);
        if (requests) landed.push(done);
        else done();
      }),
    ask(names) {
      if (stopped || ticks() < heldOffUntil) return null;
      // The newest, of which the last says whose offers they are.
      const entries = chunk(waiting().reverse(), CHUNK_BYTES_MAX).reverse();
      return entries.length ? send(entries, names) : undefined;
    },
    isFlying: (id) => flying.has(id),
    failures: () => failures,
    note,
    offsetMs: () => offsetMs,
    stop() {
      stopped = true;
      around.clearTimer(timer);
      for (const done of landed.splice(0)) done();
    },
  };
}

/**
 * True if a receipt's id is the value of a column: of the message id, or of another that the definition takes for the id. An integer
 * is told as a text.
 */
const isOf = (id: unknown, body: string): boolean =>
  typeof id === "string" && id !== "" && (body.includes(`:${JSON.stringify(id)}`) || body.includes(`:${id},`));
