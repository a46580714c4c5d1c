// The service as a host uses it: requests and messages as calls into wasm, in the plane that each needs.

import { sharedFrame } from "./frame.js";
import { ADMIT, ANSWER, CHARGE, COMMITTED, CONSTANTS, COPY, DUE, FAILED, FOLD, FORGET, FRONT, IS_PART, METER } from "./instance.js";
import { ASKS, DUE_DRAFT, IS_BEYOND, JOIN, NOTE_STORAGE_FAULT, OPEN, REMEMBER, SEND_TURN, SETTLE, UNAVAILABLE, UPKEEP } from "./instance.js";
import { fault } from "./log.js";
import { Planes } from "./planes.js";
import { Pointers } from "./pointers.js";
import { REQUEST_ID, encodeHead, withHeaders } from "./request.js";

/** The reason for a failed request, in the order of `operation.rs`. */
export const INTERNAL = 0;
export const STORAGE = 1;
export const BODY = 2;
export const RATE = 3;

const NOTHING = new Uint8Array();

let shared;

/** The isolate's one engine. */
export function engine(env) {
  return (shared ??= new Engine(env));
}

class Engine {
  #planes;
  #pointers;
  #internal;
  /** Statements for the form of a storage: creating its table, reading, writing. */
  formTable;
  readForm;
  writeForm;
  /** Statements for the place of the deployment's data: reading, writing. */
  readPlacement;
  writePlacement;
  /** The statement that asks for the size of a database, which the host answers itself. */
  readSize;
  /** Reads how many merges are open, and when the oldest began. */
  readMerges;
  /** Reads if there are activations that are not delivered, parked ones among them. */
  readUnsent;
  /** Writes the number of a shard. */
  writeShard;
  /** Names of the headers that Rust reads: `any` of every request, `facts`, `preflight` and `control` of some, besides. */
  headers;
  constructor(env) {
    this.#planes = new Planes(env);
    const constants = this.#planes.visitors(CONSTANTS, NOTHING);
    [this.formTable, this.readForm, this.writeForm] = [constants.text(), constants.text(), constants.text()];
    [this.readPlacement, this.writePlacement] = [constants.text(), constants.text()];
    [this.writeShard, this.readSize, this.readMerges] = [constants.text(), constants.text(), constants.text()];
    this.readUnsent = constants.text();
    const [any, facts, preflight, control] = [0, 1, 2, 3].map(() => constants.list((r) => r.text()));
    this.headers = { any, facts, preflight, control };
    this.#pointers = new Pointers(this.#planes, constants.bytes());
    // Kept as bytes: a response can be sent only once.
    this.#internal = responseParts(constants);
  }

  /** Statements that create the tables. */
  get schema() {
    return this.#planes.schema;
  }

  /** The form to write. */
  get form() {
    return this.#planes.form;
  }

  /** True if criteria read facts of requests: where they come from, and the device. */
  get readsFacts() {
    return this.#planes.readsFacts;
  }

  /** Passes in the form of a storage, 0 for none; returns the form to write, 0 when a newer build wrote it. */
  meet(stored) {
    return this.#planes.meet(stored);
  }

  /** Refuses everything from now on, because the data are not where the settings say. */
  misplace(reason) {
    this.#planes.misplace(reason);
  }

  /** Catches up when it is due; a promise only when nothing is known yet, or nothing was read for long. */
  fresh(env, context) {
    return this.#pointers.fresh(env, context);
  }

  /** Installs the bundles that the control object points to. On any failure the last good bundle keeps running. */
  refresh(env) {
    return this.#pointers.refresh(env);
  }

  /**
   * From the head of a request and the declared length of its body: the answer, or the largest body to read, and whether
   * the rate of its source holds.
   */
  admit(head, declared) {
    const out = this.#planes.visitors(ADMIT, encodeHead(sharedFrame().long(declared), head).done());
    return out.byte() === 0 ? { response: readResponse(out, head.id) } : { max: out.number(), metered: out.byte() === 1 };
  }

