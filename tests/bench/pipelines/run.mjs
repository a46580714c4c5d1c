// `make bench-pipelines`: the shop's pipeline, NDJSON to NDJSON, beside DuckDB with the same query. Rates are of the rows between N and
// 4N, so that starting and reading dimensions do not count; both run in turns on one core, and their rows are compared.
//
// node tests/bench/pipelines/run.mjs USHER PYTHON; QUICK=1 takes fewer rows and rounds.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const [usher, python] = process.argv.slice(2);
const quick = process.env.QUICK === "1";
const rows = quick ? 20_000 : 100_000;
const rounds = quick ? 3 : 5;
const users = 20_000;
const products = 10_000;
const batch = 10_000;

const root = path.join(import.meta.dirname, "../../..");
const pipeline = path.join(root, "examples/shop/pipeline.yaml");
const work = fs.mkdtempSync(path.join(os.tmpdir(), "usher-bench-pipelines-"));

let seed = 7;
const random = (bound) => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return Math.floor((seed / 2 ** 32) * bound);
};
const one = (of) => of[random(of.length)];
const categories = ["electronics", "books", "home", "garden", "toys", "sports"];
const brands = ["TechCorp", "HomeStyle", "Papyrus", "Verdant", "Playful"];

const lines = (count, line) => Array.from({ length: count }, (_, at) => JSON.stringify(line(at)) + "\n");
const dimensions = {
  user_profiles: lines(users, (at) => ({
    user_id: `user_${at}`, email: `user${at}@example.com`, subscription_tier: one(["free", "premium"]), age_group: one(["18-24", "25-34"]),
    location: "US-CA", preferences: [one(categories), one(categories)], signup_date: "2023-06-15", total_orders: random(30),
    lifetime_value: random(500_000) / 100,
  })),
  products: lines(products, (at) => ({
    product_id: `prod_${at}`, name: `Product ${at}`, category: one(categories), subcategory: "any", brand: one(brands),
    price: random(200_000) / 100, rating: random(50) / 10, tags: ["a", "b"], in_stock: true,
  })),
  purchase_history: lines(users, (at) => ({
    user_id: `user_${at}`, last_purchase_date: "2025-06-20T10:15:00Z", last_category: one(categories),
    avg_order_value: random(50_000) / 100, purchase_frequency: one(["weekly", "monthly"]), favorite_brands: [one(brands)],
  })),
};
// Twenty events a second; of each twenty one is of a user or a product that nobody knows, and waits.
const clicks = lines(4 * rows, (at) => ({
  event_id: `evt_${at}`, user_id: `user_${random(users * 1.02)}`, session_id: `sess_${at >> 3}`,
  event_type: one(["page_view", "add_to_cart", "search", "scroll"]), page_url: `/product/${at}`,
  product_id: `prod_${random(products * 1.03)}`, timestamp: new Date(1_751_700_000_000 + at * 50).toISOString(), referrer: "google",
  device: one(["desktop", "mobile"]), location: "US-CA",
}));

const data = (count) => {
  const folder = path.join(work, String(count));
  fs.mkdirSync(path.join(folder, "batches"), { recursive: true });
  for (const [topic, rows] of Object.entries(dimensions)) fs.writeFileSync(path.join(folder, `${topic}.ndjson`), rows.join(""));
  fs.writeFileSync(path.join(folder, "clickstreams.ndjson"), clicks.slice(0, count).join(""));
  for (let at = 0; at < count; at += batch) {
    const name = String(at / batch).padStart(5, "0");
    fs.writeFileSync(path.join(folder, "batches", name), clicks.slice(at, Math.min(at + batch, count)).join(""));
  }
  return folder;
};

