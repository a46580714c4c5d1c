// The Durable Object with the data: takes a message, runs statements on its own SQLite, returns an answer.
//
// One class serves the writers of profiles and the control object; they differ in the messages they get.

import { Deliveries } from "./deliveries.js";
import { engine, respond } from "./engine.js";
import { FrameReader, sharedFrame } from "./frame.js";
import { fault, note } from "./log.js";
import { measure, measureMerges } from "./metrics.js";
import { addressOf, ask, control, misplaced, placementOf, send } from "./objects.js";
import { entomb } from "./snapshots.js";

/** The time to the first turn of upkeep of a new object. */
const FIRST_UPKEEP_MS = 60 * 60 * 1_000;
/** An alarm that is this late is stuck. */
const STUCK_MS = 60_000;
/** The time to the next turn after one that failed. */
const UPKEEP_AGAIN_MS = 10 * 60 * 1_000;
/** The time after which messages for other shards that were not answered are sent again. */
const SEND_AGAIN_MS = 1_000;
/** The time after which open merges are counted again. */
const COUNT_AGAIN_MS = 60_000;
/** The time to the next alarm after one that ended while it delivered. */
const DELIVER_AGAIN_MS = 10_000;

/** How long a message waits for a merge, and how long before it asks again (`MERGE_MS` in `limits.rs`). */
const MERGE_MS = 2_000;
const LOOK_AGAIN_MS = 50;
/** Most rounds of questions to other shards for one message (`ROUNDS_MAX`). */
const MOST_ROUNDS = 8;

