// Hosts that deliver activations, and receivers of them, for tests.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import { Webhook } from "standardwebhooks";

import { Application } from "../spin/application.mjs";
import { as, audience, credentials, Deployment, root, secret, temporaryFolder } from "../workerd/deployment.mjs";

export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const DEFINITION = `parent_segment_id: "${audience}"
events:
  - {name: add_to_cart, database: web, table: carts, filter: {field: sku, pattern: "."}}
attributes:
  - {name: last_sku, type: single, source_event: add_to_cart, source_field: sku, aggregation: last, sensitivity: non-sensitive}
id_stitching:
  primary_key: customer_id
  stitching_keys: [{name: customer_id}]
---
parent_segment_id: "${audience}"
journeys:
  - name: each
    reentry: reentry_always
    stages:
      - name: only
        entry: {key_event: add_to_cart}
        steps: [{id: tell, activate: told}, {id: bye, end: true}]
activations:
  - {name: told, connection: receiver, body: '{"customer": "{{customer_id}}", "sku": "{{last_sku}}"}'}
`;

/** The command line: as the other layers built it, or as `cargo build` does. */
export function usher() {
  const binary = resolve(root, process.env.USHER_TEST_NATIVE || join(process.env.CARGO_TARGET_DIR || "target", "debug/usher"));
  if (!existsSync(binary)) throw new Error(`no ${binary}: \`cargo build -p usher\` builds it, or name it in USHER_TEST_NATIVE`);
  return binary;
}

/** Asks until the answer is not undefined. */
export async function until(ask, what) {
  const end = Date.now() + 120_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`it does not happen: ${what}`);
    await sleep(30);
  }
}

/** A server of somebody else. `status` answers a request, of which the server has got so many with the same id before. */
export async function receiver(t, status) {
  const webhook = new Webhook(SECRET);
  const got = [];
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const text = Buffer.concat(parts).toString("utf8");
      // It throws unless the signature is right, and the request is of now.
      const body = webhook.verify(text, request.headers);
      const id = request.headers["webhook-id"];
      const before = got.filter((one) => one.id === id).length;
      const entry = { id, text, body, at: Date.now(), sequence: Number(request.headers["usher-sequence"]) };
      entry.status = status(entry, before);
      got.push(entry);
      response.writeHead(entry.status, { location: "http://127.0.0.1:1/" }).end("ok");
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}/in`, got };
}

/** The example's receiver, as a process of its own. */
export async function exampleReceiver(t) {
  const file = join(temporaryFolder(t), "received.ndjson");
  const args = [join(root, "examples/receiver/receiver.mjs"), "--port", "0", "--file", file];
  const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH, WEBHOOK_SECRET: SECRET }, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill());
  const url = await printed(child, /http:\S+/);
  const received = () => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line)) : []);
  return { url, received };
}

async function printed(child, pattern) {
  let text = "";
  return await new Promise((done, fail) => {
    child.stdout.on("data", (part) => {
      text += part;
      const found = pattern.exec(text);
      if (found) done(found[0]);
    });
    child.once("error", fail);
    child.once("exit", (code) => fail(new Error(`it ended with ${code}`)));
  });
}

const destinations = (url) => JSON.stringify([{ id: "receiver", url, secret: SECRET, private: true, rate: 10_000 }]);

/** `usher serve`. */
class Native {
  #child;
  #settings;
  #keys;

  constructor(t, settings, keys) {
    [this.#settings, this.#keys] = [settings, keys];
    this.data = join(temporaryFolder(t), "data");
    mkdirSync(this.data);
    t.after(() => this.kill());
  }

  async start() {
    const env = { PATH: process.env.PATH, USHER_KEYS: this.#keys, USHER_DEMO: "1", USHER_DESTINATIONS: this.#settings };
    const args = ["serve", "--listen", "127.0.0.1:0", "--data", this.data, "--events-per-second", "0", "--new-profiles-per-minute", "0"];
    this.#child = spawn(usher(), args, { env, stdio: ["ignore", "pipe", "ignore"] });
    this.url = await printed(this.#child, /http:\S+/);
  }

  async kill() {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((done) => this.#child.once("exit", done));
    this.#child.kill("SIGKILL");
    await ended;
  }

  async call(method, path, headers, body) {
    const answer = await fetch(`${this.url}${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, text, json: text ? JSON.parse(text) : undefined };
  }
}

