// An edge under attack, native or in workerd, with a victim beside the attacker.
//
// Both call from addresses of their own on the loopback network, so that what is bounded by address can tell them apart;
// in workerd, which has no edge network in front of it, a header says the address as that network would.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Deployment, as, audience, bundleOf, root, secret, temporaryFolder } from "../workerd/deployment.mjs";

/** Every attack is tried on each. */
export const hosts = ["native", "workerd"];

/** Victims call from here, each time by a new connection. */
const VICTIMS = "127.0.0.";
export const victim = `${VICTIMS}2`;
/** Where attackers call from: one address, or as many as an index goes through. */
export const attacker = (index = 0) => `127.0.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`;

/** How long a victim waits at most, in ms: on a busy machine this says "at all", and the ratio is printed. */
const PATIENCE_MS = 8_000;

let definition;

/**
 * An edge that runs `tests/attacks/definition`; it stops with the test. A native one may have a disk of its own of so many
 * MiB, which needs `unshare`.
 */
export async function attacked(t, host, disk) {
  const edge = host === "native" ? new NativeEdge(t, disk) : new WorkerdEdge(t);
  await edge.start();
  definition ??= await bundleOf("tests/attacks/definition");
  const published = await edge.push(definition);
  assert.equal(published.status, 200, published.text);
  return edge;
}

class Edge {
  /** One agent for each address, so that a connection is kept by whoever made it. */
  #agents = new Map();

  get port() {
    return Number(new URL(this.url).port);
  }

  push(body = definition) {
    return this.call("PUT", `/v1/audiences/${audience}/bundle`, as.admin, body);
  }

  /** One request from this address; JSON unless the body is text or bytes. */
  call(method, path, headers, body, from = victim, patience = 30_000) {
    const raw = body === undefined || typeof body === "string" || Buffer.isBuffer(body);
    const bytes = raw ? body : JSON.stringify(body);
    // Most victims are not connected yet.
    if (!this.#agents.has(from)) this.#agents.set(from, new Agent({ keepAlive: !from.startsWith(VICTIMS), localAddress: from }));
    return new Promise((done, fail) => {
      const sent = httpRequest(`${this.url}${path}`, { method, agent: this.#agents.get(from) });
      const timer = setTimeout(() => sent.destroy(new Error(`${method} ${path}: no answer within ${patience} ms`)), patience);
      for (const [name, value] of Object.entries({ ...headers, "cf-connecting-ip": from })) sent.setHeader(name, value);
      sent.once("error", fail);
      sent.once("close", () => clearTimeout(timer));
      sent.once("response", (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part));
        response.once("error", fail);
        response.once("end", () => {
          const text = Buffer.concat(parts).toString("utf8");
          done({ status: response.statusCode, headers: response.headers, text, get json() { return JSON.parse(text); } });
        });
      });
      sent.end(bytes);
    });
  }

  /** A page view of a visitor, as a page sends it. */
  view(visitor, from = victim, patience = PATIENCE_MS) {
    return this.call("POST", "/public/web/pageviews", as.browser, { td_client_id: visitor }, from, patience);
  }

  /** A batch by the page's public key. */
  batch(table, events, from, headers = {}) {
    const body = Buffer.isBuffer(events) ? events : { events };
    return this.call("POST", `/web/${table}`, { ...as.collector, ...headers }, body, from);
  }

  /** What the shop's server looks up. */
  lookup(name, value, more = {}) {
    const body = { audience, personalization: "web_personalization", key: { name, value }, ...more };
    return this.call("POST", "/v1/personalize", as.server, body);
  }

  async health() {
    return (await this.call("GET", "/healthz", {})).json.status;
  }

  /** A connection that sends these bytes and is left alone; errors are expected. */
  connection(bytes, from) {
    const socket = connect({ port: this.port, host: "127.0.0.1", localAddress: from });
    socket.on("error", () => {});
    if (bytes) socket.write(bytes);
    return socket;
  }

  /** Whether the process still holds its end of this connection, which a peer that does not read cannot see. */
  holds(socket) {
    const hexadecimal = (port) => port.toString(16).toUpperCase().padStart(4, "0");
    const [own, peer] = [hexadecimal(this.port), hexadecimal(socket.localPort ?? 0)];
    // `0: 0100007F:2327 0100007F:C350 01 …`: this end, the other end, and 01 for established.
    const established = new RegExp(`^\\s*\\d+: [0-9A-F]+:${own} [0-9A-F]+:${peer} 01 `, "m");
    return established.test(readFileSync("/proc/net/tcp", "utf8"));
  }

  /** Resident memory of the process, in MiB. */
  memory() {
    const file = `/proc/${this.pid}/status`;
    if (existsSync(file)) return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(file, "utf8"))[1]) / 1024;
    return Number(execFileSync("ps", ["-o", "rss=", "-p", String(this.pid)], { encoding: "utf8" })) / 1024;
  }

  /** Processor time that the process has taken, in ms. */
  cpu() {
    const file = `/proc/${this.pid}/stat`;
    if (existsSync(file)) {
      const [user, system] = readFileSync(file, "utf8").split(") ").at(-1).split(" ").slice(11, 13);
      return (Number(user) + Number(system)) * 10;
    }
    // `1:02.34`, and before the minutes hours.
    const parts = execFileSync("ps", ["-o", "time=", "-p", String(this.pid)], { encoding: "utf8" }).trim().split(":");
    return parts.reduce((sum, part) => sum * 60 + Number(part), 0) * 1_000;
  }

  /** How much its memory grows at most while something is done, in MiB. */
  async growth(work) {
    const before = this.memory();
    let most = before;
    const timer = setInterval(() => (most = Math.max(most, this.memory())), 5);
    try {
      await work();
    } finally {
      clearInterval(timer);
    }
    return most - before;
  }

  /** Bytes of its data on disk. */
  disk() {
    const sum = (folder) =>
      readdirSync(folder, { withFileTypes: true }).reduce((bytes, entry) => {
        const path = join(folder, entry.name);
        return bytes + (entry.isDirectory() ? sum(path) : statSync(path).size);
      }, 0);
    return sum(this.data);
  }

  hangUp() {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }
}

