// The engine as a browser loads it beside a running edge: generated visits, with an extract now and then. Where both decide, offers
// have the same bytes, and nothing that is sensitive reaches the device.
//
// `USHER_CASES` scales the number of visits.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { randomOf } from "../../browser-sdk/js/tests/modules.mjs";
import { freePort, listening } from "../../edge-worker/cloudflare/local/workerd.mjs";
import { root, temporaryFolder } from "../workerd/deployment.mjs";

const usher = resolve(root, process.env.USHER_TEST_NATIVE || "target/debug/usher");
const engine = resolve(root, process.env.USHER_TEST_DEVICE || "target/device");
const VISITS = Math.ceil(40 * Number(process.env.USHER_CASES ?? 1));
const STEPS = 25;
const ORIGIN = "http://127.0.0.1:9";
/** Sections that read what is sensitive. */
const PRIVATE = ["Searched", "Scored"];
const NOW_MS = 1_790_000_000_000;

test(`${VISITS} visits on the device and at the edge`, async (t) => {
  const edge = await startEdge(t);
  const { Device } = await loadEngine();
  const unknown = await edge.device({ inputs: {} });
  const program = new Uint8Array(await (await edge.page(`/v1/audiences/7/programs/${unknown.program}?token=${edge.keys.public_token}`)).arrayBuffer());
  for (const secret of ["last_search", "score", "hidden-wish", "whispered", "Searched", "Scored"]) {
    assert(!Buffer.from(program).includes(secret), `the program says \`${secret}\``);
  }
  const random = randomOf(20261130);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const counts = { decided: 0, undecided: 0, extracts: 0 };

  for (let visit = 0; visit < VISITS; visit++) {
    const visitor = `visitor-${visit}`;
    let now = NOW_MS + visit * 1_000_000;
    if (random() < 0.5) {
      const record = { visitor, tier: pick(["gold", "basic"]), score: pick([5, 20]), batch_segments: pick([["loyal"], ["newsletter", "loyal"], []]) };
      await edge.imports(record, now);
    }
    const device = new Device(program);
    let seen = null;
    const load = async (ids) => {
      const { extract, held, program: name } = await edge.device({ inputs: { visitor }, seen, ids }, now);
      assert.equal(name, unknown.program);
      const bytes = Buffer.from(extract, "base64url");
      for (const secret of [visitor, "last_search", "hidden-wish", "score"]) assert(!bytes.includes(secret), `an extract says \`${secret}\``);
      device.load(bytes);
      counts.extracts++;
      return held;
    };
    for (let step = 0; step < STEPS; step++) {
      now += pick([1_000, 60_000, 3_600_000, 20 * 3_600_000]);
      const table = random() < 0.6 ? "pages" : "carts";
      const id = `e${visit}-${step}`;
      const event =
        table === "pages"
          ? { visitor, uuid: id, path: pick(["/", "/product/chair", "/product/sofa", "/product/1"]), sku: pick(["chair", "sofa", "lamp", "table"]), search: pick(["hidden-wish", "lamp"]) }
          : { visitor, uuid: id, kind: pick(["buy", "add"]), total: pick([3, 40.5, 120, "7"]) };
      const { text, seen: token } = await edge.event(table, event, now);
      const before = seen;
      seen = token;
      // The first event makes the visitor known; then a page asks for an extract.
      if (before === null || random() < 0.3) {
        assert.deepEqual(await load([id, "never-sent"]), [id]);
      } else {
        decide(device, { now_ms: now, visitor: { visitor }, table: `web.${table}`, event, ingest: true }, text);
        continue;
      }
      decide(device, { now_ms: now, visitor: { visitor }, table: `web.${table}`, event }, text);
    }
    device.free();
  }
  console.log(`${counts.decided} answers were equal, ${counts.undecided} were left to the edge, ${counts.extracts} extracts`);
  assert(counts.decided > VISITS * 5 && counts.undecided > VISITS, "hardly anything was compared");

  function decide(device, request, edgeText) {
    const text = new TextDecoder().decode(device.decide(new TextEncoder().encode(JSON.stringify(request))));
    const { offers, meta } = JSON.parse(text);
    const undecided = meta.undecided?.[0] ?? meta.partial?.[0];
    if (undecided === undefined) {
      assert.equal(text.slice(0, edgeText.length - 1), edgeText.slice(0, -1), JSON.stringify(request));
      counts.decided++;
    } else if (undecided === "first") {
      assert.deepEqual(offers, {});
      counts.undecided++;
    } else {
      const known = Object.entries(JSON.parse(edgeText).offers).filter(([section]) => !PRIVATE.includes(section));
      assert.equal(JSON.stringify(offers), JSON.stringify(Object.fromEntries(known)), JSON.stringify(request));
      counts[PRIVATE.some((section) => section in JSON.parse(edgeText).offers) ? "undecided" : "decided"]++;
    }
  }
});

