// A publication that is cut off, by its sender or by the end of the process: what runs is the old bundle or the new
// one, whole, and the next publication works. And what was published before comes back.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { test } from "node:test";

import { as, audience, bundle, deploy, startStore } from "./deployment.mjs";

const PATH = `/v1/audiences/${audience}/bundle`;
const KILLS = 16;

/** Two versions of the example, long enough to be sent in several parts, that say which they are in their answers. */
async function versions() {
  const shop = JSON.parse((await bundle()).toString("utf8"));
  return [1, 2].map((version) => {
    const { definition } = structuredClone(shop);
    definition.audience.name = `version ${version} ${"of many words ".repeat(20_000)}`;
    for (const personalization of definition.personalizations) {
      for (const section of personalization.sections) section.outputs.push({ name: "version", source: { constant: version } });
    }
    return JSON.stringify({ format: 2, definition });
  });
}

const hashOf = (body) => createHash("sha256").update(body).digest("hex");

/** Which version runs; it must be one of them in every answer. */
async function running(worker, bodies) {
  const found = await worker.call("GET", PATH, as.admin);
  assert.equal(found.status, 200, found.text);
  const version = bodies.indexOf(found.text) + 1;
  assert.ok(version > 0, `something else runs: ${found.text.slice(0, 200)}`);
  assert.equal(found.headers.etag, `"${hashOf(bodies[version - 1])}"`);
  const listed = await worker.call("GET", `/v1/audiences/${audience}/bundles`, as.admin);
  assert.deepEqual([listed.json.status, listed.json.bundles[0].hash], ["ok", hashOf(bodies[version - 1])]);
  const health = await worker.call("GET", "/healthz");
  assert.equal(health.json.status, "ok");
  const looked = await worker.lookup("nobody");
  const fresh = await worker.event("pageviews", { td_client_id: "somebody", td_path: "/" });
  for (const answer of [looked, fresh]) {
    assert.equal(answer.status, 200, answer.text);
    for (const { attributes } of Object.values(answer.json.offers)) assert.equal(attributes.version, version, "a mixture runs");
  }
  return version;
}

async function publish(worker, bodies, version) {
  const answer = await worker.call("PUT", PATH, { ...as.admin, "content-type": "application/json" }, bodies[version - 1]);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(await running(worker, bodies), version);
}

