// Builds the service for browser tabs: wasm-pack, then the passes that make a module smaller. Prints what ships.
//
// usage: node edge-worker/tab/build.mjs <out folder> [features]

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { transform } from "esbuild";
import { minify } from "terser";

import { optimize, scripts } from "../wasm/optimize.mjs";
import { pack } from "../wasm/pack.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const [folder, features = ""] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node edge-worker/tab/build.mjs <out folder> [features]");
  process.exit(64);
}
const out = resolve(folder);


const { module, glue } = pack(here, out, "service", features);
const [wasm, stamp] = [join(out, "service.wasm"), join(out, ".built-from")];
// Optimizing takes longer than everything else of a second build; the same input gives the same output.
const source = [module, ...scripts()].reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");
if (!existsSync(wasm) || !existsSync(stamp) || readFileSync(stamp, "utf8") !== source) {
  optimize(module, wasm);
  writeFileSync(stamp, source);
}
// The glue knows one instance and keeps it. As a function it makes another one, which takes the place of one that trapped.
const { code } = await transform(glue, { format: "iife", globalName: "glue", define: { "import.meta.url": '""' }, target: "es2022" });
const start = `/** Makes an instance of a compiled module. */\nexport function start(module) {\n${code}glue.initSync({ module });\nreturn glue;\n}\n`;
writeFileSync(join(out, "service.new"), (await minify(start, { ecma: 2020, module: true })).code);
renameSync(join(out, "service.new"), join(out, "service.mjs"));

for (const name of ["service.mjs", "service.wasm"]) {
  const bytes = readFileSync(join(out, name));
  console.log(`${name.padEnd(14)} ${String(bytes.length).padStart(8)} bytes ${String(gzipSync(bytes, { level: 9 }).length).padStart(7)} gzip`);
}
