// A deployment for the tests that need a real process: the worker in workerd, its data in a temporary folder, the
// demo's public keys, and the example audience published through the front door.

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { createHash, createHmac, randomUUID } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent as PlainAgent, createServer, request as plainRequest } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { freePort, listening, modulesOf, startWorkerd, workerdBinary } from "../../edge-worker/cloudflare/local/workerd.mjs";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const audience = "1069944";
export const credentials = JSON.parse(readFileSync(join(root, "examples/shop/credentials.json"), "utf8"));
/** As public as the keys. */
const SIGNING_KEY = "07".repeat(32);

/** Where a page of this origin may call from, unless a test says otherwise. */
const [origin] = credentials.allowed_origins;

/** The folder of a built worker: `test` obeys `x-usher-fault`, `release` is what ships; any other is a folder's name. */
export function builtWorker(kind) {
  if (!["release", "test"].includes(kind)) return resolve(root, kind);
  const variable = kind === "release" ? "USHER_TEST_WORKER_RELEASE" : "USHER_TEST_WORKER";
  const folder = resolve(root, process.env[variable] || join("target/worker", kind));
  if (existsSync(join(folder, "usher.wasm"))) return folder;
  const features = kind === "release" ? "" : " test-clock,fault";
  throw new Error(
    `no worker in ${folder}: build it with \`node edge-worker/cloudflare/build.mjs target/worker/${kind}${features}\`, ` +
      `or name its folder in ${variable}`,
  );
}

/** `USHER_KEYS` for the demo's keys and tokens. */
export function secret(
  origins = credentials.allowed_origins,
  scopes = ["personalize", "sensitive", "import", "explain", "read", "erase"],
) {
  const sha256 = (name) => createHash("sha256").update(credentials[name]).digest("hex");
  return JSON.stringify({
    signing_key: SIGNING_KEY,
    keys: [
      { kind: "write", sha256: sha256("write_key"), account: "1", audience: "*", origins },
      { kind: "server", sha256: sha256("server_key"), account: "1", audience: "*", scopes },
      { kind: "admin", sha256: sha256("admin_key"), audience: "*" },
      { kind: "token", sha256: sha256("public_token"), account: "1", audience, public: true, origins },
      { kind: "token", sha256: sha256("private_token"), account: "1", audience },
    ],
  });
}

/** Lets a page explain answers for ten minutes. */
export function previewToken() {
  const payload = Buffer.alloc(8 + audience.length);
  payload.writeBigInt64LE(BigInt(Math.floor(Date.now() / 1000) + 600));
  payload.write(audience, 8);
  const mac = createHmac("sha256", Buffer.from(SIGNING_KEY, "hex")).update("preview\0").update(payload).digest();
  return `${payload.toString("base64url")}.${mac.subarray(0, 16).toString("base64url")}`;
}

let bundleBody;

/** The example audience as a bundle: from USHER_TEST_BUNDLE, or made by the project's own compiler. */
export async function bundle() {
  return (bundleBody ??= process.env.USHER_TEST_BUNDLE ? readFileSync(process.env.USHER_TEST_BUNDLE) : await bundleOf("examples/shop"));
}

/** A folder of definitions as a bundle. */
export async function bundleOf(folder) {
  const args = ["run", "--quiet", "--locked", "-p", "usher-tests", "--bin", "bundle", "--", folder];
  const { stdout } = await promisify(execFile)("cargo", args, { cwd: root, encoding: "buffer", maxBuffer: 64 << 20 });
  return stdout;
}

/** Who calls, as headers. */
export const as = {
  admin: { authorization: `TD1 ${credentials.admin_key}` },
  server: { authorization: `TD1 ${credentials.server_key}` },
  collector: { authorization: `TD1 ${credentials.write_key}` },
  backend: { authorization: `TD1 ${credentials.write_key}`, "wp13n-token": credentials.private_token },
  browser: { authorization: `TD1 ${credentials.write_key}`, "wp13n-token": credentials.public_token, origin },
};

/** A folder that goes away with the test. */
export function temporaryFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), "usher-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/**
 * Waits until the log of a process has a pattern: what it prints while it answers can arrive after the answer.
 *
 * @param {{ log: string }} edge
 * @param {RegExp} pattern
 */
export async function logged(edge, pattern) {
  for (const until = Date.now() + 20_000; !pattern.test(edge.log) && Date.now() < until; ) await new Promise((done) => setTimeout(done, 10));
  assert.match(edge.log, pattern);
}

/**
 * Starts a worker for a test and publishes the example audience; it stops with the test.
 *
 * @param {import("node:test").TestContext} t
 * @param {string} kind `test`, `release`, or the folder of another build
 * @param {object} [options] further options of `startWorkerd`; `origins` of the keys; `kv`, the address of a service
 *   that takes the place of the local key-value store; `isolates`, 2 for one more beside the first, and `front`, the
 *   folder of another build that this one runs
 */
