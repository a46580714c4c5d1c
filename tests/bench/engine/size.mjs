// `make size-engine`: what the engine alone weighs as wasm, with patterns and without.
//
// usage: node size.mjs [--bytes]    with --bytes only both gzip sizes, joined by a comma

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { tryAlone } from "./alone/try.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../../..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target/bench");
const bare = process.argv.includes("--bytes");

/** As the worker is optimized: edge-worker/cloudflare/build.mjs. */
const WASM_FEATURES = ["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"];

const sizes = [
  await weigh("with patterns", [], { must: 90_000, aim: 60_000 }),
  await weigh("without patterns", ["--no-default-features"], { must: 60_000, aim: 45_000 }),
];
if (bare) console.log(sizes.map(({ gzip }) => gzip).join(","));
else for (const { name, raw, gzip, must, aim } of sizes) {
  const verdict = gzip <= aim ? "met, and the aim" : gzip <= must ? "met" : "missed";
  console.log(`engine ${name.padEnd(17)} ${String(raw).padStart(8)} bytes ${String(gzip).padStart(7)} gzip   must ${must}, aim ${aim}: ${verdict}`);
}
if (!bare && process.env.CHECK === "1" && sizes.some(({ gzip, must }) => gzip > must)) process.exit(1);

async function weigh(name, features, limits) {
  const cargo = ["build", "--quiet", "--locked", "--profile", "size", "--target", "wasm32-unknown-unknown", "-p", "usher-bench-alone", ...features];
  run("cargo", cargo);
  const built = join(target, "wasm32-unknown-unknown/size/usher_bench_alone.wasm");
  const optimized = built.replace(".wasm", `.${features.length}.opt.wasm`);
  run(process.execPath, [
    join(root, "node_modules/binaryen/bin/wasm-opt"),
    "-Oz",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
    ...WASM_FEATURES.map((feature) => `--enable-${feature}`),
    built,
    "-o",
    optimized,
  ]);
  const bytes = readFileSync(optimized);
  await tryAlone(bytes);
  return { name, raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, ...limits };
}

function run(command, args) {
  execFileSync(command, args, {
    cwd: here,
    env: { ...process.env, CARGO_TARGET_DIR: target },
    stdio: ["ignore", bare ? "ignore" : "inherit", "inherit"],
  });
}
