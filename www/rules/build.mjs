// Builds the reader of definitions for the demo's tab "Rules": wasm-pack, then the passes that make a module smaller, and the texts of
// the shop's definitions. Prints what ships, and fails where it is too large.
//
// usage: node www/rules/build.mjs <out folder>

import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { minify } from "terser";

import { optimize } from "../../edge-worker/wasm/optimize.mjs";
import { pack } from "../../edge-worker/wasm/pack.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const out = process.argv[2] && resolve(process.argv[2]);
if (!out) {
  console.error("usage: node www/rules/build.mjs <out folder>");
  process.exit(64);
}

/** All files together, packed by gzip: what they may take. They are loaded when the tab is chosen. */
const ROOM = 340 * 1024;

const { module, glue } = pack(here, out, "reader");
mkdirSync(out, { recursive: true });
optimize(module, join(out, "reader.wasm"));
writeFileSync(join(out, "reader.new"), (await minify(glue, { ecma: 2020, module: true, compress: { passes: 3, ecma: 2020 } })).code);
renameSync(join(out, "reader.new"), join(out, "reader.js"));

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
