// From when an event is written to a pipe until its row is read from another: the load that the seed names, and ten times as much.

import fs from "node:fs";
import path from "node:path";

import { quantile } from "../edge/measure.mjs";
import { Data } from "./data.mjs";
import { Running } from "./usher.mjs";

const MUST = [0.6, 1.2, 1.8];
const AIM = [0.1, 0.2, 0.4];

export async function latency({ usher, work, seconds }) {
  const folder = path.join(work, "latency");
  fs.mkdirSync(folder);
  const data = new Data(100_000, 50_000);
  data.writeDimensions(folder);
  const rows = [];
  for (const [rate, length] of [[2_000, seconds], [20_000, Math.min(60, seconds)]]) {
    for (const kept of [false, true]) {
      const state = kept ? ["--state", path.join(folder, `state-${rate}`)] : [];
      const running = new Running(usher, folder, state);
      // Dimensions are read when the first row comes; the first ones are not counted.
      await running.first(data);
      await running.load(data, rate, 2);
      const { took, behind_ms } = await running.load(data, rate, length);
      await running.end();
      const found = [0.5, 0.95, 0.99].map((at) => quantile(took, at));
      const isTold = rate === 2_000;
      rows.push({
        title: `event → row, ${rate.toLocaleString("en")} events/s for ${length} s, ${kept ? "state committed each second" : "state in memory"}, P50 / P95 / P99`,
        found: `${found.map((ms) => ms.toFixed(2)).join(" / ")} ms${isTold ? "" : `; the last row ${behind_ms.toFixed(0)} ms after the last event`}`,
        must: isTold ? `${MUST.join(" / ")} ms` : "held",
        aim: isTold ? `${AIM.join(" / ")} ms` : "held",
        met: isTold ? found.every((ms, at) => ms <= MUST[at]) : behind_ms < 1_000,
      });
    }
  }
  return rows;
}
