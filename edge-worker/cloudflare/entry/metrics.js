// Metrics by Workers Analytics Engine, where the deployment has the binding `USHER_METRICS`: no isolate sees all requests, so none
// can be scraped. One point for each answer, and one for the work of its writer; docs/operate.md has their columns.

import { fault } from "./log.js";

/** Columns with numbers: the first two, and how many there are. */
const [MS, AGE_MS, NUMBERS] = [0, 1, 20];
/** The column of what only the entry meets. */
const STORE_ERRORS = 19;

/** The columns of events of the log. */
const LINES = { profile_trimmed: 15, profile_not_made: 16, key_evicted: 17, damaged_profile: 18, profile_too_new: 18 };

/** The series of `usher_edge::metrics` in their order, each with its column; sources of snapshots are a text, and lines have their own. */
const SERIES = [
  ["decisions targeting_match", 2],
  ["decisions default", 3],
  ["decisions stale", 4],
  ["decisions none", 5],
  ["events accepted", 6],
  ["events duplicate", 7],
  ["events not_stored", 8],
  ["events invalid", 9],
  ["events profile_too_large", 10],
  ["events unreadable", 11],
  ["events unavailable", 12],
  ["events unknown_table", 13],
  ["events erased", 14],
  ["snapshots memory"],
  ["snapshots kv"],
  ["snapshots writer"],
  ["snapshots stale"],
  ["snapshots none"],
  ["event_ids_forgotten"],
  ["profiles_trimmed"],
  ["profiles_made_room"],
  ["profiles_not_made"],
  ["keys_evicted"],
  ["refused identity"],
  ["refused key"],
  ["refused value"],
  ["profiles_unreadable damaged"],
  ["profiles_unreadable too_new"],
  ["activation_attempts delivered"],
  ["activation_attempts failed"],
  ["activation_attempts parked"],
  ["activation_attempts not_allowed"],
  ["store_errors", STORE_ERRORS],
];

/**
 * Writes the point of an answer, if the deployment has the binding.
 *
 * @param {"front"|"store"} part
 * @param {string} work what the answer took: the kind of the front's step, `refuse` before one
 * @param {number} ms
 * @param {Response & {counted?: {ageMs: number, series: Uint8Array}, storeErrors?: number}} response
 * @param {{event: string}[]} lines its lines of the log
 */
export function measure(env, part, work, ms, response, requestId, lines = []) {
  if (!env.USHER_METRICS) return;
  const doubles = new Array(NUMBERS).fill(0);
  [doubles[MS], doubles[AGE_MS], doubles[STORE_ERRORS]] = [ms, -1, response.storeErrors ?? 0];
  let source = "";
  const { counted } = response;
  if (counted) doubles[AGE_MS] = counted.ageMs;
  for (const place of counted?.series ?? []) {
    const [name, column] = SERIES[place];
    if (column !== undefined) doubles[column] += 1;
    else if (name.startsWith("snapshots ")) source = name.slice("snapshots ".length);
  }
  for (const { event } of lines) if (LINES[event]) doubles[LINES[event]] += 1;
  write(env, part, [work, String(response.status), source], doubles, requestId);
}

/** Writes the point of a shard with open merges: their number, and the age of the oldest. */
export function measureMerges(env, open, ageMs) {
  if (!env.USHER_METRICS) return;
  const doubles = new Array(NUMBERS).fill(0);
  [doubles[MS], doubles[AGE_MS]] = [open, ageMs];
  write(env, "merges", ["", "", ""], doubles);
}

function write(env, part, texts, doubles, requestId) {
  try {
    env.USHER_METRICS.writeDataPoint({ indexes: [part], blobs: [part, ...texts], doubles });
  } catch (error) {
    fault("metrics_not_written", error, requestId);
  }
}
