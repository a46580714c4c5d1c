// The definitions of all vectors on the engine that browsers load, in node and in Chromium: their programs are read, the visitors of
// their steps are decided, and the answers have the bytes of the service's.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { missing, startBrowser } from "../browser/site.mjs";
import { root } from "../workerd/deployment.mjs";
import { replay } from "./replay.mjs";

const folder = resolve(root, process.env.USHER_TEST_DEVICE || "target/device");
/** The record of the vector with every construct, and what a device does with its personalizations: docs/device.md says the same. */
const CONSTRUCTS = "sections/device, as it stands, definition 1";
const FATES = {
  computed: "decided", imported: "decided", asked: "decided", reads: "decided", chosen: "decided", shows_sensitive: "decided",
  asks_sensitive: "partial", shows_base: "partial", calculates: "partial", reads_rows: "partial",
  first_of_sensitive: "undecided", hides_trigger: "undecided", looks_up: "undecided", at_the_edge: "undecided",
};
let text;
let all;

before(async () => {
  const args = ["run", "--quiet", "--locked", "-p", "usher-tests", "--bin", "on_device"];
  ({ stdout: text } = await promisify(execFile)("cargo", args, { cwd: root, encoding: "buffer", maxBuffer: 1 << 30 }));
  all = JSON.parse(text);
});

test("every program in node", async (t) => {
  const name = readdirSync(folder).find((name) => name.endsWith(".mjs"));
  const glue = await import(pathToFileURL(join(folder, name)));
  await glue.default({ module_or_path: readFileSync(join(folder, glue.wasm)) });
  check(t, replay(glue, all.records));
  for (const [reason, count] of Object.entries(all.left)) t.diagnostic(`left out: ${reason}: ${count}`);
});

test("every program in Chromium", { skip: missing, timeout: 120_000 }, async (t) => {
  const server = createServer((request, response) => {
    const name = request.url.slice(1);
    const send = (type, body) => response.writeHead(200, { "content-type": type }).end(body);
    if (name === "") send("text/html", `<!doctype html><title>programs</title><link rel="icon" href="data:,">`);
    else if (name === "records") send("application/json", text);
    else if (name === "replay.mjs") send("text/javascript", readFileSync(join(root, "tests/device/replay.mjs")));
    else if (readdirSync(folder).includes(name)) send(name.endsWith(".wasm") ? "application/wasm" : "text/javascript", readFileSync(join(folder, name)));
    else response.writeHead(404).end();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => (server.closeAllConnections(), server.close()));
  const browser = await startBrowser(t);
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const name = readdirSync(folder).find((name) => name.endsWith(".mjs"));
  const counts = await page.evaluate(async (name) => {
    const [glue, { replay }] = [await import(`/${name}`), await import("/replay.mjs")];
    await glue.default({ module_or_path: await (await fetch(`/${glue.wasm}`, { integrity: glue.integrity })).arrayBuffer() });
    return replay(glue, (await (await fetch("/records")).json()).records);
  }, name);
  check(t, counts);
});

function check(t, { programs, equal, partial, told, left, fates, failures }) {
  const undecided = Object.values(left).reduce((sum, count) => sum + count, 0);
  t.diagnostic(`${programs} programs: ${equal} answers equal, ${partial} partial and equal, ${undecided} left to the edge, ${told} events told`);
  for (const [reason, count] of Object.entries(left)) t.diagnostic(`left to the edge: ${reason}: ${count}`);
  assert.deepEqual(failures.slice(0, 5), [], `${failures.length} differ`);
  assert.equal(programs, all.records.length);
  assert.deepEqual(fates[CONSTRUCTS], Object.fromEntries(Object.keys(fates[CONSTRUCTS]).map((name) => [name, [FATES[name]]])));
  assert.deepEqual(Object.keys(fates[CONSTRUCTS]).sort(), Object.keys(FATES).sort());
  assert.ok(programs > 250 && equal > 10_000 && partial > 200 && undecided > 300, "hardly anything was compared");
}
