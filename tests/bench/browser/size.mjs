// Sizes of the browser SDK and of the engine for devices beside peers, measured the same way in one run: what a page loads with one import,
// bundled and minified by esbuild where a package ships no bundle, packed by gzip -9. Wasm counts with its glue.
//
// usage: make size-peers

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../../..");
const peers = join(here, "node_modules");
const device = join(root, process.env.CARGO_TARGET_DIR ?? "target", "device");
const dist = join(root, "browser-sdk/js/dist");

const own = (name) => readFileSync(join(dist, name));
const inDevice = (ending) => readFileSync(join(device, readdirSync(device).find((name) => /^engine-/.test(name) && name.endsWith(ending))));
const of = (path) => readFileSync(join(peers, path));
const version = (name, folder = peers) => `${name} ${JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8")).version}`;

/** The part of a package that an import loads at once; what it loads later by `import()` does not count. */
async function bundled(line) {
  const { outputFiles } = await build({
    stdin: { contents: line, resolveDir: here },
    bundle: true, minify: true, format: "esm", splitting: true, outdir: "out", write: false, target: "es2020", logLevel: "error",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [path.split("/").at(-1), contents]));
  const needed = new Set(["stdin.js"]);
  for (const name of needed) for (const [, to] of Buffer.from(files.get(name)).toString().matchAll(/(?:from|import)"\.\/([^"]+)"/g)) needed.add(to);
  return Buffer.concat([...needed].map((name) => files.get(name)));
}

const rows = [
  ["scripts", null],
  ["@usher/browser, core", [own("usher.mjs")]],
  ["@usher/browser, core and slots", [own("usher.mjs"), ...readdirSync(dist).filter((name) => name.startsWith("slots-")).map(own)]],
  [version("@growthbook/growthbook"), [await bundled(`export { GrowthBook } from "@growthbook/growthbook";`)]],
  [version("td-js-sdk", join(root, "node_modules")), [readFileSync(join(root, "node_modules/td-js-sdk/dist/td.min.js"))]],
  [version("@segment/analytics-next"), [await bundled(`export { AnalyticsBrowser } from "@segment/analytics-next";`)]],
  [version("posthog-js"), [await bundled(`export { default } from "posthog-js";`)]],
  ["engines, wasm and glue", null],
  ["usher-browser, with state", [inDevice(".wasm"), inDevice(".mjs")]],
  [version("@goplasmatic/datalogic"), ["datalogic_wasm_bg.wasm", "datalogic_wasm.js"].map((name) => of(`@goplasmatic/datalogic/web/${name}`))],
  [version("@gorules/zen-engine-wasm"), ["zen_engine_wasm_bg.wasm", "zen_engine_wasm.js"].map((name) => of(`@gorules/zen-engine-wasm/dist/${name}`))],
];
for (const [name, files] of rows) {
  const gzip = files?.reduce((sum, bytes) => sum + gzipSync(bytes, { level: 9 }).length, 0);
  console.log(files ? `  ${name.padEnd(36)} ${gzip.toLocaleString("en").padStart(9)} bytes` : `${name}, gzip -9`);
}
