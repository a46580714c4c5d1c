// The native server under the load that KaflowSQL's document names: a number of events a second, each answered, from 100,000 users
// who look at 50,000 products.
//
// Of the server's own metrics it takes the time in which the service computed. The buckets end where the targets are, so whether a
// target is met is counted and not estimated.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { connections, send } from "./measure.mjs";
import { AUDIENCE, record, writeDefinition } from "./work.mjs";
import { asAdmin, asBackend, asServer, usher, usherEnvironment } from "./workers.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const SECTIONS = 20;
const USERS = 100_000;
const PRODUCTS = 50_000;
/** Events go to one route. */
const ROUTE = 'route="POST /{database}/{table}"';
const QUANTILES = [0.5, 0.95, 0.99];

/** Starts the server on the first core, with the sections and so many users. */
export async function startNative(folder, shards = 1, users = USERS) {
  const args = ["-c", "0", usher, "serve", "--listen", "127.0.0.1:0", "--data", join(folder, "data"), "--shards", String(shards)];
  const child = spawn("taskset", args, { env: { ...process.env, ...usherEnvironment }, stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise((done, fail) => {
    let said = "";
    child.stdout.on("data", (part) => {
      said += part;
      const found = /listening on (\S+)/.exec(said);
      if (found) done(found[1]);
    });
    child.once("exit", () => fail(new Error(`the native server did not start: ${said}`)));
  });
  const run = (args, env) => execFileSync(usher, [...args, "--to", url], { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  mkdirSync(join(folder, "definition"), { recursive: true });
  writeDefinition(join(folder, "definition"), SECTIONS);
  run(["push", join(folder, "definition"), "-y"], { USHER_ADMIN_KEY: asAdmin.authorization.slice(4) });
  const records = join(folder, "users.ndjson");
  writeFileSync(records, Array.from({ length: users }, (_, n) => JSON.stringify(record(n))).join("\n"));
  run(["import", records, "--audience", AUDIENCE], { USHER_SERVER_KEY: asServer.authorization.slice(4) });
  return { url, port: Number(new URL(url).port), pid: child.pid, stop: () => child.kill("SIGKILL") };
}

/** Sends events at a rate from the second core; the events a second that were answered, latencies, and the service's share, in milliseconds. */
export async function underLoad(server, rate, seconds, round) {
  const before = await computing(server);
  const job = { port: server.port, headers: asBackend, rate, seconds, users: USERS, products: PRODUCTS, round };
  const child = spawn("taskset", ["-c", "1", process.execPath, join(here, "native-load.mjs"), JSON.stringify(job)], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (part) => (said += part));
  const code = await new Promise((done) => child.once("close", done));
  if (code !== 0) throw new Error(`the load ended with ${code}`);
  const { answered, latencies } = JSON.parse(said);
  const after = await computing(server);
  const share = after.map(({ end, below }, index) => ({ end, below: below - before[index].below }));
  const counted = share.at(-1).below;
  const ends = QUANTILES.map((quantile) => share.find(({ below }) => below >= quantile * counted).end);
  return { answered, latencies, share: ends };
}

/** The server's histogram: the number of answers in which the service computed up to so many milliseconds. */
async function computing(server) {
  const agent = connections();
  const { text } = await send(agent, { port: server.port, method: "GET", path: "/metrics", headers: asAdmin });
  agent.destroy();
  const prefix = `usher_computing_duration_seconds_bucket{${ROUTE},le="`;
  const found = text.split("\n").filter((line) => line.startsWith(prefix));
  const rows = found.map((line) => /^(.+)"\} (\d+)$/.exec(line.slice(prefix.length)));
  const all = rows.map(([, end, below]) => ({ end: end === "+Inf" ? Infinity : Number((Number(end) * 1_000).toFixed(3)), below: Number(below) }));
  return all.length > 0 ? all : ENDS.map((end) => ({ end, below: 0 }));
}

/** The ends of its buckets, for a server that has answered nothing on the route. */
const ENDS = [0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 1.2, 1.8, 5, 25, Infinity];
