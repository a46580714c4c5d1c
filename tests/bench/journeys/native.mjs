// `usher serve` on the first core, and a receiver on the second.

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";

import { send } from "../edge/measure.mjs";

const root = join(import.meta.dirname, "../../..");
const credentials = JSON.parse(readFileSync(join(root, "examples/shop/credentials.json"), "utf8"));
const sha256 = (name) => createHash("sha256").update(credentials[name]).digest("hex");
const KEYS = JSON.stringify({
  signing_key: "07".repeat(32),
  keys: [
    { kind: "write", sha256: sha256("write_key"), account: "1", audience: "*" },
    { kind: "admin", sha256: sha256("admin_key"), audience: "*" },
  ],
});
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
export const usher = process.argv[2];
export const asCollector = { authorization: `TD1 ${credentials.write_key}` };
export const asAdmin = { authorization: `TD1 ${credentials.admin_key}` };

/** What a process prints first. */
function printed(child, pattern) {
  let said = "";
  return new Promise((done, fail) => {
    const hear = (part) => {
      said += part;
      const found = pattern.exec(said);
      if (!found) return;
      child.stdout.off("data", hear);
      done(found[0]);
    };
    child.stdout.on("data", hear);
    child.once("exit", (code) => fail(new Error(`it ended with ${code}: ${said}`)));
  });
}

/** The server with a definition, which sends to this address, if there is one. */
export async function startServer(folder, texts, receiver) {
  const destinations = JSON.stringify(receiver ? [{ id: "receiver", url: receiver.url, secret: SECRET, private: true, rate: 10_000 }] : []);
  const env = { PATH: process.env.PATH, USHER_KEYS: KEYS, USHER_DEMO: "1", USHER_DESTINATIONS: destinations };
  const args = ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "data"), "--events-per-second", "0", "--new-profiles-per-minute", "0"];
  const child = spawn("taskset", ["-c", "0", usher, ...args], { env, stdio: ["ignore", "pipe", "inherit"] });
  const url = await printed(child, /http:\S+/);
  child.stdout.resume();
  const definition = join(folder, "definition");
  mkdirSync(definition, { recursive: true });
  texts.forEach((text, index) => writeFileSync(join(definition, `${index}.yaml`), text));
  const pushing = { env: { PATH: process.env.PATH, USHER_ADMIN_KEY: credentials.admin_key }, stdio: ["ignore", "ignore", "pipe"] };
  execFileSync(usher, ["push", definition, "-y", "--to", url], pushing);
  return { url, port: Number(new URL(url).port), pid: child.pid, database: join(folder, "data/usher.sqlite3"), stop: () => child.kill("SIGKILL") };
}

/** A receiver, and what it got: the time of each customer's first message, Unix milliseconds. */
export async function startReceiver() {
  const child = spawn("taskset", ["-c", "1", process.execPath, join(import.meta.dirname, "receiver.mjs")], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await printed(child, /http:\S+/);
  const got = new Map();
  let rest = "";
  child.stdout.on("data", (part) => {
    const lines = (rest + part).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const [customer, at] = line.split(" ");
      if (!got.has(customer)) got.set(customer, Number(at));
    }
  });
  return { url, got, stop: () => child.kill("SIGKILL") };
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** Sends events to a table, up to 500, and checks that each was taken. */
export async function sendEvents(server, table, events) {
  const body = JSON.stringify({ events });
  const { text } = await send(agent, { port: server.port, path: `/web/${table}`, headers: asCollector }, body);
  const refused = JSON.parse(text).receipts.find(({ success }) => !success);
  if (refused) throw new Error(`an event was refused: ${JSON.stringify(refused)}`);
}

/** Sends as many batches as given, some at a time. */
export async function sendBatches(server, table, batches, batch, atOnce = 4) {
  let next = 0;
  const client = async () => {
    while (next < batches) await sendEvents(server, table, batch(next++));
  };
  await Promise.all(Array.from({ length: atOnce }, client));
}

