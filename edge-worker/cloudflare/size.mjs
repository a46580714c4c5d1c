// Prints what the worker's modules weigh: the one that serves visitors beside its bound, because a cold isolate
// compiles all of it; the one of the control plane; and all that is uploaded, which the platform bounds.
//
// usage: node size.mjs <folder of the worker>; CHECK=1 fails when the module for visitors is larger than its bound

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/**
 * At most so many bytes of the module for visitors. It has 377,000, 165,600 packed, of which expressions take 19,500,
 * 9,400 packed: bundles, keys, and what is rare for a visitor are for the control plane's module.
 */
const MOST = { raw: 400_000, gzip: 170_000 };
/** The platform's bound for a script with all its modules, packed: that of its free plan. */
const UPLOAD_GZIP_BYTES = 3 * 1024 * 1024;

const [dist] = process.argv.slice(2);
const size = (names) => {
  const files = names.map((name) => readFileSync(join(dist, name)));
  const sum = (length) => files.reduce((sum, file) => sum + length(file), 0);
  return { raw: sum((file) => file.length), gzip: sum((file) => gzipSync(file, { level: 9 }).length) };
};
const said = ({ raw, gzip }) => `${raw} bytes, ${gzip} gzip`;

const visitors = size(["usher.wasm"]);
const all = size(readdirSync(dist).filter((name) => /\.(js|wasm)$/.test(name)));
console.log(`the module for visitors: ${said(visitors)}; at most ${said(MOST)}`);
console.log(`the module of the control plane: ${said(size(["usher-control.wasm"]))}`);
console.log(`all that is uploaded: ${said(all)} (at most ${UPLOAD_GZIP_BYTES} packed)`);
const fails = visitors.raw > MOST.raw || visitors.gzip > MOST.gzip || all.gzip > UPLOAD_GZIP_BYTES;
if (fails && process.env.CHECK === "1") process.exit(1);
