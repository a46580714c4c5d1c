// Builds a Rust Worker with worker-build, from tools of the versions that the lock files name: `examples/rust-worker`, or the
// crate in another folder. Prints what ships.
//
// usage: node build.mjs <out folder> [cargo features, such as test-clock,fault] [folder of the crate]

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { install, locked, tools } from "../wasm/tools.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const target = resolve(process.env.CARGO_TARGET_DIR ?? join(root, "target"));
const [out, features = "", folder = join(root, "examples/rust-worker")] = process.argv.slice(2);
if (!out) {
  console.error("usage: node build.mjs <out folder> [features] [folder of the crate]");
  process.exit(64);
}

install("worker-build", locked("worker"), ["--locked"]);
// Its version must be that of the crate. Its own lock file names newer versions than some registries have.
install("wasm-bindgen-cli", locked("wasm-bindgen"), []);

// Both are programs of packages; worker-build would load others.
const programs = {
  WASM_BINDGEN_BIN: join(tools, "bin/wasm-bindgen"),
  WASM_OPT_BIN: join(root, "node_modules/binaryen/bin/wasm-opt"),
  ESBUILD_BIN: join(root, "node_modules/esbuild/bin/esbuild"),
};
const cargo = ["--locked", ...(features ? ["--features", features] : [])];
execFileSync(join(tools, "bin/worker-build"), ["--profile", "wasm", "--out-dir", "build", resolve(folder), ...cargo], {
  cwd: root,
  env: { ...process.env, ...programs, CARGO_TARGET_DIR: target },
  stdio: ["ignore", "ignore", "inherit"],
});

const built = join(resolve(folder), "build");
mkdirSync(resolve(out), { recursive: true });
for (const name of readdirSync(resolve(out))) rmSync(join(resolve(out), name), { recursive: true });
for (const name of ["index.js", "index_bg.wasm"]) cpSync(join(built, name), join(resolve(out), name));
rmSync(built, { recursive: true });

for (const name of readdirSync(resolve(out)).sort()) {
  const bytes = readFileSync(join(resolve(out), name));
  console.log(`${name.padEnd(24)} ${String(bytes.length).padStart(9)} bytes ${String(gzipSync(bytes, { level: 9 }).length).padStart(8)} gzip`);
}
