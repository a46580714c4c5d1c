// The edge beside hand-written workers, in one run: CPU per answer, latency, size, cold start, cost.
//
// Every subject is a workerd of its own on the first core; the load comes from the second. Rounds alternate between subjects, and
// a ratio is the median of the rounds' ratios. Before anything is timed, Usher and the hand-written workers must give the same
// answers.
//
// usage: node run.mjs [row…]; QUICK=1 for fewer rounds, REQUESTS=n in each, CHECK=1 fails on a missed must, WRITE=1 writes
// RESULTS.md

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { workerdBinary } from "../../../edge-worker/cloudflare/local/workerd.mjs";
import { writeSection } from "../results.mjs";
import { coldStarts } from "./cold.mjs";
import { costPerMillion } from "./cost.mjs";
import { capacity, connections, cpu, latencies, load, median, ratio, send } from "./measure.mjs";
import { startNative, underLoad } from "./native.mjs";
import { startHello, startSpin } from "./spin.mjs";
import { AUDIENCE, PERSONALIZATION, event } from "./work.mjs";
import { CUSTOMERS, ORIGIN, asBackend, asServer, root, startByHand, startConstant, startModules, startUsher } from "./workers.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(process.env.CARGO_TARGET_DIR ?? join(root, "target"));
const dist = join(target, "worker/release");
const rustDist = join(target, "worker/rust-release");
const helloDist = join(target, "worker/hello");
const quick = Boolean(process.env.QUICK);
const rounds = quick ? 5 : 15;
const requests = Number(process.env.REQUESTS ?? (quick ? 1_000 : 3_000));
const wanted = process.argv.slice(2);
const temporary = mkdtempSync(join(tmpdir(), "usher-bench-"));
const running = [];
const table = [];

const lookup = { path: "/v1/personalize", headers: asServer };
const lookupOf = (n) => JSON.stringify({ audience: AUDIENCE, personalization: PERSONALIZATION, inputs: { customer_id: `c-${n % CUSTOMERS}` } });
const personalized = { path: "/web/pageviews", headers: asBackend };
const eventOf = (n, round) => JSON.stringify({ ...event(n % CUSTOMERS, n), uuid: `${round}-${n}` });

const ROWS = {
  "snapshot-20": () => beside("CPU per answer from a snapshot, 20 sections", 20, "hand", { must: 1.05, aim: 0.9 }),
  "snapshot-20-parsed": () => beside("the same, where JavaScript keeps profiles parsed", 20, "hand", { parsed: true }),
  "snapshot-200": () => beside("CPU per answer from a snapshot, 200 sections", 200, "hand", { must: 0.8, aim: 0.5 }),
  growthbook: () => beside("the same with 50 sections, beside GrowthBook 1.8.0", 50, "growthbook", { must: 0.5, aim: 0.25 }),
  "json-logic": () => beside("the same with 50 sections, beside json-logic-engine 5.0.7", 50, "logic", { must: 0.5, aim: 0.25 }),
  constant,
  event: events,
  shards,
  p99,
  size,
  cold,
  library,
  spin,
  native,
  "native-shards": nativeShards,
};

