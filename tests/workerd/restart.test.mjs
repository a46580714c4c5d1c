// What a worker finds after a restart on the same data, what a lookup with a token may answer, and how packed bodies are
// read by the platform's own inflation.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";

import { as, audience, bundle, credentials, deploy, newId } from "./deployment.mjs";

const viewsIn = (answer) => Object.values(answer.json.offers)[0].attributes.page_views_24h;

test("bundle and profiles are there after a restart, from the first answer on", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "release");
  const batch = Array.from({ length: 3 }, () => ({ td_client_id: "back", td_path: "/product/P-207", product_id: "P-207", uuid: newId() }));
  assert.equal((await worker.batch("pageviews", batch)).status, 200);
  const imported = await worker.call("POST", `/v1/audiences/${audience}/profiles/import`, as.server, '{"customer_id":"c-1001","loyalty_tier":"VIP","vip_discount_percentage":15}');
  assert.equal(imported.status, 200, imported.text);
  const published = await worker.call("GET", `/v1/audiences/${audience}/bundle`, as.admin);

  await worker.restart();
  const first = await worker.lookup("back");
  assert.equal(first.status, 200, first.text);
  assert.deepEqual(first.json.offers, {
    Warm: { attributes: { last_product_viewed: "P-207", page_views_24h: 3 }, batch_segments: [] },
  });

  await worker.restart();
  const fourth = await worker.event("pageviews", { td_client_id: "back", td_path: "/" });
  assert.equal(fourth.status, 200, fourth.text);
  assert.equal(viewsIn(fourth), 4);
  // A copy of an event from before is still known as one.
  await worker.batch("pageviews", batch.slice(0, 1));
  assert.equal((await worker.values("back")).page_views_24h, 4);

  await worker.restart();
  const signedIn = await worker.batch("formfills", [{ td_client_id: "back", customer_id: "c-1001" }]);
  assert.deepEqual(signedIn.json, { receipts: [{ success: true }] });
  const vip = await worker.event("pageviews", { td_client_id: "back", td_path: "/" });
  assert.equal(vip.json.offers["VIP Customers"]?.attributes.vip_discount_percentage, 15, vip.text);

  await worker.restart();
  const found = await worker.call("GET", `/v1/audiences/${audience}/bundle`, as.admin);
  assert.equal(found.status, 200, found.text);
  assert.equal(found.headers["usher-bundle"], "1");
  assert.equal(found.headers.etag, published.headers.etag);
  assert.equal(found.text, (await bundle()).toString("utf8"));
});

test("many at once find a cold worker ready", { timeout: 300_000 }, async (t) => {
  const [rounds, callers] = [3, 30];
  const worker = await deploy(t, "release");
  const wrong = [];
  for (let round = 1; round <= rounds; round++) {
    await worker.restart();
    const answers = await Promise.all(
      Array.from({ length: callers }, (_, index) => {
        const event = { td_client_id: `cold-${index}`, td_path: "/" };
        if (index % 3 === 0) return worker.event("pageviews", event);
        if (index % 3 === 1) return worker.batch("pageviews", [event]);
        return worker.lookup(`cold-${index}`);
      }),
    );
    wrong.push(...answers.filter(({ status }) => status !== 200).map(({ status, text }) => `${status} ${text}`));
  }
  t.diagnostic(`${rounds * callers} first requests: ${wrong.length} not answered`);
  assert.equal(wrong.length, 0, `${wrong.length} of ${rounds * callers}, such as ${wrong[0]}`);
});

test("a lookup that carries a token never sees an older version", { timeout: 300_000 }, async (t) => {
  const rounds = 50;
  const worker = await deploy(t, "release");
  const visitor = "reader";
  let [older, cached] = [0, 0];
  for (let round = 1; round <= rounds; round++) {
    // Lookups without a token fill the caches with the version before the event, while it is being written.
    const around = Array.from({ length: 4 }, () => worker.lookup(visitor));
    const event = { td_client_id: visitor, td_path: "/" };
    // The token of a personalized event and the one of a receipt are the same promise.
    const answer = round % 2 ? await worker.event("pageviews", event) : await worker.batch("pageviews", [event]);
    assert.equal(answer.status, 200, answer.text);
    const seen = answer.headers["usher-seen"];
    assert.ok(seen, "an event is answered with a token");
    const plain = Array.from({ length: 4 }, () => worker.lookup(visitor));
    const looks = await Promise.all(Array.from({ length: 4 }, () => worker.lookup(visitor, { seen })));
    for (const look of looks) {
      assert.equal(viewsIn(look), round, `round ${round}: ${look.text}`);
      assert.equal(look.json.meta.version, round);
    }
    for (const look of await Promise.all([...around, ...plain])) {
      assert.equal(look.status, 200, look.text);
      if (look.json.meta.source !== "writer") cached++;
      if (look.json.meta.version < round) older++;
    }
  }
  t.diagnostic(`${rounds * 4} lookups with a token: 0 older; ${rounds * 8} without: ${cached} from a cache, ${older} older`);
  assert.ok(cached > 0 && older > 0, "the caches were never in the way, so nothing was shown");
});