  /** The next step for a request. */
  front(head, body) {
    const { visitors, control } = this.#planes;
    return this.#front(visitors, head, body) ?? this.#front(control, withHeaders(head, this.headers.control), body);
  }

  /** The same in one plane; undefined hands the request over to the control plane. */
  #front(plane, head, body) {
    const out = plane(FRONT, encodeHead(sharedFrame(), head).bytes(body).done());
    switch (out.byte()) {
      case 0:
        return { kind: "respond", response: readResponse(out, head.id) };
      case 1:
        return { kind: "write", shard: out.number(), message: out.bytes() };
      case 2: {
        const [shard, message, cacheKey, keys] = [out.number(), out.bytes(), out.text(), out.bytes()];
        return this.#drawn(METER, plane, head) ?? {
          kind: "look",
          shard,
          message,
          cacheKey,
          keys,
          later: { shard: out.number(), message: out.bytes() },
          // The plane for visitors has looked among its copies.
          near: plane === this.#planes.control && cacheKey ? this.#copy(cacheKey) : undefined,
          answer: (...candidate) => this.#answer(plane, head, body, ...candidate),
        };
      }
      case 3:
        return { kind: "publish", hash: out.text(), body: out.bytes(), message: out.bytes(), restore: out.bytes() };
      case 4:
        return { kind: "control", message: out.bytes() };
      case 5:
        return undefined;
      case 6:
        return this.#drawn(CHARGE, plane, head) ?? { kind: "respond", response: readResponse(out, head.id) };
      case 7:
        return { kind: "look", response: readResponse(out, head.id), later: { shard: out.number(), message: out.bytes() } };
      case 8:
        return { kind: "split", parts: readQuestions(out), join: out.bytes() };
      default:
        throw new Error("the engine did not answer");
    }
  }

  /** The answer to a batch whose parts were answered so, each undefined if it was not. */
  join(rest, answers, requestId) {
    const input = sharedFrame().bytes(rest).number(answers.length);
    for (const answer of answers) writeAnswer(input, answer);
    return readResponse(this.#planes.control(JOIN, input.done()), requestId);
  }

  /** What sources use is counted in the plane for visitors alone; the answer when too little is left. */
  #drawn(operation, plane, head) {
    const { visitors } = this.#planes;
    if (plane === visitors) return undefined;
    const out = visitors(operation, encodeHead(sharedFrame(), head).done());
    return out.byte() === 1 ? { kind: "respond", response: readResponse(out, head.id) } : undefined;
  }

  /**
   * The answer from a snapshot of this tier, or undefined when it is not good enough, as copies that were taken until
   * `forgottenMs` are not.
   */
  #answer(plane, head, body, tier, snapshot, forgottenMs) {
    const input = sharedFrame().byte(tier).bytes(snapshot).long(forgottenMs);
    const out = plane(ANSWER, encodeHead(input, head).bytes(body).done());
    return out.byte() === 1 ? readResponse(out, head.id) : undefined;
  }

  /** The copy of a snapshot in memory, if there is one. */
  #copy(name) {
    const copy = this.#planes.visitors(COPY, sharedFrame().text(name).done()).bytes();
    return copy.length > 0 ? copy : undefined;
  }

  /** Keeps a copy of a snapshot in memory, under the name of one of a lookup's keys. */
  remember(name, keys, snapshot, requestId) {
    try {
      this.#planes.visitors(REMEMBER, sharedFrame().text(name).bytes(keys).bytes(snapshot).done());
    } catch (error) {
      // The answer does not depend on it.
      fault("snapshot_not_kept", error, requestId);
    }
  }

  /** Forgets the copies in memory under these names, and all that were taken until a time other than 0. */
  forget(names, untilMs = 0) {
    const input = sharedFrame().long(untilMs).number(names.length);
    for (const name of names) input.text(name);
    this.#planes.visitors(FORGET, input.done());
  }

  /**
   * The read of a message and its fold, or its answer when it is refused at once. The fold must follow without waiting.
   * `again`: it was opened before, so that its events are counted. `requestId`: whose answer it is. `asked`: other shards were
   * asked before, or have to be; then the answers are passed in, and whether they are the last.
   */
  open(message, again, requestId, asked) {
    const { visitors, control } = this.#planes;
    if (asked) return this.#open(control, message, again, requestId, asked);
    return this.#open(visitors, message, again, requestId) ?? this.#open(control, message, again, requestId);
  }

  /** The same in one plane; undefined hands the message over to the control plane. */
  #open(plane, message, again, requestId, asked) {
    const input = sharedFrame();
    if (asked) {
      input.byte(asked.isLast ? 3 : 2).number(asked.answers.length);
      for (const { shard, message, answer } of asked.answers) writeAnswer(input.number(shard).bytes(message), answer);
    } else input.byte(again ? 1 : 0);
    const out = plane(OPEN, input.raw(message).done());
    switch (out.byte()) {
      case 0:
        return { response: readResponse(out, requestId) };
      case 1:
        return { statements: readStatements(out), fold: (rows) => this.#fold(plane, rows) };
      case 2:
        return undefined;
      default:
        throw new Error("the engine did not answer");
    }
  }

  /**
   * The changes and the answer of a message, and when the last of the messages is due that it stores for other shards, 0 if it
   * stores none, whether the answer waits for those (`awaits`), and whether activations may have to be sent now (`sends`); or the
   * changes of a part of it, with `reads` of which the rows are folded next. If this isolate must catch up first: `raise`, the
   * message that informs the control object of the number, if it does not know it either. If other shards must be asked first:
   * `questions`, and whether to `wait` before. If it concerns other shards: `beyond`, and the control plane opens it again.
   */
  #fold(plane, rows) {
    const out = plane(FOLD, rows);
    const kind = out.byte();
    if (kind === 0) return { raise: out.bytes() };
    if (kind === IS_BEYOND) return { beyond: true };
    if (kind === ASKS) return { wait: out.byte() === 1, questions: readQuestions(out) };
    if (kind === IS_PART) return { statements: readStatements(out), reads: readStatements(out) };
    const folded = { refused: out.byte() === 1, parts: responseParts(out), statements: readStatements(out), log: out.list((r) => ({ event: r.text(), detail: r.text() })) };
    // `/healthz` is answered in the plane for visitors.
    if (out.byte() === 1) this.#planes.visitors(NOTE_STORAGE_FAULT, NOTHING);
    folded.dueMs = out.long();
    folded.awaits = out.byte() === 1;
    folded.sends = out.byte() === 1;
    return folded;
  }

  /** The message for a turn of upkeep. `entombs`: its answer names the copies that have to be replaced once more. */
  upkeep(nowMs, entombs, shard) {
    const entropy = crypto.getRandomValues(new Uint8Array(32));
    const input = sharedFrame().long(nowMs).raw(entropy).byte(entombs ? 1 : 0).number(shard).done();
    return this.#planes.visitors(UPKEEP, input).bytes().slice();
  }

  /** The message that publishes a draft of the control API that is due. */
  dueDraft(nowMs) {
    const input = sharedFrame().long(nowMs).raw(crypto.getRandomValues(new Uint8Array(32))).done();
    return this.#planes.control(DUE_DRAFT, input).bytes().slice();
  }

  /**
   * The message for a turn of delivery in a shard, with the results of attempts; its answer has the next ones, at most so many.
   * `resumes`: none is under way.
   */
  sendTurn(nowMs, resumes, most, shard, results) {
    const entropy = crypto.getRandomValues(new Uint8Array(32));
    const input = sharedFrame().long(nowMs).raw(entropy).byte(resumes ? 1 : 0).number(most).number(shard).number(results.length);
    for (const { number, id, atMs, status, text, seconds } of results) {
      input.long(number).bytes(id).long(atMs).number(status).text(text).number(seconds);
    }
    return this.#planes.control(SEND_TURN, input.done()).bytes().slice();
  }

  /** The message by which a shard is asked for its stored messages that are due. */
  due(nowMs, shard) {
    return this.#planes.visitors(DUE, sharedFrame().long(nowMs).number(shard).done()).bytes().slice();
  }

  /** The message that gives a shard the answer to one of its stored messages, or says that there was none. */
  settle(nowMs, shard, { number, to, message }, answer) {
    const input = sharedFrame().long(nowMs).number(shard).long(number).number(to).bytes(message).byte(answer ? 1 : 0);
    return this.#planes.control(SETTLE, (answer ? input.bytes(answer) : input).done()).bytes().slice();
  }

  /** The message that asks for an answer again when the merges that it began are done; undefined if it began none. */
  committed(message) {
    const out = this.#planes.control(COMMITTED, message);
    return out.byte() === 1 ? out.bytes().slice() : undefined;
  }

  /** The answer to a message whose writer fails. */
  unavailable(message, requestId) {
    const { visitors, control } = this.#planes;
    let out = visitors(UNAVAILABLE, message);
    if (out.byte() === 2) (out = control(UNAVAILABLE, message)).byte();
    return readResponse(out, requestId);
  }

  /** The answer to a failed request, in the format of its route. */
  failed(head, why) {
    return readResponse(this.#planes.visitors(FAILED, encodeHead(sharedFrame().byte(why), head).done()), head.id);
  }

  /** The same for a message, which has no route. */
  internal(requestId) {
    return respond(this.#internal, requestId);
  }
}

/** `head` has a line for each name and each value of the headers: one text is decoded in one step. */
function responseParts(frame) {
  return { status: frame.number(), head: frame.text(), body: frame.bytes(), counted: { ageMs: frame.long(), series: frame.bytes() } };
}

/** An answer to the request with this id, with what it counts for metrics; without an id it is for this Worker alone. */
export function respond(parts, requestId) {
  const headers = fieldsOf(parts.head);
  if (requestId) headers[REQUEST_ID] = requestId;
  return responseOf(parts, headers);
}

function readResponse(frame, requestId) {
  const parts = responseParts(frame);
  return requestId ? responseOf(parts, headersOf(parts.head, requestId)) : respond(parts);
}

function responseOf({ status, body, counted }, headers) {
  const response = new Response(status === 204 ? null : body, { status, headers });
  response.counted = counted;
  return response;
}

/** A shard's answer, as Rust reads it. */
function writeAnswer(frame, answer) {
  if (!answer) return void frame.byte(0);
  frame.byte(1).number(answer.status).text(answer.lines).bytes(answer.body);
}

/** Messages to other shards. */
function readQuestions(frame) {
  return frame.list((r) => ({ shard: r.number(), message: r.bytes() }));
}

function fieldsOf(head) {
  const lines = head.split("\n");
  const fields = {};
  for (let index = 0; index + 1 < lines.length; index += 2) fields[lines[index]] = lines[index + 1];
  return fields;
}

/** Headers of earlier answers by their text without the last value, which is the one that often differs. */
const known = new Map();
/** A page's origin is among them, so there may be any number. */
const KNOWN_MAX = 100;

/** The same, and the request's id, as an object that the platform copies in half the time; it holds until the next call. */
function headersOf(head, requestId) {
  const end = head.lastIndexOf("\n");
  const names = head.slice(0, end);
  let headers = known.get(names);
  if (!headers) {
    headers = new Headers(fieldsOf(head));
    if (known.size === KNOWN_MAX) known.clear();
    known.set(names, headers);
  }
  headers.set(names.slice(names.lastIndexOf("\n") + 1), head.slice(end + 1));
  headers.set(REQUEST_ID, requestId);
  return headers;
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