try {
  for (const [name, row] of Object.entries(ROWS)) {
    if (wanted.length > 0 && !wanted.some((part) => name.startsWith(part))) continue;
    try {
      await row();
    } finally {
      for (const worker of running.splice(0)) worker.stop();
    }
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
const cost = costPerMillion(table);
const text = report();
console.log(text);
if (process.env.WRITE && wanted.length === 0) writeSection("The edge", `Written by \`WRITE=1 make bench-edge\`.\n\n${text}`);
if (process.env.CHECK && [...table, cost].some((row) => row?.met === false)) process.exit(1);

/** Lookups from memory: Usher beside a hand-written worker that decides in this way. */
async function beside(title, count, decide, { parsed = false, must, aim }) {
  const ours = await usher(count);
  const theirs = await kept(startByHand(folder(), decide, count, parsed));
  const bare = ({ text }) => JSON.stringify({ ...JSON.parse(text), meta: { ...JSON.parse(text).meta, age_ms: 0, version: 0, source: "" } });
  let answers = 0;
  for (let n = 0; n < CUSTOMERS; n++) {
    const [mine, other] = await Promise.all([ours, theirs].map((worker) => send(connections(), { ...worker, ...lookup }, lookupOf(n))));
    if (bare(mine) !== bare(other)) throw new Error(`customer ${n} gets two answers:\n${mine.text}\n${other.text}`);
    answers += Object.keys(JSON.parse(mine.text).offers).length;
  }
  const subjects = [ours, theirs].map((worker) => ({ ...worker, ...lookup, body: lookupOf }));
  const micros = await inTurns(subjects);
  add(title, micros, { must, aim, note: `${(answers / CUSTOMERS).toFixed(1)} offers an answer` });
}

/** The answer to a preflight, which knows no visitor, beside a constant one. */
async function constant() {
  const ours = await usher(20);
  const theirs = await kept(startConstant(folder()));
  const preflight = { method: "OPTIONS", path: "/public/web/pageviews", headers: { origin: ORIGIN, "access-control-request-method": "POST" }, body: () => "", status: 204 };
  const subjects = [
    { ...ours, ...preflight },
    { ...theirs, ...preflight, status: 200 },
  ];
  add("a constant answer, Rust beside JavaScript", await inTurns(subjects), { must: 1.3, aim: 1 });
}

/** Events of known visitors, committed and answered. */
async function events() {
  const ours = await usher(20);
  const theirs = await kept(startByHand(folder(), "hand", 20));
  const subjects = [ours, theirs].map((worker) => ({ ...worker, ...personalized, body: eventOf }));
  add("event → committed → answer in a Durable Object", await inTurns(subjects), { must: 1, aim: 0.87 });
}

/** Events of known visitors with eight shards, beside one. */
async function shards() {
  const subjects = [await usher(20, 8), await usher(20)].map((worker) => ({ ...worker, ...personalized, body: eventOf }));
  add("CPU per event with 8 shards, beside 1, known visitors", await inTurns(subjects), { must: 1.1, aim: 1.03 });
}

/** Latency of lookups at half of the rate that the slower one can do. */
async function p99() {
  const ours = await usher(20);
  const theirs = await kept(startByHand(folder(), "hand", 20));
  const subjects = [ours, theirs].map((worker) => ({ ...worker, ...lookup, body: lookupOf }));
  const most = [];
  for (const subject of subjects) most.push(await capacity(subject, quick ? 2 : 5));
  const rate = Math.floor(Math.min(...most) / 2);
  const found = subjects.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, subject] of subjects.entries()) {
      const sorted = await latencies(subject, rate, quick ? 1 : 2);
      found[index].push(sorted[Math.floor(sorted.length * 0.99)]);
    }
  }
  add(`p99 of a lookup at ${rate} requests a second`, found, { must: 1.2, aim: 1, unit: "ms" });
}

function size() {
  const bytes = readFileSync(join(dist, "usher.wasm"));
  const gzip = gzipSync(bytes, { level: 9 }).length;
  const shown = (value) => value.toLocaleString("en-US");
  table.push({
    title: "the module that serves visitors, raw / gzip bytes",
    ours: `${shown(bytes.length)} / ${shown(gzip)}`,
    must: "400,000 / 170,000",
    aim: "300,000 / 120,000",
    met: bytes.length <= 400_000 && gzip <= 170_000,
  });
}

/** From the start of the process to the first answer, with a bundle published before. */
async function cold() {
  const ours = await usher(20);
  built("hello", helloDist, join(here, "hello"));
  const theirs = await kept(startModules(folder(), helloDist));
  for (const worker of running.splice(0)) worker.stop();
  const subjects = [
    { ...ours, ...lookup, text: lookupOf(1) },
    { ...theirs, method: "GET", path: "/", text: "" },
  ];
  add("cold start, beside a hello-world Rust worker", await coldStarts(subjects, rounds), { must: 1.5, aim: 1.2, unit: "ms" });
}

/** The library form beside the ready-made worker. */
async function library() {
  built("rust worker", rustDist);
  const ours = await kept(startUsher(folder(), rustDist, 20));
  const theirs = await usher(20);
  const subjects = [ours, theirs].map((worker) => ({ ...worker, ...lookup, body: lookupOf }));
  add("usher-worker beside the thin entry, CPU per lookup", await inTurns(subjects), {});
}

/** The Spin component beside a hello world, in the same wasmtime host. */
async function spin() {
  const ours = await kept(startSpin(folder(), target));
  const theirs = await kept(startHello(folder(), target));
  const subjects = [
    { ...ours, ...lookup, body: lookupOf },
    { ...theirs, method: "GET", path: "/", body: () => "" },
  ];
  add("Spin: CPU per lookup, beside a hello world", await inTurns(subjects), { must: 1.5, aim: 1.25 });
}

