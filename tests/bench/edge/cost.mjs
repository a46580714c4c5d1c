// A modelled price of a million answers on Cloudflare, from measured CPU time and counted operations.
//
// Prices as published in November 2026, beyond what a plan includes: requests $0.30 a million, CPU $0.02 a million milliseconds,
// Durable Object requests $0.15 a million, rows written $1 a million, key-value reads $0.50 and writes $5 a million.

const REQUEST = 0.3;
const CPU_MS = 0.02;
const OBJECT_REQUEST = 0.15;
const KV_READ = 0.5;
const KV_WRITE = 5;

/** Of a hundred lookups this many find their snapshot in the isolate's memory, in the key-value store, or at the writer. */
const TIERS = { memory: 90, kv: 8, writer: 2 };

/** The most that a million may cost, in dollars. */
const MUST = 0.5;

/** The line of the report and whether the must is met, if the row it is made of was measured. */
export function costPerMillion(table) {
  const row = table.find(({ title }) => title.startsWith("CPU per answer from a snapshot, 20"));
  if (!row) return undefined;
  const milliseconds = row.micros / 1_000;
  const asked = (TIERS.kv + TIERS.writer) / 100;
  const parts = {
    requests: REQUEST,
    CPU: milliseconds * CPU_MS,
    "key-value reads": asked * KV_READ,
    writers: (TIERS.writer / 100) * OBJECT_REQUEST,
    "key-value writes": (TIERS.writer / 100) * KV_WRITE,
  };
  const sum = Object.values(parts).reduce((a, b) => a + b, 0);
  const shown = Object.entries(parts).map(([name, dollars]) => `${name} $${dollars.toFixed(3)}`);
  const { memory, kv, writer } = TIERS;
  const line = `Modelled price of a million lookups, of which ${memory} % are answered from memory, ${kv} % from the key-value store and ${writer} % by the writer: $${sum.toFixed(2)} (${shown.join(", ")}); must $${MUST.toFixed(2)}, aim $0.32.`;
  return { line, met: sum <= MUST };
}
