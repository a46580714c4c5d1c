// Runs every test, layer by layer, and closes with one line: `N passed, N failed, N skipped`.
//
// A layer is a few commands; what they print goes to the terminal, and is counted. A command that fails without saying
// how many tests did counts as one failure. What comes after a failure still runs, unless it needs what that builds. The
// names of what failed stand together at the end, because the end is what is left of a long log.

import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const host = join(target, "test-host/usher");
const built = {
  USHER_TEST_NATIVE: host,
  USHER_TEST_WORKER: join(target, "worker/test"),
  USHER_TEST_WORKER_RELEASE: join(target, "worker/release"),
  USHER_TEST_RUST_WORKER: join(target, "worker/rust"),
  USHER_TEST_SDK: join(target, "sdk/modules"),
  USHER_TEST_DEVICE: join(target, "device"),
  USHER_TEST_TAB: join(target, "tab/test"),
  USHER_TEST_SITE: join(target, "site"),
  USHER_TEST_SPIN: join(target, "spin/debug/usher-spin-host"),
  USHER_TEST_SPIN_COMPONENT: join(target, "spin/usher_spin.cwasm"),
};
// A broker that is built once for all clones, by `make test-broker`.
const tansu = process.env.USHER_TEST_TANSU ?? join(homedir(), ".cache/usher/tansu-0.6.0/bin/tansu");
const total = { passed: 0, failed: 0, skipped: 0 };
const minutes = [];
const failures = [];

