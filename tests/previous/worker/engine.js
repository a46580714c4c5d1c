// The wasm instance: what it is asked, what becomes of it when it traps, and how it learns what to run.

import { FrameReader, FrameWriter } from "./frame.js";
import { patiently } from "./patience.js";
import { control } from "./store.js";
import wasm from "./usher.wasm";

// In the order of `operation.rs`.
const CONFIGURE = 0;
const FRONT = 1;
const ANSWER = 2;
const OPEN = 3;
const FOLD = 4;
const BEHIND = 5;
const INSTALL = 6;
const UNAVAILABLE = 7;
const CONSTANTS = 8;
const TROUBLE = 9;
const FAILED = 10;

/** Why a request failed, in the order of `operation.rs`. */
export const INTERNAL = 0;
export const STORAGE = 1;

/** How long an isolate trusts what it knows of the pointers. */
const POINTERS_MS = 15_000;

const NOTHING = new Uint8Array();

let shared;

/** The isolate's one engine. */
export function engine(env) {
  return (shared ??= new Engine(env));
}

class Engine {
  #secret;
  #demo;
  #exports;
  /** What runs, so that a new instance runs it, too: pointer and body by audience. */
  #running = new Map();
  #checked = 0;
  #known = false;
  #pointersMessage;
  #internal;
  /** Names of the headers that Rust looks at. */
  headers;
  /** Statements that make the tables. */
  schema;

  constructor(env) {
    this.#secret = env.USHER_KEYS ?? "";
    this.#demo = env.USHER_DEMO === "1";
    const complaint = this.#start();
    if (complaint) console.error(JSON.stringify({ event: "unconfigured", detail: complaint }));
    const constants = this.#call(CONSTANTS, NOTHING);
    this.schema = constants.list((r) => r.text());
    this.headers = constants.list((r) => r.text());
    this.#pointersMessage = constants.bytes();
    // Kept as bytes: a response can be sent only once.
    this.#internal = responseParts(constants);
  }

  /** What to do with a request. */
  front(frame) {
    const out = this.#call(FRONT, frame);
    switch (out.byte()) {
      case 0:
        return { kind: "respond", response: readResponse(out) };
      case 1:
        return { kind: "write", shard: out.number(), message: out.bytes() };
      case 2:
        return { kind: "look", shard: out.number(), message: out.bytes(), cacheKey: out.text() };
      case 3:
        return { kind: "publish", hash: out.text(), body: out.bytes(), message: out.bytes() };
      case 4:
        return { kind: "control", message: out.bytes() };
      default:
        throw new Error("the engine did not answer");
    }
  }

  /**
   * The answer from a snapshot of this tier, or undefined when it is not good enough. `waited` unless nothing was
   * awaited since the front.
   */
  answer(frame, tier, snapshot, waited) {
    const input = new FrameWriter(frame.length + snapshot.length + 16);
    input.byte(tier).bytes(snapshot).byte(waited ? 1 : 0).raw(frame);
    const out = this.#call(ANSWER, input.done());
    return out.byte() === 1 ? readResponse(out) : undefined;
  }

  /** What a message must read, or its answer when it cannot be taken. The fold must follow without waiting. */
  open(message) {
    const out = this.#call(OPEN, message);
    return out.byte() === 0 ? { response: readResponse(out) } : { statements: readStatements(out) };
  }

  /** What a message changes and answers; undefined when this isolate must catch up first. */
  fold(rows) {
    const out = this.#call(FOLD, rows);
    if (out.byte() === 0) return undefined;
    return { parts: responseParts(out), statements: readStatements(out), log: out.list((r) => r.text()) };
  }

