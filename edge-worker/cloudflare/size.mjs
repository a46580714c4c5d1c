// Prints the size of the module that serves visitors, beside its former size: a cold isolate compiles all of it.
//
// usage: node size.mjs <folder of the worker>; CHECK=1 fails when it grew

import { statSync } from "node:fs";
import { join } from "node:path";

/** Bytes at the release before; a change that is worth its bytes says so here. */
const BEFORE = 474_776;

const now = statSync(join(process.argv[2], "usher.wasm")).size;
const grew = now - BEFORE;
console.log(`the worker's module: ${now} bytes, ${BEFORE} before: ${grew > 0 ? "+" : ""}${grew} (${((100 * grew) / BEFORE).toFixed(1)} %)`);
if (grew > 0 && process.env.CHECK === "1") process.exit(1);
