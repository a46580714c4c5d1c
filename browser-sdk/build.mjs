// Builds the engine for devices: wasm-pack, then the passes that make a module smaller. Prints what ships, with hashes for
// `integrity`, and fails where it is too large.
//
// usage: node browser-sdk/build.mjs <out folder>

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { minify } from "terser";

import { optimize } from "../edge-worker/wasm/optimize.mjs";
import { pack } from "../edge-worker/wasm/pack.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] && resolve(process.argv[2]);
if (!out) {
  console.error("usage: node browser-sdk/build.mjs <out folder>");
  process.exit(64);
}

/** Wasm and glue together, packed by gzip: what they may take. */
const ROOM = 80 * 1024;

const { module, glue: packed } = pack(here, out, "engine");
mkdirSync(out, { recursive: true });
for (const name of readdirSync(out)) if (/^engine[.-]/.test(name)) rmSync(join(out, name));
const made = join(out, "engine.wasm");
optimize(module, made);
const wasm = readFileSync(made);
rmSync(made);
const digest = (bytes) => createHash("sha384").update(bytes).digest("base64");
const named = (bytes, ending) => `engine-${createHash("sha256").update(bytes).digest("hex").slice(0, 10)}.${ending}`;
const names = [named(wasm, "wasm")];
// The glue names its wasm, so that its own address is all that has to be known. The SDK fetches the wasm and hands it over as bytes.
const glue = `${packed}
const usherWasm = ${JSON.stringify(names[0])}, usherIntegrity = ${JSON.stringify(`sha384-${digest(wasm)}`)};
export { usherWasm as wasm, usherIntegrity as integrity };`;
const { code } = await minify(glue, { ecma: 2020, module: true, compress: { passes: 3, ecma: 2020 } });
names.unshift(named(code, "mjs"));
writeFileSync(join(out, names[1]), wasm);
writeFileSync(join(out, names[0]), code);

let together = 0;
for (const name of names) {
  const bytes = readFileSync(join(out, name));
  const gzip = gzipSync(bytes, { level: 9 }).length;
  together += gzip;
  console.log(`${name.padEnd(24)} ${String(bytes.length).padStart(8)} bytes ${String(gzip).padStart(7)} gzip  sha384-${digest(bytes)}`);
}
if (together > ROOM) {
  console.error(`the engine takes ${together} bytes packed, more than ${ROOM}`);
  process.exit(1);
}
