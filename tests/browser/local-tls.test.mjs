// The stock td-js-sdk in Chromium against `usher serve --local-tls`, with no proxy between them. The browser is told to trust
// the key of that certificate and no other.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { X509Certificate, createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";

import { chromium } from "playwright-core";

import { freePort } from "../../edge-worker/cloudflare/local/workerd.mjs";
import { root, temporaryFolder } from "../workerd/deployment.mjs";

const executable = process.env.CHROMIUM || "/usr/bin/chromium";
const missing = !existsSync(executable) && `${executable} is missing: apt-get install chromium, or name one in CHROMIUM`;
const usher = resolve(root, process.env.USHER_TEST_NATIVE || join(process.env.CARGO_TARGET_DIR || "target", "debug/usher"));

test("the stock SDK against usher serve --local-tls", { skip: missing, timeout: 120_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const run = (args, env = {}) => execFileSync(usher, args, { cwd: folder, encoding: "utf8", env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const url = `https://localhost:${await freePort()}`;
  run(["init", "cart_recovery"]);
  run(["keys", "new", "--audience", "1", "--origin", url, "--out", "keys.json"]);
  const keys = JSON.parse(readFileSync(join(folder, "keys.json"), "utf8"));
  mkdirSync(join(folder, "site"));
  copyFileSync(join(root, "node_modules/td-js-sdk/dist/td.min.js"), join(folder, "site/td.min.js"));
  writeFileSync(join(folder, "site/index.html"), `<!doctype html><link rel="icon" href="data:,"><script src="/td.min.js"></script>`);
  const listen = url.replace("https://localhost", "127.0.0.1");
  const child = spawn(usher, ["serve", "--listen", listen, "--keys", "keys.json", "--local-tls", "--www", "site"], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
  t.after(() => child.kill());
  await new Promise((done, fail) => {
    child.stdout.once("data", done);
    child.once("exit", (code) => fail(new Error(`usher serve ended with ${code}`)));
  });
  const file = join(folder, "usher-data/tls/local.pem");
  run(["push", "definitions", "-y"], { USHER_URL: url, USHER_CA: file, USHER_ADMIN_KEY: keys.admin_key, USHER_AUDIENCE: "1" });

  const key = new X509Certificate(readFileSync(file)).publicKey.export({ type: "spki", format: "der" });
  const trusted = createHash("sha256").update(key).digest("base64");
  const visit = async (...more) => {
    const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...more];
    // It takes that key with a profile of its own alone.
    const context = await chromium.launchPersistentContext(join(folder, `profile-${more.length}`), { executablePath: executable, headless: true, args });
    try {
      const page = await context.newPage();
      await page.goto(`${url}/index.html`);
      return await page.evaluate(
        async ({ host, keys }) => {
          const td = new window.Treasure({ host, database: "web", writeKey: keys.write_key, startInSignedMode: true });
          const call = (start) => new Promise((done, fail) => start(done, (error) => fail(new Error(`the SDK called back with ${error?.message ?? error}`))));
          await call((done, fail) => td.trackEvent("add_to_cart", { product_id: "P-207", price: 79.5 }, done, fail));
          const where = { endpoint: host, database: "web", table: "pageviews", token: keys.public_token };
          return await call((done, fail) => td.fetchPersonalization(where, { ...td.getTrackValues(), td_path: "/" }, done, fail));
        },
        { host: new URL(url).host, keys },
      );
    } finally {
      await context.close();
    }
  };
  await assert.rejects(visit(), /ERR_CERT_AUTHORITY_INVALID/, "nobody knows the certificate");
  const { offers } = await visit(`--ignore-certificate-errors-spki-list=${trusted}`);
  assert.equal(offers.recovery_offer.attributes.cart_value, 79.5);
});
