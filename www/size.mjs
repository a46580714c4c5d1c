// Counts the bytes that are loaded before the shop works: the page itself, its styles, the scripts that it begins with, and those that
// they import.
// Prints raw and gzip bytes of each file, and fails over the bound.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const sdk = join(here, "../browser-sdk/js/dist");
/** The page has slots, so what fills them counts, though it comes by `import()`. */
const OF_SDK = ["usher.js", "overlay.js", ...readdirSync(sdk).filter((name) => name.startsWith("slots-"))];
/** Packed by gzip: the most, and the aim. */
const [MOST, AIM] = [60_000, 45_000];

/** Files of the page, in the order in which they are found, and the inspector; imports are followed, those by `import()` come later. */
function files() {
  const page = readFileSync(join(here, "index.html"), "utf8");
  const named = [...page.matchAll(/<(?:script[^>]* src|link[^>]* href)="([^"]+)"/g)].map(([, name]) => name);
  const found = new Set(["index.html", ...named, ...OF_SDK]);
  for (const name of found) {
    if (!name.endsWith(".js") || OF_SDK.includes(name)) continue;
    const text = readFileSync(join(here, name), "utf8");
    for (const [, to] of text.matchAll(/^(?:import|export) [^;]*?"(\.[^"]+)";/gms)) found.add(normalize(join(dirname(name), to)));
  }
  return [...found];
}

let total = 0;
const row = (name, bytes) => {
  const gzip = gzipSync(bytes, { level: 9 }).length;
  console.log(`${name.padEnd(24)} ${String(bytes.length).padStart(9)} bytes ${String(gzip).padStart(8)} gzip`);
  return gzip;
};
for (const name of files()) total += row(`www/${name}`, readFileSync(join(OF_SDK.includes(name) ? sdk : here, name)));
console.log(`${total} bytes gzip until the shop works, of at most ${MOST} (aim ${AIM})`);
row("td.min.js, if asked for", readFileSync(join(here, "../node_modules/td-js-sdk/dist/td.min.js")));
if (total > MOST) {
  console.error("the demo page is larger than it may be");
  process.exit(1);
}
