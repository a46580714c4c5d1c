// Delivery of activations from a Durable Object: turns, which its alarm begins, and attempts by `fetch`.
//
// A turn is a message to the object itself: it notes the results of attempts, and its answer has the next ones, signed. Their leases
// are written first, and the platform holds requests back until that is durable. An object that dies loses nothing: its next turn
// makes them again.

import { FrameReader } from "./frame.js";
import { fault } from "./log.js";

/** Attempts at the same time: the platform lets an invocation wait for the heads of six answers. */
const MOST_ATTEMPTS = 6;
/** Time for one attempt (`ATTEMPT_MS` in `limits.rs`). */
const ATTEMPT_MS = 20_000;
/** Bytes of an answer that are kept (`ANSWER_KEPT_BYTES_MAX`), and that are read at most. */
const KEPT_BYTES = 1_024;
const READ_BYTES = 64 * 1024;
/** The time to the next turn after one that failed. */
const AGAIN_MS = 5_000;
/** An alarm begins no attempts after this time, so that the next one can do the object's other work. */
const ALARM_MS = 30_000;

/** The status of an attempt without an answer (`AttemptResult::write`). */
const NO_ANSWER = 0;

export class Deliveries {
  /** Takes a message to its answer: `{status, body, next}`, or undefined. */
  #take;
  /** False until the first turn of this object: whatever was under way is not any more. */
  #resumed = false;
  /** When the next turn is due; an object that an alarm has woken looks. */
  #dueMs = 0;
  /** Results of which no turn has heard. */
  #ended = [];
  #underWay = 0;
  #isTurning = false;
  /** Ends the pause between two turns. */
  #wake = () => {};

  constructor(take) {
    this.#take = take;
  }

  /** When the next turn is due. */
  get dueMs() {
    return this.#dueMs;
  }

  /** Activations may have to be sent; true if the alarm has to be set. What a turn stores is for its own loop. */
  note() {
    if (this.#isTurning) return false;
    this.#dueMs = 0;
    this.#wake();
    return true;
  }

  /** There is nothing to deliver. */
  rest() {
    this.#dueMs = Infinity;
  }

  /** Does the turns that are due, until no attempt is under way; never throws. */
  async run(service, shard) {
    const until = Date.now() + ALARM_MS;
    for (;;) {
      const goesOn = Date.now() < until;
      if (this.#ended.length > 0 || (goesOn && this.#dueMs <= Date.now())) this.#turn(service, shard, goesOn);
      if (this.#ended.length > 0) return;
      if (this.#underWay === 0 && !(goesOn && this.#dueMs <= Date.now())) return;
      const pause = goesOn ? Math.min(this.#dueMs, until) - Date.now() : ATTEMPT_MS;
      await new Promise((done) => {
        const timer = setTimeout(done, Math.max(0, Math.min(pause, ATTEMPT_MS)));
        this.#wake = () => (clearTimeout(timer), done());
      });
    }
  }

  /** One turn. Attempts begin in the same step as their leases are written. */
  #turn(service, shard, goesOn) {
    const results = this.#ended;
    this.#ended = [];
    // Messages that are stored from here on are for the next turn.
    this.#dueMs = Infinity;
    let answer;
    this.#isTurning = true;
    try {
      const most = goesOn ? MOST_ATTEMPTS - this.#underWay : 0;
      answer = this.#take(service.sendTurn(Date.now(), !this.#resumed, most, shard, results));
    } catch (error) {
      fault("not_delivered", error);
    } finally {
      this.#isTurning = false;
    }
    if (answer?.status !== 200) {
      // Until then messages have their leases.
      this.#ended.unshift(...results);
      this.#dueMs = Date.now() + AGAIN_MS;
      return;
    }
    this.#resumed = true;
    if (answer.next > 0) this.#dueMs = Math.min(this.#dueMs, Date.now() + answer.next);
    for (const attempt of readAttempts(answer.body)) {
      this.#underWay += 1;
      void this.#attempt(attempt);
    }
  }

  async #attempt({ number, id, request }) {
    const atMs = Date.now();
    const result = await outcome(request);
    this.#underWay -= 1;
    this.#ended.push({ number, id, atMs, ...result });
    this.#wake();
  }
}

/** The attempts of the answer to a turn (`Attempt::list`). */
function readAttempts(body) {
  return new FrameReader(body).list((r) => {
    const [number, id] = [r.long(), r.bytes().slice()];
    r.text();
    // True if it may be private; the platform sends to public addresses alone.
    r.byte();
    const [method, url, headers] = [r.text(), r.text(), r.list((r) => [r.text(), r.text()])];
    return { number, id, request: { method, url, headers, body: r.bytes().slice() } };
  });
}

/** The result of an attempt: the status, the beginning of the answer or why there is none, and after how many seconds it wants the next one. */
async function outcome({ method, url, headers, body }) {
  const signal = AbortSignal.timeout(ATTEMPT_MS);
  try {
    const answer = await fetch(url, { method, headers, body, redirect: "manual", signal });
    const after = Number(answer.headers.get("retry-after") ?? 0);
    return { status: answer.status, text: await beginning(answer), seconds: Number.isInteger(after) && after > 0 ? Math.min(after, 86_400) : 0 };
  } catch (error) {
    const text = signal.aborted ? "timeout: there was no answer in time" : `fetch: ${error?.message ?? error}`;
    return { status: NO_ANSWER, text, seconds: 0 };
  }
}

/** The beginning of a body. What follows a status does not change the result, so a body that breaks off is none. */
async function beginning(answer) {
  if (!answer.body) return "";
  const kept = new Uint8Array(KEPT_BYTES);
  let [length, read] = [0, 0];
  const reader = answer.body.getReader();
  try {
    while (read < READ_BYTES) {
      const { done, value } = await reader.read();
      if (done) break;
      const part = value.subarray(0, KEPT_BYTES - length);
      kept.set(part, length);
      [length, read] = [length + part.length, read + value.length];
    }
    await reader.cancel();
  } catch {
    // The status counts.
  }
  return new TextDecoder().decode(kept.subarray(0, length));
}
