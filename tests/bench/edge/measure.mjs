// Measures processes from outside: CPU time that they ran, and latencies at a fixed rate.

import { readdirSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";

/** Nanoseconds that a process has run, over all its threads. */
export function cpu(pid) {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]))
    .reduce((sum, nanos) => sum + nanos, 0);
}

/** The connections of one load: eight, kept open. */
export const connections = () => new Agent({ keepAlive: true, maxSockets: 8 });

/** One request; rejects any status but the expected one. */
export function send(agent, { port, path, method = "POST", headers = {}, status = 200 }, body = "") {
  return new Promise((done, fail) => {
    const length = method === "POST" ? { "content-type": "application/json", "content-length": Buffer.byteLength(body) } : {};
    const call = request({ agent, port, path, method, host: "127.0.0.1", headers: { ...length, ...headers } }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.once("error", fail);
      response.once("end", () => {
        const text = Buffer.concat(parts).toString("utf8");
        if (response.statusCode === status) done({ headers: response.headers, text });
        else fail(new Error(`${method} ${path} answered ${response.statusCode}: ${text.slice(0, 200)}`));
      });
    });
    call.once("error", fail);
    call.end(body);
  });
}

/** Sends as many requests as given, eight at a time. */
export async function load(subject, count, round) {
  const agent = connections();
  let sent = 0;
  const client = async () => {
    while (sent < count) {
      const n = sent++;
      await send(agent, subject, subject.body(n, round));
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
  agent.destroy();
}

/** Requests a second that a subject answers to eight clients. */
export async function capacity(subject, seconds) {
  const agent = connections();
  const end = performance.now() + seconds * 1_000;
  let answered = 0;
  const client = async () => {
    while (performance.now() < end) {
      await send(agent, subject, subject.body(answered, "capacity"));
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
  agent.destroy();
  return answered / seconds;
}

/** Latencies in milliseconds, sorted, of requests that leave at a fixed rate whether earlier ones were answered or not. */
export async function latencies(subject, rate, seconds) {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const found = [];
  const sent = [];
  const start = performance.now();
  for (let n = 0; n < rate * seconds; n++) {
    // The time at which it should leave counts, so that a load that falls behind hides nothing.
    const due = start + (n * 1_000) / rate;
    while (performance.now() < due) await new Promise((done) => setImmediate(done));
    sent.push(send(agent, subject, subject.body(n, "rate")).then(() => found.push(performance.now() - due)));
  }
  await Promise.all(sent);
  agent.destroy();
  return found.sort((a, b) => a - b);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** The value at a share of all, counted from the smallest. */
export function quantile(values, at) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.ceil((sorted.length - 1) * at)];
}

/** The ratios of two subjects' rounds: their median, smallest and largest. */
export function ratio(ours, theirs) {
  const ratios = ours.map((value, round) => value / theirs[round]).sort((a, b) => a - b);
  return { median: median(ratios), least: ratios[0], most: ratios.at(-1) };
}
