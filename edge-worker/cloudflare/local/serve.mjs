// Starts the worker in workerd and prints its address: one JSON line, `{"url", "pid"}`. Stops when its input is closed.
//
// usage: node serve.mjs --dist <folder> --data <folder> [--port <n>] [--www <folder>]; USHER_KEYS, USHER_DEMO,
// USHER_SHARDS and USHER_DESTINATIONS from the environment.

import { parseArgs } from "node:util";

import { startWorkerd } from "./workerd.mjs";

const { values } = parseArgs({
  options: { dist: { type: "string" }, data: { type: "string" }, port: { type: "string" }, www: { type: "string" } },
});
const { url, child, exited } = await startWorkerd({
  dist: values.dist,
  data: values.data,
  port: Number(values.port ?? 0),
  www: values.www,
  shards: process.env.USHER_SHARDS,
  keys: process.env.USHER_KEYS ?? "",
  demo: process.env.USHER_DEMO === "1",
  destinations: process.env.USHER_DESTINATIONS,
});
console.log(JSON.stringify({ url, pid: child.pid }));
process.stdin.resume();
process.stdin.once("end", () => child.kill("SIGTERM"));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => child.kill(signal));
const { code } = await exited;
process.exit(code ?? 0);
