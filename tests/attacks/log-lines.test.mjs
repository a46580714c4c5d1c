// One small request that finds fault after fault: the log says the first of them and how many followed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

import { attacked, attacker, beside, hosts } from "./edges.mjs";

/** How many lines one request may log: ten, and how many more there were. */
const LINES_MAX = 11;

const refused = { td_client_id: "undefined", device_id: "x".repeat(300), email: "a@shop.invalid", customer_id: 5, a: "v".repeat(600) };
const packed = (table) => gzipSync(JSON.stringify({ events: Array.from({ length: 500 }, () => ({ ...refused, time: "never", ...table })) }));

for (const host of hosts) {
  test(`${host}: a batch in which everything is refused`, { timeout: 60_000 }, async (t) => {
    const edge = await attacked(t, host);
    await beside(t, edge, async () => {
      for (const [index, table] of ["pageviews", "notes", "sign_ins"].entries()) {
        const before = edge.lines;
        const body = packed({ index });
        const answer = await edge.batch(table, body, attacker(index), { "content-encoding": "gzip" });
        assert.ok(answer.status < 500, answer.text);
        await sleep(300);
        const lines = edge.lines - before;
        t.diagnostic(`${table}: ${body.length} bytes sent, ${lines} lines logged`);
        assert.ok(lines <= LINES_MAX, `one request logged ${lines} lines`);
      }
    });
  });
}
