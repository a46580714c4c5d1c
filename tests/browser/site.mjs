// A site for the tests of the browser SDK: its pages and the SDK's files, and in front of a real edge, `usher serve`, a server
// that fails as told. Page and edge have one origin.

import { execFileSync, spawn } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, request as plainRequest } from "node:http";
import { join, resolve } from "node:path";

import { chromium } from "playwright-core";

import { freePort, listening } from "../../edge-worker/cloudflare/local/workerd.mjs";
import { root, temporaryFolder } from "../workerd/deployment.mjs";

const executable = process.env.CHROMIUM || "/usr/bin/chromium";
/** Why the tests cannot run; false if they can. */
export const missing = !existsSync(executable) && `${executable} is missing: apt-get install chromium, or name one in CHROMIUM`;
const usher = resolve(root, process.env.USHER_TEST_NATIVE || join(process.env.CARGO_TARGET_DIR || "target", "debug/usher"));
const dist = join(root, "browser-sdk/js/dist");
const device = resolve(root, process.env.USHER_TEST_DEVICE || "target/device");
/** The address of the engine's glue for devices; undefined if it was not built. */
export const engine = () => existsSync(device) && readdirSync(device).filter((name) => /^engine-.*\.mjs$/.test(name)).map((name) => `/${name}`)[0];

/**
 * Starts edge and site. `pages` is a function of path and site to the page's text, or to another file's `{ type, body }`. `demo` is the file of the demo's keys.
 *
 * @returns {Promise<{url: string, keys: object, tag: (attributes?: string) => string, ledger: Map, requests: object[], fault: Function,
 *   headers: object, explain: Function}>}
 *   `ledger` has the receipts that the edge gave, by id; `fault` decides the fate of a request: a name below, or null
 */
