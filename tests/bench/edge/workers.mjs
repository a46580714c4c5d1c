// Starts the subjects: the hand-written workers and Usher's, each in a workerd of its own, pinned to the first core.

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { freePort, listening, modulesOf, startWorkerd, workerdBinary } from "../../../edge-worker/cloudflare/local/workerd.mjs";
import { AUDIENCE, growthBook, history, javaScript, jsonLogic, record, writeDefinition } from "./work.mjs";
import { connections, send } from "./measure.mjs";

const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, "../../..");
const credentials = JSON.parse(readFileSync(join(root, "examples/shop/credentials.json"), "utf8"));
const hash = (name) => createHash("sha256").update(credentials[name]).digest("hex");
/** The command line, built for release. */
export const usher = join(resolve(process.env.CARGO_TARGET_DIR ?? join(root, "target")), "release/usher");

/** Customers whose profiles exist before anything is measured. */
export const CUSTOMERS = 50;
export const asServer = { authorization: `TD1 ${credentials.server_key}` };
export const asAdmin = { authorization: `TD1 ${credentials.admin_key}` };
export const asBackend = { ...asServer, "wp13n-token": credentials.private_token };

/** The site whose pages may call. */
export const ORIGIN = "https://shop.example";

const KEYS = JSON.stringify({
  signing_key: "07".repeat(32),
  keys: [
    { kind: "server", sha256: hash("server_key"), account: "1", audience: "*", scopes: ["personalize", "import"] },
    { kind: "write", sha256: hash("write_key"), account: "1", audience: "*", origins: [ORIGIN] },
    { kind: "admin", sha256: hash("admin_key"), audience: "*" },
    { kind: "token", sha256: hash("private_token"), account: "1", audience: AUDIENCE },
  ],
});

/** Settings of the native server. */
export const usherEnvironment = { USHER_KEYS: KEYS, USHER_DEMO: "1" };

/** A hand-written worker; `decide` names how it decides, `extra` its further bindings. */
export async function startByHand(folder, decide, count, parsed = false) {
  mkdirSync(join(folder, "do"), { recursive: true });
  const source = join(folder, "source");
  mkdirSync(source, { recursive: true });
  copyFileSync(join(here, "workers/store.js"), join(source, "store.js"));
  copyFileSync(join(here, `workers/decide-by-${decide}.js`), join(source, "decide.js"));
  writeFileSync(join(source, "sections.js"), javaScript(count));
  writeFileSync(join(source, "features.js"), `export const FEATURES = ${JSON.stringify(growthBook(count))};\n`);
  writeFileSync(join(source, "rules.js"), `export const RULES = ${JSON.stringify(jsonLogic(count))};\n`);
  const bundled = join(folder, "main.js");
  // As wrangler bundles a worker for its deployment.
  const esbuild = join(root, "node_modules/esbuild/bin/esbuild");
  execFileSync(esbuild, [join(source, "store.js"), "--bundle", "--format=esm", "--minify", "--log-level=warning", `--outfile=${bundled}`], {
    env: { ...process.env, NODE_PATH: join(here, "node_modules") },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const known = JSON.stringify([hash("server_key"), hash("private_token")]);
  const bindings = `
      durableObjectNamespaces = [(className = "Store", uniqueKey = "store", enableSql = true)],
      durableObjectStorage = (localDisk = "disk"),
      bindings = [(name = "STORE", durableObjectNamespace = "Store"), (name = "KEYS", json = ${JSON.stringify(known)}),
        (name = "SIGNING_KEY", text = "${"07".repeat(32)}"), (name = "PARSED", json = "${parsed}")]`;
  const worker = await start(folder, `modules = [(name = "main.js", esModule = embed "main.js")],${bindings}`);
  await fill(worker);
  return worker;
}

/** The constant answer in JavaScript. */
export async function startConstant(folder) {
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(here, "workers/constant.js"), join(folder, "main.js"));
  return await start(folder, 'modules = [(name = "main.js", esModule = embed "main.js")]');
}

/** A worker of built modules, without bindings. */
export async function startModules(folder, dist) {
  mkdirSync(folder, { recursive: true });
  return await start(folder, modulesOf(dist, folder));
}

async function start(folder, worker) {
  mkdirSync(join(folder, "do"), { recursive: true });
  const port = await freePort();
  const config = join(folder, "workerd.capnp");
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      compatibilityDate = "2026-10-20",
      ${worker})),
    (name = "disk", disk = (path = ${JSON.stringify(join(folder, "do"))}, writable = true))],
  sockets = [(name = "main", address = "127.0.0.1:${port}", service = "main", http = ())]);
`,
  );
  const child = spawn(workerdBinary(), ["serve", config], { stdio: ["ignore", "ignore", "inherit"] });
  await listening(port);
  pin(child.pid);
  return { port, pid: child.pid, stop: () => child.kill("SIGKILL"), config };
}

/** Usher's worker of this folder, with the same sections and profiles. */
export async function startUsher(folder, dist, count, shards = 1) {
  const { port, child, url } = await startWorkerd({ dist, data: join(folder, "data"), port: 0, keys: KEYS, demo: true, shards, log: "ignore" });
  pin(child.pid);
  const worker = { port, pid: child.pid, url, env: usherEnvironment, stop: () => child.kill("SIGKILL"), config: join(folder, "data/workerd.capnp") };
  await prepare(worker, folder, count);
  return worker;
}

/** Settings of the Spin component. */
export const spinEnvironment = { SPIN_VARIABLE_USHER_KEYS: KEYS, SPIN_VARIABLE_USHER_DEMO: "1" };

/** Publishes the sections, and makes the profiles. */
export async function prepare(worker, folder, count) {
  writeDefinition(join(folder, "definition"), count);
  const env = { ...process.env, USHER_ADMIN_KEY: credentials.admin_key };
  execFileSync(usher, ["push", join(folder, "definition"), "--to", worker.url, "-y"], { env, stdio: ["ignore", "ignore", "pipe"] });
  const rows = Array.from({ length: CUSTOMERS }, (_, n) => JSON.stringify(record(n))).join("\n");
  await send(connections(), { ...worker, path: `/v1/audiences/${AUDIENCE}/profiles/import`, headers: { ...asServer, "content-type": "application/x-ndjson" } }, rows);
  await fill(worker, true);
}

/** Imports the customers, and gives each a history. */
async function fill(worker, isImported = false) {
  const agent = connections();
  const rows = Array.from({ length: CUSTOMERS }, (_, n) => record(n));
  if (!isImported) await send(agent, { ...worker, path: "/import", headers: asServer }, JSON.stringify(rows));
  for (let n = 0; n < CUSTOMERS; n++) {
    await send(agent, { ...worker, path: "/web/pageviews", headers: asServer }, JSON.stringify({ events: history(n) }));
  }
  agent.destroy();
}

/** Keeps a process on the first core, where there is a second one for the load. */
function pin(pid) {
  execFileSync("taskset", ["-a", "-p", "-c", "0", String(pid)], { stdio: "ignore" });
}
