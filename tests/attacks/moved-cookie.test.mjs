// Two people share a browser: once the second one signed in, the cookie never shows the first one again.

import assert from "node:assert/strict";
import { test } from "node:test";

import { as } from "../workerd/deployment.mjs";
import { attacked, hosts } from "./edges.mjs";

for (const host of hosts) {
  test(`${host}: a cookie that moves from one person to another`, { timeout: 60_000 }, async (t) => {
    const edge = await attacked(t, host);
    const signIn = (customer, given_name) =>
      edge.call("POST", "/web/sign_ins", as.server, { events: [{ td_client_id: "shared", customer_id: customer, given_name }] });
    const shown = async (more) => {
      const answer = await edge.lookup("td_client_id", "shared", more);
      assert.equal(answer.status, 200, answer.text);
      return answer.json.offers.Default.attributes.given_name;
    };
    let wrong = 0;
    for (const [customer, name] of [["c-alice", "Alice"], ["c-bob", "Bob"], ["c-alice", "Alice"], ["c-bob", "Bob"]]) {
      const answer = await signIn(customer, name);
      assert.deepEqual(answer.json, { receipts: [{ success: true }] });
      // Without a token: whoever has one is never shown an older version anyhow.
      for (let round = 0; round < 5; round++) if ((await shown()) !== name) wrong++;
    }
    assert.equal(wrong, 0, `${wrong} lookups showed the other person`);
  });
}