/** Events of known visitors on the native server, with 8 shards beside 1. */
async function nativeShards() {
  const eight = await kept(startNative(folder(), 8, CUSTOMERS));
  const one = await kept(startNative(folder(), 1, CUSTOMERS));
  const subjects = [eight, one].map((server) => ({ ...server, ...personalized, body: eventOf }));
  const micros = await inTurns(subjects);
  const throughput = [];
  for (const subject of subjects) throughput.push(Math.round(await capacity(subject, quick ? 2 : 5)));
  const note = `${throughput.join(" and ")} events a second by 8 callers, one core`;
  add("native: CPU per event of a known visitor, 8 shards beside 1", micros, { must: 1.1, aim: 1.03, note });
}

/** The load of KaflowSQL's document on the native server, and ten times as many events; the service's share of their latency. */
async function native() {
  const server = await kept(startNative(folder()));
  const seconds = quick ? 30 : 600;
  await underLoad(server, 2_000, 5, "warm");
  const musts = [0.6, 1.2, 1.8];
  for (const [rate, time] of [
    [2_000, seconds],
    [20_000, seconds / 6],
  ]) {
    const found = await underLoad(server, rate, time, `at-${rate}`);
    const keepsUp = found.answered >= rate * 0.99;
    const shown = (values) => values.map((value) => Number(value.toFixed(3))).join(" / ");
    const title = `native: ${rate.toLocaleString("en-US")} events a second for ${time} s, each answered; the service's share, P50 / P95 / P99`;
    table.push({
      title,
      ours: `≤ ${shown(found.share)} ms`,
      must: rate === 2_000 ? `${musts.join(" / ")} ms` : "",
      aim: "0.1 / 0.2 / 0.4 ms",
      met: rate === 2_000 ? keepsUp && musts.every((must, index) => found.share[index] <= must) : undefined,
      note: `${Math.round(found.answered).toLocaleString("en-US")} a second were answered; from when each was due ${shown(found.latencies)} ms`,
    });
    console.error(`${title}: ${table.at(-1).ours}; ${table.at(-1).note}`);
  }
}

async function usher(count, shards = 1) {
  return await kept(startUsher(folder(), dist, count, shards));
}

/** The worker, which stops with its row. */
async function kept(starting) {
  const worker = await starting;
  running.push(worker);
  return worker;
}

function folder() {
  return mkdtempSync(join(temporary, "subject-"));
}

function built(name, into, crate) {
  console.error(`building the ${name}`);
  const args = [join(root, "edge-worker/worker/build.mjs"), into, "", ...(crate ? [crate] : [])];
  execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
}

/** Microseconds of CPU per answer of each subject in each round. */
async function inTurns(subjects) {
  for (const subject of subjects) await load(subject, 500, "warm");
  const micros = subjects.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, subject] of subjects.entries()) {
      const before = cpu(subject.pid);
      await load(subject, requests, round);
      micros[index].push((cpu(subject.pid) - before) / 1_000 / requests);
    }
  }
  return micros;
}

function add(title, [ours, theirs], { must, aim, note, unit = "µs" }) {
  const found = ratio(ours, theirs);
  const met = must === undefined ? undefined : found.median <= must;
  table.push({ title, micros: median(ours), ours: `${median(ours).toFixed(1)} ${unit}`, theirs: `${median(theirs).toFixed(1)} ${unit}`, found, must, aim, met, note });
  console.error(`${title}: ${found.median.toFixed(2)}`);
}

function report() {
  const version = execFileSync(workerdBinary(), ["--version"], { encoding: "utf8" }).trim();
  const rows = table.map(({ title, ours, theirs = "", found, must = "", aim = "", met, note }) => {
    const shown = found ? `${found.median.toFixed(2)} (${found.least.toFixed(2)} to ${found.most.toFixed(2)})` : "";
    const verdict = met === undefined ? "printed" : met ? "met" : "**missed**";
    return `| ${title}${note ? ` (${note})` : ""} | ${ours} | ${theirs} | ${shown} | ${must} | ${aim} | ${verdict} |`;
  });
  return [
    `${version}, Node ${process.version}, ${rounds} rounds of ${requests} requests; ours, theirs, and the median of the rounds' ratios with the smallest and the largest.`,
    "",
    "| row | ours | theirs | ratio | must | aim | |",
    "|---|---|---|---|---|---|---|",
    ...rows,
    ...(cost ? ["", cost.line] : []),
    "",
  ].join("\n");
}
