// Builds the engine for devices: wasm-pack, then the passes that make a module smaller. Prints what ships, with hashes for
// `integrity`, and fails where it is too large.
//
// usage: node browser-sdk/build.mjs <out folder>

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { minify } from "terser";

import { optimize } from "../edge-worker/wasm/optimize.mjs";
import { install, locked, tools } from "../edge-worker/wasm/tools.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "..");
const out = process.argv[2] && resolve(process.argv[2]);
if (!out) {
  console.error("usage: node browser-sdk/build.mjs <out folder>");
  process.exit(64);
}

/** Wasm and glue together, packed by gzip: what they may take. */
const ROOM = 80 * 1024;
const WASM_PACK = "0.15.1";

install("wasm-pack", WASM_PACK, ["--locked"]);
// Its version must be that of the crate. Its own lock file names newer versions than some registries have.
install("wasm-bindgen-cli", locked("wasm-bindgen"), []);

const packed = join(out, "packed");
execFileSync(
  join(tools, "bin/wasm-pack"),
  ["--quiet", "build", here, "--mode", "no-install", "--target", "web", "--no-typescript", "--no-pack", "--no-opt", "--out-dir", packed, "--out-name", "engine",
    "--profile", "wasm", "--", "--locked"],
  { cwd: root, env: { ...process.env, PATH: `${join(tools, "bin")}${delimiter}${process.env.PATH}` }, stdio: ["ignore", "inherit", "inherit"] },
);
mkdirSync(out, { recursive: true });
optimize(readFileSync(join(packed, "engine_bg.wasm")), join(out, "engine.wasm"));
// The SDK hands the module over as bytes, so that its address and the way to it are not the glue's.
const glue = readFileSync(join(packed, "engine.js"), "utf8");
writeFileSync(join(out, "engine.new"), (await minify(glue, { ecma: 2020, module: true, compress: { passes: 3, ecma: 2020 } })).code);
renameSync(join(out, "engine.new"), join(out, "engine.mjs"));
rmSync(packed, { recursive: true });

let together = 0;
for (const name of ["engine.mjs", "engine.wasm"]) {
  const bytes = readFileSync(join(out, name));
  const gzip = gzipSync(bytes, { level: 9 }).length;
  together += gzip;
  const hash = createHash("sha384").update(bytes).digest("base64");
  console.log(`${name.padEnd(14)} ${String(bytes.length).padStart(8)} bytes ${String(gzip).padStart(7)} gzip  sha384-${hash}`);
}
if (together > ROOM) {
  console.error(`the engine takes ${together} bytes packed, more than ${ROOM}`);
  process.exit(1);
}
