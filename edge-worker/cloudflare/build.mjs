// Builds the worker: cargo and wasm-opt for each module, and the entry beside them. Prints what ships.
//
// usage: node build.mjs <out folder> [cargo features, such as test-clock,fault]

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { optimize, scripts } from "../wasm/optimize.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const [out, features = ""] = process.argv.slice(2);
if (!out) {
  console.error("usage: node build.mjs <out folder> [features]");
  process.exit(64);
}

/** The modules, each with its features: what serves visitors, and what the entry starts when the control plane is asked. */
const MODULES = { "usher.wasm": [], "usher-control.wasm": ["control-plane"] };

mkdirSync(resolve(out), { recursive: true });
for (const [name, own] of Object.entries(MODULES)) build(name, [...own, ...features.split(",").filter(Boolean)]);

for (const name of readdirSync(join(here, "entry"))) {
  rmSync(join(resolve(out), name), { force: true });
  cpSync(join(here, "entry", name), join(resolve(out), name));
}

for (const name of readdirSync(resolve(out)).filter((name) => !name.startsWith(".")).sort()) {
  const bytes = readFileSync(join(resolve(out), name));
  console.log(`${name.padEnd(24)} ${String(bytes.length).padStart(9)} bytes ${String(gzipSync(bytes, { level: 9 }).length).padStart(8)} gzip`);
}

function build(name, features) {
  const cargo = ["rustc", "--quiet", "--locked", "--profile", "wasm", "--target", "wasm32-unknown-unknown", "-p", "usher-cloudflare"];
  const wanted = features.length > 0 ? ["--features", features.join(",")] : [];
  // Relocations tell what is data of panics alone; wasm-opt drops them.
  run("cargo", [...cargo, ...wanted, "--", "-C", "link-arg=--emit-relocs"]);
  const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
  const built = readFileSync(join(target, "wasm32-unknown-unknown/wasm/usher_cloudflare.wasm"));
  const wasm = join(resolve(out), name);
  // Optimizing takes longer than everything else of a second build; the same input gives the same output.
  const stamp = join(resolve(out), `.${name}.built-from`);
  const source = [built, ...scripts()].reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");
  if (existsSync(wasm) && existsSync(stamp) && readFileSync(stamp, "utf8") === source) return;
  optimize(built, wasm);
  writeFileSync(stamp, source);
}

function run(command, args) {
  execFileSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}