test("a token outlives a restart, and an old snapshot in the key-value store does not answer it", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "release");
  await worker.event("pageviews", { td_client_id: "reader", td_path: "/" });
  // Kept in memory and in the key-value store.
  assert.equal(viewsIn(await worker.lookup("reader")), 1);
  const answer = await worker.event("pageviews", { td_client_id: "reader", td_path: "/" });
  const seen = answer.headers["usher-seen"];
  await worker.restart();
  const old = await worker.lookup("reader");
  assert.deepEqual([old.json.meta.source, viewsIn(old)], ["kv", 1], "without a token the kept snapshot is near enough");
  const look = await worker.lookup("reader", { seen });
  assert.deepEqual([look.json.meta.source, viewsIn(look)], ["writer", 2]);
  // The newer snapshot replaced the old one.
  const next = await worker.lookup("reader");
  assert.deepEqual([next.json.meta.source, viewsIn(next)], ["memory", 2]);
});

test("packed bodies", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "release");
  const sent = (name) => Buffer.from(JSON.stringify({ events: [{ td_client_id: name, td_path: "/" }] }));
  const post = (coding, body) =>
    worker.call("POST", "/web/pageviews", { ...as.collector, "content-type": "application/json", "content-encoding": coding }, body);
  const views = async (name) => (await worker.values(name)).page_views_24h;

  await t.test("gzip is inflated", async () => {
    const answer = await post("gzip", gzipSync(sent("packed")));
    assert.deepEqual([answer.status, answer.text], [200, '{"receipts":[{"success":true}]}']);
    assert.equal(await views("packed"), 1);
  });

  await t.test("the bound counts what comes out", async () => {
    const filled = (bytes) => {
      const shell = JSON.stringify({ events: [{ td_client_id: "large" }], fill: "" });
      return Buffer.from(shell.replace('"fill":""', `"fill":"${" ".repeat(bytes - shell.length)}"`));
    };
    const bound = 5 * 1024 * 1024;
    const fits = await post("gzip", gzipSync(filled(bound)));
    assert.notEqual(fits.status, 413, "exactly 5 MiB is not too large");
    const before = await views("large");
    for (const bytes of [bound + 1, 200 * 1024 * 1024]) {
      const memory = worker.memory();
      const start = performance.now();
      const answer = await post("gzip", gzipSync(filled(bytes)));
      assert.equal(answer.status, 413, `${bytes} bytes: ${answer.text}`);
      assert.equal(answer.json.code, 4130);
      const [took, grew] = [performance.now() - start, worker.memory() - memory];
      t.diagnostic(`${bytes} bytes inside: 413, packing and answer in ${took.toFixed(0)} ms, the process grew by ${grew.toFixed(0)} MiB`);
      assert.ok(grew < 128, `refusing ${bytes} bytes took ${grew.toFixed(0)} MiB`);
    }
    assert.equal(await views("large"), before, "a refused body leaves nothing");
  });

  await t.test("a broken pack is a 400 and leaves nothing", async () => {
    const whole = gzipSync(sent("broken"));
    const flipped = Buffer.from(whole);
    flipped[flipped.length - 6] ^= 0xff;
    const broken = {
      "no gzip": sent("broken"),
      "cut short": whole.subarray(0, -9),
      "wrong checksum": flipped,
      "two members": Buffer.concat([whole, whole]),
      "zeros after it": Buffer.concat([whole, Buffer.alloc(8)]),
      nothing: Buffer.alloc(0),
    };
    for (const [name, body] of Object.entries(broken)) {
      const answer = await post("gzip", body);
      assert.deepEqual([answer.status, answer.json.code], [400, 3004], `${name}: ${answer.text}`);
    }
    assert.equal(await views("broken"), 0);
  });

  await t.test("other codings", async () => {
    // RFC 9110 §8.4.1: names of codings are case-insensitive, and x-gzip is gzip.
    const noted = [];
    for (const [coding, body] of [["GZIP", gzipSync(sent("other"))], ["x-gzip", gzipSync(sent("other"))], ["deflate", deflateSync(sent("other"))], ["identity", sent("other")], ["snappy", sent("other")]]) {
      const { status } = await post(coding, body);
      noted.push(`${coding} ${status}`);
      assert.ok(status === 200 || status === 400 || status === 415, `${coding}: ${status}`);
    }
    t.diagnostic(`other codings: ${noted.join(", ")}`);
  });
});

test("a body that breaks off is its caller's business", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "release");
  const port = Number(new URL(worker.url).port);
  const head = (route, key, framing) => `POST ${route} HTTP/1.1\r\nHost: edge\r\nAuthorization: TD1 ${key}\r\n${framing}\r\n\r\n`;
  const routes = [["/web/pageviews", credentials.write_key], [`/v1/audiences/${audience}/rollback`, credentials.admin_key]];
  for (const [route, key] of routes) {
    for (const framing of ["Content-Length: 1000", "Transfer-Encoding: chunked", "Content-Length: 1000\r\nContent-Encoding: gzip"]) {
      // The caller hears no more, so nothing must be done with what came; half closed, it still listens.
      const socket = connect(port, "127.0.0.1");
      let answer = "";
      socket.on("data", (bytes) => (answer += bytes));
      socket.on("error", () => {});
      const closed = new Promise((done) => socket.once("close", done));
      socket.end(`${head(route, key, framing)}${framing.startsWith("T") ? "5\r\n" : ""}{"num`);
      const timer = setTimeout(() => socket.destroy(), 5_000);
      await closed;
      clearTimeout(timer);
      assert.doesNotMatch(answer, /^HTTP\/1.1 [25]/, `${route}, ${framing}: ${answer}`);
    }
  }
  assert.doesNotMatch(worker.log, /failure/, worker.log);
  assert.equal((await worker.call("GET", `/v1/audiences/${audience}/bundle`, as.admin)).headers["usher-bundle"], "1");
});
