// Connections that say nothing, connections whose heads or bodies come a byte at a time or never, and connections that never
// read their answers: they cost whoever opens them, and everybody else is served.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { as } from "../workerd/deployment.mjs";
import { attacked, attacker, beside, hosts } from "./edges.mjs";
import { STARTS, slowClients, upload } from "./slow.mjs";

/** Far above what one process of the native server takes at once; workerd takes what the platform lets it. */
const WANTED = { native: 5_000, workerd: 1_500 };
/** Handles of this process: Node raises its soft limit to the hard one. Some are left for everything else. */
const HANDLES = Number(process.report.getReport().userLimits.open_files.soft) || Infinity;
/** As many as one process of the native server takes at once. */
const WAITING = 900;
/** Requests of a connection that never reads: their answers are more than what the kernels at both ends keep. */
const UNREAD = 100;
/** How long an answer may wait for its reader, in ms. */
const UNREAD_MS = 45_000;

/** The processor time of one of so many calls, in ms. */
async function cpuOfOne(edge, calls, call) {
  const start = edge.cpu();
  for (let index = 0; index < calls; index++) await call();
  return (edge.cpu() - start) / calls;
}

for (const host of hosts) {
  const connections = Math.min(WANTED[host], HANDLES - 500);
  for (const [name, addresses] of [["one address", 1], ["a hundred addresses", 100]]) {
    test(`${host}: ${connections} silent or slow connections from ${name}`, { timeout: 90_000 }, async (t) => {
      const edge = await attacked(t, host);
      if (connections < WANTED[host]) t.diagnostic(`${connections} of ${WANTED[host]} connections: \`ulimit -n\` allows ${HANDLES}`);
      const view = await cpuOfOne(edge, 200, () => edge.view("victim"));
      const start = edge.cpu();
      const { views } = await beside(t, edge, () =>
        slowClients(t, edge, { connections, addresses, starts: STARTS, trickles: true, rounds: 10, pause: 200 }),
      );
      const connection = (edge.cpu() - start - views * view) / connections;
      t.diagnostic(`a connection costs the server ${(connection * 1_000).toFixed(0)} µs of processor time, a view ${(view * 1_000).toFixed(0)} µs`);
      // Times beside depend on what else the machine does, and are printed; this does not. workerd's connections are its own.
      if (host === "native") assert.ok(connection < view / 4, "a connection that is not answered costs less than a quarter of a view");
      // Somebody who was not there before is served, too.
      const stranger = await edge.call("GET", "/healthz", {}, undefined, "127.0.0.3", 5_000);
      assert.equal(stranger.status, 200);
    });
  }

  for (const [name, request, trickles] of [
    ["without a key, whose bodies never come", "GET /healthz HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n", false],
    ["by a public key, whose bodies come a byte at a time", upload(1_000), true],
  ]) {
    test(`${host}: ${WAITING} connections from four addresses ${name}`, { timeout: 60_000 }, async (t) => {
      const edge = await attacked(t, host);
      // The attacker reconnects when it is closed, and the attack lasts longer than any body may take.
      await beside(t, edge, () =>
        slowClients(t, edge, { connections: WAITING, addresses: 4, starts: [request], reopens: true, trickles, rounds: 4, pause: 2_000 }),
      );
      const stranger = await edge.call("GET", "/healthz", {}, undefined, "127.0.0.3", 5_000);
      assert.equal(stranger.status, 200);
    });
  }

  test(`${host}: connections that never read`, { timeout: 90_000 }, async (t) => {
    const edge = await attacked(t, host);
    // An answer as large as a public answer becomes.
    const note = (index) => Object.fromEntries(["a", "b", "c", "d", "e", "f"].map((list) => [list, `${list}-${index}-${"v".repeat(380)}`]));
    for (let batch = 0; batch < 5; batch++) {
      const events = Array.from({ length: 20 }, (_, index) => ({ td_client_id: "hoarder", ...note(batch * 20 + index) }));
      const answer = await edge.batch("notes", events, attacker(batch));
      assert.equal(answer.status, 200, answer.text);
    }
    const body = JSON.stringify({ td_client_id: "hoarder", a: "once" });
    const headers = Object.entries({ ...as.browser, host: "edge", "content-length": String(body.length) });
    const request = `POST /public/web/notes HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
    const size = (await edge.call("POST", "/public/web/notes", as.browser, body, attacker(6))).text.length;
    const sockets = [];
    t.after(() => sockets.forEach((socket) => socket.destroy()));
    await beside(t, edge, async () => {
      for (let index = 0; index < 20; index++) {
        const socket = edge.connection(request.repeat(UNREAD), attacker(10 + index));
        socket.pause();
        sockets.push(socket);
      }
      await sleep(2_000);
    });
    t.diagnostic(`${UNREAD} answers of ${size} bytes for each of ${sockets.length} connections`);
    if (host === "workerd") {
      t.diagnostic("what becomes of them is the platform's: workerd has no setting for it");
      return;
    }
    const start = Date.now();
    const held = () => sockets.filter((socket) => !socket.closed && edge.holds(socket)).length;
    while (held() > 0 && Date.now() - start < UNREAD_MS) await sleep(250);
    const left = held();
    t.diagnostic(`${sockets.length - left} of ${sockets.length} closed after ${((Date.now() - start) / 1000).toFixed(0)} s`);
    assert.equal(left, 0, `${left} connections are still held`);
  });
}
