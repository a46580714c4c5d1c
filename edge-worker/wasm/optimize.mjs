// Makes a module that cargo built smaller: silent panics, no places, and functions in an order that packs well.

import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import binaryen from "binaryen";

import { withoutLocations } from "./locations.mjs";
import { withOrder } from "./order.mjs";
import { withoutUnused } from "./unused.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");

/** Parts of the names of functions that end in a panic, or write a value for one: nothing else uses `Debug`. */
const PANICS = [
  "9panicking", "slice_index_fail", "slice_error_fail", "unwrap_failed", "expect_failed", "handle_error", "capacity_overflow",
  "handle_alloc_error", "rust_oom", "panic_already", "panic_access_error", "panic_on_ord", "len_mismatch_fail", "rust_panic",
  "5Debug3fmt",
];

/** Supported by workerd and by browsers of recent years; listed so that wasm-opt may use them. */
const WASM_FEATURES = ["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"];

/** The scripts that decide what comes out. */
export function scripts() {
  return ["optimize.mjs", "locations.mjs", "order.mjs", "sections.mjs", "symbols.mjs", "unused.mjs"].map((name) => readFileSync(join(here, name)));
}

/** Optimizes a module into a file. */
export function optimize(built, wasm) {
  const [silent, optimized, ordered] = ["silent", "optimized", "new"].map((step) => `${wasm}.${step}`);
  writeFileSync(silent, withSilentPanics(withoutLocations(withoutUnused(built, isPanic))));
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
  execFileSync(process.execPath, [join(root, "node_modules/binaryen/bin/wasm-opt"), ...passes, ...features, from, "-o", to], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}

const isPanic = (name) => PANICS.some((part) => name.includes(part));

/** A panic traps at once: nobody hears its message, which takes 6 KB to write, and the trap is all that the entry sees. */
function withSilentPanics(bytes) {
  const module = binaryen.readBinary(bytes);
  let silenced = 0;
  for (let index = 0; index < module.getNumFunctions(); index++) {
    const found = module.getFunctionByIndex(index);
    const { name } = binaryen.getFunctionInfo(found);
    if (!isPanic(name)) continue;
    binaryen.Function.setBody(found, module.unreachable());
    silenced += 1;
  }
  // The toolchain is pinned; another one may name them otherwise.
  if (silenced < PANICS.length) throw new Error(`found ${silenced} functions that panic, fewer than ${PANICS.length}`);
  return module.emitBinary();
}
