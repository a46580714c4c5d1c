// Builds the reader of definitions for the demo's tab "Rules": wasm-pack, then the passes that make a module smaller, and the texts of
// the shop's definitions. Prints what ships, and fails where it is too large.
//
// usage: node www/rules/build.mjs <out folder>

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { minify } from "terser";

import { optimize } from "../../edge-worker/wasm/optimize.mjs";
import { install, locked, tools } from "../../edge-worker/wasm/tools.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const out = process.argv[2] && resolve(process.argv[2]);
if (!out) {
  console.error("usage: node www/rules/build.mjs <out folder>");
  process.exit(64);
}

/** All files together, packed by gzip: what they may take. They are loaded when the tab is chosen. */
const ROOM = 290 * 1024;
/** The same as for the engine on devices. */
const WASM_PACK = "0.15.1";

install("wasm-pack", WASM_PACK, ["--locked"]);
// Its version must be that of the crate. Its own lock file names newer versions than some registries have.
install("wasm-bindgen-cli", locked("wasm-bindgen"), []);

const packed = join(out, "packed");
execFileSync(
  join(tools, "bin/wasm-pack"),
  ["--quiet", "build", here, "--mode", "no-install", "--target", "web", "--no-typescript", "--no-pack", "--no-opt", "--out-dir", packed, "--out-name", "reader",
    "--profile", "wasm", "--", "--locked"],
  { cwd: root, env: { ...process.env, PATH: `${join(tools, "bin")}${delimiter}${process.env.PATH}` }, stdio: ["ignore", "inherit", "inherit"] },
);
mkdirSync(out, { recursive: true });
optimize(readFileSync(join(packed, "reader_bg.wasm")), join(out, "reader.wasm"));
const glue = readFileSync(join(packed, "reader.js"), "utf8");
writeFileSync(join(out, "reader.new"), (await minify(glue, { ecma: 2020, module: true, compress: { passes: 3, ecma: 2020 } })).code);
renameSync(join(out, "reader.new"), join(out, "reader.js"));
rmSync(packed, { recursive: true });

// Without the examples, which hold the rules to what they are.
const shop = join(root, "examples/shop");
const isDefinition = (name) => /\.(yaml|json)$/.test(name) && !["credentials.json", "examples.yaml", "pipeline.yaml"].includes(name);
const texts = readdirSync(shop).filter(isDefinition).sort().map((name) => ({ name, text: readFileSync(join(shop, name), "utf8") }));
writeFileSync(join(out, "shop.json"), JSON.stringify(texts));

let together = 0;
for (const name of ["reader.js", "reader.wasm", "shop.json"]) {
  const bytes = readFileSync(join(out, name));
  const gzip = gzipSync(bytes, { level: 9 }).length;
  together += gzip;
  console.log(`${name.padEnd(14)} ${String(bytes.length).padStart(8)} bytes ${String(gzip).padStart(7)} gzip`);
}
if (together > ROOM) {
  console.error(`the reader of definitions takes ${together} bytes packed, more than ${ROOM}`);
  process.exit(1);
}
