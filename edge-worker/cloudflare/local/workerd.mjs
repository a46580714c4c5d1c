// Starts the worker in workerd on this machine, with its data on disk: for the demo, the tests and the benches.

import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer, connect } from "node:net";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

/** The compatibility date; not newer than the installed workerd. */
const COMPATIBILITY_DATE = "2026-10-20";

/**
 * @param {object} options
 * @param {string} options.dist    folder of the built worker
 * @param {string} options.data    folder for state; made if missing
 * @param {number} options.port    0 for any free one
 * @param {string} options.keys    USHER_KEYS
 * @param {boolean} [options.demo] USHER_DEMO=1
 * @param {string} [options.form]  USHER_FORM; "2" when missing, empty for none
 * @param {number} [options.rate]  requests a minute and source by a rate-limiting binding; none when missing
 * @param {number|string} [options.shards] USHER_SHARDS; 1 when missing
 * @param {string} [options.jurisdiction] USHER_JURISDICTION; it and the hint by a local counterpart of the namespace
 * @param {string} [options.hint]  USHER_LOCATION_HINT
 * @param {string} [options.destinations] USHER_DESTINATIONS
 * @param {boolean} [options.reachesLocal] activations may be sent to addresses of this machine, which the platform refuses
 * @param {boolean} [options.metrics] prints the points that it writes for metrics, each a line `point {…}`
 * @param {string} [options.www]   folder of a site to serve beside the worker
 * @param {{key: string, certificate: string}} [options.tls] PEM texts; serves HTTPS instead of HTTP
 * @param {"inherit"|"ignore"|"pipe"} [options.log]
 */
export async function startWorkerd(options) {
  const port = options.port || (await freePort());
  const data = resolve(options.data);
  for (const folder of ["do", "kv"]) mkdirSync(join(data, folder), { recursive: true });
  const config = join(data, "workerd.capnp");
  writeFileSync(config, capnp({ ...options, data, port }));
  const child = spawn(workerdBinary(), ["serve", config], {
    stdio: ["ignore", options.log ?? "inherit", options.log ?? "inherit"],
    env: { PATH: process.env.PATH, USHER_KEYS: options.keys, USHER_DEMO: options.demo ? "1" : "" },
  });
  const exited = new Promise((done) => child.once("exit", (code, signal) => done({ code, signal })));
  await Promise.race([
    listening(port),
    exited.then(({ code }) => {
      throw new Error(`workerd stopped with code ${code} before it was ready`);
    }),
  ]);
  return { port, child, exited, url: `${options.tls ? "https" : "http"}://127.0.0.1:${port}` };
}

/** The executable of this platform. */
export function workerdBinary() {
  // The package beside `workerd` that holds the executable of this platform.
  const platform = `@cloudflare/workerd-${process.platform}-${process.arch === "x64" ? "64" : process.arch}`;
  return createRequire(import.meta.url).resolve(`${platform}/bin/workerd`);
}

/** A free port. */
export function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Waits until the port accepts connections. */
export function listening(port) {
  return new Promise((done, fail) => {
    const deadline = Date.now() + 30_000;
    const attempt = () => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        done();
      });
      socket.once("error", () => {
        if (Date.now() > deadline) fail(new Error("workerd did not listen within 30 s"));
        else setTimeout(attempt, 25);
      });
    };
    attempt();
  });
}

/** The modules of a built worker, for a configuration in the folder `data`. */
export function modulesOf(dist, data) {
  // An embedded file is found from where the configuration lies; a leading slash would mean the import path.
  const embed = (file) => `embed ${JSON.stringify(relative(data, file))}`;
  // The first one is where it begins; which others there are is the build's.
  const others = readdirSync(resolve(dist)).filter((name) => name.endsWith(".js") && name !== "index.js");
  const modules = ["index.js", ...others.sort()];
  const wasm = readdirSync(resolve(dist)).filter((name) => name.endsWith(".wasm"));
  return `modules = [
${modules.map((name) => `        (name = "${name}", esModule = ${embed(join(resolve(dist), name))}),`).join("\n")}
${wasm.map((name) => `        (name = "${name}", wasm = ${embed(join(resolve(dist), name))})`).join(",\n")}]`;
}

