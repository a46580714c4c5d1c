// Events per second of one core, beside DuckDB with the same query: of the rows between N and 4N, so that starting and reading
// dimensions do not count. Both run in turns, and their rows are compared.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

import { median, ratio as ratios } from "../edge/measure.mjs";
import { Data } from "./data.mjs";
import { inputs, pipeline } from "./usher.mjs";

const BATCH = 10_000;
/** Twenty events a second. */
const EVENT_MS = 50;

export function rate({ usher, python, work, quick }) {
  const count = quick ? 20_000 : 100_000;
  const rounds = quick ? 3 : 5;
  const data = new Data(20_000, 10_000);
  const small = path.join(work, String(count));
  fs.mkdirSync(small);
  data.writeDimensions(small);
  const large = path.join(work, String(4 * count));
  fs.cpSync(small, large, { recursive: true });
  const clicks = Array.from({ length: 4 * count }, (_, at) => data.click(at, 1_751_700_000_000 + at * EVENT_MS));
  writeEvents(small, clicks.slice(0, count));
  writeEvents(large, clicks);
  const query = path.join(work, "query.sql");
  const yaml = fs.readFileSync(pipeline, "utf8");
  fs.writeFileSync(query, yaml.slice(yaml.indexOf("SELECT"), yaml.indexOf("\noutput:")).trim());

  const ours = (folder, kept) => runUsher(usher, work, folder, kept);
  const theirs = (folder) => runPeer(python, work, folder, query);
  const compared = compare(ours(small, true).rows, theirs(small).out);

  const rates = { kept: [], memory: [], peer: [] };
  for (let round = 0; round < rounds; round += 1) {
    const of = (run) => (3 * count) / (run(large).seconds - run(small).seconds);
    rates.kept.push(of((folder) => ours(folder, true)));
    rates.memory.push(of((folder) => ours(folder, false)));
    rates.peer.push(of(theirs));
    for (const name of fs.readdirSync(work).filter((name) => /^(ours|theirs)-/.test(name))) {
      fs.rmSync(path.join(work, name), { recursive: true });
    }
  }
  const version = execFileSync(python, ["-c", "import duckdb; print(duckdb.__version__)"], { encoding: "utf8" }).trim();
  const peer = `DuckDB ${version}, threads = 1: ${shown(median(rates.peer))} events/s`;
  const row = (title, name, must, aim) => {
    const ratio = ratios(rates[name], rates.peer);
    return {
      title: `events per second and core, ${title}, beside ${peer}`,
      found: `${shown(median(rates[name]))} events/s, ${ratio.median.toFixed(2)}× (${ratio.least.toFixed(2)} to ${ratio.most.toFixed(2)})`,
      must, aim, met: must && ratio.median >= Number.parseFloat(must.slice(1)),
    };
  };
  console.error(`${compared} rows compared, all equal`);
  return [row("state committed each second", "kept", "≥0.5×", "1×"), row("state in memory", "memory")];
}

function writeEvents(folder, clicks) {
  fs.writeFileSync(path.join(folder, "clickstreams.ndjson"), clicks.join(""));
  fs.mkdirSync(path.join(folder, "batches"));
  for (let at = 0; at < clicks.length; at += BATCH) {
    const name = String(at / BATCH).padStart(5, "0");
    fs.writeFileSync(path.join(folder, "batches", name), clicks.slice(at, at + BATCH).join(""));
  }
}

/** Seconds of processor time. */
function runUsher(usher, work, folder, kept) {
  const out = fs.mkdtempSync(path.join(work, "ours-"));
  const args = ["pipeline", "run", pipeline, "--output", path.join(out, "rows"), "--expired", "/dev/null", ...inputs(folder)];
  args.push("--input", `clickstreams=${path.join(folder, "clickstreams.ndjson")}`);
  if (kept) args.push("--state", path.join(out, "state"));
  const script = 'TIMEFORMAT="%U %S"; { time taskset -c 0 "$@" 2>"$ERR"; } 2>&1';
  const env = { ...process.env, LC_ALL: "C", ERR: path.join(out, "err") };
  const printed = execFileSync("bash", ["-c", script, "usher", usher, ...args], { encoding: "utf8", env });
  const [user, system] = printed.trim().split(/\s+/).slice(-2).map(Number);
  return { seconds: user + system, rows: path.join(out, "rows") };
}

function runPeer(python, work, folder, query) {
  const out = fs.mkdtempSync(path.join(work, "theirs-"));
  const args = ["-c", "0", python, path.join(import.meta.dirname, "peer.py"), folder, out, query];
  return { seconds: Number(execFileSync("taskset", args, { encoding: "utf8" })), out };
}

/** The number of rows; both must have the same. */
function compare(ours, theirs) {
  const [found, wanted] = [parsed([ours]), parsed(fs.readdirSync(theirs).map((name) => path.join(theirs, name)))];
  const different = [...wanted].filter(([id, row]) => found.get(id) !== row);
  if (found.size !== wanted.size || different.length > 0) {
    const [id, row] = different[0] ?? [];
    throw new Error(`${found.size} rows, ${wanted.size} of the peer, ${different.length} differ:\n${row}\n${found.get(id)}`);
  }
  return found.size;
}

function parsed(files) {
  const rows = new Map();
  for (const file of files) {
    for (const line of fs.readFileSync(file, "utf8").split("\n").filter(Boolean)) {
      const row = JSON.parse(line);
      rows.set(row.event_id, JSON.stringify(Object.entries(row).sort(([one], [two]) => (one < two ? -1 : 1))));
    }
  }
  return rows;
}

const shown = (rate) => Math.round(rate).toLocaleString("en");
