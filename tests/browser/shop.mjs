// The demo's shop on the worker that ships, in workerd with TLS, and a browser that has to stay quiet.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { chromium } from "playwright-core";

import { freePort } from "../../edge-worker/cloudflare/local/workerd.mjs";
import { as, audience, credentials, deploy, previewToken, root, temporaryFolder } from "../workerd/deployment.mjs";

const executable = process.env.CHROMIUM || "/usr/bin/chromium";
/** The reason that the tests cannot run; false if they can. */
export const missing = !existsSync(executable) && `${executable} is missing: apt-get install chromium, or name one in CHROMIUM`;
/** The longest wait for something to be shown, in ms. */
export const PATIENCE_MS = 30_000;

/** The output of `node www/rules/build.mjs`. */
const rules = resolve(root, process.env.CARGO_TARGET_DIR || "target", "rules");
/** The output of `node browser-sdk/build.mjs`. */
const device = resolve(root, process.env.CARGO_TARGET_DIR || "target", "device");

const BARE = `<!doctype html><meta charset="utf-8"><title>bare</title><link rel="icon" href="data:,"><script src="/td.min.js"></script>`;

/**
 * The worker with the demo's shop and records, on a port of its own, with TLS unless it is `plain`. `files` are further ones of the site, by
 * name.
 */
export async function serveShop(t, files = {}, { plain = false } = {}) {
  const folder = temporaryFolder(t);
  const tls = plain ? undefined : certificate(folder);
  const port = await freePort();
  // Two names of this machine are two origins.
  const [own, page] = ["127.0.0.1", "localhost"].map((host) => `${plain ? "http" : "https"}://${host}:${port}`);
  const www = join(folder, "www");
  cpSync(join(root, "www"), www, { recursive: true });
  // The SDK tells the path of the page: this one is a product's.
  mkdirSync(join(www, "product"));
  writeFileSync(join(www, "product/bare.html"), BARE);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(www, name), text);
  const data = join(folder, "data");
  mkdirSync(join(data, "site"), { recursive: true });
  cpSync(join(root, "browser-sdk/js/dist"), join(data, "site"), { recursive: true });
  cpSync(rules, join(data, "site/rules"), { recursive: true });
  const engine = readdirSync(device).filter((name) => /^engine-.*\.(mjs|wasm)$/.test(name));
  for (const name of engine) copyFileSync(join(device, name), join(data, "site", name));
  const records = readFileSync(join(root, "examples/shop/profiles.ndjson"), "utf8");
  const customers = records.split("\n").filter(Boolean).map((line) => JSON.parse(line).customer_id);
  const { write_key, public_token } = credentials;
  const demo = { write_key, public_token, preview_token: previewToken(), audience, customers, engine: engine.find((name) => name.endsWith(".mjs")) };
  writeFileSync(join(data, "site/demo.json"), JSON.stringify(demo));
  const worker = await deploy(t, "release", { port, tls, www, data, origins: [own, page] });
  const imported = await worker.call("POST", `/v1/audiences/${audience}/profiles/import`, as.server, records);
  assert.equal(imported.status, 200, imported.text);
  return { worker, own, page, host: `127.0.0.1:${port}` };
}

/** A certificate for this machine that nobody signed. */
function certificate(folder) {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  const names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
  execFileSync("openssl", [...options.split(" "), "-addext", names, "-keyout", key, "-out", certificate], { stdio: "pipe" });
  return { key: readFileSync(key, "utf8"), certificate: readFileSync(certificate, "utf8") };
}

/**
 * Runs a visit in a fresh browser. The page must stay quiet: no error, no failed or refused request, none to others.
 * After a failure its picture lies in target/test-output. `options` are those of the browser's context.
 */
export async function inBrowser(t, name, visit, { refusals = false, ...options } = {}) {
  const browser = await chromium.launch({
    executablePath: executable,
    args: ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  t.after(() => browser.close());
  t.diagnostic(`Chromium ${browser.version()}`);
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const troubles = [];
  let [requests, preflights] = [0, 0];
  const statuses = new Set();
  // The driver does not show preflights, nor answers that the page may not read.
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  network.on("Network.requestWillBeSent", ({ request }) => (preflights += request.method === "OPTIONS" ? 1 : 0));
  network.on("Network.responseReceivedExtraInfo", ({ statusCode }) => statuses.add(statusCode));
  page.on("pageerror", (error) => troubles.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) troubles.push(`console: ${message.text()}`);
  });
  // The SDK's requests outlive a page that is left, which the driver reports as an abortion; so does it where the page was left
  // while it loaded the file that fills slots, or what decides on the device.
  const isLeft = (request) => /\/v1\/(e|device)|\/slots-|\/programs\//.test(request.url()) && request.failure()?.errorText === "net::ERR_ABORTED";
  page.on("requestfailed", (request) => isLeft(request) || troubles.push(`failed: ${request.method()} ${request.url()} ${request.failure()?.errorText}`));
  page.on("response", (response) => {
    if (response.status() >= 400) troubles.push(`${response.status()}: ${response.url()}`);
  });
  page.on("request", (request) => {
    requests++;
    const { protocol, hostname } = new URL(request.url());
    const own = protocol === "data:" || ["127.0.0.1", "localhost"].includes(hostname);
    if (!own) troubles.push(`third party: ${request.url()}`);
  });
  try {
    await visit(page, context);
    if (!refusals) assert.deepEqual(troubles, []);
    t.diagnostic(`${requests} requests, ${preflights} preflights, ${troubles.length} troubles`);
    return { preflights, statuses };
  } catch (error) {
    const picture = join(root, "target/test-output", `${name}.png`);
    mkdirSync(join(root, "target/test-output"), { recursive: true });
    await page.screenshot({ path: picture, fullPage: true }).catch(() => {});
    t.diagnostic(`picture: target/test-output/${name}.png; troubles: ${JSON.stringify(troubles)}`);
    throw error;
  }
}
