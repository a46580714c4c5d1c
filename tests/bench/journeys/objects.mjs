// Six hundred objects made one by one by the control API, as scripts make them: each call waits for the one before.
//
// usage: node objects.mjs USHER; the command line, built for release. CHECK=1 fails on a missed must

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { cpu } from "../edge/measure.mjs";

const root = join(import.meta.dirname, "../../..");
const audience = "1069944";
/** Seconds for all of them. */
const [MUST, AIM] = [60, 10];
const COUNTS = { keyEvents: 200, attributes: 200, personalizations: 100, journeys: 50, activations: 50 };

/**
 * Makes them in the audience of an edge, which holds nothing yet, and waits until the draft with all of them runs.
 *
 * @param {{ port: number, pid: number }} server
 * @param {object} headers of an admin
 * @returns a row of the table: `title`, `ours`, `must`, `aim`, `met`
 */
async function objects(server, headers) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const took = [];
  const ask = async (method, path, body) => {
    const start = performance.now();
    const answer = await answered(agent, { port: server.port, method, path, headers }, body);
    took.push(performance.now() - start);
    return answer;
  };
  const made = async (path, body) => {
    const answer = await ask("POST", path, body);
    return answer.id ?? answer.data.id;
  };
  await ask("PATCH", `/audiences/${audience}/realtime_setting`, { keyColumns: [{ name: "customer_id" }], eventTables: [{ database: "web", table: "pages" }] });
  took.length = 0;
  const before = cpu(server.pid);
  const start = performance.now();
  const events = [];
  for (let n = 0; n < COUNTS.keyEvents; n++) events.push(await made(`/audiences/${audience}/realtime_key_events`, keyEvent(n)));
  const attributes = [];
  for (let n = 0; n < COUNTS.attributes; n++) attributes.push(await made(`/audiences/${audience}/realtime_attributes`, attribute(n, events[n % events.length])));
  for (let n = 0; n < COUNTS.personalizations; n++) await made("/entities/realtime_personalizations", personalization(n, events[n], attributes[n]));
  const journeys = [];
  for (let n = 0; n < COUNTS.journeys; n++) journeys.push(await made("/entities/realtime_journeys", journey(n, events[n])));
  for (let n = 0; n < COUNTS.activations; n++) await made(`/entities/realtime_journeys/${journeys[n]}/activations`, activation(n));
  const seconds = (performance.now() - start) / 1_000;
  const ofServer = (cpu(server.pid) - before) / 1e9;
  const times = took.toSorted((a, b) => a - b);
  const status = await runs(ask);
  if (status !== "ok") throw new Error(`what was made does not run: ${status}`);
  const published = (performance.now() - start) / 1_000;
  agent.destroy();
  const at = (share) => times[Math.ceil((times.length - 1) * share)].toFixed(1);
  return {
    title: `control API: ${times.length} objects made one by one`,
    ours: `${seconds.toFixed(1)} s`,
    must: `${MUST} s`,
    aim: `${AIM} s`,
    met: seconds <= MUST,
    note: `${ofServer.toFixed(1)} s of the server's CPU; p50 / p99 / last ${at(0.5)} / ${at(0.99)} / ${took[times.length - 1].toFixed(1)} ms; the draft runs ${(published - seconds).toFixed(1)} s later, of which it rests 2`,
  };
}

/** Waits until the draft is a bundle, or cannot be one. */
async function runs(ask) {
  for (const end = Date.now() + 60_000; ; await sleep(100)) {
    const { status, statusDetailed } = await ask("GET", `/audiences/${audience}/realtime_setting`);
    if (status !== "updating") return status === "ok" ? status : JSON.stringify(statusDetailed);
    if (Date.now() > end) return status;
  }
}

function keyEvent(n) {
  const operator = { not: false, rightValue: `/${n}`, type: "Equal" };
  return { name: `event_${n}`, databaseName: "web", tableName: "pages", filterRule: { type: "And", conditions: [{ type: "Column", column: "path", operator }] } };
}

function attribute(n, realtimeKeyEventId) {
  const shared = { name: `attribute_${n}`, identifier: `attribute_${n}`, realtimeKeyEventId, duration: { value: 1, unit: "day" } };
  if (n % 2 === 0) return { ...shared, type: "single", valueColumn: "price", dataType: "number" };
  return { ...shared, type: "counter", counterType: "sliding", increment: { type: "const", value: 1 } };
}

function entry(keyEventId) {
  return { name: "entry", keyEventCriteria: { keyEventId, keyEventFilters: { type: "And", conditions: [] } }, profileCriteria: null };
}

function personalization(n, keyEventId, realtimeAttributeId) {
  const definition = { attributePayload: [{ realtimeAttributeId, outputName: "value" }], segmentPayload: null, stringBuilder: null };
  const payload = { response_node: { type: "ResponseNode", name: "response", definition } };
  const section = { name: `section_${n}`, entryCriteria: entry(keyEventId), payload, includeSensitive: false };
  return { attributes: { audienceId: audience, name: `personalization_${n}`, sections: [section] } };
}

function journey(n, keyEventId) {
  const steps = { wait: { type: "WaitStep", waitStep: 1, waitStepUnit: "hour", next: "end" }, end: { type: "End" } };
  const stage = { name: "only", entryCriteria: entry(keyEventId), rootStep: "wait", steps };
  return { attributes: { audienceId: audience, name: `journey_${n}`, reentryMode: "no_reentry", realtimeJourneyStages: [stage], state: "draft" } };
}

function activation(n) {
  const exportJson = JSON.stringify({ method: "post", url: "https://mail.example/send", headers: null, body: null });
  return { attributes: { name: `activation_${n}`, connectionId: "mailer", connectorType: "td_webhook_out", connector: { exportJson } } };
}

/** What a call answers, as JSON. */
function answered(agent, { port, method, path, headers }, body) {
  return new Promise((done, fail) => {
    const options = { host: "127.0.0.1", port, method, path, agent, headers: { ...headers, "content-type": "application/json" } };
    const sent = request(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => (text += part));
      response.on("end", () => {
        if (response.statusCode < 300) done(JSON.parse(text));
        else fail(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
      });
    });
    sent.on("error", fail);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The same on a server of its own; `usher` is the command line. */
export async function alone(usher) {
  const credentials = JSON.parse(readFileSync(join(root, "examples/shop/credentials.json"), "utf8"));
  const sha256 = createHash("sha256").update(credentials.admin_key).digest("hex");
  const keys = JSON.stringify({ signing_key: "07".repeat(32), keys: [{ kind: "admin", sha256, audience: "*" }] });
  const data = mkdtempSync(join(tmpdir(), "usher-bench-objects-"));
  const child = spawn(usher, ["serve", "--listen", "127.0.0.1:0", "--data", data], {
    env: { PATH: process.env.PATH, USHER_KEYS: keys, USHER_DEMO: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = await new Promise((done, fail) => {
      let said = "";
      child.stdout.on("data", (part) => {
        const found = /http:\S+/.exec((said += part));
        if (found) done(found[0]);
      });
      child.once("exit", (code) => fail(new Error(`it ended with ${code}`)));
    });
    return await objects({ port: Number(new URL(url).port), pid: child.pid }, { authorization: `TD1 ${credentials.admin_key}` });
  } finally {
    child.kill("SIGKILL");
    rmSync(data, { recursive: true, force: true, maxRetries: 3 });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { title, ours, must, aim, met, note } = await alone(process.argv[2]);
  console.log(`${title}: ${ours} (must ${must}, aim ${aim}); ${note}`);
  if (process.env.CHECK && !met) process.exitCode = 1;
}