// Seconds of processor time.
const ours = (folder, kept) => {
  const out = fs.mkdtempSync(path.join(work, "ours-"));
  const inputs = ["user_profiles", "products", "purchase_history", "clickstreams"];
  const args = ["pipeline", "run", pipeline, "--output", path.join(out, "rows"), "--expired", "/dev/null"];
  for (const topic of inputs) args.push("--input", `${topic}=${path.join(folder, `${topic}.ndjson`)}`);
  if (kept) args.push("--state", path.join(out, "state"));
  const script = 'TIMEFORMAT="%U %S"; { time taskset -c 0 "$@" 2>"$ERR"; } 2>&1';
  const env = { ...process.env, LC_ALL: "C", ERR: path.join(out, "err") };
  const printed = execFileSync("bash", ["-c", script, "usher", usher, ...args], { encoding: "utf8", env });
  const [user, system] = printed.trim().split(/\s+/).slice(-2).map(Number);
  return { seconds: user + system, rows: path.join(out, "rows"), out };
};

const query = path.join(work, "query.sql");
const yaml = fs.readFileSync(pipeline, "utf8");
fs.writeFileSync(query, yaml.slice(yaml.indexOf("SELECT"), yaml.indexOf("\noutput:")).trim());

const theirs = (folder) => {
  const out = fs.mkdtempSync(path.join(work, "theirs-"));
  const args = ["-c", "0", python, path.join(import.meta.dirname, "peer.py"), folder, out, query];
  return { seconds: Number(execFileSync("taskset", args, { encoding: "utf8" })), out };
};

const parsed = (files) => {
  const rows = new Map();
  for (const file of files) {
    for (const line of fs.readFileSync(file, "utf8").split("\n").filter(Boolean)) {
      const row = JSON.parse(line);
      rows.set(row.event_id, JSON.stringify(Object.entries(row).sort(([one], [two]) => (one < two ? -1 : 1))));
    }
  }
  return rows;
};

const median = (values) => values.toSorted((one, two) => one - two)[values.length >> 1];

try {
  const [small, large] = [data(rows), data(4 * rows)];
  const [our, their] = [ours(small, true), theirs(small)];
  const [found, wanted] = [parsed([our.rows]), parsed(fs.readdirSync(their.out).map((name) => path.join(their.out, name)))];
  const different = [...wanted].filter(([id, row]) => found.get(id) !== row);
  if (found.size !== wanted.size || different.length > 0) {
    const [id, row] = different[0] ?? [];
    throw new Error(`${found.size} rows, ${wanted.size} of the peer, ${different.length} differ:\n${row}\n${found.get(id)}`);
  }
  const rates = { kept: [], memory: [], peer: [] };
  for (let round = 0; round < rounds; round += 1) {
    const rate = (run) => (3 * rows) / (run(large).seconds - run(small).seconds);
    rates.kept.push(rate((folder) => ours(folder, true)));
    rates.memory.push(rate((folder) => ours(folder, false)));
    rates.peer.push(rate(theirs));
    for (const name of fs.readdirSync(work).filter((name) => /^(ours|theirs)-/.test(name))) {
      fs.rmSync(path.join(work, name), { recursive: true });
    }
  }
  const version = execFileSync(python, ["-c", "import duckdb; print(duckdb.__version__)"], { encoding: "utf8" }).trim();
  const ratios = (name) => rates[name].map((rate, at) => rate / rates.peer[at]);
  const line = (what, name) => {
    const of = ratios(name).toSorted((one, two) => one - two);
    const range = `${of[0].toFixed(2)} to ${of.at(-1).toFixed(2)}`;
    console.log(`${what.padEnd(40)} ${String(Math.round(median(rates[name]))).padStart(9)} events/s   ${median(of).toFixed(2)}× (${range})`);
  };
  console.log(`${found.size} rows compared, all equal; ${rounds} rounds, processor time of one core`);
  line("usher, state committed each second", "kept");
  line("usher, state in memory", "memory");
  console.log(`${`DuckDB ${version}, threads = 1`.padEnd(40)} ${String(Math.round(median(rates.peer))).padStart(9)} events/s   1×`);
} finally {
  fs.rmSync(work, { recursive: true });
}
