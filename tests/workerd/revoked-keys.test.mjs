// A revoked key comes with the pointers, so an isolate that was idle reads them before it answers; and one whose control
// object does not answer goes on with the keys that it has.

import assert from "node:assert/strict";
import { test } from "node:test";

import { FrameReader, FrameWriter } from "../../edge-worker/cloudflare/entry/frame.js";
import { Pointers } from "../../edge-worker/cloudflare/entry/pointers.js";

const NOTHING = new FrameWriter().number(0).done().slice();

/** Pointers of an isolate whose control object answers with what `answer` returns. */
function isolate(answer) {
  const seen = { asked: 0, faults: [], later: [] };
  const planes = {
    meet() {},
    renumber() {},
    recover() {},
    caughtUp() {},
    compiledAll() {},
    behind: () => ({ raises: [], behind: new FrameReader(NOTHING) }),
    degrade: (audience, reason) => seen.faults.push(reason),
  };
  const object = {
    fetch() {
      seen.asked += 1;
      return answer();
    },
  };
  const env = { USHER_STORE: { idFromName: (name) => name, get: () => object } };
  const pointers = new Pointers(planes, NOTHING);
  return { seen, fresh: () => pointers.fresh(env, { waitUntil: (work) => seen.later.push(work) }) };
}

test("an isolate that was idle reads what is revoked before it answers", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_790_000_000_000 });
  const { seen, fresh } = isolate(async () => new Response(NOTHING));
  await fresh();
  t.mock.timers.tick(14_999);
  assert.deepEqual([fresh(), seen.asked], [undefined, 1]);
  t.mock.timers.tick(1);
  await Promise.all([fresh(), ...seen.later]);
  assert.equal(seen.asked, 2);
  // The time since they were read last.
  for (const [age, asked, waits] of [
    [15_000, 3, false],
    [44_999, 4, false],
    [45_000, 5, true],
    [3_600_000, 6, true],
  ]) {
    t.mock.timers.tick(age);
    const waiting = fresh();
    assert.deepEqual([seen.asked, waiting !== undefined], [asked, waits], `${age}`);
    await Promise.all([waiting, ...seen.later]);
  }
});

test("it waits for no longer than a visitor would notice", async (t) => {
  let answers = true;
  t.mock.timers.enable({ apis: ["Date"], now: 1_790_000_000_000 });
  const { seen, fresh } = isolate(() => (answers ? Promise.resolve(new Response(NOTHING)) : new Promise(() => {})));
  await fresh();
  answers = false;
  t.mock.timers.tick(60_000);
  const began = performance.now();
  await fresh();
  assert.ok(performance.now() - began < 5_000);
  assert.equal(seen.asked, 2);
  // Others do not wait again meanwhile.
  assert.equal(fresh(), undefined);
});

test("a control object that fails stops nobody", async (t) => {
  let answers = true;
  t.mock.timers.enable({ apis: ["Date"], now: 1_790_000_000_000 });
  const { seen, fresh } = isolate(async () => new Response(NOTHING, { status: answers ? 200 : 503 }));
  await fresh();
  answers = false;
  t.mock.timers.tick(60_000);
  await fresh();
  assert.deepEqual([seen.asked, seen.faults], [2, ["the control object does not answer"]]);
});
