// Whoever knows a visitor's cookie can write to the visitor's profile: not until it is full, and not so that it freezes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { as, audience } from "../workerd/deployment.mjs";
import { attacked, attacker, beside, hosts } from "./edges.mjs";

const lists = ["a", "b", "c", "d", "e", "f"];
/** Events that fill: all lists at first, then what is left, with less and less. */
const filling = [
  ...Array.from({ length: 90 }, (_, index) => Object.fromEntries(lists.map((list) => [list, `${list}-${index}-${"v".repeat(480)}`]))),
  ...[480, 200, 80, 30, 10, 4, 1].flatMap((length) => lists.map((list) => ({ [list]: `${length}-${"w".repeat(length)}` }))),
];

for (const host of hosts) {
  test(`${host}: a victim's profile is filled`, { timeout: 60_000 }, async (t) => {
    const edge = await attacked(t, host);
    const signIn = (more) => edge.call("POST", "/web/sign_ins", as.server, { events: [{ td_client_id: "victim", customer_id: "c-1", given_name: "Vera", ...more }] });
    assert.deepEqual((await signIn()).json, { receipts: [{ success: true }] });
    let stored = 0;
    await beside(t, edge, async () => {
      // From many addresses, because one would be slowed down.
      for (const [index, columns] of filling.entries()) {
        const answer = await edge.batch("notes", [{ td_client_id: "victim", ...columns }], attacker(index % 16));
        assert.ok(answer.status < 500, answer.text);
        if (answer.json.receipts?.[0].success) stored++;
      }
    });
    t.diagnostic(`${stored} of ${filling.length} events of an attacker were stored`);

    // Everything still works: a page, a sign-in, an import, and what they say is there.
    const imported = await edge.call("POST", `/v1/audiences/${audience}/profiles/import`, as.server, '{"customer_id":"c-1","loyalty_tier":"VIP"}');
    assert.equal(imported.json.imported, 1, imported.text);
    const receipt = (await signIn({ given_name: "Wera" })).json.receipts[0];
    assert.equal(receipt.success, true, JSON.stringify(receipt));
    const answer = await edge.view("victim");
    assert.equal(answer.status, 200, answer.text);
    const { attributes } = answer.json.offers.VIP;
    assert.deepEqual([attributes.given_name, attributes.loyalty_tier], ["Wera", "VIP"]);
  });
}
