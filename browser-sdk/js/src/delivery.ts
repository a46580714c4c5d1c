// Sends what the queue holds until an edge has counted it. At least once on the wire, once at the edge, by the event's id.

import {
  CHUNK_BYTES_MAX, IDENTITY_MS, LEAVING_BYTES_MAX, NAMES_MAX, RETRIES_MAX, RETRY_GRANT_MS, RETRY_MS, RETRY_MS_MAX,
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
  ask(names: string[]): Promise<Answer | null | undefined> | null | undefined;
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
  /** True for an event that is sent with an identity token only. */
  needsIdentity(body: string): boolean;
  /** Asks the page for an identity token: a text, or a promise of one that does not fail; nothing if it has none. */
  identity(): unknown;
  /** An edge did not take the token: `expired` or `refused`. */
  refused(why: string): void;
  sent(id: string, notes: string[]): void;
  failed(code: string, status: number): void;
}

/** Events of one moment leave together. */
export const BATCH_MS = 100;
/** Bytes around the events of a request, without names of personalizations; an identity token has up to 4 KB more. */
const AROUND_BYTES = 1_024;
/** The edge keeps these out for now. */
const FOR_NOW = "StorageUnavailable";

export function makeDelivery(queue: Queue, around: Around): Delivery {
  const { ticks } = around;
  /** Ids under way, with the bytes of their events. */
  const flying = new Map<string, number>();
  let requests = 0;
  let failures = 0;
  let [pauseEnds, heldOffUntil, withoutIdentityUntil] = [0, 0, 0];
  let [budget, grantedAt] = [RETRIES_MAX, ticks()];
  let timer: unknown;
  let due = Infinity;
  let offsetMs: number | null = null;
  let stopped = false;
  let landed: (() => void)[] = [];

  const needsIdentity = ({ body }: Entry) => around.needsIdentity(body);
  /** Those that need a token are left out for a while after the page had none. */
  const waiting = () => {
    const isWithout = ticks() < withoutIdentityUntil;
    return queue.mine().filter((entry) => !flying.has(entry.id) && !(isWithout && needsIdentity(entry)));
  };

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

  async function send(all: Entry[], names?: string[]): Promise<Answer | null | undefined> {
    for (const { id, bytes } of all) flying.set(id, bytes);
    requests++;
    let entries = all;
    let answer: Answer | null | undefined;
    try {
      let identity = all.some(needsIdentity) ? around.identity() : undefined;
      // A page that ends waits for no promise, so a token that is there is taken as it is.
      if (identity instanceof Promise) identity = await identity;
      if (!identity) entries = all.filter((entry) => !needsIdentity(entry));
      if (entries.length < all.length) withoutIdentityUntil = ticks() + IDENTITY_MS;
      const { token } = around;
      const beside = { sentAt: around.now(), token, identity: identity || undefined, personalize: names && { names: names.slice(0, NAMES_MAX) } };
      const body = `${JSON.stringify(beside).slice(0, -1)},"events":[${entries.map((entry) => entry.body).join()}]}`;
      if (entries.length) answer = (await around.post(body)) ?? null;
    } catch {
      answer = null;
    }
    requests--;
    for (const { id } of all) flying.delete(id);
    if (!stopped && answer !== undefined) {
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
      if (stopped) return answer;
      if (waiting().length) wake(0);
      else if (entries.length < all.length) wake(IDENTITY_MS);
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
      let kept = "";
      entries.forEach((entry, index) => {
        const receipt = receipts[index] ?? {};
        const error = receipt.error?.name;
        const notes: string[] = Array.isArray(receipt.notes) ? receipt.notes : [];
        const refused = notes.find((note) => /^identity_/.test(note));
        if (refused) around.refused(refused.slice(9));
        if (error && error !== FOR_NOW) queue.drop(entry, "rejected", String(error));
        // Only the token had a key for it, so it is not stored, and goes again with another.
        else if (refused && notes.includes("no_usable_key")) kept = refused;
        else if (!error && receipt.success === true && isOf(receipt.id, entry.body)) {
          queue.remove(entry);
          around.sent(entry.id, notes);
        } else kept ||= FOR_NOW;
      });
      if (kept) return fail(kept, status), false;
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
        pauseEnds = withoutIdentityUntil = 0;
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
