// The Durable Object with the data: takes a message, runs statements on its own SQLite, returns an answer.
//
// One class serves the writers of profiles and the control object; they differ in the messages they get.

import { engine, respond } from "./engine.js";
import { sharedFrame } from "./frame.js";
import { fault, note } from "./log.js";
import { measure } from "./metrics.js";
import { control, misplaced, placementOf, requestIdOf, send } from "./objects.js";
import { entomb } from "./snapshots.js";

/** The time to the first turn of upkeep of a new object. */
const FIRST_UPKEEP_MS = 60 * 60 * 1_000;
/** An alarm that is this late is stuck. */
const STUCK_MS = 60_000;
/** The time to the next turn after one that failed. */
const UPKEEP_AGAIN_MS = 10 * 60 * 1_000;

export class UsherStore {
  #storage;
  #env;
  #context;
  /** The form to write; 0 when a newer build wrote the stored data. */
  #form = 0;

  constructor(context, env) {
    this.#context = context;
    this.#storage = context.storage;
    this.#env = env;
    this.#meet(engine(env));
    context.waitUntil(this.#alarmWithin(FIRST_UPKEEP_MS));
  }

  async fetch(request) {
    const service = engine(this.#env);
    const [requestId, start] = [requestIdOf(request), Date.now()];
    try {
      const message = new Uint8Array(await request.arrayBuffer());
      for (let attempt = 0; attempt < 3; attempt++) {
        const { response, raise, log } = this.#deliver(service, message, attempt > 0, requestId);
        if (response) {
          // What isolates ask by themselves is nobody's answer.
          if (requestId) measure(this.#env, "store", "", Date.now() - start, response, requestId, log);
          return await this.#withoutNext(response);
        }
        // This isolate runs an older bundle than the front or the profile's last writer. If the control object has no
        // newer one, it was lost or restored to an earlier time.
        if (attempt === 1) await send(control(this.#env), raise, requestId);
        await service.refresh(this.#env);
      }
      return service.unavailable(message, requestId);
    } catch (error) {
      fault("failure", error, requestId);
      return service.internal(requestId);
    }
  }

  /**
   * A turn of upkeep. The platform gives up on an alarm that throws, so this does not, and the next one is set before the
   * work.
   */
  async alarm() {
    try {
      await this.#storage.setAlarm(Date.now() + UPKEEP_AGAIN_MS);
      const service = engine(this.#env);
      const now = Date.now();
      let { response } = this.#deliver(service, service.upkeep(now, true), false);
      const [, names, tombstone] = (response?.headers.get("usher-forget") ?? "").split(" ");
      // Noted only where all were replaced; otherwise the next turn does it again.
      if (tombstone && (await entomb(this.#env, names, tombstone))) {
        ({ response } = this.#deliver(service, service.upkeep(now, false), false));
      }
      const next = Number(response?.headers.get("usher-next") ?? 0);
      if (next > 0) await this.#storage.setAlarm(Date.now() + next);
    } catch (error) {
      fault("upkeep_failed", error);
    }
  }

  /** The answer for the caller; when it says that a turn of upkeep is due, the alarm is set. */
  async #withoutNext(response) {
    const next = response.headers.get("usher-next");
    if (!next) return response;
    response.headers.delete("usher-next");
    await this.#alarmWithin(Number(next));
    return response;
  }

  /** Sets the alarm, unless it comes before that. */
  async #alarmWithin(ms) {
    try {
      const [now, at] = [Date.now(), await this.#storage.getAlarm()];
      if (at === null || at < now - STUCK_MS || at > now + ms) await this.#storage.setAlarm(now + ms);
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
    const [[stored, holds]] = sql.exec(service.readPlacement).raw();
    const { stored: wanted, complaint } = placementOf(this.#env);
    const reason = misplaced(this.#env, stored, holds === 1);
    if (reason) service.misplace(reason);
    else if (stored !== wanted && !complaint) sql.exec(service.writePlacement, wanted);
  }

  /**
   * Synchronous from the read to the commit, so that no other message comes between. Returns the answer, or the bundle
   * to catch up with. `again`: not the first attempt. `requestId`: whose answer it is; none for upkeep.
   */
  #deliver(service, message, again, requestId) {
    // Another object of this isolate may have raised it.
    if (this.#form !== service.form) this.#meet(service);
    const opened = service.open(message, again, requestId);
    if (opened.response) return opened;
    let folded;
    try {
      folded = this.#fold(service, opened, opened.statements);
      if (folded.reads) folded = this.#writeParts(service, opened, folded);
      if (folded.raise) return folded;
      this.#write(folded.statements);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      fault("storage_failed", error, requestId);
      return { response: Object.assign(service.unavailable(message, requestId), { storeErrors: 1 }) };
    }
    for (const line of folded.log) note(line, requestId);
    // The platform holds the answer back until the write is durable.
    return { response: respond(folded.parts, requestId), log: folded.log };
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
    try {
      this.#storage.transactionSync(() => {
        while (folded.reads) {
          this.#run(folded.statements);
          folded = this.#fold(service, opened, folded.reads);
        }
        if (folded.raise || folded.refused) throw undo;
        this.#run(folded.statements);
      });
    } catch (error) {
      if (error !== undo) throw error;
    }
    return { ...folded, statements: [] };
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

function writeRow(frame, row) {
  frame.number(row.length);
  for (const cell of row) {
    if (cell instanceof ArrayBuffer) frame.byte(0).bytes(new Uint8Array(cell));
    else if (typeof cell === "number") frame.byte(1).long(cell);
    else frame.byte(2).text(String(cell));
  }
}
