// `usher simulate` and the worker give the same answers for the same events, at the same time of the same clock.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { as, audience, credentials, deploy, root, temporaryFolder } from "./deployment.mjs";

const START = 1_790_000_000;

/** The command line: as the other layers built it, or as `cargo build` does. */
function usher() {
  const binary = resolve(root, process.env.USHER_TEST_NATIVE || join(process.env.CARGO_TARGET_DIR || "target", "debug/usher"));
  if (!existsSync(binary)) throw new Error(`no ${binary}: \`cargo build -p usher\` builds it, or name it in USHER_TEST_NATIVE`);
  return binary;
}

/** The example's visit, and after it a crowd: shared browsers, sign-ins, copies, keys and values that are refused. */
function events() {
  const visit = readFileSync(join(root, "examples/shop/visit.ndjson"), "utf8");
  const sent = visit.trim().split("\n").map((line) => JSON.parse(line));
  // A generator of our own, so that every run tells the same story.
  let state = 7;
  const pick = (items) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return items[Math.floor((state / 2_147_483_648) * items.length)];
  };
  for (let index = 0; index < 300; index++) {
    const table = pick(["pageviews", "pageviews", "pageviews", "add_to_cart", "purchase", "formfills"]);
    const event = {
      td_client_id: pick(["b-1", "b-2", "b-3", "b-4", "test_b", ""]),
      uuid: pick([`e-${index}`, `e-${index}`, `e-${index}`, `e-${index - 1}`]),
      time: START + 1_000 + index * 97 - pick([0, 0, 0, 4_000]),
    };
    if (table === "pageviews") Object.assign(event, { td_path: pick(["/", "/product/P-1", "/product/P-2"]), product_id: pick(["P-1", "P-2", 5]) });
    if (table === "add_to_cart") Object.assign(event, { product_id: pick(["P-1", "P-2", "P-3"]), price: pick([10, "12.5", "dear", 1e-7, null]) });
    if (table === "formfills") event.email = pick(["a@shop.invalid", "b@shop.invalid", "c@test.com"]);
    if (table === "formfills" || pick([false, false, true])) event.customer_id = pick(["c-1001", "c-1002", "c-9", 9]);
    sent.push({ database: "web", table, event, sender: pick(["server", "browser"]) });
  }
  return sent;
}

/** What a profile says, without its id, which is minted; of two made at one moment the smaller one's keys come first. */
const facts = ({ id, keys, ...profile }) => ({ ...profile, keys: keys.map(({ name }) => name).sort() });

test("a simulated visit is answered as the worker answers it", { timeout: 300_000 }, async (t) => {
  const sent = events();
  const file = join(temporaryFolder(t), "events.ndjson");
  writeFileSync(file, sent.map((event) => `${JSON.stringify(event)}\n`).join(""));
  const shop = join(root, "examples/shop");
  const batch = join(shop, "profiles.ndjson");
  const printed = execFileSync(usher(), ["simulate", shop, file, "--batch", batch, "--json"], { encoding: "utf8", maxBuffer: 64 << 20 });
  const simulated = printed.trim().split("\n").map((line) => JSON.parse(line));
  const told = simulated.filter((line) => line.line !== undefined);
  assert.equal(told.length, sent.length);

  const worker = await deploy(t, "test");
  const at = (ms) => ({ "x-usher-now": String(ms) });
  const first = Date.parse(told[0].at);
  const imported = await worker.call("POST", `/v1/audiences/${audience}/profiles/import`, { ...as.server, ...at(first) }, readFileSync(batch, "utf8"));
  assert.equal(imported.status, 200, imported.text);
  const server = { ...as.server, "wp13n-token": credentials.private_token };
  let [offers, now] = [0, first];
  for (const [index, { database, table, event, sender }] of sent.entries()) {
    now = Date.parse(told[index].at);
    const [prefix, headers] = sender === "browser" ? ["/public", as.browser] : ["", server];
    const answer = await worker.call("POST", `${prefix}/${database}/${table}`, { ...headers, ...at(now) }, event);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json.offers, told[index].offers, `event ${index}: ${JSON.stringify(event)}`);
    offers += Object.keys(answer.json.offers).length;
  }
  assert.ok(offers > sent.length / 4, `${offers} offers are too few to show anything`);

  const ends = simulated.filter((line) => line.final).map((line) => facts(line.profile));
  const keys = ["b-1", "b-2", "b-3", "b-4", "anon-7"].map((value) => ["td_client_id", value]);
  keys.push(["customer_id", "c-1001"], ["customer_id", "c-1002"], ["customer_id", "c-9"]);
  for (const [name, value] of keys) {
    const explained = await worker.call("POST", "/v1/explain", { ...as.server, ...at(now) }, { audience, key: { name, value } });
    const profile = facts(explained.json.profile);
    const same = ends.some((end) => isDeepStrictEqual(end, profile));
    assert.ok(same, `${name} = ${value}: nobody of the simulation is ${JSON.stringify(profile)}`);
  }
  t.diagnostic(`${sent.length} events, ${offers} offers, ${ends.length} visitors`);
});