/** The Spin component. Somebody calls its tick all the time, and before the last one is answered, unless it `rests`; from the first definition on,
 * because an instance that found none looks again after seconds. */
class Spin {
  #application;
  #isDefined = false;
  #isTicking = false;
  #ticks = Promise.resolve();
  #rests;

  constructor(t, settings, url, { rests = false, reaches = [new URL(url).origin] } = {}) {
    this.#application = new Application(t, { destinations: settings, reaches });
    this.#rests = rests;
    t.after(() => (this.#isTicking = false));
  }

  get url() {
    return this.#application.url;
  }

  async start() {
    await this.#application.start();
    if (this.#isDefined) this.tick();
  }

  /** Begins to tick. */
  tick() {
    this.#isDefined = true;
    if (this.#rests) return;
    this.#isTicking = true;
    this.#ticks = Promise.all([this.#ticking(), this.#ticking()]);
  }

  async #ticking() {
    while (this.#isTicking) {
      // Some are not answered, because the process is killed.
      await this.call("POST", "/v1/tick", as.admin).catch(() => {});
      await sleep(20);
    }
  }

  async kill() {
    this.#isTicking = false;
    await this.#application.stop("SIGKILL");
    await this.#ticks;
  }

  call(method, path, headers, body) {
    return this.#application.patient(() => this.#application.call(method, path, headers, body));
  }

  /** Rows of the database. */
  sql(statement) {
    return this.#application.sql(statement);
  }
}

/** Hosts by their kinds, each on `t` with these destinations and keys, and reaching this address. */
const kinds = {
  native: (t, settings, keys) => new Native(t, settings, keys),
  workerd: (t, settings, keys) => new Deployment(t, "test", { destinations: settings, reachesLocal: true, keys }),
  "rust-worker": (t, settings, keys) => new Deployment(t, process.env.USHER_TEST_RUST_WORKER || "target/worker/rust", { destinations: settings, reachesLocal: true, keys }),
  spin: (t, settings, keys, url, options) => new Spin(t, settings, url, options),
};

export const everyKind = Object.keys(kinds);

/** A host of this kind without any definition, which sends to this address. */
export async function emptyHost(t, kind, url, keys = secret(), { settings = destinations(url), ...options } = {}) {
  const edge = kinds[kind](t, settings, keys, url, options);
  await edge.start();
  return edge;
}

/** The same with the definition above and one destination, unless others are given. */
export async function host(t, kind, url, { definition = DEFINITION, ...options } = {}) {
  const edge = await emptyHost(t, kind, url, secret(), options);
  const file = join(temporaryFolder(t), "definition.yaml");
  writeFileSync(file, definition);
  await command(edge, ["push", file, "-y"]);
  edge.tick?.();
  return edge;
}

/** What a command about this edge prints. */
export async function command(edge, args) {
  const env = { PATH: process.env.PATH, USHER_ADMIN_KEY: credentials.admin_key };
  const about = args[0] === "push" ? [] : ["--audience", audience];
  const { stdout } = await promisify(execFile)(usher(), [...args, ...about, "--to", edge.url], { env });
  return stdout;
}

/** Fires the journey for these, each `[customer, sku]`. */
export async function fire(edge, pairs, headers = {}) {
  const events = pairs.map(([customer_id, sku]) => ({ customer_id, sku: String(sku), event_id: `${customer_id}-${sku}` }));
  const answer = await edge.call("POST", "/web/carts", { ...as.collector, ...headers }, { events });
  assert.equal(answer.status, 200, answer.text);
  assert.ok(answer.json.receipts.every(({ success }) => success), answer.text);
}

/** A list of activations. */
export async function listed(edge, path = "") {
  const answer = await edge.call("GET", `/v1/audiences/${audience}/activations${path}`, as.admin);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}
