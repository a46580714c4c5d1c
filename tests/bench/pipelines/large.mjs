// Five million users and their histories, a hundred thousand products: memory, disk, and the start from what is stored.

import fs from "node:fs";
import path from "node:path";

import { quantile } from "../edge/measure.mjs";
import { Data } from "./data.mjs";
import { Running } from "./usher.mjs";

const GB = 1e9;

export async function large({ usher, work, quick, seconds }) {
  const users = quick ? 200_000 : 5_000_000;
  const folder = path.join(work, "large");
  const state = path.join(folder, "state");
  fs.mkdirSync(folder);
  const data = new Data(users, 100_000);
  data.writeDimensions(folder);
  let peak = 0;
  const first = await started(usher, folder, state, data, 0);
  const watch = setInterval(() => (peak = Math.max(peak, first.running.memory())), 200);
  peak = first.running.memory();
  const { took } = await first.running.load(data, 2_000, seconds);
  clearInterval(watch);
  await first.running.end();
  const disk = sizeOf(state);
  // An id that no event had.
  const again = await started(usher, folder, state, data, 900_000_000);
  await again.running.end();
  const p99 = quantile(took, 0.99);
  const of = `${users.toLocaleString("en")} users and their histories, 100,000 products`;
  return [
    {
      title: `${of}: most memory (RssAnon + RssFile) over ${seconds} s at 2,000 events/s; P99 event → row`,
      found: `${(peak / GB).toFixed(2)} GB; ${p99.toFixed(2)} ms`,
      must: "≤2.2 GB; 1.8 ms", aim: "1 GB", met: peak <= 2.2 * GB && p99 <= 1.8,
    },
    { title: `${of}: state on disk`, found: `${(disk / GB).toFixed(2)} GB`, must: "≤8 GB", aim: "4 GB", met: disk <= 8 * GB },
    {
      title: `${of}: start with the state → first row (from files, without a state: ${first.seconds.toFixed(1)} s)`,
      found: `${again.seconds.toFixed(1)} s`, must: "≤30 s", aim: "5 s", met: again.seconds <= 30,
    },
  ];
}

/** A running pipeline that has given its first row, and the seconds until then. */
async function started(usher, folder, state, data, at) {
  const start = performance.now();
  const running = new Running(usher, folder, ["--state", state, "--expired", "/dev/null"]);
  await running.first(data, at);
  return { running, seconds: (performance.now() - start) / 1_000 };
}

function sizeOf(folder) {
  return fs.readdirSync(folder).reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0);
}