  /** The answer to a message whose writer does not answer. */
  unavailable(message) {
    return readResponse(this.#call(UNAVAILABLE, message));
  }

  /** The answer to a request that could not be served, in the words of its route. */
  failed(frame, why) {
    return readResponse(this.#call(FAILED, new FrameWriter(frame.length + 8).byte(why).raw(frame).done()));
  }

  /** The same for a message, which has no route. */
  internal() {
    return respond(this.#internal);
  }

  /** Catches up when it is time; waits for it only when nothing is known yet. */
  async fresh(env, context) {
    const now = Date.now();
    // While nothing is known every request asks for itself: one that waited for another's promise would wait forever
    // if the platform canceled that other one.
    if (!this.#known) return this.refresh(env);
    if (now - this.#checked < POINTERS_MS) return;
    this.#checked = now;
    context.waitUntil(this.refresh(env));
  }

  /** Runs what the control object points to. On any failure the last good bundle keeps running. */
  async refresh(env) {
    try {
      const object = control(env);
      const pointers = await ask(object, this.#pointersMessage);
      this.#renumber(pointers);
      const behind = this.#call(BEHIND, pointers).list((r) => {
        const [audience, number, hash] = [r.text(), r.long(), r.text()];
        return { audience, number, hash, message: r.bytes().slice() };
      });
      for (const { audience, number, hash, message } of behind) {
        const copy = await stored(env, hash);
        if (copy && !this.#install(audience, number, hash, copy)) continue;
        // One audience that cannot be had keeps no other from catching up; an empty body is refused by its hash.
        const body = await ask(object, message).catch(() => NOTHING);
        const complaint = this.#install(audience, number, hash, body);
        if (complaint) console.error(JSON.stringify({ event: "bundle_refused", detail: complaint }));
      }
      this.#known = true;
      this.#checked = Date.now();
      this.#trouble("");
    } catch (error) {
      this.#trouble("the control object does not answer");
      console.error(JSON.stringify({ event: "refresh_failed", detail: String(error?.message ?? error) }));
    }
  }

  #install(audience, number, hash, body) {
    const complaint = this.#call(INSTALL, installFrame(audience, number, hash, body)).text();
    const later = this.#running.get(audience)?.number >= number;
    if (!complaint && !later) this.#running.set(audience, { number, hash, body });
    return complaint;
  }

  /** What runs and was published again has a new number, in an instance to come, too. */
  #renumber(pointers) {
    new FrameReader(pointers).list((r) => {
      const [audience, number, hash] = [r.text(), r.long(), r.text()];
      const running = this.#running.get(audience);
      if (running?.hash === hash && running.number < number) running.number = number;
    });
  }

  #trouble(reason) {
    this.#call(TROUBLE, new FrameWriter().text(reason).done());
  }

  #start() {
    this.#exports = new WebAssembly.Instance(wasm, {}).exports;
    const input = new FrameWriter().text(this.#secret).byte(this.#demo ? 1 : 0).done();
    const complaint = new FrameReader(this.#run(CONFIGURE, input)).text();
    for (const [audience, { number, hash, body }] of this.#running) {
      this.#run(INSTALL, installFrame(audience, number, hash, body));
    }
    return complaint;
  }

  /** One operation. A trap costs its own request; the next one finds a new instance that runs the same bundles. */
  #call(operation, input) {
    let bytes;
    try {
      bytes = this.#run(operation, input);
    } catch (error) {
      this.#start();
      throw error;
    }
    return new FrameReader(bytes);
  }

  #run(operation, input) {
    const { memory, input: reserve, call, output } = this.#exports;
    // `reserve` may grow memory, which makes views of it stale; so may the call.
    const at = reserve(input.length);
    new Uint8Array(memory.buffer, at, input.length).set(input);
    const length = call(operation);
    return new Uint8Array(memory.buffer, output(), length).slice();
  }
}

function installFrame(audience, number, hash, body) {
  return new FrameWriter(body.length + 256).text(audience).long(number).text(hash).bytes(body).done();
}

async function ask(object, message) {
  const response = await object.fetch("http://store/", { method: "POST", body: message });
  if (response.status !== 200) throw new Error(`the control object answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A body from KV; the control object has it, too, if KV fails or keeps us waiting. */
async function stored(env, hash) {
  const body = await patiently(env.USHER_KV.get(`bundle/${hash}`, "arrayBuffer"));
  return body && new Uint8Array(body);
}

function responseParts(frame) {
  const status = frame.number();
  const headers = frame.list((r) => [r.text(), r.text()]);
  return { status, headers, body: frame.bytes() };
}

export function respond({ status, headers, body }) {
  return new Response(status === 204 ? null : body, { status, headers });
}

function readResponse(frame) {
  return respond(responseParts(frame));
}

function readStatements(frame) {
  return frame.list((r) => ({ sql: r.text(), params: r.list(readCell) }));
}

function readCell(frame) {
  switch (frame.byte()) {
    case 0:
      return frame.bytes().slice();
    case 1:
      return frame.long();
    default:
      return frame.text();
  }
}
