// Keys that anybody may assert, named again and again beside a cookie that is known: they push out neither the cookie nor
// the keys that somebody vouched for.

import assert from "node:assert/strict";
import { test } from "node:test";

import { as } from "../workerd/deployment.mjs";
import { attacked, attacker, beside, hosts } from "./edges.mjs";

for (const host of hosts) {
  test(`${host}: 260 keys beside a known cookie`, { timeout: 60_000 }, async (t) => {
    const edge = await attacked(t, host);
    const signedIn = { td_client_id: "victim", email: "vera@shop.invalid", customer_id: "c-1", given_name: "Vera" };
    const receipt = await edge.call("POST", "/web/sign_ins", as.server, { events: [signedIn] });
    assert.deepEqual(receipt.json, { receipts: [{ success: true }] });
    await beside(t, edge, async () => {
      for (let batch = 0; batch < 26; batch++) {
        const events = Array.from({ length: 10 }, (_, index) => ({ td_client_id: "victim", device_id: `made-up-${batch}-${index}` }));
        const answer = await edge.batch("pageviews", events, attacker(batch));
        assert.ok(answer.status < 500, answer.text);
      }
    });
    for (const [name, value] of [["email", signedIn.email], ["customer_id", "c-1"], ["td_client_id", "victim"]]) {
      const found = await edge.lookup(name, value);
      assert.equal(found.json.offers?.Default?.attributes.given_name, "Vera", `${name}: ${found.text}`);
    }
  });
}
