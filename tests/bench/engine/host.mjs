// Runs the engine's side of the rows as wasm in V8: `work count` comes in by lines, CPU nanoseconds and the result go out.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), {});
const { run } = instance.exports;
for await (const line of createInterface({ input: process.stdin })) {
  const [work, count] = line.split(" ").map(Number);
  const start = process.cpuUsage();
  const result = run(work, count) >>> 0;
  const { user, system } = process.cpuUsage(start);
  console.log(`${(user + system) * 1_000} ${result}`);
}
