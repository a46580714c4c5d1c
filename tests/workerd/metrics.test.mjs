// Metrics on workerd: the points that the worker writes for Workers Analytics Engine, where a deployment has the binding.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { sql } from "../attacks/edges.mjs";
import { as, audience, deploy, root } from "./deployment.mjs";

/** The columns of a point with texts, and those with numbers, as docs/operate.md tells them. */
const [TEXTS, NUMBERS] = columns();

function columns() {
  const page = readFileSync(join(root, "docs/operate.md"), "utf8");
  const rows = (kind) => [...page.matchAll(new RegExp(`^\\| \`${kind}(\\d+)\` \\| \`(\\w+)\``, "gm"))];
  return ["blob", "double"].map((kind) => {
    const found = rows(kind);
    assert.deepEqual(found.map(([, number]) => Number(number)), found.map((_, at) => at + 1), kind);
    return found.map(([, , name]) => name);
  });
}

/** The points until now, each an object by the names of its columns; what is 0 or empty is left out. */
function points(edge) {
  // The last part has no end yet: it may be half a line.
  const lines = edge.log.split("\n").slice(0, -1).filter((line) => line.startsWith("point "));
  return lines.map((line) => {
    const { indexes, blobs, doubles } = JSON.parse(line.slice("point ".length));
    assert.deepEqual([indexes, blobs.length, doubles.length], [[blobs[0]], TEXTS.length, NUMBERS.length]);
    const cells = [...TEXTS.map((name, at) => [name, blobs[at]]), ...NUMBERS.map((name, at) => [name, doubles[at]])];
    return Object.fromEntries(cells.filter(([, value]) => value !== "" && value !== 0));
  });
}

test("each answer is a point, and so is the work of its writer; none has a word of a caller", async (t) => {
  const edge = await deploy(t, "release", { metrics: true });
  // Answers the points that a request adds, without the time that it took.
  const added = async (request, expected) => {
    const before = points(edge).length;
    const answer = await request();
    const deadline = Date.now() + 5_000;
    while (points(edge).length < before + expected && Date.now() < deadline) await new Promise((turn) => setTimeout(turn, 10));
    const found = points(edge).slice(before);
    for (const point of found) {
      assert.ok(point.ms === undefined || point.ms > 0, JSON.stringify(point));
      delete point.ms;
    }
    return { answer, found: found.sort((a, b) => a.part.localeCompare(b.part)) };
  };
  const visitor = "canary-anna";
  const event = { td_client_id: visitor, td_path: "/product/P-207", product_id: "P-207" };

  const view = await added(() => edge.event("pageviews", event), 2);
  assert.equal(view.answer.status, 200, view.answer.text);
  const offers = Object.keys(view.answer.json.offers).length;
  assert.ok(offers > 0, view.answer.text);
  assert.deepEqual(view.found[0], { part: "front", work: "write", status: "200", age_ms: -1 });
  const { targeting_match = 0, default: fallback = 0, ...stored } = view.found[1];
  assert.equal(targeting_match + fallback, offers, JSON.stringify(view.found));
  assert.deepEqual(stored, { part: "store", status: "200", age_ms: -1, accepted: 1 });

  const twice = { ...event, uuid: "canary-1" };
  const batch = await added(() => edge.batch("pageviews", [twice, twice, {}, 5]), 2);
  assert.deepEqual(batch.found[1], { part: "store", status: "200", age_ms: -1, accepted: 1, duplicate: 1, not_stored: 1, invalid: 1 });

  const lookup = () => edge.call("POST", "/v1/personalize", as.server, { audience, personalization: "web_personalization", key: { name: "td_client_id", value: visitor } });
  const first = await added(lookup, 2);
  assert.equal(first.answer.json.meta.source, "writer");
  const [front] = first.found;
  assert.deepEqual([front.work, front.source, front.status], ["look", "writer", "200"]);
  const second = await added(lookup, 1);
  assert.equal(second.answer.json.meta.source, "memory");
  assert.equal(second.found.length, 1, JSON.stringify(second.found));
  assert.deepEqual([second.found[0].work, second.found[0].source], ["look", "memory"]);
  assert.ok((second.found[0].age_ms ?? 0) >= 0, JSON.stringify(second.found));

  const refused = await added(() => edge.call("POST", `/web/pageviews?${visitor}`, { authorization: "TD1 canary" }, "{}"), 1);
  assert.deepEqual(refused.found, [{ part: "front", work: "respond", status: "401", age_ms: -1 }]);

  const all = JSON.stringify(points(edge));
  assert.ok(!all.includes("canary") && !all.includes("P-207"), all);
  const words = { part: ["front", "store"], work: ["refuse", "respond", "write", "look", "publish", "control"], source: ["memory", "kv", "writer", "stale", "none"] };
  for (const point of points(edge)) {
    for (const [name, known] of Object.entries(words)) assert.ok(point[name] === undefined || known.includes(point[name]), JSON.stringify(point));
    assert.match(point.status, /^\d{3}$/);
  }
});

test("a shard with an open merge is a point: how many there are, and how old the oldest is", { timeout: 120_000 }, async (t) => {
  const edge = await deploy(t, "release", { metrics: true, shards: 2 });
  const event = { td_client_id: "anna", td_path: "/" };
  assert.equal((await edge.event("pageviews", event)).status, 200);
  await edge.stop();
  const folder = join(edge.data, "do/usher-store");
  const databases = readdirSync(folder).filter((name) => name.endsWith(".sqlite") && !name.startsWith("metadata")).map((name) => join(folder, name));
  const [database, ...others] = databases.filter((name) => Number(sql(name, "SELECT count(*) FROM profile")) === 1);
  assert.ok(database && others.length === 0, "one shard has the visitor");
  // A merge whose message nobody takes: it is sent again, by alarms, which count merges.
  const [id, since] = [(digits) => `x'${digits.repeat(16)}'`, Date.now() - 5_000];
  sql(database, `INSERT INTO intent VALUES (${id("01")}, '${audience}', ${id("02")}, ${id("03")}, 0, ${since})`);
  sql(database, `INSERT INTO intent VALUES (${id("04")}, '${audience}', ${id("02")}, ${id("05")}, 1, ${since - 9_000_000})`);
  sql(database, `INSERT INTO outbox (shard, message, due_ms) VALUES (1, x'00', ${since})`);
  await edge.start();
  assert.equal((await edge.event("pageviews", event)).status, 200);
  const merges = () => points(edge).filter(({ part }) => part === "merges");
  const deadline = Date.now() + 60_000;
  while (merges().length === 0 && Date.now() < deadline) await new Promise((turn) => setTimeout(turn, 50));
  const [{ ms: open, age_ms: age, ...rest }] = merges();
  assert.deepEqual([open, rest], [1, { part: "merges" }], "a withdrawn one is not open");
  assert.ok(age >= 5_000 && age <= Date.now() - since, String(age));
});

test("a deployment without the binding writes no point", async (t) => {
  const edge = await deploy(t, "release");
  assert.equal((await edge.event("pageviews", { td_client_id: "v" })).status, 200);
  assert.deepEqual(points(edge), []);
});
