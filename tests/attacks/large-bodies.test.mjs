// Many large bodies at once by callers who have no key: they are refused for what their heads say, before anything of
// their bodies is kept or unpacked.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { attacked, attacker, beside, hosts } from "./edges.mjs";

const CALLERS = 80;
/** Half of what the bodies are together, in MiB: platforms have buffers of their own for what is on its way. */
const GROWTH_MAX = 200;

const large = Buffer.from(`{"events":[],"x":"${"x".repeat(5 * 1024 * 1024 - 100)}"}`);
const bodies = { plain: [large, {}], packed: [gzipSync(large), { "content-encoding": "gzip" }] };

for (const host of hosts) {
  for (const [name, [body, headers]] of Object.entries(bodies)) {
    test(`${host}: ${CALLERS} large bodies without a key, ${name}`, { timeout: 60_000 }, async (t) => {
      const edge = await attacked(t, host);
      // What it takes anyhow for one such caller is not what this is about.
      await edge.call("POST", "/web/pageviews", headers, body, attacker()).catch(() => {});
      const statuses = new Map();
      const growth = await edge.growth(() =>
        beside(t, edge, async () => {
          const send = async (_, index) => {
            // A caller that is refused while it still sends may lose its connection.
            const status = await edge.call("POST", "/web/pageviews", headers, body, attacker(index)).then((answer) => answer.status, () => "cut off");
            statuses.set(status, (statuses.get(status) ?? 0) + 1);
          };
          await Promise.all(Array.from({ length: CALLERS }, send));
        }),
      );
      t.diagnostic(`answers ${JSON.stringify([...statuses])}; the process grew by ${growth.toFixed(0)} MiB at most`);
      assert.ok([...statuses.keys()].every((status) => [401, 429, "cut off"].includes(status)), JSON.stringify([...statuses]));
      assert.ok(growth < GROWTH_MAX, `the process grew by ${growth.toFixed(0)} MiB`);
    });
  }
}
