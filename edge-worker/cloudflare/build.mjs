// Builds the worker: cargo and wasm-opt for each module, and the entry beside them. Prints what ships.
//
// usage: node build.mjs <out folder> [cargo features, such as test-clock,fault]

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import binaryen from "binaryen";

import { withoutLocations } from "./locations.mjs";
import { withOrder } from "./order.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const [out, features = ""] = process.argv.slice(2);
if (!out) {
  console.error("usage: node build.mjs <out folder> [features]");
  process.exit(64);
}

/** Parts of the names of functions that end in a panic, or write a value for one: nothing else uses `Debug`. */
const PANICS = [
  "9panicking", "slice_index_fail", "slice_error_fail", "unwrap_failed", "expect_failed", "handle_error", "capacity_overflow",
  "handle_alloc_error", "rust_oom", "panic_already", "panic_access_error", "panic_on_ord", "len_mismatch_fail", "rust_panic",
  "5Debug3fmt",
];

/** Supported by workerd and by browsers of recent years; listed so that wasm-opt may use them. */
const WASM_FEATURES = ["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"];

/** The modules, each with its features: what serves visitors, and what the entry starts when the control plane is asked. */
const MODULES = { "usher.wasm": [], "usher-control.wasm": ["control-plane"] };

mkdirSync(resolve(out), { recursive: true });
for (const [name, own] of Object.entries(MODULES)) build(name, [...own, ...features.split(",").filter(Boolean)]);

for (const name of readdirSync(join(here, "entry"))) {
  rmSync(join(resolve(out), name), { force: true });
  cpSync(join(here, "entry", name), join(resolve(out), name));
}

for (const name of readdirSync(resolve(out)).filter((name) => !name.startsWith(".")).sort()) {
  const bytes = readFileSync(join(resolve(out), name));
  console.log(`${name.padEnd(24)} ${String(bytes.length).padStart(9)} bytes ${String(gzipSync(bytes, { level: 9 }).length).padStart(8)} gzip`);
}

function build(name, features) {
  const cargo = ["build", "--quiet", "--locked", "--profile", "wasm", "--target", "wasm32-unknown-unknown", "-p", "usher-cloudflare"];
  run("cargo", features.length > 0 ? [...cargo, "--features", features.join(",")] : cargo);
  const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
  const built = readFileSync(join(target, "wasm32-unknown-unknown/wasm/usher_cloudflare.wasm"));
  const wasm = join(resolve(out), name);
  // Optimizing takes longer than everything else of a second build; the same input gives the same output.
  const stamp = join(resolve(out), `.${name}.built-from`);
  const script = ["build.mjs", "locations.mjs", "order.mjs", "sections.mjs"].map((name) => readFileSync(join(here, name)));
  const source = [built, ...script].reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");
  if (existsSync(wasm) && existsSync(stamp) && readFileSync(stamp, "utf8") === source) return;
  optimize(built, wasm);
  writeFileSync(stamp, source);
}

function optimize(built, wasm) {
  const [silent, optimized, ordered] = ["silent", "optimized", "new"].map((step) => `${wasm}.${step}`);
  writeFileSync(silent, withSilentPanics(withoutLocations(built)));
  wasmOpt(silent, optimized, [
    // The first 1,024 bytes are the last of the stack: no address is counted from below them.
    "--low-memory-unused",
    // Control flow is rebuilt from flat code, which is smaller than what the compiler leaves.
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
    "--reorder-functions",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
  ]);
  writeFileSync(silent, withOrder(readFileSync(optimized)));
  wasmOpt(silent, ordered, ["--reorder-functions-by-name", "--strip-debug"]);
  rmSync(silent);
  rmSync(optimized);
  // Renamed into place, so that an interrupted build leaves the old one or the new one.
  renameSync(ordered, wasm);
}

function wasmOpt(from, to, passes) {
  const features = WASM_FEATURES.map((feature) => `--enable-${feature}`);
  run(process.execPath, [join(root, "node_modules/binaryen/bin/wasm-opt"), ...passes, ...features, from, "-o", to]);
}

/** A panic traps at once: nobody hears its message, which takes 6 KB to write, and the trap is all that the entry sees. */
function withSilentPanics(bytes) {
  const module = binaryen.readBinary(bytes);
  let silenced = 0;
  for (let index = 0; index < module.getNumFunctions(); index++) {
    const found = module.getFunctionByIndex(index);
    const { name } = binaryen.getFunctionInfo(found);
    if (!PANICS.some((part) => name.includes(part))) continue;
    binaryen.Function.setBody(found, module.unreachable());
    silenced += 1;
  }
  // The toolchain is pinned; another one may name them otherwise.
  if (silenced < PANICS.length) throw new Error(`found ${silenced} functions that panic, fewer than ${PANICS.length}`);
  return module.emitBinary();
}

function run(command, args) {
  execFileSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}
