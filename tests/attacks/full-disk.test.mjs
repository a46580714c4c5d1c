// A disk that is full: who is known is answered, nothing is taken and lost, and the edge says how it is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { attacked, attacker, canMount } from "./edges.mjs";

const skip = !canMount() && "this machine lets no process mount a file system of its own";

test("native: a disk that is full", { timeout: 60_000, skip }, async (t) => {
  const edge = await attacked(t, "native", 3);
  const first = await edge.view("victim");
  assert.equal(first.status, 200, first.text);
  assert.equal(await edge.health(), "ok");
  let [taken, refused] = [0, 0];
  for (let batch = 0; refused < 5 && batch < 200; batch++) {
    const events = Array.from({ length: 100 }, (_, index) => ({ td_client_id: `filler-${batch}-${index}-${"x".repeat(200)}` }));
    const answer = await edge.batch("pageviews", events, attacker(batch));
    if (answer.status === 200) taken++;
    else refused++;
    assert.ok(answer.status === 200 || answer.status === 503, `${answer.status} ${answer.text}`);
  }
  t.diagnostic(`${taken} batches taken, then ${refused} refused`);
  assert.equal(refused, 5, "the disk is full");
  // The process is there, and knows what it knew.
  assert.equal(await edge.health(), "degraded");
  const known = await edge.lookup("td_client_id", "victim");
  assert.equal(known.status, 200, known.text);
  const filler = await edge.lookup("td_client_id", `filler-0-0-${"x".repeat(200)}`);
  assert.ok(filler.json.meta.version > 0, filler.text);
});
