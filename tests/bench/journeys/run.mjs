// `make bench-journeys`: what journeys cost events, and how fast their messages leave.
//
// The server is pinned to the first core; receiver and load run on the second.
//
// usage: node run.mjs USHER ENGINE [row…], the command line and `journeys` of tests/src/bin, both built for release. QUICK=1 for fewer
// rounds, VISITORS=n instead of a million who wait, CHECK=1 fails on a missed must, WRITE=1 writes RESULTS.md

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { cpu, median, quantile, ratio } from "../edge/measure.mjs";
import { writeSection } from "../results.mjs";
import { sendBatches, sendEvents, startReceiver, startServer, usher } from "./native.mjs";
import { alone } from "./objects.mjs";
import { JOURNEYS, SENDING, STAGES, definition, view } from "./work.mjs";

const [, , , engine, ...wanted] = process.argv;
const quick = Boolean(process.env.QUICK);
const rounds = quick ? 5 : 15;
const visitors = Number(process.env.VISITORS ?? (quick ? 100_000 : 1_000_000));
const temporary = mkdtempSync(join(tmpdir(), "usher-bench-journeys-"));
const running = [];
const table = [];

/** Who sends the events. The must is not about those who wait in all journeys, which is rare. */
const WHO = { none: "a visitor in none", one: "a visitor who waits in one", all: "a visitor who waits in all" };
const ROWS = { webhook, engine: inTheEngine, event: throughTheService, due, objects: async () => add(await alone(usher)) };

