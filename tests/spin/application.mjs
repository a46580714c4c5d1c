// The Spin component in a process for tests (src/main.rs), with its data in a temporary folder and the demo's public keys.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { as, audience, root, secret, temporaryFolder } from "../workerd/deployment.mjs";

const program = process.env.USHER_TEST_SPIN ?? join(root, "target/spin/debug/usher-spin-host");
const component = process.env.USHER_TEST_SPIN_COMPONENT ?? join(root, "target/spin/usher_spin.cwasm");
export const shop = readFileSync(join(root, "edge-worker/golden/shop.json"));

/** Starts an application without a bundle; it stops with the test. `reuse` is the number of requests of an instance. */
export async function start(t, options = {}) {
  const application = new Application(t, options);
  await application.start();
  return application;
}

/** The same with the example audience. */
export async function deploy(t, options = {}) {
  const application = await start(t, options);
  const published = await application.push();
  assert.equal(published.status, 200, published.text);
  return application;
}

export class Application {
  #test;
  #reuse;
  #manifest;
  #destinations;
  #child;
  #url;
  #agent;
  /** The standard error of all starts. */
  log = "";
  /** How often `patient` made a call again. */
  waits = 0;

  /** `reaches` are the origins of the manifest's `allowed_outbound_hosts`, `destinations` those of activations as JSON. */
  constructor(t, { reuse = 128, reaches = [], destinations = "" }) {
    this.#test = t;
    this.#reuse = reuse;
    this.#destinations = destinations;
    t.after(() => this.stop("SIGTERM"));
    this.data = temporaryFolder(t);
    const shipped = readFileSync(join(root, "edge-worker/spin/spin.toml"), "utf8");
    assert.match(shipped, /^allowed_outbound_hosts = \[\]$/m);
    this.#manifest = join(temporaryFolder(t), "spin.toml");
    writeFileSync(this.#manifest, shipped.replace("allowed_outbound_hosts = []", `allowed_outbound_hosts = ${JSON.stringify(reaches)}`));
  }

  get url() {
    return this.#url;
  }

  async start() {
    const args = ["serve", component, this.#manifest, "--data", this.data, "--reuse", String(this.#reuse)];
    const env = { ...process.env, SPIN_VARIABLE_USHER_KEYS: secret(), SPIN_VARIABLE_USHER_DEMO: "1", SPIN_VARIABLE_USHER_DESTINATIONS: this.#destinations };
    this.#child = spawn(program, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.on("data", (chunk) => (this.log += chunk));
    const [line] = await Promise.race([
      once(createInterface({ input: this.#child.stdout }), "line"),
      once(this.#child, "close").then(() => Promise.reject(new Error(`it did not start:\n${this.log}`))),
    ]);
    this.#url = line.split(" ").at(-1);
    this.#agent = new Agent({ keepAlive: true });
  }

  /** Ends the process. */
  async stop(signal) {
    this.#agent?.destroy();
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill(signal);
    await closed;
  }

  push(body = shop) {
    return this.call("PUT", `/v1/audiences/${audience}/bundle`, as.admin, body);
  }

  /** Events without an answer: one receipt each. */
  batch(events) {
    return this.call("POST", "/web/pageviews", as.collector, { events });
  }

  /** One event, and the offers for it. */
  event(columns, headers = {}) {
    return this.call("POST", "/public/web/pageviews", { ...as.browser, ...headers }, columns);
  }

  /** Values of a visitor by attribute. */
  async values(visitor) {
    const known = Object.entries((await this.profile(visitor)).attributes ?? {});
    return Object.fromEntries(known.map(([name, { value }]) => [name, value]));
  }

  /** The profile of a visitor, as explained. */
  async profile(visitor) {
    const asked = { audience, key: { name: "td_client_id", value: visitor } };
    const answer = await this.call("POST", "/v1/explain", as.server, asked);
    assert.equal(answer.status, 200, answer.text);
    return answer.json.profile;
  }

  call(method, path, headers, body) {
    const bytes = body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return new Promise((done, fail) => {
      const sent = httpRequest(`${this.#url}${path}`, { method, agent: this.#agent, headers });
      sent.once("error", fail);
      sent.once("response", (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.once("error", fail);
        response.once("end", () => {
          const text = Buffer.concat(parts).toString();
          const json = text.startsWith("{") ? JSON.parse(text) : undefined;
          done({ status: response.statusCode, headers: response.headers, text, json });
        });
      });
      sent.end(bytes);
    });
  }

  /** The answer of a call that is made again, as clients do, while it waits too long for the lock of the database. */
  async patient(call) {
    for (let attempt = 1; ; attempt++) {
      const answer = await call();
      // As RT 2.0's routes say it, and as the others do.
      const isLocked = answer.status === 503 && [answer.json?.message, answer.json?.title].includes("storage is unavailable");
      if (!isLocked || attempt === 20) return answer;
      this.waits += 1;
    }
  }

  /** Rows of the database, or of another file beside it. */
  sql(statement, file = "sqlite_db.db") {
    const printed = execFileSync(program, ["sql", join(this.data, file), statement], { encoding: "utf8" });
    return printed.split("\n").filter(Boolean);
  }

  /** Takes the database's lock as another writer; returns a function that releases it. */
  async lock() {
    const holder = spawn(program, ["lock", this.data], { stdio: ["pipe", "pipe", "inherit"] });
    const closed = once(holder, "close");
    const unlock = async () => {
      holder.stdin.end();
      await closed;
    };
    this.#test.after(unlock);
    await once(createInterface({ input: holder.stdout }), "line");
    return unlock;
  }
}

function once(emitter, name) {
  return new Promise((done) => emitter.once(name, (...args) => done(args)));
}
