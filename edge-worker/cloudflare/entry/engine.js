// The wasm instance: its operations, recovery from traps, and catching up with the control object.

import { FrameReader, FrameWriter } from "./frame.js";
import { control, writer } from "./objects.js";
import { patiently } from "./patience.js";
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
const DEGRADE = 9;
const FAILED = 10;
const ADMIT = 11;
const EARLIER = 12;
const STAND_IN = 13;
const MEET = 14;

/** The reason for a failed request, in the order of `operation.rs`. */
export const INTERNAL = 0;
export const STORAGE = 1;
export const BODY = 2;

/** How long an isolate uses the pointers that it knows. */
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
  #formSetting;
  #exports;
  /** Pointer and body of the running bundles by audience, for a new instance. */
  #running = new Map();
  /** Hashes of bundles that trapped on installation. They are not tried again: each trap costs an instance. */
  #trapped = new Set();
  /** The reason why an audience does not run its bundle, for a new instance; "" is the control object. */
  #degraded = new Map();
  #checked = 0;
  #known = false;
  #pointersMessage;
  #internal;
  /** The reason why another form is written than is set; logged once. */
  #formComplaint = "";
  /** The form to write. */
  form = 0;
  /** Statements for the form of a storage: creating its table, reading, writing. */
  formTable;
  readForm;
  writeForm;
  /** Names of the headers that Rust reads. */
  headers;
  /** Statements that create the tables. */
  schema;

  constructor(env) {
    this.#secret = env.USHER_KEYS ?? "";
    this.#demo = env.USHER_DEMO === "1";
    this.#formSetting = String(env.USHER_FORM ?? "");
    const complaint = this.#start();
    if (complaint) console.error(JSON.stringify({ event: "unconfigured", detail: complaint }));
    const constants = this.#call(CONSTANTS, NOTHING);
    [this.formTable, this.readForm, this.writeForm] = [constants.text(), constants.text(), constants.text()];
    this.schema = constants.list((r) => r.text());
    this.headers = constants.list((r) => r.text());
    this.#pointersMessage = constants.bytes();
    // Kept as bytes: a response can be sent only once.
    this.#internal = responseParts(constants);
  }

  /** From the head of a request and the declared length of its body: the answer, or the largest body to read. */
  admit(head, declared) {
    const out = this.#call(ADMIT, new FrameWriter(head.length + 8).long(declared).raw(head).done());
    return out.byte() === 0 ? { response: readResponse(out) } : { max: out.number() };
  }

  /** The next step for a request. */
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
        return { kind: "publish", hash: out.text(), body: out.bytes(), message: out.bytes(), restore: out.bytes() };
      case 4:
        return { kind: "control", message: out.bytes() };
      default:
        throw new Error("the engine did not answer");
    }
  }

  /**
   * The answer from a snapshot of this tier, or undefined when it is not good enough, as copies that were taken until
   * `forgottenMs` are not. `waited` unless nothing was awaited since the front.
   */
  answer(frame, tier, snapshot, forgottenMs, waited) {
    const input = new FrameWriter(frame.length + snapshot.length + 32);
    input.byte(tier).bytes(snapshot).long(forgottenMs).byte(waited ? 1 : 0).raw(frame);
    const out = this.#call(ANSWER, input.done());
    return out.byte() === 1 ? readResponse(out) : undefined;
  }

  /** The read of a message, or its answer when it is refused at once. The fold must follow without waiting. */
  open(message) {
    const out = this.#call(OPEN, message);
    return out.byte() === 0 ? { response: readResponse(out) } : { statements: readStatements(out) };
  }

  /**
   * What a message changes and answers. When this isolate must catch up first: `raise`, the message that tells the control
   * object of the number it needs, should it not know that either.
   */
  fold(rows) {
    const out = this.#call(FOLD, rows);
    if (out.byte() === 0) return { raise: out.bytes() };
    return { parts: responseParts(out), statements: readStatements(out), log: out.list((r) => r.text()) };
  }

  /** Passes in the form of a storage, 0 for none; returns the form to write, 0 when a newer build wrote it. */
  meet(stored) {
    return this.#met(this.#call(MEET, new FrameWriter(8).long(stored).done()));
  }

  #met(out) {
    const [form, complaint] = [out.byte(), out.text()];
    if (form) this.form = form;
    if (complaint && complaint !== this.#formComplaint) console.error(JSON.stringify({ event: "form_refused", detail: complaint }));
    this.#formComplaint = complaint;
    return form;
  }

  /** The answer to a message whose writer fails. */
  unavailable(message) {
    return readResponse(this.#call(UNAVAILABLE, message));
  }

  /** The answer to a failed request, in the format of its route. */
  failed(frame, why) {
    return readResponse(this.#call(FAILED, new FrameWriter(frame.length + 8).byte(why).raw(frame).done()));
  }

  /** The same for a message, which has no route. */
  internal() {
    return respond(this.#internal);
  }

  /** Catches up when it is due; waits only when nothing is known yet. */
  async fresh(env, context) {
    const now = Date.now();
    // While nothing is known, every request asks by itself: one that waited for another's promise would wait forever if
    // the platform canceled that other one.
    if (!this.#known) return this.refresh(env);
    if (now - this.#checked < POINTERS_MS) return;
    this.#checked = now;
    context.waitUntil(this.refresh(env));
  }

  /** Installs the bundles that the control object points to. On any failure the last good bundle keeps running. */
  async refresh(env) {
    try {
      const object = control(env);
      const pointers = await ask(object, this.#pointersMessage, (form) => this.meet(form));
      this.#renumber(pointers);
      const behind = (await this.#behind(env, object, pointers)).list((r) => {
        const [audience, number, hash] = [r.text(), r.long(), r.text()];
        return { audience, number, hash, message: r.bytes().slice() };
      });
      // The other audiences have caught up by now.
      const missing = new Set(behind.map(({ audience }) => audience));
      for (const audience of this.#degraded.keys()) if (!missing.has(audience)) this.#degraded.delete(audience);
      for (const { audience, number, hash, message } of behind) {
        const reason = await this.#caughtUp(env, { audience, number, hash }, () => ask(object, message));
        if (!reason) continue;
        await this.#standIn(object, { audience, number, hash });
        this.#degrade(audience, reason);
      }
      this.#known = true;
      this.#checked = Date.now();
      this.#call(DEGRADE, degradeFrame("", ""));
    } catch (error) {
      this.#degrade("", "the control object does not answer");
      console.error(JSON.stringify({ event: "refresh_failed", detail: String(error?.message ?? error) }));
    }
  }

  /** The pointers to install. Pointers that lack a running bundle are compared with those of the shards. */
  async #behind(env, object, pointers) {
    const doubt = this.#call(BEHIND, pointers);
    if (doubt.byte() === 1) return afterRaises(doubt);
    // There is one shard.
    const written = await ask(writer(env, 0), doubt.bytes());
    const compared = (pointers) => {
      const out = this.#call(BEHIND, new FrameWriter(1024).raw(pointers).raw(written).done());
      out.byte();
      return out;
    };
    const raises = compared(pointers).list((r) => r.bytes().slice());
    for (const message of raises) await ask(object, message);
    return afterRaises(compared(raises.length > 0 ? await ask(object, this.#pointersMessage) : pointers));
  }

  /** For an audience that runs nothing: the newest bundle of the history that runs, until its own does. */
  async #standIn(object, pointer) {
    const { audience, number } = pointer;
    if (this.#running.has(audience)) return;
    for (let before = number; ; ) {
      const question = this.#call(EARLIER, new FrameWriter().text(audience).long(before).done()).bytes();
      const response = await object.fetch("http://store/", { method: "POST", body: question });
      if (response.status !== 200) return;
      before = Number(response.headers.get("usher-bundle"));
      const hash = response.headers.get("etag").slice(1, -1);
      const body = new Uint8Array(await response.arrayBuffer());
      const earlier = { number, hash, body, standsInFor: pointer };
      if (this.#trapped.has(hash)) continue;
      try {
        if (new FrameReader(this.#run(STAND_IN, standInFrame(earlier))).text()) continue;
      } catch (error) {
        this.#trap({ audience, number: before, hash }, error);
        this.#start();
        continue;
      }
      this.#running.set(audience, earlier);
      return;
    }
  }

  /** Installs this bundle, from KV or the control object; returns the reason if it does not run. */
  async #caughtUp(env, pointer, fromControl) {
    if (this.#trapped.has(pointer.hash)) return trapped(pointer);
    const copy = await stored(env, pointer.hash);
    if (copy && !this.#install(pointer, copy)) return "";
    if (this.#trapped.has(pointer.hash)) return trapped(pointer);
    // An unavailable bundle does not stop other audiences from catching up; an empty body is refused by its hash.
    return this.#install(pointer, await fromControl().catch(() => NOTHING));
  }

  #install({ audience, number, hash }, body) {
    let complaint;
    try {
      complaint = new FrameReader(this.#run(INSTALL, installFrame(audience, number, hash, body))).text();
    } catch (error) {
      const reason = this.#trap({ audience, number, hash }, error);
      // The other audiences keep running in a new instance, and this one runs its earlier bundle.
      this.#start();
      return reason;
    }
    const running = this.#running.get(audience);
    const later = running && !running.standsInFor && running.number >= number;
    if (!complaint && !later) this.#running.set(audience, { number, hash, body });
    return complaint;
  }

  /** A running bundle that was published again has a new number, also in a later instance. */
  #renumber(pointers) {
    new FrameReader(pointers).list((r) => {
      const [audience, number, hash] = [r.text(), r.long(), r.text()];
      const running = this.#running.get(audience);
      // It was taken out.
      if (hash === "" && running?.number < number) this.#running.delete(audience);
      if (running?.hash === hash && running.number < number) running.number = number;
    });
  }

  /** Remembers a bundle that trapped; returns the reason for the log. */
  #trap(pointer, error) {
    this.#trapped.add(pointer.hash);
    return `${trapped(pointer)}: ${error?.message ?? error}`;
  }

  /** Makes `/healthz` say `degraded`; logs the reason once. */
  #degrade(audience, reason) {
    this.#note(audience, reason);
    this.#call(DEGRADE, degradeFrame(audience, reason));
  }

  #note(audience, reason) {
    if (!this.#degraded.has(audience)) console.error(JSON.stringify({ event: "degraded", detail: reason }));
    this.#degraded.set(audience, reason);
  }

  /**
   * Starts an instance with the bundles of the last one, except those that trap now; returns the complaint about the
   * keys.
   */
  #start() {
    for (;;) {
      this.#exports = new WebAssembly.Instance(wasm, {}).exports;
      const input = new FrameWriter().text(this.#secret).byte(this.#demo ? 1 : 0).text(this.#formSetting).long(this.form).done();
      const out = new FrameReader(this.#run(CONFIGURE, input));
      const complaint = out.text();
      this.#met(out);
      if (!this.#reinstall()) continue;
      for (const [audience, reason] of this.#degraded) this.#run(DEGRADE, degradeFrame(audience, reason));
      return complaint;
    }
  }

  /** True if all bundles run again; otherwise one was removed, and the rest must be tried again. */
  #reinstall() {
    for (const [audience, running] of this.#running) {
      const { number, hash, body } = running;
      try {
        if (running.standsInFor) this.#run(STAND_IN, standInFrame(running));
        else this.#run(INSTALL, installFrame(audience, number, hash, body));
      } catch (error) {
        this.#note(audience, this.#trap({ audience, number, hash }, error));
        this.#running.delete(audience);
        return false;
      }
    }
    return true;
  }

  /** Runs one operation. A trap fails only its own request; the next one gets a new instance with the same bundles. */
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
    // `reserve` may grow memory, which makes earlier views stale; so may the call.
    const at = reserve(input.length);
    new Uint8Array(memory.buffer, at, input.length).set(input);
    const length = call(operation);
    return new Uint8Array(memory.buffer, output(), length).slice();
  }
}

function trapped({ audience, number }) {
  return `bundle ${number} of audience ${audience} stopped the engine`;
}

function degradeFrame(audience, reason) {
  return new FrameWriter().text(audience).text(reason).done();
}

function afterRaises(out) {
  out.list((r) => r.bytes());
  return out;
}

function standInFrame({ standsInFor: { audience, number, hash: missing }, hash, body }) {
  return new FrameWriter(body.length + 256).text(audience).long(number).text(missing).text(hash).bytes(body).done();
}

function installFrame(audience, number, hash, body) {
  return new FrameWriter(body.length + 256).text(audience).long(number).text(hash).bytes(body).done();
}

async function ask(object, message, meet) {
  const response = await object.fetch("http://store/", { method: "POST", body: message });
  if (response.status !== 200) throw new Error(`the control object answered ${response.status}`);
  const form = Number(response.headers.get("usher-form"));
  if (form && meet) meet(form);
  return new Uint8Array(await response.arrayBuffer());
}

/** A body from KV, or undefined if KV fails or is slow; the control object has it, too. */
async function stored(env, hash) {
  const body = await patiently(() => env.USHER_KV.get(`bundle/${hash}`, "arrayBuffer"));
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