await layer("packages", async () => packages());
// Most of their time one thread of the linker works alone, so they are built beside what stands below, one after the other. Each has a
// target folder or a profile of its own: cargo lets one command into a folder at a time.
const into = join(target, "spin");
const builds = beside({
  worker: [
    ["node", ["edge-worker/cloudflare/build.mjs", built.USHER_TEST_WORKER_RELEASE]],
    ["node", ["edge-worker/cloudflare/build.mjs", built.USHER_TEST_WORKER, "test-clock,fault"]],
  ],
  spin: [
    // In its own target folder, because its profile and features differ.
    ["cargo", ["build", "--locked", "--quiet", "--release", "--target", "wasm32-wasip2", "--target-dir", into, "-p", "usher-spin", "--features", "test-clock,fault"]],
    ["cargo", ["build", "--locked", "--quiet", "--target-dir", into, "--manifest-path", "tests/spin/Cargo.toml"]],
    [built.USHER_TEST_SPIN, ["compile", join(into, "wasm32-wasip2/release/usher_spin.wasm"), built.USHER_TEST_SPIN_COMPONENT]],
  ],
  "rust worker": [["node", ["edge-worker/worker/build.mjs", built.USHER_TEST_RUST_WORKER, "test-clock,fault"]]],
  tab: [
    ["node", ["browser-sdk/js/build.mjs", "--modules", built.USHER_TEST_SDK]],
    ["node", ["edge-worker/tab/build.mjs", built.USHER_TEST_TAB, "test-clock,fault"]],
    ["node", ["edge-worker/tab/build.mjs", join(target, "tab/release")]],
    ["node", ["www/rules/build.mjs", join(target, "rules")]],
    ["node", ["browser-sdk/build.mjs", built.USHER_TEST_DEVICE]],
  ],
  fuzz: [["cargo", ["build", "--locked", "--quiet", "--profile", "wasm", "--target", "wasm32-unknown-unknown", "--target-dir", target, "--manifest-path", "tests/fuzz/Cargo.toml", "-p", "usher-fuzz-module"]]],
});
await layer("lint", async () => {
  await run("cargo", ["fmt", "--all", "--check"]);
  await run("cargo", ["clippy", "--locked", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]);
});
await layer("build", async () => {
  await run("cargo", ["build", "--locked", "--quiet", "-p", "usher", "--features", "test-clock,fault"]);
  mkdirSync(dirname(host), { recursive: true });
  copyFileSync(join(target, "debug/usher"), host);
});
await layer("rules of the house", () => run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", "-p", "usher-tests", "--lib", "--test", "layers"]));
await layer("no std", () =>
  run("cargo", ["build", "--locked", "--quiet", "--manifest-path", "tests/no-std/Cargo.toml", "--target", "x86_64-unknown-none"]),
);
// Before the units, whose builds leave the usual command line behind.
await layer("broker", async () => {
  if (process.env.USHER_TEST_BROKER === "no") return skip("pipelines on a broker: USHER_TEST_BROKER is no");
  // The client of a broker is built from its source in C.
  const missing = ["g++", "make"].filter((name) => spawnSync(name, ["--version"]).error);
  if (missing.length > 0) return skip(`pipelines on a broker: no ${missing.join(", no ")} to build its client`);
  await run("cargo", ["clippy", "--locked", "--quiet", "-p", "usher", "--features", "kafka", "--all-targets", "--", "-D", "warnings"]);
  const test = ["test", "--locked", "--quiet", "--no-fail-fast", "-p", "usher", "--features", "kafka", "--bin", "usher", "--test", "broker"];
  await run("cargo", test);
  if (existsSync(tansu)) await run("cargo", test, { USHER_TEST_TANSU: tansu });
  else skip("pipelines on Tansu: `make test-broker` builds it, which takes ten minutes once");
});
await layer("units", async () => {
  // One selection of packages in each command, so that nothing is built again with other features.
  const test = ["test", "--locked", "--quiet", "--no-fail-fast", "--workspace", "--exclude", "usher-tests", "--exclude", "usher-sim"];
  const [native, others] = integrationTests();
  await run("cargo", [...test, "--no-run"]);
  // Those of the command line wait for processes more than they compute.
  const processes = beside({ native: [["cargo", [...test, ...native]]] });
  await run("cargo", [...test, "--lib", "--bins", ...others]);
  await run("cargo", [...test, "--doc"]);
  await processes("native");
  // Those that need a build with faults.
  await run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", "-p", "usher", "--features", "test-clock,fault", "--bin", "usher", "--test", "serve", "a_panic"]);
  // The engine as the module for visitors has it.
  await run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", "-p", "usher-engine", "--no-default-features", "--features", "patterns", "--test", "checks"]);
  await run("cargo", ["build", "--locked", "--quiet", "-p", "usher"]);
});
await layer("openapi", () => run("node", ["--test", ...tests("openapi")], built));
await layer("shards", () => run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", "-p", "usher-tests", "--test", "shards", "--test", "erasures", "--test", "imports", "--test", "journeys"]));
await layer("storage", () => run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", "-p", "usher-tests", "--test", "older_bundle", "--test", "visitor_bytes"]));
await layer("privacy", () => run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", "-p", "usher-tests", "--test", "privacy"], built));
await layer("criteria", () => run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", "-p", "usher-tests", "--test", "openapi", "--test", "sqlite", "--test", "calculations", "--test", "print", "--test", "round_trip"]));
await layer("simulation", async () => {
  // One build for both: a bug that is not planted is a comparison that is false.
  await run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", "--profile", "sim", "-p", "usher-sim", "--features", "planted", "--test", "seeds", "--test", "planted"]);
});
await layer("worker", () => builds("worker"));
await layer("spin", async () => {
  await builds("spin");
  await run("node", ["--test", ...tests("spin")], built);
});
await layer("rust worker", async () => {
  await builds("rust worker");
  await run("node", ["--test", ...tests("rust-worker")], built);
});
await layer("tab", async () => {
  await builds("tab");
  await run("node", ["edge-worker/tab/local/site.mjs", "--edge", join(target, "tab/release"), "--rules", join(target, "rules"), "--device", built.USHER_TEST_DEVICE, "--out", built.USHER_TEST_SITE]);
  await run("node", ["--test", ...tests("tab")], { ...built, USHER_TEST_TAB: join(target, "tab/release"), USHER_TEST_TAB_FAULT: built.USHER_TEST_TAB });
});
await layer("browser sdk", async () => {
  const folder = "browser-sdk/js/tests";
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(".test.mjs"));
  await run("node", ["--test", ...names.sort().map((name) => `${folder}/${name}`)], built);
});
await layer("device", () => run("node", ["--test", ...tests("device")], built));
await layer("fuzz", async () => {
  await builds("fuzz");
  await run("node", ["--test", ...tests("fuzz")], { USHER_FUZZ_MODULE: join(target, "wasm32-unknown-unknown/wasm/usher_fuzz_module.wasm") });
});
await layer("vectors", () => run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", "-p", "usher-tests", "--test", "suite"], built));
await layer("workerd", () => run("node", ["--test", ...tests("workerd")], built));
await layer("delivery", () => run("node", ["--test", ...tests("delivery")], built));
await layer("seeds", () => run("node", ["--test", ...tests("seeds")], built));
// One file after the other: what is measured beside an attack is not another attack.
await layer("attacks", () => run("node", ["--test", "--test-concurrency=1", ...tests("attacks")], built));
await layer("browser", () => run("node", ["--test", ...tests("browser")], built));

for (const { command, names } of failures) console.log([`\nfailed: ${command}`, ...names].join("\n  "));
console.log(`\nminutes: ${minutes.join(", ")}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

async function layer(name, body) {
  console.log(`\n== ${name}`);
  const start = Date.now();
  await body();
  const took = ((Date.now() - start) / 60_000).toFixed(1);
  minutes.push(`${name} ${took}`);
  console.log(`== ${name}: ${took} min`);
}

/** Tests that cannot run here, with the reason. */
function skip(why) {
  console.log(`skipped: ${why}`);
  total.skipped += 1;
}

/** Named one by one: what `node --test` makes of a folder depends on its version. */
function tests(folder) {
  const names = readdirSync(join(root, "tests", folder)).filter((name) => name.endsWith(".test.mjs"));
  return names.sort().map((name) => `tests/${folder}/${name}`);
}

/** The options that name the integration tests of the command line, and those of the other packages that units test. */
function integrationTests() {
  const { status, stdout } = spawnSync("cargo", ["metadata", "--locked", "--no-deps", "--format-version", "1"], { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error("cargo metadata failed");
  const found = [new Set(), new Set()];
  for (const { name, targets } of JSON.parse(stdout).packages) {
    if (["usher-tests", "usher-sim"].includes(name)) continue;
    for (const target of targets) {
      if (target.kind.includes("test") && !target["required-features"]?.length) found[name === "usher" ? 0 : 1].add(target.name);
    }
  }
  // A name selects the tests of all packages that have it.
  found[0].forEach((name) => found[1].delete(name));
  return found.map((names) => [...names].flatMap((test) => ["--test", test]));
}

/**
 * Runs lists of commands in the background, in the order of their names.
 *
 * @returns waits for the commands of a name, prints what they printed, and counts them
 */
function beside(lists) {
  const ended = {};
  let before = Promise.resolve();
  for (const [name, commands] of Object.entries(lists)) {
    ended[name] = before = before.then(async () => {
      const results = [];
      for (const [command, args] of commands) results.push({ command, args, ...(await start(command, args, "pipe")) });
      return results;
    });
  }
  return async (name) => {
    for (const { command, args, code, printed } of await ended[name]) {
      announce(command, args);
      process.stdout.write(printed);
      tally(command, args, code, printed);
    }
  };
}

/** Runs a command and counts what it says it tested. */
async function run(command, args, env = {}) {
  announce(command, args);
  const { code, printed } = await start(command, args, "inherit", env);
  tally(command, args, code, printed);
}

function announce(command, args) {
  console.log(`$ ${line(command, args)}`);
}

function line(command, args) {
  return [command, ...args].map((part) => part.replace(`${root}/`, "")).join(" ");
}

/** Output is printed as it comes (`inherit`), or only returned (`pipe`). */
async function start(command, args, output, env = {}) {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", output] });
  let printed = "";
  child.stdout.on("data", (chunk) => {
    printed += chunk;
    if (output === "inherit") process.stdout.write(chunk);
  });
  child.stderr?.on("data", (chunk) => (printed += chunk));
  const code = await new Promise((done) => {
    child.once("error", (error) => {
      console.error(error.message);
      done(1);
    });
    child.once("close", done);
  });
  return { code, printed };
}

function tally(command, args, code, printed) {
  const counted = count(printed);
  if (code !== 0 || counted.failed > 0) failures.push({ command: line(command, args), names: namesOfFailures(printed) });
  // A command that only has to succeed is one test.
  if (counted.passed + counted.failed === 0) counted[code === 0 ? "passed" : "failed"] = 1;
  else if (code !== 0 && counted.failed === 0) counted.failed = 1;
  for (const key of Object.keys(total)) total[key] += counted[key];
}

function count(printed) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const add = (pattern, names) => {
    for (const match of printed.matchAll(pattern)) {
      names.forEach((name, index) => (sum[name] += Number(match[index + 1])));
    }
  };
  add(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm, ["passed", "failed", "skipped"]);
  add(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm, ["passed", "failed", "skipped"]);
  for (const [label, name] of [["pass", "passed"], ["fail", "failed"], ["cancelled", "failed"], ["skipped", "skipped"]]) {
    add(new RegExp(`^(?:#|ℹ) ${label} (\\d+)$`, "gm"), [name]);
  }
  return sum;
}

/** As node's runner, cargo's quiet one and the suite of vectors print them. */
function namesOfFailures(printed) {
  const found = [/^\s*not ok \d+ - (.+)$/gm, /^---- (.+) stdout ----$/gm, /^FAILED (.+)$/gm].flatMap((pattern) => [...printed.matchAll(pattern)]);
  return found.map(([, name]) => name);
}

/** Debian packages that the browser test needs: installed by root, named to everybody else. */
function packages() {
  const missing = [];
  if (!process.env.CHROMIUM && !existsSync("/usr/bin/chromium")) missing.push("chromium");
  if (spawnSync("openssl", ["version"]).error) missing.push("openssl");
  if (missing.length === 0) {
    total.passed += 1;
    return;
  }
  if (process.getuid?.() !== 0) {
    console.error(`missing packages; run this first:  sudo apt-get install ${missing.join(" ")}`);
    total.failed += 1;
    return;
  }
  for (const args of [["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", ...missing]]) {
    const { status } = spawnSync("apt-get", args, { stdio: "inherit", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
    if (status !== 0) {
      total.failed += 1;
      return;
    }
  }
  total.passed += 1;
}