export async function deploy(t, kind, options = {}) {
  const deployment = new Deployment(t, kind, options);
  await deployment.start();
  const published = await deployment.call("PUT", `/v1/audiences/${audience}/bundle`, as.admin, await bundle());
  if (published.status !== 200) throw new Error(`the bundle was not published: ${published.status} ${published.text}`);
  return deployment;
}

export class Deployment {
  #kind;
  #options;
  #origins;
  #kv;
  #isolates;
  #front;
  #worker;
  #agent;
  #dist;
  /** The last of what the worker printed, all starts together. */
  log = "";
  /** How many lines it printed. */
  lines = 0;

  constructor(t, kind, { origins, kv, data, isolates = 1, front, ...options }) {
    this.#isolates = isolates;
    this.#front = front;
    this.#kind = kind;
    this.#options = options;
    this.#origins = origins;
    this.#kv = kv;
    // Stops the worker before its folder goes.
    t.after(() => this.stop());
    const folder = temporaryFolder(t);
    // A copy: all starts of one test run the same build.
    this.#dist = join(folder, "worker");
    cpSync(builtWorker(kind), this.#dist, { recursive: true });
    this.data = data ?? join(folder, "data");
    mkdirSync(this.data, { recursive: true });
    t.diagnostic?.(`workerd with the ${kind} build`);
  }

  get url() {
    return this.#worker.url;
  }

  get pid() {
    return this.#worker.child.pid;
  }

  async start() {
    const keys = this.#options.keys ?? secret(this.#origins);
    let worker = await startWorkerd({
      demo: true,
      keys,
      log: "pipe",
      ...this.#options,
      // Taken at once: nobody else should get it between here and the start.
      port: this.#options.port ?? (await freePort()),
      dist: this.#dist,
      data: this.data,
    });
    if (this.#kv) worker = await withForeignKv(worker, this.data, keys, this.#kv);
    if (this.#isolates > 1) worker = await withSecondIsolate(worker, this.data, keys, this.#front);
    for (const stream of [worker.child.stdout, worker.child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        this.log = (this.log + text).slice(-65_536);
        this.lines += text.split("\n").length - 1;
      });
    }
    this.#worker = worker;
    // Connections of an earlier process are of no use.
    this.#agent?.destroy();
    const { tls } = this.#options;
    this.#agent = tls ? new SecureAgent({ keepAlive: true, ca: tls.certificate }) : new PlainAgent({ keepAlive: true });
  }

  /** The process ends as if the power went. */
  async kill() {
    this.#worker.child.kill("SIGKILL");
    await this.#worker.exited;
  }

  async stop() {
    this.#agent?.destroy();
    if (!this.#worker) return;
    this.#worker.child.kill("SIGTERM");
    // What does not want to end soon is ended.
    const timer = setTimeout(() => this.#worker.child.kill("SIGKILL"), 2_000);
    await this.#worker.exited;
    clearTimeout(timer);
  }

  /** Another build goes on with the data, with these options besides. */
  async become(kind, { front = this.#front, isolates = this.#isolates, ...options } = {}) {
    await this.stop();
    rmSync(this.#dist, { recursive: true });
    cpSync(builtWorker(kind), this.#dist, { recursive: true });
    [this.#front, this.#isolates] = [front, isolates];
    this.#options = { ...this.#options, ...options };
    await this.start();
  }

  async restart() {
    await this.stop();
    await this.start();
  }

  /** Another build from its next start on, on the same data. */
  replace(kind) {
    rmSync(this.#dist, { recursive: true });
    cpSync(builtWorker(kind), this.#dist, { recursive: true });
  }

  /** Resident memory of the process, in MiB. */
  memory() {
    return Number(execFileSync("ps", ["-o", "rss=", "-p", String(this.pid)], { encoding: "utf8" })) / 1024;
  }

  /**
   * One request; `body` is sent as it is when it is text or bytes, as JSON otherwise.
   *
   * @returns {Promise<{status: number, headers: object, text: string, json: any}>}
   */
  call(method, path, headers = {}, body = undefined) {
    return this.#send(this.url, method, path, headers, body);
  }

  /** The same to the second isolate. */
  second(method, path, headers = {}, body = undefined) {
    return this.#send(this.#worker.second, method, path, headers, body);
  }

  #send(base, method, path, headers, body) {
    const raw = body === undefined || typeof body === "string" || Buffer.isBuffer(body);
    const bytes = raw ? body : JSON.stringify(body);
    const send = this.#options.tls ? secureRequest : plainRequest;
    return new Promise((done, fail) => {
      const request = send(`${base}${path}`, { method, agent: this.#agent, timeout: 30_000 });
      for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
      request.once("timeout", () => request.destroy(new Error(`${method} ${path}: no answer within 30 s`)));
      request.once("error", fail);
      request.once("response", (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.once("error", fail);
        response.once("aborted", () => fail(new Error("the answer ended early")));
        response.once("end", () => {
          const text = Buffer.concat(parts).toString("utf8");
          done({
            status: response.statusCode,
            headers: response.headers,
            text,
            get json() {
              return JSON.parse(text);
            },
          });
        });
      });
      request.end(bytes);
    });
  }

  /** A batch; the answer holds a receipt for each event. */
  batch(table, events, headers = {}) {
    return this.call("POST", `/web/${table}`, { ...as.collector, ...headers }, { events });
  }

  /** One event of a page; the answer holds its offers. */
  event(table, event, headers = {}) {
    return this.call("POST", `/public/web/${table}`, { ...as.browser, ...headers }, event);
  }

  /** A lookup of the visitor's web personalization. */
  lookup(visitor, more = {}) {
    const key = { name: "td_client_id", value: visitor };
    return this.call("POST", "/v1/personalize", as.server, { audience, personalization: "web_personalization", key, ...more });
  }

  /** What the writer knows about a visitor: its profile and the version of it. */
  async explain(visitor, name = "td_client_id") {
    const answer = await this.call("POST", "/v1/explain", as.server, { audience, key: { name, value: visitor } });
    if (answer.status !== 200) throw new Error(`explain answered ${answer.status} ${answer.text}`);
    return answer.json;
  }

  /** The visitor's attributes that have a value. */
  async values(visitor, name) {
    const { profile } = await this.explain(visitor, name);
    return Object.fromEntries(Object.entries(profile.attributes ?? {}).map(([key, { value }]) => [key, value]));
  }
}

/** What a key-value binding talks to: `entries` are what is in it, `mode` how it answers (`well`, `broken`, `silent`). */
export async function startStore(t) {
  const store = { mode: "well", entries: new Map(), address: "" };
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    if (store.mode === "silent") return;
    if (store.mode === "broken") return void response.writeHead(500).end("broken");
    const key = decodeURIComponent(new URL(request.url, "http://store").pathname.slice(1));
    if (request.method === "PUT") {
      store.entries.set(key, Buffer.concat(parts));
      return void response.end();
    }
    if (request.method === "DELETE") {
      store.entries.delete(key);
      return void response.end();
    }
    const value = store.entries.get(key);
    response.writeHead(value ? 200 : 404).end(value);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  store.address = `127.0.0.1:${server.address().port}`;
  return store;
}

/**
 * Starts the worker again, now with an isolate more that has the same storage; the answer's `second` is its address.
 */
async function withSecondIsolate(worker, data, keys, front) {
  const port = await freePort();
  return {
    ...(await again(worker, data, keys, (config) => {
      const [from, to] = [config.indexOf('(name = "usher", worker'), config.indexOf('(name = "do-disk"')];
      if (from < 0 || to < from) throw new Error("the configuration has no worker");
      const own = /\n\s+durableObjectNamespaces = .*\n\s+durableObjectStorage = .*/;
      const second = config
        .slice(from, to)
        .replace('name = "usher"', 'name = "second"')
        .replace(/modules = \[[^]*?\)\]/, (own) => (front ? modulesOf(front, data) : own))
        .replace(own, "")
        .replace('durableObjectNamespace = "UsherStore"', 'durableObjectNamespace = (className = "UsherStore", serviceName = "usher")');
      const socket = `(name = "second", address = "127.0.0.1:${port}", service = "second", http = ()),`;
      return `${config.slice(0, from)}${second}${config.slice(from)}`.replace("sockets = [", `sockets = [${socket}`);
    })),
    second: `http://127.0.0.1:${port}`,
  };
}

/** Starts the worker again, now with this service as its key-value store; the rest of its configuration stays. */
async function withForeignKv(worker, data, keys, address) {
  return await again(worker, data, keys, (config) => {
    const [from, to] = [config.indexOf('(name = "kv", worker'), config.indexOf('(name = "kv-disk"')];
    if (from < 0 || to < from) throw new Error("the configuration has no key-value store of its own");
    return `${config.slice(0, from)}(name = "kv", external = (address = "${address}", http = ())),\n    ${config.slice(to)}`;
  });
}

/** Starts the worker again with another configuration. */
async function again(worker, data, keys, change) {
  worker.child.kill("SIGKILL");
  await worker.exited;
  const file = join(data, "workerd.capnp");
  writeFileSync(file, change(readFileSync(file, "utf8")));
  const env = { PATH: process.env.PATH, USHER_KEYS: keys, USHER_DEMO: "1" };
  const child = spawn(workerdBinary(), ["serve", file], { stdio: ["ignore", "pipe", "pipe"], env });
  const exited = new Promise((done) => child.once("exit", (code, signal) => done({ code, signal })));
  await Promise.race([listening(worker.port), exited.then(() => Promise.reject(new Error("workerd did not start")))]);
  return { ...worker, child, exited };
}

export const newId = () => randomUUID();
