// Builds the package into `dist`, and prints size and hash of each file. With a folder, also each module by itself, for tests.
//
// usage: node browser-sdk/js/build.mjs [--modules <folder>]

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";
import { minify } from "terser";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const src = (name) => join(here, "src", name);
const dist = join(here, "dist");
const { values } = parseArgs({ options: { modules: { type: "string" } } });

/**
 * The files that ship, with the most bytes that each may have packed by gzip. What the core loads by
 * `import()` stands before it, and has the hash of its content in its name: parts of two releases do not fit together.
 */
const FILES = [
  { name: "slots.mjs", from: "render/content.ts", format: "esm", isCore: true, isLazy: true, gzipMax: 3_500 },
  { name: "device.mjs", from: "device/device.ts", format: "esm", isCore: true, isLazy: true, gzipMax: 3_500 },
  { name: "stub.js", from: "stub.ts", format: "iife", gzipMax: 500 },
  { name: "usher.js", from: "tag.ts", format: "iife", isCore: true, gzipMax: 8_500 },
  { name: "usher.mjs", from: "index.ts", format: "esm", isCore: true, gzipMax: 8_500 },
  { name: "td-compat.js", from: "td-compat.ts", format: "iife", gzipMax: 2_000 },
  { name: "overlay.js", from: "overlay/overlay.ts", format: "iife", gzipMax: 8_000 },
];

/** Names of properties of the core that neither a page nor a browser knows, so they ship shorter. */
const NAMES = [
  "adopt", "ask", "asOf", "bytes", "changes", "countAll", "delivery", "erase", "failed", "forget", "holds", "isFlying", "leave", "mark", "mine", "note",
  "observer", "post", "offsetMs", "one", "others", "plugins", "queue", "renew", "restore", "retryAfterMs", "see", "sent", "setTimer", "clearTimer",
  "setUser", "spaces", "take", "tell", "ticks", "tidy", "timer", "undo", "wake", "watch",
];
const KNOWN = [Array, Date, Map, Number, Promise, RegExp, Set, String, Uint8Array].map(({ prototype }) => prototype);
const known = NAMES.filter((name) => KNOWN.some((prototype) => name in prototype));
if (known.length) throw new Error(`a browser knows ${known.join(", ")}, so it may not be shortened`);
const INTERNAL = new RegExp(`^(${NAMES.join("|")})$`);

try {
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", here], { stdio: "inherit" });
} catch {
  process.exit(1);
}
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
const common = { bundle: true, target: "es2022", legalComments: "none", logLevel: "warning" };
/** Files that are loaded when they are needed, by the module that they begin with. */
const lazy = new Map();
const elsewhere = {
  name: "elsewhere",
  setup: ({ onResolve }) => onResolve({ filter: /./ }, ({ kind, path, resolveDir }) => (kind === "dynamic-import" ? { path: lazy.get(join(resolveDir, path)), external: true } : undefined)),
};
// One short name for each property in all files, because they hand objects to each other.
let mangleCache = {};
for (const file of FILES) {
  const { from, format, isCore, isLazy } = file;
  const names = isCore ? { mangleProps: INTERNAL, mangleCache } : from === "td-compat.ts" && { mangleProps: /^(sendable|send|place|keepValue)$/ };
  const { outputFiles, ...made } = await build({ ...common, ...names, plugins: [elsewhere], entryPoints: [src(from)], format, write: false, minify: true });
  mangleCache = made.mangleCache ?? mangleCache;
  const options = { ecma: 2020, module: true, compress: { passes: 4, ecma: 2020, pure_getters: true, unsafe: true }, format: { comments: false } };
  const { code: minified } = await minify(outputFiles[0].text, options);
  // An address that is known when the page runs is none of a bundler's business.
  const code = minified.replace(/\bimport\((?=[\w$])/g, "import(/* webpackIgnore: true *//* @vite-ignore */");
  if (isLazy) {
    const hash = createHash("sha256").update(code).digest("hex").slice(0, 10);
    file.name = file.name.replace(".", `-${hash}.`);
    lazy.set(src(from), `./${file.name}`);
  }
  writeFileSync(join(dist, file.name), code);
}
// The types are a file of their own: they need no module but this one.
writeFileSync(join(dist, "usher.d.ts"), `${readFileSync(src("types.ts"), "utf8")}\n/** The SDK of this page. */\nexport declare const usher: Usher;\n`);
copyFileSync(join(root, "LICENSE"), join(here, "LICENSE"));

if (values.modules) {
  const names = readdirSync(join(here, "src"), { recursive: true }).filter((name) => name.endsWith(".ts") && !name.endsWith("types.ts"));
  await build({ ...common, entryPoints: names.map(src), outdir: resolve(values.modules), outbase: join(here, "src"), outExtension: { ".js": ".mjs" }, format: "esm", splitting: true });
}

let isTooLarge = false;
for (const { name, gzipMax } of FILES) {
  const bytes = readFileSync(join(dist, name));
  const gzip = gzipSync(bytes, { level: 9 }).length;
  const hash = createHash("sha384").update(bytes).digest("base64");
  console.log(`${name.padEnd(22)} ${String(bytes.length).padStart(6)} bytes ${String(gzip).padStart(6)} gzip (at most ${gzipMax})  sha384-${hash}`);
  isTooLarge ||= gzip > gzipMax;
}
if (isTooLarge) {
  console.error("a file is larger than it may be");
  process.exit(1);
}
