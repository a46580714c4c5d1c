// Cold starts: from the start of the process to its first answer.

import { spawn } from "node:child_process";

import { workerdBinary } from "../../../edge-worker/cloudflare/local/workerd.mjs";
import { connections, send } from "./measure.mjs";

/** Milliseconds of each subject in each round; its process was stopped before. */
export async function coldStarts(subjects, rounds) {
  const found = subjects.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, subject] of subjects.entries()) found[index].push(await coldStart(subject));
  }
  return found;
}

async function coldStart(subject) {
  const start = performance.now();
  const child = spawn("taskset", ["-c", "0", workerdBinary(), "serve", subject.config], {
    stdio: "ignore",
    env: { ...process.env, ...subject.env },
  });
  const exited = new Promise((done) => child.once("exit", done));
  try {
    for (;;) {
      const agent = connections();
      try {
        await send(agent, subject, subject.text);
        return performance.now() - start;
      } catch (error) {
        // It does not listen yet.
        if (error.code !== "ECONNREFUSED" || performance.now() - start > 30_000) throw error;
      } finally {
        agent.destroy();
      }
    }
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
}
