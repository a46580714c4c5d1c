// Bodies that are made to be slow to read: floats with long roads to their nearest double, digits without end, the same
// name again and again. Each costs about what plain JSON of as many bytes costs, and whoever waits beside waits no longer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { attacked, attacker, beside, hosts } from "./edges.mjs";

/** How many times as long as lawful JSON of the same bytes a body may take, and what a busy machine adds, in ms. */
const [RATIO_MAX, NOISE_MS] = [5, 100];
const BYTES = 2_400_000;

const list = (item, count) => `[${Array(count).fill(item).join(",")}]`;
/** Filled up to as many bytes as all have. */
const filled = (one) => {
  const parts = [];
  for (let [index, length] = [0, 0]; length < BYTES; index++) {
    parts.push(one(index));
    length += parts.at(-1).length + 1;
  }
  return parts.join(",");
};

const bodies = {
  "tiny floats": `{"events":[],${filled((index) => `"x${index}":${list("1e-300", 6_000)}`)}}`,
  "halfway floats": `{"events":[],${filled((index) => `"x${index}":${list("9007199254740993.00000000000000000001e-30", 1_000)}`)}}`,
  "long digits": `{"events":[],"x":0.${"1234567890".repeat(BYTES / 10)}}`,
  "a long exponent": `{"events":[],"x":1e-${"9".repeat(BYTES)}}`,
  "events named again": `{${filled(() => `"events":${list('{"td_client_id":"a","x":1e-300}', 500)}`)}}`,
  "sentAt named again": `{"events":[],${filled(() => '"sentAt":1e-300')}}`,
  "names without end": `{"events":[],${filled((index) => `"name-${index}":0`)}}`,
  "one name without end": `{"events":[],${filled(() => '"x":0')}}`,
  "nothing but openings": "[".repeat(BYTES),
  "escapes": `{"events":[],"x":"${"\\ud83d".repeat(BYTES / 6)}"}`,
};
/** What a shop's page sends, as often as fits: few events, which cost little to fold. */
const lawful = `{"events":[${Array.from({ length: 5 }, (_, event) => `{"td_client_id":"lawful","uuid":"lawful-${event}",${Array.from({ length: 240 }, (_, column) => `"column_${column}":"${"a plain value ".repeat(140)}"`).join(",")}}`).join(",")}]}`;

for (const host of hosts) {
  test(`${host}: bodies that are slow to read`, { timeout: 120_000 }, async (t) => {
    const edge = await attacked(t, host);
    const packed = Object.fromEntries(Object.entries({ lawful, ...bodies }).map(([name, body]) => [name, gzipSync(body, { level: 1 })]));
    let from = 0;
    const send = async (name) => {
      const start = performance.now();
      const answer = await edge.batch("pageviews", packed[name], attacker(from++), { "content-encoding": "gzip" });
      assert.ok(answer.status < 500, `${name}: ${answer.status} ${answer.text}`);
      return performance.now() - start;
    };
    /** The least of three: what else the machine does only adds. */
    const cost = async (name) => Math.min(await send(name), await send(name), await send(name));

    const plain = await cost("lawful");
    const slow = [];
    for (const name of Object.keys(bodies)) {
      let took = await cost(name);
      // A busy machine disturbs three in a row, but not all of these.
      const over = () => took > RATIO_MAX * plain + NOISE_MS;
      for (let again = 0; again < 5 && over(); again++) took = Math.min(took, await cost(name));
      t.diagnostic(`${name}: ${took.toFixed(0)} ms, ${(took / plain).toFixed(1)} × plain JSON`);
      if (over()) slow.push(`${name} took ${took.toFixed(0)} ms, plain JSON ${plain.toFixed(0)} ms`);
    }
    assert.deepEqual(slow, []);
    const all = Object.keys(bodies);
    await beside(t, edge, async () => {
      await Promise.all(all.map(send));
    });
  });
}
