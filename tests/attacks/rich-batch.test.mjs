// A batch for as many visitors as it may have events, each with a rich profile: together they are more than an isolate holds.

import assert from "node:assert/strict";
import { test } from "node:test";

import { as, audience } from "../workerd/deployment.mjs";
import { attacked, attacker, beside, hosts } from "./edges.mjs";

const VISITORS = 500;
/** Views of each visitor, with 3 KB in each. */
const VIEWS = 18;
const lists = ["a", "b", "c", "d", "e", "f"];

const visitors = Array.from({ length: VISITORS }, (_, index) => `rich-${index}`);
const columns = (view) => Object.fromEntries(lists.map((list) => [list, `${list}-${view}-${"v".repeat(480)}`]));

for (const host of hosts) {
  test(`${host}: 500 rich profiles in one batch`, { timeout: 300_000 }, async (t) => {
    const edge = await attacked(t, host);
    const accepted = async (answer) => {
      const { status, text } = await answer;
      assert.equal(status, 200, text);
      assert.equal(text.split('{"success":true}').length - 1, VISITORS, text);
    };
    let slowest = 0;
    await beside(t, edge, async () => {
      for (let view = 0; view < VIEWS; view++) {
        const start = performance.now();
        await accepted(edge.batch("notes", visitors.map((td_client_id) => ({ td_client_id, ...columns(view) })), attacker(view)));
        slowest = Math.max(slowest, performance.now() - start);
      }
    });
    const disk = edge.disk() / VISITORS;
    t.diagnostic(`the slowest batch took ${slowest.toFixed(0)} ms; ${disk.toFixed(0)} bytes on disk for each visitor`);
    assert.ok(disk > 50_000, "the profiles are rich");
    // Views, sign-ins and records of them all.
    await accepted(edge.batch("pageviews", visitors.map((td_client_id) => ({ td_client_id })), attacker(20)));
    const signIns = visitors.map((td_client_id, index) => ({ td_client_id, customer_id: `c-${index}`, given_name: `n-${index}` }));
    await accepted(edge.call("POST", "/web/sign_ins", as.server, { events: signIns }));
    const rows = visitors.map((_, index) => JSON.stringify({ customer_id: `c-${index}`, loyalty_tier: "VIP" })).join("\n");
    const imported = await edge.call("POST", `/v1/audiences/${audience}/profiles/import`, as.server, rows);
    assert.equal(imported.json.imported, VISITORS, imported.text);
    for (const visitor of [0, 1, 250, 499]) {
      const answer = await edge.view(`rich-${visitor}`);
      const { attributes } = answer.json.offers.VIP;
      assert.deepEqual([attributes.given_name, attributes.loyalty_tier], [`n-${visitor}`, "VIP"], answer.text);
    }
    assert.ok(!edge.log.includes('"event":"failure"'), "nothing trapped");
  });
}
