// CPU per answer in plain workerd: the worker beside hand-written JavaScript, in one run.
//
// Each subject is a workerd of its own. Rounds alternate between subjects, so that a machine that changes its speed
// changes it for all; what is compared is the process's own CPU time, read from /proc. Printed: the median over the
// rounds, and the ratio to the baseline with its smallest and largest round.
//
// usage: node worker.mjs --dist <folder> [--rounds 9] [--requests 2000]

import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { Agent, request } from "node:http";
import { spawn, execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { listening, freePort, startWorkerd, workerdBinary } from "../../edge-worker/cloudflare/local/workerd.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const { values } = parseArgs({
  options: {
    dist: { type: "string" },
    rounds: { type: "string", default: "9" },
    requests: { type: "string", default: "2000" },
  },
});
const rounds = Number(values.rounds);
const requests = Number(values.requests);
const temporary = mkdtempSync(join(tmpdir(), "usher-bench-"));
const credentials = JSON.parse(readFileSync(join(root, "examples/shop/credentials.json"), "utf8"));

const constant = await startBaseline("constant");
const object = await startBaseline("object");
const worker = await startUsher();

const event = (visitor) => JSON.stringify({ td_client_id: `bench-${visitor}`, td_path: "/product/P-207", product_id: "P-207" });
const lookup = JSON.stringify({ audience: "1069944", personalization: "product_recommendations", inputs: { customer_id: "c-1001" } });
const server = { authorization: `TD1 ${credentials.server_key}` };
const backend = { ...server, "wp13n-token": credentials.private_token };

const subjects = [
  { name: "JavaScript: a constant", on: constant, path: "/", headers: {}, body: () => event(1) },
  { name: "Usher: a lookup from memory", on: worker, path: "/v1/personalize", headers: server, body: () => lookup, against: 0 },
  { name: "JavaScript: read and write one row in a Durable Object", on: object, path: "/", headers: {}, body: (n) => event(n % 50) },
  { name: "Usher: an event of a new visitor, personalized", on: worker, path: "/web/pageviews", headers: backend, body: (n, round) => event(`${round}-${n}`), against: 2 },
  { name: "Usher: an event of a known visitor, personalized", on: worker, path: "/web/pageviews", headers: backend, body: (n) => event(`k${n % 50}`), against: 2 },
  { name: "Usher: a batch of 10 events of one visitor", on: worker, path: "/web/pageviews", headers: server, body: (n) => `{"events":[${Array(10).fill(event(`b${n % 50}`)).join(",")}]}`, against: 2 },
];

try {
  for (const subject of subjects) await load(subject, 300, "warm");
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      const before = cpu(subject.on.pid);
      await load(subject, requests, round);
      (subject.micros ??= []).push((cpu(subject.on.pid) - before) / 1_000 / requests);
    }
  }
  console.log(`CPU per answer in workerd ${version()}, ${rounds} rounds of ${requests} requests\n`);
  for (const subject of subjects) {
    const base = subjects[subject.against];
    const ratios = base && subject.micros.map((value, round) => value / base.micros[round]).sort((a, b) => a - b);
    const ratio = ratios ? `${median(ratios).toFixed(2)}x (${ratios[0].toFixed(2)} to ${ratios.at(-1).toFixed(2)}) of row ${subject.against + 1}` : "";
    console.log(`${subjects.indexOf(subject) + 1}  ${subject.name.padEnd(56)} ${median(subject.micros).toFixed(0).padStart(5)} µs  ${ratio}`);
  }
} finally {
  for (const { pid } of [constant, object, worker]) process.kill(pid, "SIGKILL");
  rmSync(temporary, { recursive: true, force: true });
}

/** Nanoseconds that a process has run, over all its threads. */
function cpu(pid) {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]))
    .reduce((sum, nanos) => sum + nanos, 0);
}

async function load({ on, path, headers, body, name }, count, round) {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  let sent = 0;
  const client = async () => {
    while (sent < count) {
      const n = sent++;
      const status = await post(agent, on.port, path, headers, body(n, round));
      if (status !== 200) throw new Error(`${name}: answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
  agent.destroy();
}

function post(agent, port, path, headers, body) {
  return new Promise((done, fail) => {
    const call = request(
      { agent, port, path, method: "POST", host: "127.0.0.1", headers: { ...headers, "content-type": "application/json", "content-length": Buffer.byteLength(body) } },
      (response) => {
        response.resume();
        response.once("end", () => done(response.statusCode));
      },
    );
    call.once("error", fail);
    call.end(body);
  });
}

async function startBaseline(name) {
  const folder = join(temporary, name);
  mkdirSync(join(folder, "do"), { recursive: true });
  const port = await freePort();
  const text = (value) => JSON.stringify(value);
  const storage =
    name === "object"
      ? `,
      durableObjectNamespaces = [(className = "Store", uniqueKey = "store", enableSql = true)],
      durableObjectStorage = (localDisk = "disk"),
      bindings = [(name = "STORE", durableObjectNamespace = "Store")]`
      : "";
  const config = join(folder, "workerd.capnp");
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      compatibilityDate = "2026-10-20",
      modules = [(name = "main.js", esModule = embed ${text(relative(folder, join(here, "baseline", `${name}.js`)))})]${storage})),
    (name = "disk", disk = (path = ${text(join(folder, "do"))}, writable = true))],
  sockets = [(name = "main", address = "127.0.0.1:${port}", service = "main", http = ())]);
`,
  );
  const child = spawn(workerdBinary(), ["serve", config], { stdio: "ignore" });
  await listening(port);
  return { port, pid: child.pid };
}

async function startUsher() {
  const hash = (name) => createHash("sha256").update(credentials[name]).digest("hex");
  const keys = JSON.stringify({
    signing_key: "07".repeat(32),
    keys: [
      { kind: "server", sha256: hash("server_key"), account: "1", audience: "*", scopes: ["personalize", "import"] },
      { kind: "admin", sha256: hash("admin_key"), audience: "*" },
      { kind: "token", sha256: hash("private_token"), account: "1", audience: "1069944" },
    ],
  });
  const { port, child, url } = await startWorkerd({ dist: values.dist, data: join(temporary, "usher"), port: 0, keys, demo: true, log: "ignore" });
  const usher = (args, env) => execFileSync(join(root, "target/debug/usher"), args, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  usher(["push", join(root, "examples/shop"), "--to", url, "-y"], { USHER_ADMIN_KEY: credentials.admin_key });
  usher(["import", join(root, "examples/shop/profiles.ndjson"), "--audience", "1069944", "--to", url], { USHER_SERVER_KEY: credentials.server_key });
  return { port, pid: child.pid };
}

function version() {
  return execFileSync(workerdBinary(), ["--version"], { encoding: "utf8" }).trim().replace(/^workerd /, "");
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
