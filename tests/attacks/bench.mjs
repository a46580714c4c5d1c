// What 5,000 silent or slow connections to the native server cost a victim: the ratio of its p99 beside them to its p99 without.
//
// Calm and attacked stretches alternate in one run, so both have whatever else the machine does. The server has a core of its own.
// The victim and the attacker share another one, where the victim goes first: a real attacker has a machine of its own. `make attacks BENCH=1` runs this; with CHECK=1 it fails over the bound.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import { attacked, canMount, p99, visit } from "./edges.mjs";
import { STARTS, slowClients } from "./slow.mjs";

const ROUNDS = Number(process.env.ROUNDS ?? 8);
/** Views in each calm stretch; an attacked one lasts as long as its attack. */
const CALM_VIEWS = 500;
const CONNECTIONS = 5_000;
/** Between two views, when the attacker has their core. */
const PAUSE_MS = 2;
/** For the server's data, in memory: waiting for a disk would hide what the attack costs. */
const DISK_MIB = 256;
/** The p99 beside the attack may be so many times the calm one. */
const MUST = 2;

if (process.platform !== "linux" || availableParallelism() < 2) throw new Error("this needs Linux and two cores");
const pin = (core, pid) => execFileSync("taskset", ["-a", "-c", "-p", core, String(pid)], { stdio: "ignore" });
/** Only root may let a process go before whatever else the machine does. */
const isRoot = process.getuid() === 0;
const hurry = (pid) => isRoot && execFileSync("chrt", ["-a", "-r", "-p", "1", String(pid)]);

const ends = [];
const t = { after: (end) => ends.push(end), diagnostic: console.log };
let failed = false;
try {
  const edge = await attacked(t, "native", canMount() ? DISK_MIB : undefined);
  pin("0", edge.pid);
  pin("1", process.pid);
  hurry(edge.pid);
  hurry(process.pid);
  let views = 0;
  // From many addresses, because one has a rate.
  const view = async () => {
    const took = await visit(edge, `127.0.0.${2 + (Math.floor(views++ / 1_000) % 250)}`);
    await sleep(PAUSE_MS);
    return took;
  };
  for (let index = 0; index < CALM_VIEWS; index++) await view();
  for (const addresses of [1, 100]) {
    const [calm, beside, ratios] = [[], [], []];
    for (let round = 0; round < ROUNDS; round++) {
      const [before, during] = [[], []];
      while (before.length < CALM_VIEWS) before.push(await view());
      let [attacker, attacking] = [undefined, true];
      const started = (child) => {
        attacker = child;
        if (isRoot) execFileSync("chrt", ["-a", "-o", "-p", "0", String(child.pid)]);
      };
      const attack = slowClients(t, edge, { connections: CONNECTIONS, addresses, starts: STARTS, trickles: true, rounds: 5, pause: 200, started });
      // A failure is thrown where it is awaited; until then it is no unhandled one.
      attack.catch(() => {}).finally(() => (attacking = false));
      while (attacking) during.push(await view());
      assert.ok((await attack) > CONNECTIONS * 0.99, "the attacker was connected to the server");
      attacker.kill();
      // Until the server has closed what the attacker had.
      await sleep(500);
      calm.push(...before);
      beside.push(...during);
      ratios.push(p99(during) / p99(before));
    }
    const ratio = p99(beside) / p99(calm);
    const sorted = ratios.toSorted((a, b) => a - b).map((each) => each.toFixed(2));
    console.log(
      `${CONNECTIONS} connections from ${addresses} address${addresses > 1 ? "es" : ""}: p99 ${p99(beside).toFixed(2)} ms of ${beside.length} views, ` +
        `${p99(calm).toFixed(2)} ms of ${calm.length} without: ${ratio.toFixed(2)} × (must ${MUST} ×); by round ${sorted.join(" ")}`,
    );
    failed ||= ratio > MUST;
  }
} finally {
  for (const end of ends.reverse()) await end();
}
if (failed) console.log(`over the bound of ${MUST} ×`);
if (failed && process.env.CHECK) process.exitCode = 1;
