// `make bench-engine`: builds everything, then runs the comparison; with WRITE=1 what it printed becomes RESULTS.md.
//
// usage: node run.mjs [row …]    QUICK=1, CHECK=1, WRITE=1: tests/bench/README.md

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../../..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target/bench");
const env = { ...process.env, CARGO_TARGET_DIR: target };
const cargo = (...args) => execFileSync("cargo", ["build", "--quiet", "--locked", "--release", ...args], { cwd: here, env, stdio: ["ignore", "inherit", "inherit"] });

console.error("building the peers, and usher beside them");
cargo("-p", "usher-bench");
cargo("-p", "usher-bench-host");
cargo("-p", "usher-bench-work", "--target", "wasm32-unknown-unknown");
console.error("weighing the engine alone");
const sizes = execFileSync(process.execPath, [join(here, "size.mjs"), "--bytes"], { env, encoding: "utf8" }).trim();

// On one core, hosts of wasm too: of two cores a neighbour may slow one, and then a program beside another says nothing.
const bench = join(target, "release/usher-bench");
const core = firstCore();
console.error(core === undefined ? "measuring; programs cannot be kept on one core here" : "measuring, all on one core");
const [program, ...options] = core === undefined ? [bench] : ["taskset", "-c", core, bench];
const ran = spawnSync(program, [...options, ...process.argv.slice(2)], {
  env: { ...env, SIZES: sizes },
  encoding: "utf8",
  stdio: ["ignore", "pipe", "inherit"],
  maxBuffer: 1 << 24,
});
process.stdout.write(ran.stdout);
if (process.env.WRITE === "1" && ran.stdout.includes("musts met")) write(ran.stdout);
process.exit(ran.status ?? 1);

function write(printed) {
  const path = join(root, "tests/bench/RESULTS.md");
  const [begin, end] = ["<!-- generated -->", "<!-- end -->"];
  const before = readFileSync(path, "utf8");
  const [head, rest] = before.split(begin);
  const tail = rest?.split(end)[1];
  if (tail === undefined) throw new Error(`${path} has lost its marks ${begin} and ${end}`);
  const say = (command, ...args) => execFileSync(command, args, { cwd: root, encoding: "utf8" }).trim();
  const dirty = say("git", "status", "--porcelain", "--untracked-files=no") ? ", with changes" : "";
  const facts = [
    `- ${new Date().toISOString().slice(0, 10)}, commit ${say("git", "rev-parse", "--short", "HEAD")}${dirty}`,
    `- ${say("rustc", "--version")}; Node ${process.version}; V8 ${process.versions.v8}`,
    `- ${cpus()[0].model.trim()}, ${cpus().length} cores, as /proc/cpuinfo tells it`,
    `- peers: ${peers().join(", ")}`,
    `- ${process.env.QUICK === "1" ? "QUICK=1: 11" : "31"} rounds${core !== undefined ? ", all on one core" : ""}`,
  ];
  writeFileSync(path, `${head}${begin}\n\n${facts.join("\n")}\n${printed.trimEnd()}\n\n${end}${tail}`);
}

/** A core that this program may run on, if `taskset` keeps programs there. */
function firstCore() {
  try {
    const [, core] = readFileSync("/proc/self/status", "utf8").match(/Cpus_allowed_list:\s*(\d+)/);
    return spawnSync("taskset", ["-c", core, "true"]).status === 0 ? core : undefined;
  } catch {
    return undefined;
  }
}

/** The locked versions of what is compared with. */
function peers() {
  const names = ["a-tree", "cel", "datalogic-rs", "postcard", "rkyv", "serde_json", "unleash-yggdrasil", "wasmtime", "wirefilter-engine", "zen-expression"];
  const lock = readFileSync(join(here, "Cargo.lock"), "utf8");
  return names.map((name) => `${name} ${lock.match(new RegExp(`name = "${name}"\nversion = "([^"]+)"`))[1]}`);
}