export class UsherStore {
  #storage;
  #env;
  #context;
  /** The form to write; 0 when a newer build wrote the stored data. */
  #form = 0;
  /** The number of this shard; undefined until it is known, and for the control object. */
  #shard;
  /** When the next turn of upkeep is due; an object that an alarm has woken does one. */
  #upkeepMs = 0;
  /** When open merges are a point of the metrics again. */
  #countMs = 0;
  /** When the last stored message was due. */
  #latestMs = 0;
  /** The time of the alarm that a commit has set, until it comes. */
  #soonMs = Infinity;
  /** The stored messages that are on their way, by their numbers. */
  #sending = new Map();
  #deliveries = new Deliveries((message) => {
    const { parts, response } = this.#deliver(engine(this.#env), message, true, "");
    return parts && { status: parts.status, body: parts.body, next: Number(response.headers.get("usher-next") ?? 0) };
  });

  constructor(context, env) {
    this.#context = context;
    this.#storage = context.storage;
    this.#env = env;
    this.#meet(engine(env));
    const unsent = this.#unsent(engine(env));
    context.waitUntil(this.#alarmWithin(unsent ? SEND_AGAIN_MS : FIRST_UPKEEP_MS));
    if (unsent) context.waitUntil(this.#sendDue(engine(env)));
  }

  async fetch(request) {
    const service = engine(this.#env);
    const [{ requestId, shard }, start] = [addressOf(request), Date.now()];
    try {
      const message = new Uint8Array(await request.arrayBuffer());
      this.#number(service, shard);
      const { response, log } = await this.#answer(service, message, requestId);
      // Questions of isolates themselves are no caller's, so they are not counted.
      if (requestId) measure(this.#env, "store", "", Date.now() - start, response, requestId, log);
      return await this.#withoutNext(response);
    } catch (error) {
      fault("failure", error, requestId);
      return service.internal(requestId);
    }
  }

  /**
   * Sends messages for other shards that were not answered, does a turn of upkeep when one is due, and delivers activations. The
   * platform gives up on an alarm that throws, so this does not, and the next one is set before the work.
   */
  async alarm() {
    try {
      this.#soonMs = Infinity;
      const service = engine(this.#env);
      const unsent = this.#unsent(service);
      if (!this.#hasActivations(service)) this.#deliveries.rest();
      const delivers = this.#deliveries.dueMs <= Date.now();
      await this.#storage.setAlarm(Date.now() + (unsent ? SEND_AGAIN_MS : delivers ? DELIVER_AGAIN_MS : UPKEEP_AGAIN_MS));
      if (unsent) await this.#sendDue(service);
      // The control object has no number.
      if (this.#shard === undefined) this.#deliver(service, service.dueDraft(Date.now()), true, "");
      if (Date.now() >= this.#upkeepMs) await this.#upkeep(service);
      const open = this.#countMerges(service);
      if (delivers) await this.#deliveries.run(service, this.#shard ?? 0);
      const again = this.#unsent(service) ? SEND_AGAIN_MS : open > 0 ? COUNT_AGAIN_MS : Infinity;
      const next = Math.min(Date.now() + again, this.#upkeepMs, this.#deliveries.dueMs);
      await this.#storage.setAlarm(Math.max(next, Date.now()));
    } catch (error) {
      fault("upkeep_failed", error);
    }
  }

  async #upkeep(service) {
    const now = Date.now();
    this.#upkeepMs = now + UPKEEP_AGAIN_MS;
    let { response } = this.#deliver(service, service.upkeep(now, true, this.#shard ?? 0), false);
    const [, names, tombstone] = (response?.headers.get("usher-forget") ?? "").split(" ");
    // Noted only where all were replaced; otherwise the next turn does it again.
    if (tombstone && (await entomb(this.#env, names, tombstone))) {
      ({ response } = this.#deliver(service, service.upkeep(now, false, this.#shard ?? 0), false));
    }
    const next = Number(response?.headers.get("usher-next") ?? 0);
    if (next > 0) this.#upkeepMs = Date.now() + next;
  }

  /**
   * Takes a message to its answer, and its lines of the log. Between two attempts this isolate catches up with a newer bundle, or
   * other shards are asked. `holds`: the answer waits for the merges that begin with it.
   */
  async #answer(service, message, requestId, holds = true) {
    const began = Date.now();
    let [caughtUp, rounds, again, asked] = [0, 0, false, undefined];
    for (;;) {
      const { response, log, raise, beyond, questions, wait, dueMs, awaits } = this.#deliver(service, message, again, requestId, asked);
      again = true;
      if (response) {
        if (dueMs && awaits && holds) return { response: await this.#merged(service, message, requestId, response), log };
        if (dueMs && !awaits) this.#context.waitUntil(this.#sendDue(service));
        return { response, log };
      }
      if (raise) {
        // This isolate runs an older bundle than the front or the profile's last writer. If the control object has no
        // newer one, it was lost or restored to an earlier time.
        if (caughtUp === 1) await send(control(this.#env), raise, requestId);
        await service.refresh(this.#env);
        if (caughtUp === 2) break;
        caughtUp += 1;
        continue;
      }
      if (beyond) {
        asked = { answers: [], isLast: false };
        continue;
      }
      if (asked?.isLast) break;
      const { answers } = (asked ??= { answers: [], isLast: false });
      if (wait) await sleep(LOOK_AGAIN_MS);
      else rounds += 1;
      const answered = async ({ shard, message }) => ({ shard, message, answer: await ask(this.#env, shard, message, requestId) });
      answers.push(...(await Promise.all(questions.map(answered))));
      asked.isLast = rounds >= MOST_ROUNDS || Date.now() - began >= MERGE_MS;
    }
    return { response: service.unavailable(message, requestId) };
  }

  /** The answer once the merges are done that the first one began, or the first one if they take too long. */
  async #merged(service, message, requestId, response) {
    await Promise.race([this.#sendDue(service), sleep(MERGE_MS)]);
    const committed = service.committed(message);
    if (!committed) return response;
    const { response: merged } = this.#deliver(service, committed, true, requestId, { answers: [], isLast: true });
    return merged?.status === 200 ? merged : response;
  }

  /** Sends the stored messages that are due, and those that follow from their answers; each once. What fails is sent again later. */
  async #sendDue(service) {
    try {
      for (const sent = new Set(); ; ) {
        const due = this.#due(service).filter(({ number }) => !sent.has(number));
        if (due.length === 0) return;
        due.forEach(({ number }) => sent.add(number));
        await Promise.all(due.map((row) => this.#sending.get(row.number) ?? this.#send(service, row)));
      }
    } catch (error) {
      fault("not_sent", error);
    }
  }

  /** The number of open merges. While there are any they are a point of the metrics once a minute. */
  #countMerges(service) {
    if (this.#shard === undefined || placementOf(this.#env).shards === 1 || !this.#form) return 0;
    const [[open, sinceMs]] = this.#storage.sql.exec(service.readMerges).raw();
    const now = Date.now();
    if (open > 0 && now >= this.#countMs) {
      this.#countMs = now + COUNT_AGAIN_MS;
      measureMerges(this.#env, open, Math.max(0, now - sinceMs));
    }
    return open;
  }

  /** True if there are activations that are not delivered. */
  #hasActivations(service) {
    if (!this.#form) return false;
    const [[has]] = this.#storage.sql.exec(service.readUnsent).raw();
    return has === 1;
  }

  /** True if there are stored messages, due or not. */
  #unsent(service) {
    return this.#due(service, Number.MAX_SAFE_INTEGER).length > 0;
  }

  /** The stored messages that are due. Only a shard of several has any. */
  #due(service, nowMs = this.#now()) {
    if (this.#shard === undefined || placementOf(this.#env).shards === 1 || !this.#form) return [];
    const { parts } = this.#deliver(service, service.due(nowMs, this.#shard), true, "");
    if (parts?.status !== 200) return [];
    return new FrameReader(parts.body).list((r) => ({ number: r.long(), to: r.number(), message: r.bytes() }));
  }

  /** Sends a stored message, and uses its answer; without one it is due again later. */
  #send(service, row) {
    const sending = (async () => {
      try {
        const answer = await ask(this.#env, row.to, row.message);
        const settle = service.settle(this.#now(), this.#shard, row, answer?.status === 200 ? answer.body : undefined);
        await this.#answer(service, settle, "", false);
      } finally {
        this.#sending.delete(row.number);
      }
    })();
    this.#sending.set(row.number, sending);
    return sending;
  }

  /** The present time, never before that of a stored message. */
  #now() {
    return Math.max(Date.now(), this.#latestMs);
  }

  /** Takes the number of this shard from the address of a message; the control object has none. */
  #number(service, shard) {
    if (this.#shard !== undefined || shard === undefined) return;
    this.#shard = shard;
    if (placementOf(this.#env).shards > 1 && this.#form) this.#storage.sql.exec(service.writeShard, shard);
  }

  /** The answer for the caller; when it says that a turn of upkeep is due, the alarm is set. */
  async #withoutNext(response) {
    const next = response.headers.get("usher-next");
    if (!next) return response;
    response.headers.delete("usher-next");
    this.#upkeepMs = Math.min(this.#upkeepMs, Date.now() + Number(next));
    await this.#alarmWithin(Number(next));
    return response;
  }

  /** Sets the alarm, unless it comes before that. */
  async #alarmWithin(ms) {
    try {
      const [now, at] = [Date.now(), await this.#storage.getAlarm()];
      // A commit may have set it while this one was read.
      const wanted = Math.min(now + ms, this.#soonMs);
      if (at === null || at < now - STUCK_MS || at > wanted) await this.#storage.setAlarm(wanted);
    } catch (error) {
      fault("alarm_failed", error);
    }
  }

  /** Creates the tables, unless a newer build wrote them, and stores the form before anything is written in it. */
  #meet(service) {
    const { sql } = this.#storage;
    sql.exec(service.formTable);
    const [[stored = 0] = []] = [...sql.exec(service.readForm).raw()];
    this.#form = service.meet(stored);
    if (!this.#form) return;
    for (const statement of service.schema) sql.exec(statement);
    if (stored < this.#form) sql.exec(service.writeForm, this.#form);
    this.#place(service);
  }

  /** Stores where the data are before there are any, and refuses settings that say otherwise later. */
  #place(service) {
    const { sql } = this.#storage;
    const [[stored, holds, shard]] = sql.exec(service.readPlacement).raw();
    if (shard >= 0) this.#shard = shard;
    const { stored: wanted, complaint } = placementOf(this.#env);
    const reason = misplaced(this.#env, stored, holds === 1);
    if (reason) service.misplace(reason);
    else if (stored !== wanted && !complaint) sql.exec(service.writePlacement, wanted);
  }

  /**
   * Synchronous from the read to the commit, so that no other message comes between. Returns the answer, the bundle to catch up
   * with, or the questions to other shards. `again`: not the first attempt. `requestId`: whose answer it is; none for upkeep.
   * `asked`: what other shards answered before.
   */
  #deliver(service, message, again, requestId, asked) {
    // Another object of this isolate may have raised it.
    if (this.#form !== service.form) this.#meet(service);
    const opened = service.open(message, again, requestId, asked);
    if (opened.response) return opened;
    let folded;
    try {
      folded = this.#fold(service, opened, opened.statements);
      if (folded.reads) folded = this.#writeParts(service, opened, folded);
      if (!folded.parts) return folded;
      this.#write(folded.statements);
      if (folded.dueMs) this.#stored(folded.dueMs);
      if (folded.sends) this.#delivers();
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      fault("storage_failed", error, requestId);
      return { response: Object.assign(service.unavailable(message, requestId), { storeErrors: 1 }) };
    }
    for (const line of folded.log) note(line, requestId);
    // The platform holds the answer back until the write is durable.
    return { response: respond(folded.parts, requestId), parts: folded.parts, log: folded.log, dueMs: folded.dueMs, awaits: folded.awaits };
  }

  /** Sees to it that stored messages are sent after a crash, too: the alarm is a part of the same commit. */
  #stored(dueMs) {
    this.#latestMs = Math.max(this.#latestMs, dueMs);
    this.#alarmSoon(SEND_AGAIN_MS);
  }

  /** Sees to it that activations are delivered: the alarm is a part of the same commit. */
  #delivers() {
    if (!this.#deliveries.note()) return;
    this.#alarmSoon(0);
  }

  #alarmSoon(ms) {
    this.#soonMs = Math.min(this.#soonMs, Date.now() + ms);
    this.#storage.setAlarm(this.#soonMs).catch((error) => fault("alarm_failed", error));
  }

  /** Folds the rows of these reads. */
  #fold(service, opened, reads) {
    const rows = sharedFrame().number(reads.length);
    for (const { sql, params } of reads) {
      const own = sql === service.readSize;
      const found = own ? [[this.#storage.sql.databaseSize]] : [...this.#storage.sql.exec(sql, ...params).raw()];
      rows.number(found.length);
      for (const row of found) writeRow(rows, row);
    }
    return opened.fold(rows.done());
  }

  /** Folds a message to its end, part by part, and stores them: all or nothing. */
  #writeParts(service, opened, folded) {
    const undo = new Error("nothing of it is stored");
    let staged = false;
    try {
      this.#storage.transactionSync(() => {
        while (folded.reads) {
          // A part may change nothing, and only read more.
          staged ||= folded.statements.length > 0;
          this.#run(folded.statements);
          folded = this.#fold(service, opened, folded.reads);
        }
        if (!folded.parts || folded.refused) throw undo;
        this.#run(folded.statements);
      });
    } catch (error) {
      if (error !== undo) throw error;
    }
    // Any of the parts may have stored messages for other shards.
    const dueMs = folded.dueMs || (staged && placementOf(this.#env).shards > 1 ? Date.now() : 0);
    // The same of activations, where there are any.
    return { ...folded, statements: [], dueMs, sends: folded.sends || (staged && this.#hasActivations(service)) };
  }

  #run(statements) {
    for (const { sql, params } of statements) this.#storage.sql.exec(sql, ...params);
  }

  /** Runs the statements: all or nothing. */
  #write(statements) {
    // One statement is its own transaction.
    if (statements.length > 1) this.#storage.transactionSync(() => this.#run(statements));
    else this.#run(statements);
  }
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function writeRow(frame, row) {
  frame.number(row.length);
  for (const cell of row) {
    if (cell instanceof ArrayBuffer) frame.byte(0).bytes(new Uint8Array(cell));
    else if (typeof cell === "number") frame.byte(1).long(cell);
    else frame.byte(2).text(String(cell));
  }
}
