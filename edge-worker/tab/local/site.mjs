// Writes the demo as plain files that any static host serves, from any folder: the shop, the browser SDK, and the edge that runs in
// its visitor's browser. Prints what ships.
//
// usage: node site.mjs --edge <folder of the built edge> --rules <folder of the reader of definitions> --device <folder of the engine for devices> --out <folder>

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

import { freePort, listening } from "../../cloudflare/local/workerd.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const { values } = parseArgs({ options: { edge: { type: "string" }, rules: { type: "string" }, device: { type: "string" }, out: { type: "string" } } });
if (!values.edge || !values.rules || !values.device || !values.out) {
  console.error("usage: node site.mjs --edge <folder of the built edge> --rules <folder of the reader of definitions> --device <folder of the engine for devices> --out <folder>");
  process.exit(64);
}
const [built, out] = [resolve(values.edge), resolve(values.out)];
const shopFolder = join(root, "examples/shop");
const credentials = JSON.parse(readFileSync(join(shopFolder, "credentials.json"), "utf8"));
const audience = "1069944";
/** Stands for the origin of the site, which its worker knows. */
const ORIGIN = "https://this-site.invalid";
/** Files that a worker of the site loads, and pages do not. */
const OF_WORKER = ["edge/service.wasm", "edge/shop.json", "edge/worker.js"];

const site = `${out}.new`;
rmSync(site, { recursive: true, force: true });
for (const name of list(join(root, "www")).filter(isPublic)) cpSync(join(root, "www", name), join(site, name));
cpSync(resolve(values.rules), join(site, "rules"), { recursive: true });
const sdk = join(root, "browser-sdk/js/dist");
for (const name of list(sdk).filter((name) => !name.endsWith(".d.ts"))) copyFileSync(join(sdk, name), join(site, name));
copyFileSync(join(built, "service.wasm"), join(site, "edge/service.wasm"));
const engine = list(resolve(values.device)).filter((name) => /^engine-.*\.(mjs|wasm)$/.test(name));
for (const name of engine) copyFileSync(join(resolve(values.device), name), join(site, name));

const shop = await published();
writeFileSync(join(site, "edge/shop.json"), JSON.stringify({ version: hash(JSON.stringify(shop)), ...shop }));
const { write_key, public_token } = credentials;
writeFileSync(join(site, "demo.json"), JSON.stringify({ edge: "tab", write_key, public_token, audience, customers: customers(), engine: engine.find((name) => name.endsWith(".mjs")) }));
await script("worker.js", "edge/worker.js", { base: "../" });
// Every file but the Service Worker itself; the page is asked for by the folder's name, to which some hosts lead from `index.html`.
const files = list(site).map((name) => (name === "index.html" ? "./" : name));
const version = hash(list(site).map((name) => `${name} ${hash(readFileSync(join(site, name)))}`).join("\n"));
await script("service-worker.js", "service-worker.js", { base: "./", files, version });
// Renamed into place, so that an interrupted build leaves the old site or the new one.
rmSync(out, { recursive: true, force: true });
renameSync(site, out);
print();

/** True for the files of `www` that pages load. Of the edge that is one; the others are parts of its workers. */
function isPublic(name) {
  return name === "edge/index.js" || (!name.startsWith("edge/") && [".css", ".html", ".js", ".svg", ".wasm"].includes(extname(name)));
}

/** The requests that publish the shop, by the project's own compiler: what `make demo` sends to its edge. */
async function published() {
  const folder = mkdtempSync(join(tmpdir(), "usher-site-"));
  const usher = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug/usher");
  const run = (args, env = {}) => execFileSync(usher, args, { cwd: folder, encoding: "utf8", env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  run(["keys", "new", "--audience", audience, "--demo", join(shopFolder, "credentials.json"), "--origin", ORIGIN, "--out", "keys.json"]);
  const keys = JSON.parse(run(["keys", "secret", "keys.json"]));
  const port = await freePort();
  const edge = spawn(usher, ["serve", "--listen", `127.0.0.1:${port}`, "--keys", "keys.json"], { cwd: folder, env: { PATH: process.env.PATH, USHER_DEMO: "1" }, stdio: "ignore" });
  try {
    await listening(port);
    const url = `http://127.0.0.1:${port}`;
    run(["push", shopFolder, "--to", url, "-y"], { USHER_ADMIN_KEY: credentials.admin_key });
    const target = `/v1/audiences/${audience}/bundle`;
    const bundle = await (await fetch(url + target, { headers: { authorization: `TD1 ${credentials.admin_key}` } })).text();
    const request = (method, target, key, type, body) => ({ method, target, headers: [["authorization", `TD1 ${key}`], ["content-type", type]], body });
    return {
      audience,
      origin: ORIGIN,
      admin_key: credentials.admin_key,
      // As public as the other keys of the demo, and the same in each build.
      keys: { ...keys, signing_key: hash("the demo's signing key") },
      requests: [
        request("PUT", target, credentials.admin_key, "application/json", bundle),
        request("POST", `/v1/audiences/${audience}/profiles/import`, credentials.server_key, "application/x-ndjson", readFileSync(join(shopFolder, "profiles.ndjson"), "utf8")),
      ],
    };
  } finally {
    edge.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

function customers() {
  const lines = readFileSync(join(shopFolder, "profiles.ndjson"), "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line).customer_id);
}

/** A worker's script in one file, because not every browser has modules in Service Workers. */
async function script(from, to, about) {
  await build({
    entryPoints: [join(root, "www/edge", from)],
    outfile: join(site, to),
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    alias: { service: join(built, "service.mjs") },
    define: { SITE: JSON.stringify(about) },
    legalComments: "none",
    logLevel: "warning",
  });
}

function list(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1)).sort();
}

function hash(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

function print() {
  let [page, edge] = [0, 0];
  for (const name of list(out)) {
    const bytes = readFileSync(join(out, name));
    const gzip = gzipSync(bytes, { level: 9 }).length;
    if (OF_WORKER.includes(name) || name === "service-worker.js") edge += gzip;
    else page += gzip;
    console.log(`${name.padEnd(24)} ${String(bytes.length).padStart(8)} bytes ${String(gzip).padStart(7)} gzip`);
  }
  console.log(`${page} bytes gzip of pages, ${edge} of the edge in the tab: ${out}`);
}
