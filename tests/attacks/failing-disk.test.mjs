// A disk whose syncs fail for a while: nothing is acknowledged that is not durable, nothing is counted that was refused, and
// the process goes on.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { logged } from "../workerd/deployment.mjs";
import { attacked } from "./edges.mjs";

const skip = spawnSync("strace", ["-o", "/dev/null", "true"]).status !== 0 && "this machine has no strace, or lets it trace nothing";

/** Some thread of the process has no tracer. */
function untraced(pid) {
  return readdirSync(`/proc/${pid}/task`).some((task) => {
    try {
      return /^TracerPid:\s0$/m.test(readFileSync(`/proc/${pid}/task/${task}/status`, "utf8"));
    } catch {
      // The thread ended meanwhile.
      return false;
    }
  });
}

/** Has the process's syncs fail until the returned function is called. */
async function failSyncs(t, edge) {
  const calls = "fsync,fdatasync";
  const tracer = spawn("strace", ["-f", "-q", "-p", String(edge.pid), "-e", `trace=${calls}`, "-e", `inject=${calls}:error=EIO`], { stdio: ["ignore", "ignore", "pipe"] });
  let traced = "";
  tracer.stderr.setEncoding("utf8").on("data", (text) => (traced += text));
  t.after(() => tracer.kill("SIGKILL"));
  for (const until = Date.now() + 20_000; untraced(edge.pid) && Date.now() < until; ) await sleep(20);
  return async () => {
    const ended = new Promise((done) => tracer.once("exit", done));
    tracer.kill("SIGINT");
    await ended;
    assert.match(traced, /EIO.*INJECTED/, "no sync was made to fail");
  };
}

test("native: a disk whose syncs fail for a while", { timeout: 60_000, skip }, async (t) => {
  const edge = await attacked(t, "native");
  const counted = async () => (await edge.lookup("td_client_id", "counted")).json.offers.Default.attributes.page_views_24h;
  const send = (id) => edge.batch("pageviews", [{ td_client_id: "counted", event_id: id }], "127.0.0.3");
  assert.equal((await send("before")).status, 200);
  assert.equal(await counted(), 1);
  const recover = await failSyncs(t, edge);
  // The first one's commit is in doubt: it is neither taken nor refused.
  await assert.rejects(send("in doubt"), /socket hang up|ECONNRESET/);
  for (const id of ["in doubt", "refused", "before"]) assert.equal((await send(id)).status, 503, id);
  const lookup = await edge.lookup("td_client_id", "counted");
  assert.equal(lookup.status, 200, lookup.text);
  assert.equal(lookup.json.meta.source, "none");
  assert.equal(await edge.health(), "degraded");
  await recover();
  let again;
  for (let attempt = 0; attempt < 20 && again?.status !== 200; attempt++) {
    await sleep(500);
    again = await send("in doubt");
  }
  assert.equal(again.status, 200, again.text);
  // It is counted once, whether it was stored before or only now; what was refused is not counted.
  assert.equal(await counted(), 2);
  await logged(edge, /the commit in doubt (happened|did not happen)/);
  assert.equal((await send("after")).status, 200);
  assert.equal(await counted(), 3);
});

test("native: a disk whose syncs fail while many callers share a commit", { timeout: 60_000, skip }, async (t) => {
  const edge = await attacked(t, "native");
  const callers = Array.from({ length: 40 }, (_, index) => `127.0.0.${10 + index}`);
  const counted = async () => (await edge.lookup("td_client_id", "shared")).json.offers.Default.attributes.page_views_24h;
  const send = (id, from) => edge.batch("pageviews", [{ td_client_id: "shared", event_id: id }], from);
  const all = (round) => Promise.allSettled(callers.map((from, index) => send(`${round}-${index}`, from)));
  const statuses = (answers) => answers.map((answer) => answer.value?.status);
  assert.deepEqual([...new Set(statuses(await all("before")))], [200]);
  const recover = await failSyncs(t, edge);
  const during = statuses(await all("during"));
  assert.ok(!during.includes(200), `acknowledged without a sync: ${during}`);
  await recover();
  for (let attempt = 0; attempt < 20 && (await send("probe", callers[0])).status !== 200; attempt++) await sleep(500);
  // Whatever was stored, each is counted once when it is sent again.
  assert.deepEqual([...new Set(statuses(await all("during")))], [200]);
  assert.equal(await counted(), 2 * callers.length + 1);
});