/** Runs one statement on a database of an edge that is stopped; what it found, a row a line. */
export function sql(database, statement) {
  return execFileSync("cargo", ["run", "--quiet", "--locked", "-p", "usher-tests", "--bin", "sql", "--", database, statement], { cwd: root, encoding: "utf8" });
}

/** Those databases of an edge that is stopped that have this table. */
export const having = (edge, table) => edge.databases().filter((database) => sql(database, `SELECT name FROM sqlite_master WHERE name = '${table}'`) !== "");

export const countIn = (database, table) => Number(sql(database, `SELECT count(*) FROM ${table}`));

class WorkerdEdge extends Edge {
  #deployment;

  constructor(t) {
    super();
    this.#deployment = new Deployment(t, "release", {});
  }

  get url() {
    return this.#deployment.url;
  }

  get pid() {
    return this.#deployment.pid;
  }

  get data() {
    return this.#deployment.data;
  }

  get lines() {
    return this.#deployment.lines;
  }

  get log() {
    return this.#deployment.log;
  }

  async start() {
    await this.#deployment.start();
  }

  async stop() {
    this.hangUp();
    await this.#deployment.stop();
  }

  /** The databases that storage has, the control object's and the key-value store's included. */
  databases() {
    return ["do/usher-store", "kv/usher-kv"].flatMap((folder) => {
      const path = join(this.data, folder);
      return readdirSync(path).filter((name) => name.endsWith(".sqlite") && !name.startsWith("metadata")).map((name) => join(path, name));
    });
  }
}

class NativeEdge extends Edge {
  #child;
  #disk;
  log = "";
  lines = 0;

  constructor(t, disk) {
    super();
    this.#disk = disk;
    // Stops before its folder goes.
    t.after(() => this.stop());
    this.data = join(temporaryFolder(t), "data");
  }

  get pid() {
    return this.#child.pid;
  }

  async start() {
    const env = { PATH: process.env.PATH, USHER_KEYS: secret(), USHER_DEMO: "1" };
    const serve = [usher(), "serve", "--listen", "127.0.0.1:0", "--data", this.data];
    const [command, ...more] = this.#disk ? [...onDisk(this.#disk, this.data), ...serve] : serve;
    const child = spawn(command, more, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => {
      this.log = (this.log + text).slice(-65_536);
      this.lines += text.split("\n").length - 1;
    });
    this.url = await new Promise((done, fail) => {
      let printed = "";
      child.stdout.on("data", (text) => {
        printed += text;
        const found = /http:\/\/\S+/.exec(printed);
        if (found) done(found[0]);
      });
      child.once("error", fail);
      child.once("exit", (code) => fail(new Error(`usher serve ended with ${code}: ${this.log}`)));
    });
  }

  async stop() {
    this.hangUp();
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
    await ended;
    clearTimeout(timer);
  }

  databases() {
    return readdirSync(this.data).filter((name) => name.endsWith(".sqlite3")).map((name) => join(this.data, name));
  }
}

/** Runs what follows with a file system of so many MiB at this path, which nobody else sees. */
function onDisk(mebibytes, path) {
  const mount = 'mkdir -p "$1" && mount -t tmpfs -o size="$0m" tmpfs "$1" && shift && exec "$@"';
  return ["unshare", "-rm", "sh", "-c", mount, String(mebibytes), path];
}

/** Whether this machine lets a process mount a file system of its own. */
export function canMount() {
  return spawnSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).status === 0;
}

/** The command line: as the other layers built it, or as `cargo build` does. */
function usher() {
  const binary = resolve(root, process.env.USHER_TEST_NATIVE || join(process.env.CARGO_TARGET_DIR || "target", "debug/usher"));
  if (!existsSync(binary)) throw new Error(`no ${binary}: \`cargo build -p usher\` builds it, or name it in USHER_TEST_NATIVE`);
  return binary;
}

/**
 * Attacks, with a victim beside: each of its page views is answered, within seconds. What they take is printed beside
 * what they took before.
 */
export async function beside(t, edge, attack) {
  const calm = [];
  for (let index = 0; index < 100; index++) calm.push(await visit(edge));
  const during = [];
  let attacking = true;
  const attackers = attack().finally(() => (attacking = false));
  // Looked at where it is awaited; until then it is no unhandled one.
  attackers.catch(() => {});
  while (attacking) {
    during.push(await visit(edge));
    await sleep(10);
  }
  await attackers;
  if (during.length === 0) during.push(await visit(edge));
  const [before, after, slowest] = [p99(calm), p99(during), Math.max(...during)];
  t.diagnostic(
    `${during.length} views of a victim: p99 ${after.toFixed(1)} ms, ${before.toFixed(1)} ms before: ` +
      `${(after / before).toFixed(1)} ×; slowest ${slowest.toFixed(0)} ms`,
  );
  return { slowest, views: calm.length + during.length };
}

/** The time within which 99 of 100 of these were done. */
export const p99 = (times) => times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1];

/** One page view of the victim, which has to be answered with an offer; the time that it took, in ms. */
export async function visit(edge, from = victim) {
  const start = performance.now();
  const answer = await edge.view("victim", from);
  assert.equal(answer.status, 200, answer.text);
  assert.ok(answer.json.offers.Default ?? answer.json.offers.VIP, `the victim gets no offer: ${answer.text}`);
  return performance.now() - start;
}