try {
  for (const [name, row] of Object.entries(ROWS)) {
    if (wanted.length > 0 && !wanted.some((part) => name.startsWith(part))) continue;
    try {
      await row();
    } finally {
      for (const process of running.splice(0)) process.stop();
    }
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
const text = report();
console.log(text);
if (process.env.WRITE && wanted.length === 0) writeSection("Journeys", `Written by \`WRITE=1 make bench-journeys\`.\n\n${text}`);
if (process.env.CHECK && table.some(({ met }) => met === false)) process.exit(1);

/** From when an event is sent until its webhook is there, at 100 events a second. */
async function webhook() {
  const receiver = await kept(startReceiver());
  const server = await kept(startServer(folder(), SENDING, receiver));
  const [rate, seconds] = [100, quick ? 10 : 60];
  const sent = new Map();
  const answers = [];
  // The first ones make the connections.
  const [first, count] = [-rate, rate * seconds];
  const start = now() - (first * 1_000) / rate;
  for (let n = first; n < count; n++) {
    const at = start + (n * 1_000) / rate;
    await sleep(Math.max(0, at - now()));
    const customer = `v${n - first}`;
    sent.set(customer, at);
    answers.push(sendEvents(server, "campaigns", [{ customer_id: customer, campaign: "now" }]));
  }
  await Promise.all(answers);
  await received(receiver, sent.size, 60_000);
  const found = [...sent].filter(([, at]) => at >= start).map(([customer, at]) => receiver.got.get(customer) - at);
  add({
    title: `event → webhook received, ${rate} events a second for ${seconds} s, p50 / p99`,
    ours: `${shown(quantile(found, 0.5))} / ${shown(quantile(found, 0.99))} ms`,
    must: "50 / 1,000 ms",
    aim: "10 / 100 ms",
    met: quantile(found, 0.5) <= 50 && quantile(found, 0.99) <= 1_000,
  });
}

/** The engine alone: an event with the journeys beside one without, from stored profile to stored profile. */
function inTheEngine() {
  const folders = [false, true].map((journeys) => written(folder(), definition(journeys)));
  const printed = execFileSync("taskset", ["-c", "0", engine, ...folders], { encoding: "utf8" });
  for (const line of printed.trim().split("\n")) {
    const { in: where, without, with: having } = JSON.parse(line);
    beside(`the engine, CPU per event with ${JOURNEYS} journeys of ${STAGES} stages; ${WHO[where]}`, [having, without].map((all) => all.map((nanos) => nanos / 1_000)), where);
  }
}

/** The native server: the same events, one a request, committed and synced. */
async function throughTheService() {
  const servers = [await kept(startServer(folder(), definition(true))), await kept(startServer(folder(), definition(false)))];
  const requests = quick ? 1_000 : 3_000;
  for (const [where, campaign] of [["none", "none"], ["one", "c3"], ["all", "all"]]) {
    const customer = (n) => `${where}-${n % 50}`;
    const micros = servers.map(() => []);
    for (const server of servers) {
      await sendEvents(server, "campaigns", Array.from({ length: 50 }, (_, n) => ({ customer_id: customer(n), campaign })));
      for (let n = 0; n < 10; n++) await sendEvents(server, "pageviews", Array.from({ length: 50 }, (_, at) => view(customer(at), n)));
      await sendBatches(server, "pageviews", 500, (n) => [view(customer(n), n)], 8);
    }
    for (let round = 0; round < rounds; round++) {
      for (const [index, server] of servers.entries()) {
        const before = cpu(server.pid);
        await sendBatches(server, "pageviews", requests, (n) => [view(customer(n), n)], 8);
        micros[index].push((cpu(server.pid) - before) / 1_000 / requests);
      }
    }
    beside(`natively, CPU per event with ${JOURNEYS} journeys of ${STAGES} stages; ${WHO[where]}`, micros, where);
  }
}

/** Many wait for a week; of a thousand a second the wait is over. */
async function due() {
  const receiver = await kept(startReceiver());
  const server = await kept(startServer(folder(), SENDING, receiver));
  const began = now();
  const batch = (n) => Array.from({ length: 500 }, (_, at) => ({ customer_id: `w${n * 500 + at}`, campaign: "later" }));
  await sendBatches(server, "campaigns", Math.ceil(visitors / 500), batch);
  console.error(`${visitors} visitors wait, after ${((now() - began) / 1_000).toFixed(0)} s`);
  const [rate, seconds, each] = [1_000, quick ? 20 : 60, 50];
  const sent = new Map();
  const start = now();
  for (let n = 0; n < rate * seconds; n += each) {
    await sleep(Math.max(0, start + (n * 1_000) / rate - now()));
    const events = Array.from({ length: each }, (_, at) => ({ customer_id: `d${n + at}`, campaign: "soon" }));
    // The wait begins between sending and answer.
    for (const { customer_id } of events) sent.set(customer_id, now() + 60_000);
    await sendEvents(server, "campaigns", events);
  }
  const before = cpu(server.pid);
  await received(receiver, sent.size, 60_000 + seconds * 1_000 + 120_000);
  const found = [...sent].map(([customer, at]) => receiver.got.get(customer) - at);
  const times = [0.5, 0.99, 1].map((at) => shown(quantile(found, at)));
  add({
    title: `${visitors.toLocaleString("en-US")} visitors wait, ${rate.toLocaleString("en-US")} are due each second for ${seconds} s: due → received, p50 / p99 / most`,
    ours: `${times.join(" / ")} ms`,
    must: "p99 2,000 ms",
    aim: "p99 500 ms",
    met: quantile(found, 0.99) <= 2_000,
    note: `${((cpu(server.pid) - before) / 1_000 / sent.size).toFixed(0)} µs of CPU a visitor who is due`,
  });
}

/** Waits until so many customers' messages are there. */
async function received(receiver, count, atMost_ms) {
  const end = now() + atMost_ms;
  while (receiver.got.size < count) {
    if (now() > end) throw new Error(`only ${receiver.got.size} of ${count} messages came`);
    await sleep(50);
  }
}

function beside(title, [ours, theirs], where) {
  const found = ratio(ours, theirs);
  const bounds = where === "all" ? {} : { must: 1.5, aim: 1.15, met: found.median <= 1.5 };
  add({ title, ours: `${median(ours).toFixed(1)} µs`, theirs: `${median(theirs).toFixed(1)} µs`, found, ...bounds });
}

/** Unix milliseconds, finer than `Date`. */
function now() {
  return performance.timeOrigin + performance.now();
}

function shown(value) {
  return value.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

function folder() {
  return mkdtempSync(join(temporary, "subject-"));
}

function written(into, texts) {
  mkdirSync(into, { recursive: true });
  texts.forEach((text, index) => writeFileSync(join(into, `${index}.yaml`), text));
  return into;
}

/** The process, which stops with its row. */
async function kept(starting) {
  const process = await starting;
  running.push(process);
  return process;
}

function add(row) {
  table.push(row);
  console.error(`${row.title}: ${row.found ? row.found.median.toFixed(2) : row.ours}${row.note ? ` (${row.note})` : ""}`);
}

function report() {
  const rows = table.map(({ title, ours, theirs = "", found, must = "", aim = "", met, note }) => {
    const ratios = found ? `${found.median.toFixed(2)} (${found.least.toFixed(2)} to ${found.most.toFixed(2)})` : "";
    const verdict = met === undefined ? "printed" : met ? "met" : "**missed**";
    return `| ${title}${note ? ` (${note})` : ""} | ${ours} | ${theirs} | ${ratios} | ${must} | ${aim} | ${verdict} |`;
  });
  return [
    `Node ${process.version}, ${rounds} rounds; with journeys, without them, and the median of the rounds' ratios with the smallest and the largest.`,
    "",
    "| row | ours | without | ratio | must | aim | |",
    "|---|---|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}