test("an event of another visitor is left to the edge, and changes nothing", async (t) => {
  const edge = await startEdge(t);
  const { Device } = await loadEngine();
  const { program } = await edge.device({ inputs: {} });
  const bytes = new Uint8Array(await (await edge.page(`/v1/audiences/7/programs/${program}?token=${edge.keys.public_token}`)).arrayBuffer());
  const device = new Device(bytes);
  const ask = (request) => JSON.parse(new TextDecoder().decode(device.decide(new TextEncoder().encode(JSON.stringify({ now_ms: NOW_MS, ...request })))));
  const event = (visitor) => ({ visitor: { visitor: "me" }, table: "web.pages", event: { visitor, path: "/" }, ingest: true });
  for (const who of ["me", "other", "me", "other", "me"]) {
    const { meta } = ask(event(who));
    assert.deepEqual([meta.undecided, meta.partial], who === "me" ? [undefined, ["all"]] : [["all", "first"], undefined]);
  }
  const { meta } = ask({ visitor: { visitor: "me" }, table: "web.pages", event: { path: "/" }, ingest: true });
  assert.deepEqual(meta.undecided, ["all", "first"], "an event without a key is nobody's");
  const { offers, meta: of } = ask({ personalizations: ["all", "elsewhere"] });
  assert.deepEqual([of.undecided, of.partial], [["elsewhere"], ["all"]]);
  assert.equal(offers.Often.attributes.views, 3);
  assert.throws(() => new Device(bytes.slice(0, -1)), /ends early/);
  assert.throws(() => device.load(bytes), /not a profile/);
  assert.throws(() => ask({ now_ms: "now" }), /now_ms/);
});

async function loadEngine() {
  const name = readdirSync(engine).find((name) => name.endsWith(".mjs"));
  const glue = await import(pathToFileURL(join(engine, name)));
  await glue.default({ module_or_path: readFileSync(join(engine, glue.wasm)) });
  return glue;
}

async function startEdge(t) {
  const folder = temporaryFolder(t);
  const run = (args, env = {}) => execFileSync(usher, args, { cwd: folder, encoding: "utf8", env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  run(["keys", "new", "--audience", "7", "--origin", ORIGIN, "--out", "keys.json"]);
  const keys = JSON.parse(readFileSync(join(folder, "keys.json"), "utf8"));
  const edge = spawn(usher, ["serve", "--listen", `127.0.0.1:${port}`, "--keys", "keys.json", "--events-per-second", "0", "--new-profiles-per-minute", "0"], { cwd: folder, env: { PATH: process.env.PATH }, stdio: "ignore" });
  t.after(() => edge.kill());
  await listening(port);
  run(["push", join(root, "tests/device/definition"), "-y", "--to", url], { USHER_ADMIN_KEY: keys.admin_key, USHER_AUDIENCE: "7" });
  const page = async (path, body, now = NOW_MS) => {
    const headers = { origin: ORIGIN, authorization: `TD1 ${keys.write_key}`, "wp13n-token": keys.public_token, "x-usher-now": String(now) };
    if (body === undefined) for (const name of ["authorization", "wp13n-token"]) delete headers[name];
    const answer = await fetch(url + path, { method: body === undefined ? "GET" : "POST", headers, body: body && JSON.stringify(body) });
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  return {
    keys,
    page,
    device: async (body, now) => (await page("/v1/device", body, now)).json(),
    event: async (table, event, now) => {
      const answer = await page(`/public/web/${table}`, event, now);
      return { text: await answer.text(), seen: answer.headers.get("usher-seen") };
    },
    imports: async (record, now) => {
      const headers = { authorization: `TD1 ${keys.server_key}`, "x-usher-now": String(now) };
      const answer = await fetch(`${url}/v1/audiences/7/profiles/import`, { method: "POST", headers, body: JSON.stringify(record) });
      assert.equal(answer.status, 200, await answer.text());
    },
  };
}
