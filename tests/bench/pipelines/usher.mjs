// A running pipeline of the shop: events by a pipe, rows by another.

import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

export const pipeline = path.join(import.meta.dirname, "../../../examples/shop/pipeline.yaml");

/** The options that name the joined topics' files. */
export function inputs(folder) {
  return ["user_profiles", "products", "purchase_history"].flatMap((topic) => ["--input", `${topic}=${path.join(folder, `${topic}.ndjson`)}`]);
}

/** Sends events at a rate, and notes when their rows come. */
export class Running {
  #sent = [];
  #tail = "";
  #waiting = [];
  /** Milliseconds from when an event was written to when its row was read, by the event's number; undefined: no row. */
  took = [];
  last_ms = 0;

  constructor(usher, folder, more) {
    const args = ["-c", "0", usher, "pipeline", "run", pipeline, ...inputs(folder), "--input", "clickstreams=-", "--output", "-", ...more];
    this.child = spawn("taskset", args, { stdio: ["pipe", "pipe", "ignore"] });
    this.child.stdout.setEncoding("utf8").on("data", (chunk) => this.#read(chunk));
    this.ended = new Promise((done) => this.child.once("close", done));
  }

  #read(chunk) {
    this.last_ms = performance.now();
    const lines = (this.#tail + chunk).split("\n");
    this.#tail = lines.pop();
    for (const line of lines) {
      const at = Number(line.match(/"event_id":"evt_(\d+)"/)[1]);
      this.took[at] = this.last_ms - this.#sent[at];
    }
    this.#waiting.splice(0).forEach((done) => done());
  }

  #send(at, line) {
    this.#sent[at] = performance.now();
    this.child.stdin.write(line);
  }

  /** Sends an event with this number, of somebody who is known, and waits for its row. */
  first(data, at = 0) {
    const event = { ...JSON.parse(data.click(at, Date.now())), user_id: "user_1", product_id: "prod_1", event_type: "page_view" };
    this.#send(at, `${JSON.stringify(event)}\n`);
    return new Promise((done) => this.#waiting.push(done));
  }

  /** So many events a second for so many seconds. */
  async load(data, rate, seconds) {
    const from = this.#sent.length;
    const start = performance.now();
    let sent = 0;
    while (sent < rate * seconds) {
      const due = Math.min(rate * seconds, Math.floor(((performance.now() - start) * rate) / 1_000));
      for (; sent < due; sent += 1) this.#send(from + sent, data.click(from + sent, Date.now()));
      await new Promise((done) => setImmediate(done));
    }
    const end = performance.now();
    // Rows that are later than this do not count.
    await new Promise((done) => setTimeout(done, 2_000));
    return { took: this.took.slice(from).filter((ms) => ms !== undefined), behind_ms: Math.max(0, this.last_ms - end) };
  }

  /** Anonymous and file-backed memory, bytes. */
  memory() {
    const status = fs.readFileSync(`/proc/${this.child.pid}/status`, "utf8");
    const kilobytes = (name) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))[1]);
    return (kilobytes("RssAnon") + kilobytes("RssFile")) * 1_024;
  }

  /** Ends the input, and waits for the end. */
  async end() {
    this.child.stdin.end();
    await this.ended;
  }
}