/** Sends the first bytes of a publication and hangs up, or sends all of it and hears no answer. */
function cut(worker, body, bytes) {
  const { hostname, port } = new URL(worker.url);
  return new Promise((done, fail) => {
    const socket = connect(Number(port), hostname, () => {
      const head = [`PUT ${PATH} HTTP/1.1`, `host: ${hostname}:${port}`, `authorization: ${as.admin.authorization}`, "content-type: application/json"];
      const request = Buffer.from(`${head.join("\r\n")}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
      const part = bytes < 0 ? request.subarray(0, request.length + 1 + bytes) : request.subarray(0, bytes);
      socket.write(part, () => {
        // Sent is not yet received.
        setTimeout(() => socket.destroy(), 20);
      });
    });
    socket.once("error", fail);
    socket.once("close", () => done());
  });
}

test("a publication whose sender hangs up leaves old or new", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "release");
  const bodies = await versions();
  await publish(worker, bodies, 1);
  const length = Buffer.byteLength(bodies[1]);
  for (const bytes of [0, 1, 40, 150, 250, 1_000, 65_536, Math.floor(length / 2), length, -3, -2]) {
    await cut(worker, bodies[1], bytes);
    assert.equal(await running(worker, bodies), 1, `after ${bytes} bytes`);
    await publish(worker, bodies, 2);
    await publish(worker, bodies, 1);
  }
  // All of it was sent.
  for (let round = 0; round < 3; round++) {
    await cut(worker, bodies[1], -1);
    await running(worker, bodies);
    await publish(worker, bodies, 2);
    await publish(worker, bodies, 1);
  }
});

test("a publication during which the process is killed leaves old or new", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "release");
  const bodies = await versions();
  await publish(worker, bodies, 1);
  const start = performance.now();
  await publish(worker, bodies, 2);
  const takes = performance.now() - start;
  await publish(worker, bodies, 1);
  const count = { old: 0, new: 0, acknowledged: 0 };
  for (let round = 0; round < KILLS; round++) {
    let acknowledged = false;
    const sent = worker.call("PUT", PATH, as.admin, bodies[1]).then(
      (answer) => (acknowledged = answer.status === 200),
      () => {},
    );
    // Over the whole of a publication: while its body comes, between copy, reading back and pointer, before the answer.
    await new Promise((done) => setTimeout(done, (takes * round) / KILLS));
    await worker.kill();
    await sent;
    await worker.start();
    const version = await running(worker, bodies);
    if (acknowledged) assert.equal(version, 2, "what was acknowledged is lost");
    count[version === 1 ? "old" : "new"]++;
    count.acknowledged += acknowledged ? 1 : 0;
    await publish(worker, bodies, 2);
    await publish(worker, bodies, 1);
  }
  t.diagnostic(`${KILLS} kills: ${JSON.stringify(count)}`);
  assert.ok(count.old > 0, "every kill came too late");
});

test("a rollback outlives a restart, and its copies are there", { timeout: 300_000 }, async (t) => {
  const store = await startStore(t);
  const worker = await deploy(t, "release", { kv: store.address });
  const bodies = await versions();
  const copy = (body) => store.entries.get(`bundle/${hashOf(body)}`)?.toString("utf8");
  const example = (await bundle()).toString("utf8");
  await publish(worker, bodies, 1);
  await publish(worker, bodies, 2);
  const back = await worker.call("POST", `/v1/audiences/${audience}/rollback`, as.admin, "");
  assert.equal(back.status, 200, back.text);
  assert.deepEqual([back.json.number, back.json.restores, back.json.changed], [4, 2, true]);
  assert.equal(back.headers["usher-dropped"], undefined);
  assert.equal(await running(worker, bodies), 1);
  await worker.restart();
  assert.equal(await running(worker, bodies), 1);
  // More than are kept: what falls out is gone, and what runs is not.
  for (let round = 0; round < 11; round++) {
    await publish(worker, bodies, 2);
    await publish(worker, bodies, 1);
  }
  const listed = await worker.call("GET", `/v1/audiences/${audience}/bundles`, as.admin);
  assert.deepEqual([listed.json.bundles.length, listed.json.kept], [20, 20]);
  const oldest = await worker.call("GET", `/v1/audiences/${audience}/bundles/1`, as.admin);
  assert.equal(oldest.status, 404);
  assert.deepEqual([example, ...bodies].map(copy), [undefined, ...bodies]);
  await worker.restart();
  assert.equal(await running(worker, bodies), 1);
});

test("what is refused leaves no copy", { timeout: 60_000 }, async (t) => {
  const store = await startStore(t);
  const worker = await deploy(t, "release", { kv: store.address });
  const bodies = await versions();
  await publish(worker, bodies, 1);
  const copies = () => [...store.entries.keys()].filter((key) => key.startsWith("bundle/")).length;
  assert.equal(copies(), 2);
  // One that is new, one that is kept, and the one that runs.
  for (const body of [bodies[1], (await bundle()).toString("utf8"), bodies[0]]) {
    const answer = await worker.call("PUT", PATH, { ...as.admin, "if-match": `"${hashOf("another")}"` }, body);
    assert.equal(answer.status, 412, answer.text);
    assert.equal(answer.headers["usher-dropped"], undefined);
    assert.equal(copies(), 2);
  }
  assert.equal(await running(worker, bodies), 1);
});

test("a copy that is damaged is had from where it was made", { timeout: 60_000 }, async (t) => {
  const store = await startStore(t);
  const worker = await deploy(t, "release", { kv: store.address });
  const bodies = await versions();
  await publish(worker, bodies, 1);
  store.entries.set(`bundle/${hashOf(bodies[0])}`, Buffer.from("echo_me_not"));
  await worker.restart();
  assert.equal(await running(worker, bodies), 1);
});

test("what is rolled back where an isolate is behind", { timeout: 60_000 }, async (t) => {
  const worker = await deploy(t, "release", { isolates: 2 });
  const bodies = await versions();
  await publish(worker, bodies, 1);
  const there = async () => {
    const [found, listed] = [await worker.second("GET", PATH, as.admin), await worker.second("GET", `${PATH}s`, as.admin)];
    const [newest] = listed.json.bundles;
    return [found.headers.etag, found.headers["usher-bundle"], listed.json.status, newest.number, newest.hash];
  };
  const [first, second] = bodies.map(hashOf);
  const before = await worker.second("GET", PATH, as.admin);
  assert.deepEqual([before.status, before.text === bodies[0]], [200, true]);
  await publish(worker, bodies, 2);
  // It knows from the control object alone, until it catches up with it.
  const behind = await worker.second("GET", PATH, as.admin);
  assert.equal(behind.headers.etag, `"${first}"`);
  const back = await worker.second("POST", `/v1/audiences/${audience}/rollback`, { ...as.admin, "if-match": `"${second}"` }, "");
  assert.deepEqual([back.status, back.json.changed, back.json.number, back.json.hash], [200, true, 4, first], back.text);
  assert.deepEqual(await there(), [`"${first}"`, "4", "ok", 4, first]);
  // Now the first one is behind, and says so.
  const listed = await worker.call("GET", `${PATH}s`, as.admin);
  assert.deepEqual([listed.json.status, listed.json.bundles[0].hash], ["updating", first]);
});

test("what an audience's end is to an isolate that is behind", { timeout: 60_000 }, async (t) => {
  const worker = await deploy(t, "release", { isolates: 2 });
  const other = JSON.stringify({
    format: 2,
    definition: {
      audience: { id: "7" },
      key_events: [{ name: "view", table: { database: "web", table: "pageviews" } }],
      attributes: [{ name: "views", sensitive: false, kind: { counter: { key_event: "view", increment: { constant: 1 } } } }],
      identity: { keys: [{ name: "td_client_id" }] },
    },
  });
  const ofOther = "/v1/audiences/7/bundle";
  const put = async (number) => {
    const answer = await worker.call("PUT", ofOther, as.admin, other);
    assert.deepEqual([answer.status, answer.json.number], [200, number], answer.text);
  };
  const out = async (path) => {
    const answer = await worker.call("DELETE", path, as.admin);
    assert.deepEqual([answer.status, answer.json.hash], [200, ""], answer.text);
  };
  const send = async () => {
    const answer = await worker.second("POST", "/web/pageviews", as.collector, { events: [{ td_client_id: "v", td_path: "/" }] });
    assert.deepEqual([answer.status, answer.json], [200, { receipts: [{ success: true }] }], answer.text);
  };
  await put(1);
  await send();
  await out(ofOther);
  // The second isolate still names both, and the one that is left gets the event.
  const known = await worker.second("GET", "/v1/audiences", as.admin);
  assert.deepEqual(known.json.audiences.map(({ id }) => id), [audience, "7"]);
  await send();
  await put(3);
  await send();
  const explained = await worker.call("POST", "/v1/explain", as.server, { audience: "7", key: { name: "td_client_id", value: "v" } });
  assert.equal(explained.json.profile.attributes.views.value, 2, explained.text);
  // An audience alone is as unknown as to an isolate that has heard of it.
  await out(PATH);
  const page = (send) => send.call(worker, "POST", "/public/web/pageviews", as.browser, { td_client_id: "v" });
  const [behind, knows] = [await page(worker.second), await page(worker.call)];
  assert.deepEqual([behind.status, behind.text], [404, knows.text]);
});