export async function serveSite(t, pages, { definition = "tests/browser/definition", audience = "7", demo } = {}) {
  const folder = temporaryFolder(t);
  const run = (args, env = {}) => execFileSync(usher, args, { cwd: folder, encoding: "utf8", env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const [port, edgePort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const origins = ["127.0.0.1", "localhost", PLAIN].flatMap((host) => ["--origin", url.replace("127.0.0.1", host)]);
  run(["keys", "new", "--audience", audience, ...origins, "--out", "keys.json", ...(demo ? ["--demo", join(root, demo)] : [])]);
  const keys = JSON.parse(readFileSync(join(folder, "keys.json"), "utf8"));
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  writeFileSync(join(folder, "identity.pub"), publicKey.export({ type: "spki", format: "pem" }));
  if (!demo) run(["keys", "add", "identity", "--audience", audience, "--public-key", "identity.pub", "--keys", "keys.json"]);
  // What is measured is the browser, so no rate is in the way.
  const args = ["serve", "--listen", `127.0.0.1:${edgePort}`, "--keys", "keys.json", "--events-per-second", "0", "--new-profiles-per-minute", "0"];
  const edge = spawn(usher, args, { cwd: folder, env: { PATH: process.env.PATH, ...(demo && { USHER_DEMO: "1" }) }, stdio: "ignore" });
  t.after(() => edge.kill());
  await listening(edgePort);
  const to = ["--to", `http://127.0.0.1:${edgePort}`];
  run(["push", resolve(root, definition), "-y", ...to], { USHER_ADMIN_KEY: keys.admin_key, USHER_AUDIENCE: audience });

  const site = {
    url, keys,
    /** What lets a page ask why. */
    previewToken: run(["keys", "preview", "--audience", audience, "--keys", "keys.json"], demo ? { USHER_DEMO: "1" } : {}).trim(),
    ledger: new Map(),
    requests: [],
    fault: () => null,
    /** Files of the SDK that are not there, and what comes in the place of one. */
    lost: () => false,
    changed: (_, bytes) => bytes,
    /** Of pages: a policy, say. */
    headers: {},
    tag: (attributes = "") =>
      `<script src="/usher.js" data-write-key="${keys.write_key}" data-token="${keys.public_token}" ${attributes}></script>`,
    /** The identity token of a visitor, as the site's own server signs it. */
    identityOf(keys, seconds = 600) {
      const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
      const signed = `${part({ alg: "EdDSA" })}.${part({ aud: audience, exp: Math.floor(Date.now() / 1000) + seconds, keys })}`;
      return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
    },
    /** A request of an operator. */
    operate: (method, path) => fetch(`http://127.0.0.1:${edgePort}${path}`, { method, headers: { authorization: `TD1 ${keys.admin_key}` } }),
    explain: async (key, value, personalization = "hero") => {
      const body = JSON.stringify({ audience, personalization, key: { name: key, value } });
      const response = await fetch(`http://127.0.0.1:${edgePort}/v1/explain`, { method: "POST", headers: { authorization: `TD1 ${keys.server_key}` }, body });
      return response.json();
    },
  };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, url).pathname;
    if (/^\/(v1|public|cdp)\//.test(path)) return relay(site, edgePort, request, response);
    const place = /^\/[\w-]+\.(m?js|wasm)$/.test(path) && [dist, device].map((folder) => join(folder, path)).find(existsSync);
    const page = pages(path, site);
    if (place && !site.lost(path)) response.writeHead(200, { "content-type": path.endsWith(".wasm") ? "application/wasm" : "text/javascript" }).end(site.changed(path, readFileSync(place)));
    else if (!page) response.writeHead(404).end();
    else response.writeHead(200, { "content-type": page.type ?? "text/html; charset=utf-8", ...site.headers }).end(page.body ?? page);
  });
  server.listen(port, "127.0.0.1");
  t.after(() => (server.closeAllConnections(), server.close()));
  await listening(port);
  return site;
}

/** What may happen to a request between a page and its edge. */
export const FAULTS = {
  "500 of a proxy": ({ response }) => response.writeHead(500, { "content-type": "text/html" }).end("<h1>Oops</h1>"),
  "503 of the edge": ({ response }) => response.writeHead(503, { "usher-request-id": "1", "content-type": "application/problem+json" }).end(`{"code":"storage_unavailable"}`),
  "429": ({ response }) => response.writeHead(429, { "usher-request-id": "1", "retry-after": "1" }).end(`{"code":"rate"}`),
  "200 of a portal": ({ response }) => response.writeHead(200, { "content-type": "text/html" }).end("<form>Sign in</form>"),
  "garbage": ({ response }) => response.writeHead(200, { "usher-request-id": "1", "content-type": "application/json" }).end(`{"receipts":[{"id":`),
  "receipts of a stranger": ({ body, response }) => response.writeHead(200).end(JSON.stringify({ receipts: (JSON.parse(body).events ?? []).map(({ messageId: id }) => ({ id, success: true })) })),
  "foreign 405": ({ response }) => response.writeHead(405, { allow: "GET" }).end("no"),
  "reset": ({ request }) => request.socket.resetAndDestroy(),
  // Longer than the SDK waits, and not for ever: of a page that is gone nobody ends the request, and six of them are all that a browser has for a host.
  "hang": ({ request }) => void setTimeout(() => request.socket.destroy(), 15_000).unref(),
  "counted, then reset": async ({ forward, request }) => {
    await forward();
    request.socket.resetAndDestroy();
  },
  "slow": async ({ forward, answer }) => {
    const answered = await forward();
    setTimeout(() => answer(answered), 700);
  },
};

async function relay(site, edgePort, request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  const { method, url, headers } = request;
  const forward = () =>
    new Promise((done, fail) => {
      const onward = plainRequest({ host: "127.0.0.1", port: edgePort, method, path: url, headers: { ...headers, connection: "close" } }, async (answer) => {
        const chunks = [];
        for await (const chunk of answer) chunks.push(chunk);
        const answered = { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) };
        record(site, answered);
        done(answered);
      });
      onward.once("error", fail);
      onward.end(body);
    });
  const answer = ({ status, headers, body }) => {
    if (response.destroyed) return;
    response.writeHead(status, headers).end(body);
  };
  const fault = site.fault(request, body);
  site.requests.push({ method, url, headers, body: body.toString(), fault });
  try {
    if (fault) await FAULTS[fault]({ request, response, body, forward, answer });
    else answer(await forward());
  } catch {
    request.socket.destroy();
  }
}

/** Notes how often the edge counted each id. */
function record(site, { status, headers, body }) {
  if (status !== 200 || !/json/.test(headers["content-type"])) return;
  for (const { id, success, notes = [] } of JSON.parse(body).receipts ?? []) {
    const entry = site.ledger.get(id) ?? { counted: 0, duplicates: 0 };
    if (success) entry[notes.includes("duplicate") ? "duplicates" : "counted"]++;
    site.ledger.set(id, entry);
  }
}

/** A host that is no browser's own machine: over plain HTTP it is not trusted, so there are no locks and fewer ways to make ids. */
export const PLAIN = "plain.test";

const FLAGS = [`--host-resolver-rules=MAP ${PLAIN} 127.0.0.1`, "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** A browser that ends with the test. */
export async function startBrowser(t, options = {}) {
  const browser = await chromium.launch({ executablePath: executable, args: FLAGS, ...options });
  t.after(() => browser.close());
  return browser;
}

/** Waits until something holds. */
export async function until(what, holds, ms = 30_000) {
  for (const end = Date.now() + ms; ; ) {
    if (await holds()) return;
    if (Date.now() > end) throw new Error(`not within ${ms / 1000} s: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
