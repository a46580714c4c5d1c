// New visitors without end, by the page's public key: what is kept of them is small, and bounded by the minute.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

import { attacked, attacker, beside, countIn, having, hosts } from "./edges.mjs";

/** What one new visitor may take on disk, its keys and indexes included, in bytes. */
const VISITOR_BYTES_MAX = 1_024;
/** How many new visitors one source makes in a minute; the attack may see the next minute begin. */
const VISITORS_MAX = 2 * 3_000;

const visitors = (prefix, count) => Array.from({ length: count }, (_, index) => ({ td_client_id: `${prefix}-${index}` }));

for (const host of hosts) {
  test(`${host}: what a new visitor takes`, { timeout: 60_000 }, async (t) => {
    const edge = await attacked(t, host);
    await edge.stop();
    const before = edge.disk();
    await edge.start();
    const count = 2_000;
    let made = 0;
    for (let index = 0; index < count / 50; index++) {
      const answer = await edge.batch("pageviews", visitors(`new-${index}`, 50), attacker(index));
      assert.equal(answer.status, 200, answer.text);
      made += answer.json.receipts.filter(({ success }) => success).length;
    }
    // Stopped, so that what was written ahead is where it belongs.
    await edge.stop();
    const each = (edge.disk() - before) / made;
    t.diagnostic(`${made} new visitors, ${each.toFixed(0)} bytes each on disk`);
    assert.ok(made > count / 2, `only ${made} of ${count} from ${count / 50} addresses were stored`);
    assert.ok(each <= VISITOR_BYTES_MAX, `a new visitor takes ${each.toFixed(0)} bytes`);
  });

  test(`${host}: new visitors without end`, { timeout: 60_000 }, async (t) => {
    const edge = await attacked(t, host);
    const before = edge.disk();
    let sent = 0;
    await beside(t, edge, async () => {
      for (let batch = 0; batch < 40; batch++) {
        const body = gzipSync(JSON.stringify({ events: visitors(`endless-${batch}`, 500) }));
        sent += body.length;
        const answer = await edge.batch("pageviews", body, attacker(), { "content-encoding": "gzip" });
        assert.ok([200, 429].includes(answer.status), answer.text);
        if (answer.status === 429) {
          assert.equal(answer.json.code, 2003, answer.text);
          assert.ok(Number(answer.headers["retry-after"]) >= 1, "when to come again");
          await sleep(50);
        }
      }
    });
    // A visitor from elsewhere is made as before.
    const answer = await edge.view("somebody new", "127.0.0.3");
    assert.equal(answer.json.offers.Default.attributes.page_views_24h, 1, answer.text);
    const again = await edge.view("somebody new", "127.0.0.3");
    assert.equal(again.json.offers.Default.attributes.page_views_24h, 2, again.text);
    await edge.stop();
    const grew = edge.disk() - before;
    const made = having(edge, "profile").reduce((sum, database) => sum + countIn(database, "profile"), 0);
    t.diagnostic(`20000 new visitors in ${(sent / 1024).toFixed(0)} KiB on the wire: ${made} made, ${(grew / (1 << 20)).toFixed(1)} MiB on disk`);
    assert.ok(made <= VISITORS_MAX, `${made} visitors were made`);
  });
}
