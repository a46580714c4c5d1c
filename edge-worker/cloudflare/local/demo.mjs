// The demo: the worker in workerd with its data on disk, the example audience published, its records imported, and the
// shop on top. Stops on Ctrl-C; a second start finds what the first one left.
//
// usage: node demo.mjs --dist <folder of the worker> [--rules <folder of the reader of definitions>] [--device <folder of the engine for devices>] [--port 8787]

import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { startWorkerd } from "./workerd.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const { values } = parseArgs({ options: { dist: { type: "string" }, rules: { type: "string" }, device: { type: "string" }, port: { type: "string", default: "8787" } } });
const port = Number(values.port);
const origin = `http://127.0.0.1:${port}`;
const state = join(root, ".usher/demo");
const keysFile = join(state, "keys.json");
const credentialsFile = join(root, "examples/shop/credentials.json");
const credentials = JSON.parse(readFileSync(credentialsFile, "utf8"));
const audience = "1069944";
mkdirSync(join(state, "site"), { recursive: true });
const sdk = join(root, "browser-sdk/js/dist");
for (const name of readdirSync(sdk)) copyFileSync(join(sdk, name), join(state, "site", name));
// Their tools take minutes to build, so both are there if they were asked for.
rmSync(join(state, "site/rules"), { recursive: true, force: true });
if (existsSync(values.rules ?? "")) cpSync(values.rules, join(state, "site/rules"), { recursive: true });
for (const name of readdirSync(join(state, "site")).filter(isEngine)) rmSync(join(state, "site", name));
const engine = existsSync(values.device ?? "") ? readdirSync(values.device).filter(isEngine) : [];
for (const name of engine) copyFileSync(join(values.device, name), join(state, "site", name));

await free(port).catch(() => {
  console.error(`port ${port} is in use; stop what listens there, or take another one: make demo PORT=8790`);
  process.exit(1);
});

console.log("making the demo's keys, starting the worker in workerd");
if (!existsSync(keysFile) || !readFileSync(keysFile, "utf8").includes(origin)) {
  usher(["keys", "new", "--audience", audience, "--demo", credentialsFile, "--origin", origin, "--out", keysFile, "--force"]);
}
const keys = usher(["keys", "secret", keysFile]).trim();

const worker = await startWorkerd({
  dist: values.dist,
  data: state,
  port,
  keys,
  shards: process.env.USHER_SHARDS,
  demo: true,
  www: join(root, "www"),
});
let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    stopping = true;
    worker.child.kill("SIGTERM");
  });
}
worker.exited.then(({ code, signal }) => {
  if (!stopping) console.error(`workerd stopped by itself (${signal ?? `code ${code}`})`);
  process.exit(stopping ? 0 : 1);
});

try {
  console.log("publishing examples/shop");
  usher(["push", join(root, "examples/shop"), "--to", origin, "-y"], { USHER_ADMIN_KEY: credentials.admin_key });
  console.log("importing its batch records");
  usher(["import", join(root, "examples/shop/profiles.ndjson"), "--audience", audience, "--to", origin], {
    USHER_SERVER_KEY: credentials.server_key,
  });
  const preview = usher(["keys", "preview", "--audience", audience, "--hours", "24", "--keys", keysFile], {
    USHER_DEMO: "1",
  });
  const customers = readFileSync(join(root, "examples/shop/profiles.ndjson"), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line).customer_id);
  const page = {
    write_key: credentials.write_key,
    public_token: credentials.public_token,
    preview_token: preview.trim(),
    audience,
    customers,
    engine: engine.find((name) => name.endsWith(".mjs")),
  };
  writeFileSync(join(state, "site/demo.json"), JSON.stringify(page));
  console.log(`\nUsher is ready: ${origin}/   (Ctrl-C stops it)`);
} catch (error) {
  console.error(error.stderr?.toString() || error.message);
  stopping = true;
  worker.child.kill("SIGTERM");
}

/** True for the two files of the engine for devices. */
function isEngine(name) {
  return /^engine-.*\.(mjs|wasm)$/.test(name);
}

/** Runs the command line; returns its output, and shows its messages when it fails. */
function usher(args, env = {}) {
  return execFileSync(join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug/usher"), args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function free(port) {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(port, "127.0.0.1", () => server.close(done));
  });
}
