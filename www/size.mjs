// Prints name, raw and gzip bytes of every script of the demo page, the stock SDK included.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const files = readdirSync(here)
  .filter((name) => name.endsWith(".js"))
  .sort()
  .map((name) => [`www/${name}`, join(here, name)]);
files.push(["td-js-sdk td.min.js", join(here, "../node_modules/td-js-sdk/dist/td.min.js")]);
for (const [name, path] of files) {
  const bytes = readFileSync(path);
  const gzip = gzipSync(bytes, { level: 9 }).length;
  console.log(`${name.padEnd(24)} ${String(bytes.length).padStart(9)} bytes ${String(gzip).padStart(8)} gzip`);
}