function capnp({ dist, data, port, www, tls, rate, metrics, shards = "", jurisdiction = "", hint = "", destinations = "", reachesLocal, form = "2" }) {
  const text = (value) => JSON.stringify(value);
  const here = join(root, "edge-worker/cloudflare/local");
  // An embedded file is found from where the configuration lies; a leading slash would mean the import path.
  const embed = (file) => `embed ${text(relative(data, file))}`;
  const protocol = tls
    ? `https = (options = (), tlsOptions = (keypair = (privateKey = ${text(tls.key)}, certificateChain = ${text(tls.certificate)})))`
    : "http = ()";
  const site = www
    ? `,
    (name = "site", worker = (
      compatibilityDate = "${COMPATIBILITY_DATE}",
      modules = [(name = "site.js", esModule = ${embed(join(here, "site.js"))})],
      bindings = [
        (name = "USHER", service = "usher"), (name = "WWW", service = "www"),
        (name = "SDK", service = "sdk"), (name = "STATE", service = "state")])),
    (name = "www", disk = (path = ${text(resolve(www))})),
    (name = "sdk", disk = (path = ${text(join(root, "node_modules/td-js-sdk/dist"))})),
    (name = "state", disk = (path = ${text(join(data, "site"))}))`
    : "";
  const rateBinding = rate
    ? `,
        (name = "USHER_RATE", wrapped = (moduleName = "usher-local:rate", innerBindings = [(name = "limit", json = "${rate}")]))`
    : "";
  const metricsBinding = metrics
    ? `,
        (name = "USHER_METRICS", wrapped = (moduleName = "usher-local:metrics", innerBindings = []))`
    : "";
  const outbound = reachesLocal
    ? `,
    (name = "internet", network = (allow = ["public", "private", "local"]))`
    : "";
  const placed = jurisdiction || hint;
  const store = placed
    ? `wrapped = (moduleName = "usher-local:objects", innerBindings = [(name = "objects", durableObjectNamespace = "UsherStore")])`
    : `durableObjectNamespace = "UsherStore"`;
  const local = (name) => `(name = "usher-local:${name}", internal = true, esModule = ${embed(join(here, `${name}.js`))})`;
  const counterparts = [rate && "rate", metrics && "metrics", placed && "objects"].filter(Boolean).map(local);
  const extensions = counterparts.length > 0 ? `extensions = [(modules = [${counterparts.join(", ")}])],\n  ` : "";
  if (www) mkdirSync(join(data, "site"), { recursive: true });
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  ${extensions}services = [
    (name = "usher", worker = (
      compatibilityDate = "${COMPATIBILITY_DATE}",
      compatibilityFlags = ["global_fetch_strictly_public"],
      ${modulesOf(dist, data)},
      durableObjectNamespaces = [(className = "UsherStore", uniqueKey = "usher-store", enableSql = true)],
      durableObjectStorage = (localDisk = "do-disk"),
      bindings = [
        (name = "USHER_STORE", ${store}),
        (name = "USHER_SHARDS", text = ${text(String(shards))}),
        (name = "USHER_JURISDICTION", text = ${text(jurisdiction)}),
        (name = "USHER_LOCATION_HINT", text = ${text(hint)}),
        (name = "USHER_KV", kvNamespace = "kv"),
        (name = "USHER_KEYS", fromEnvironment = "USHER_KEYS"),
        (name = "USHER_DEMO", fromEnvironment = "USHER_DEMO"),
        (name = "USHER_DESTINATIONS", text = ${text(destinations)}),
        (name = "USHER_FORM", text = ${text(form)})${rateBinding}${metricsBinding}])),
    (name = "do-disk", disk = (path = ${text(join(data, "do"))}, writable = true)),
    (name = "kv", worker = (
      compatibilityDate = "${COMPATIBILITY_DATE}",
      modules = [(name = "kv.js", esModule = ${embed(join(here, "kv.js"))})],
      durableObjectNamespaces = [(className = "LocalKv", uniqueKey = "usher-kv", enableSql = true)],
      durableObjectStorage = (localDisk = "kv-disk"),
      bindings = [(name = "KV", durableObjectNamespace = "LocalKv")])),
    (name = "kv-disk", disk = (path = ${text(join(data, "kv"))}, writable = true))${outbound}${site}
  ],
  sockets = [(name = "main", address = "127.0.0.1:${port}", service = "${www ? "site" : "usher"}", ${protocol})]
);
`;
}
