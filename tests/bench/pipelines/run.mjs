// `make bench-pipelines`: the shop's pipeline, NDJSON to NDJSON: its rate beside DuckDB with the same query, the time from event to row,
// and what millions of users take.
//
// node tests/bench/pipelines/run.mjs USHER PYTHON [row…]: rate, latency, large. QUICK=1 takes less of all, SECONDS=n bounds a load of ten
// minutes, CHECK=1 fails on a missed must, WRITE=1 writes RESULTS.md.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { writeSection } from "../results.mjs";
import { large } from "./large.mjs";
import { latency } from "./latency.mjs";
import { rate } from "./rate.mjs";

const [usher, python, ...wanted] = process.argv.slice(2);
const quick = process.env.QUICK === "1";
/** How long 2,000 events a second come. */
const seconds = Number(process.env.SECONDS ?? (quick ? 10 : 600));
const ROWS = { rate, latency, large };
const work = fs.mkdtempSync(path.join(os.tmpdir(), "usher-bench-pipelines-"));
const table = [];

try {
  for (const [name, row] of Object.entries(ROWS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    for (const found of await row({ usher, python, work, quick, seconds })) {
      table.push(found);
      console.error(`${found.title}: ${found.found}`);
    }
  }
} finally {
  fs.rmSync(work, { recursive: true });
}
const verdict = ({ must, met }) => (must ? (met ? "met" : "**missed**") : "printed");
const text = [
  "| row | found | must | aim | |",
  "|---|---|---|---|---|",
  ...table.map((row) => `| ${row.title} | ${row.found} | ${row.must ?? ""} | ${row.aim ?? ""} | ${verdict(row)} |`),
].join("\n");
console.log(text);
if (process.env.WRITE && wanted.length === 0) writeSection("Pipelines", `Written by \`WRITE=1 make bench-pipelines\`.\n\n${text}`);
if (process.env.CHECK && table.some(({ met }) => met === false)) process.exit(1);
