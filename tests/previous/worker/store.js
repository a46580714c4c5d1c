// The Durable Object beside the data: a message in, statements on its own SQLite, an answer out.
//
// One class serves the writers of profiles and the control object; they differ in what they are sent.

import { engine, respond } from "./engine.js";
import { FrameWriter } from "./frame.js";

/** The writer of a shard. */
export function writer(env, shard) {
  return env.USHER_STORE.get(env.USHER_STORE.idFromName(`shard-${shard}`));
}

/** The object that says which bundles run. */
export function control(env) {
  return env.USHER_STORE.get(env.USHER_STORE.idFromName("control"));
}

export class UsherStore {
  #storage;
  #env;
  #context;

  constructor(context, env) {
    this.#context = context;
    this.#storage = context.storage;
    this.#env = env;
    for (const sql of engine(env).schema) this.#storage.sql.exec(sql);
  }

  async fetch(request) {
    const service = engine(this.#env);
    try {
      const message = new Uint8Array(await request.arrayBuffer());
      for (let attempt = 0; attempt < 2; attempt++) {
        const response = this.#deliver(service, message);
        if (response) return response;
        // This isolate runs an older bundle than the front or the profile's last writer.
        await service.refresh(this.#env);
      }
      return service.unavailable(message);
    } catch (error) {
      console.error(JSON.stringify({ event: "failure", detail: String(error?.message ?? error) }));
      return service.internal();
    }
  }

  /** Synchronous from the first read to the commit: no other message comes between. */
  #deliver(service, message) {
    const opened = service.open(message);
    if (opened.response) return opened.response;
    let folded;
    try {
      const rows = new FrameWriter(4096).number(opened.statements.length);
      for (const { sql, params } of opened.statements) {
        const found = [...this.#storage.sql.exec(sql, ...params).raw()];
        rows.number(found.length);
        for (const row of found) writeRow(rows, row);
      }
      folded = service.fold(rows.done());
      if (!folded) return undefined;
      this.#write(folded.statements);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      console.error(JSON.stringify({ event: "storage_failed", detail: String(error?.message ?? error) }));
      return service.unavailable(message);
    }
    for (const line of folded.log) console.log(line);
    // The platform holds the answer back until the write is durable.
    return respond(folded.parts);
  }

  /** All or nothing. */
  #write(statements) {
    const run = ({ sql, params }) => this.#storage.sql.exec(sql, ...params);
    // One statement is its own transaction.
    if (statements.length === 1) run(statements[0]);
    else if (statements.length > 1) this.#storage.transactionSync(() => statements.forEach(run));
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
