// Connections that are silent or slow, from a process of their own (`slow-clients.mjs`).

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { constants, setPriority } from "node:os";
import { fileURLToPath } from "node:url";

import { as } from "../workerd/deployment.mjs";
import { attacker } from "./edges.mjs";

/** The head of a batch of so many bytes. */
export function upload(bytes) {
  const headers = Object.entries({ ...as.collector, host: "edge", "content-length": String(bytes) });
  return `POST /web/pageviews HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

/** The start of each fifth connection: nothing, half a head, or half a body. */
export const STARTS = ["", "POST /web/pageviews HTTP/1.1\r\nHost: e", `${upload(1_000)}{`, "", `${upload(1_000)}{`];

/**
 * Connections of a process of its own; fulfilled with the number that were connected when all of `rounds` are over. They stay until
 * the test ends, or the process, which `started` gets. A real attacker works on a machine of his own. This one shares the victim's
 * and the server's, so it takes the processor when they do not want it: otherwise its own work would count as what the
 * connections cost.
 */
export async function slowClients(t, edge, { addresses, started = () => {}, ...what }) {
  const child = fork(fileURLToPath(new URL("slow-clients.mjs", import.meta.url)), { execArgv: [] });
  t.after(() => child.kill());
  setPriority(child.pid, constants.priority.PRIORITY_LOW);
  started(child);
  const from = Array.from({ length: addresses }, (_, index) => attacker(index));
  child.send({ port: edge.port, addresses: from, ...what });
  const [connected] = await Promise.race([once(child, "message"), once(child, "exit").then(() => [])]);
  assert.ok(connected, "the attacker's process ended early");
  return connected;
}
