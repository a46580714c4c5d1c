// Starts Spin components in the wasmtime host of the tests, built for release.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { root, prepare, spinEnvironment } from "./workers.mjs";

/** Builds the host and a component, and starts it. */
async function start(folder, target, crate, module, manifest, env) {
  const into = join(target, "spin-release");
  const cargo = (...args) => execFileSync("cargo", args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  cargo("build", "--locked", "--quiet", "--release", "--target-dir", into, "--manifest-path", "tests/spin/Cargo.toml");
  cargo("build", "--locked", "--quiet", "--release", "--target", "wasm32-wasip2", "--target-dir", into, "-p", crate);
  const host = join(into, "release/usher-spin-host");
  const compiled = join(folder, "component.cwasm");
  execFileSync(host, ["compile", join(into, `wasm32-wasip2/release/${module}.wasm`), compiled], { stdio: "inherit" });
  const data = join(folder, "data");
  mkdirSync(data, { recursive: true });
  const child = spawn("taskset", ["-c", "0", host, "serve", compiled, manifest, "--data", data], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const port = await new Promise((done, fail) => {
    let said = "";
    child.stdout.on("data", (part) => {
      said += part;
      const found = /http:\/\/127\.0\.0\.1:(\d+)/.exec(said);
      if (found) done(Number(found[1]));
    });
    child.once("exit", () => fail(new Error(`${crate} did not start: ${said}`)));
  });
  return { port, pid: child.pid, url: `http://127.0.0.1:${port}`, stop: () => child.kill("SIGKILL") };
}

/** Usher's component with the sections and profiles of the bench. */
export async function startSpin(folder, target) {
  const manifest = join(root, "edge-worker/spin/spin.toml");
  const app = await start(folder, target, "usher-spin", "usher_spin", manifest, spinEnvironment);
  await prepare(app, folder, 20);
  return app;
}

/** A hello world. */
export async function startHello(folder, target) {
  const manifest = join(root, "tests/bench/edge/spin-hello/spin.toml");
  return await start(folder, target, "usher-bench-spin-hello", "usher_bench_spin_hello", manifest, {});
}
