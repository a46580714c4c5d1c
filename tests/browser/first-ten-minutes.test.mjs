// docs/first-ten-minutes.md as it is written: its commands in a shell, and its page in Chromium. Only the port is another one, and the
// folder; the browser is told to trust the key of that certificate.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { X509Certificate, createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";

import { chromium } from "playwright-core";

import { freePort } from "../../edge-worker/cloudflare/local/workerd.mjs";
import { root, temporaryFolder } from "../workerd/deployment.mjs";

const executable = process.env.CHROMIUM || "/usr/bin/chromium";
const missing = !existsSync(executable) && `${executable} is missing: apt-get install chromium, or name one in CHROMIUM`;
/** The command that `make demo` builds; the tests may have another one. */
const usher = dirname(resolve(root, process.env.USHER_TEST_NATIVE || join(process.env.CARGO_TARGET_DIR || "target", "debug/usher")));

/** The commands of a part of the page. */
function commands(title) {
  const page = readFileSync(join(root, "docs/first-ten-minutes.md"), "utf8");
  const [, part] = page.split(`\n## ${title}\n`);
  assert.ok(part, `the page has no part ${title}`);
  return [...part.split("\n## ")[0].matchAll(/^```sh\n(.*?)^```/gms)].map(([, lines]) => lines).join("");
}

/** A shell that takes commands one after the other; answers what each printed. */
function shell(t, cwd, folder) {
  const child = spawn("bash", ["-eu"], { cwd, env: { PATH: process.env.PATH, HOME: folder }, stdio: ["pipe", "pipe", "pipe"], detached: true });
  // With the edge that it started.
  t.after(() => child.exitCode ?? process.kill(-child.pid));
  let [printed, wanted] = ["", () => {}];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text) => wanted((printed += text)));
  }
  let number = 0;
  return (lines) => {
    const mark = `== done ${++number}`;
    return new Promise((done, fail) => {
      printed = "";
      wanted = (text) => text.includes(mark) && done(text.split(mark)[0]);
      child.once("exit", (code) => fail(new Error(`the shell ended with ${code}:\n${printed}`)));
      // From a file: a command that read its input would take the commands behind it.
      const file = join(folder, `part-${number}.sh`);
      writeFileSync(file, `${lines}\n`);
      child.stdin.write(`source ${file} < /dev/null; echo "${mark}"\n`);
    });
  };
}

test("the page of the first ten minutes", { skip: missing, timeout: 120_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const own = join(folder, "my-edge");
  const url = `https://localhost:${await freePort()}`;
  const run = shell(t, root, folder);
  const as = (title) => {
    const lines = commands(title).replaceAll("https://localhost:8787", url).replaceAll("localhost:8787", new URL(url).host);
    return run(lines.replace("$PWD/target/debug", usher).replaceAll("../my-edge", own).replace("usher serve ", `usher serve --listen ${url.replace("https://localhost", "127.0.0.1")} `));
  };
  const made = await as("Your own");
  assert.match(made, /Ready to push!/);
  assert.match(made, /"status":"ok"/);
  assert.match(made, /runs now/);
  await as("A page");
  await as("With the stock SDK");

  const key = new X509Certificate(readFileSync(join(own, "usher-data/tls/local.pem"))).publicKey.export({ type: "spki", format: "der" });
  const trusted = createHash("sha256").update(key).digest("base64");
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", `--ignore-certificate-errors-spki-list=${trusted}`];
  const context = await chromium.launchPersistentContext(join(folder, "profile"), { executablePath: executable, headless: true, args });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`${url}/`);
  await page.locator("[data-usher-state]").waitFor({ timeout: 20_000 });
  assert.match(await page.locator("div").innerText(), /Your cart is empty/);
  await page.getByRole("button").click();
  await page.getByText("A cart of 79.5 dollars waits: 10 % off today.").waitFor({ timeout: 20_000 });

  await page.goto(`${url}/stock.html`);
  const offer = page.locator("#offer", { hasText: "recovery_offer" });
  await offer.waitFor({ timeout: 20_000 });
  const { recovery_offer: shown } = JSON.parse(await offer.textContent());
  assert.deepEqual([shown.attributes.cart_value, shown.attributes.discount_offer], [79.5, 10]);

  const changed = await as("Change it, and look inside");
  assert.match(changed, /recovery_offer: matched/);
  assert.match(changed, /15/);
  assert.match(changed, /Back to bundle 1/);
  await run("kill %1");
});
