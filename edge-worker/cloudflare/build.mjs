// Builds the worker: cargo and wasm-opt for each module, and the entry beside them. Prints what ships.
//
// usage: node build.mjs <out folder> [cargo features, such as test-clock,fault]

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import binaryen from "binaryen";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const [out, features = ""] = process.argv.slice(2);
if (!out) {
  console.error("usage: node build.mjs <out folder> [features]");
  process.exit(64);
}

/** Parts of the names of functions that end in a panic, or write a value for one: nothing else uses `Debug`. */
const PANICS = [
  "9panicking", "slice_index_fail", "slice_error_fail", "unwrap_failed", "expect_failed", "handle_error", "capacity_overflow",
  "handle_alloc_error", "rust_oom", "panic_already", "panic_access_error", "panic_on_ord", "len_mismatch_fail", "rust_panic",
  "5Debug3fmt",
];

/** Supported by workerd and by browsers of recent years; listed so that wasm-opt may use them. */
const WASM_FEATURES = ["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"];

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
  const cargo = ["build", "--quiet", "--locked", "--profile", "wasm", "--target", "wasm32-unknown-unknown", "-p", "usher-cloudflare"];
  run("cargo", features.length > 0 ? [...cargo, "--features", features.join(",")] : cargo);
  const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
  const built = readFileSync(join(target, "wasm32-unknown-unknown/wasm/usher_cloudflare.wasm"));
  const wasm = join(resolve(out), name);
  // Optimizing takes longer than everything else of a second build; the same input gives the same output.
  const stamp = join(resolve(out), `.${name}.built-from`);
  const source = createHash("sha256").update(built).update(readFileSync(fileURLToPath(import.meta.url))).digest("hex");
  if (existsSync(wasm) && existsSync(stamp) && readFileSync(stamp, "utf8") === source) return;
  optimize(built, wasm);
  writeFileSync(stamp, source);
}

function optimize(built, wasm) {
  const optimized = `${wasm}.new`;
  const silent = `${wasm}.silent`;
  writeFileSync(silent, withSilentPanics(withoutLocations(built)));
  run(process.execPath, [
    join(root, "node_modules/binaryen/bin/wasm-opt"),
    // The first 1,024 bytes are the last of the stack: no address is counted from below them.
    "--low-memory-unused",
    // Control flow is rebuilt from flat code, which is smaller than what the compiler leaves.
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
    ...WASM_FEATURES.map((feature) => `--enable-${feature}`),
    silent,
    "-o",
    optimized,
  ]);
  rmSync(silent);
  // Renamed into place, so that an interrupted build leaves the old one or the new one.
  renameSync(optimized, wasm);
}

/**
 * Zeroes the places of panics (text, length, line, column) and the names of files that they point to, which a silent panic
 * does not read; wasm-opt drops zeros. The names would also tell where the module was built.
 */
function withoutLocations(built) {
  const bytes = Buffer.from(built);
  const data = dataOf(bytes);
  /** The position in the file of bytes at an address. */
  const at = (address, length) => {
    const found = data.find((segment) => segment.address <= address && address + length <= segment.address + segment.length);
    return found && found.start + address - found.address;
  };
  const names = new Map();
  for (const { address, start, length } of data) {
    for (let offset = -address & 3; offset + 16 <= length; offset += 4) {
      const [text, size, line, column] = [0, 4, 8, 12].map((field) => bytes.readUInt32LE(start + offset + field));
      const name = size > 3 && size < 256 && line > 0 && line < 1e5 && column > 0 && column < 1e3 ? at(text, size) : undefined;
      if (name === undefined || !/^[\w/.-]+\.rs$/.test(bytes.toString("latin1", name, name + size))) continue;
      names.set(name, size);
      bytes.fill(0, start + offset, start + offset + 16);
    }
  }
  for (const [name, size] of names) bytes.fill(0, name, name + size);
  // The toolchain is pinned; another one may place them otherwise.
  if (/\.rs(?![\w.])/.test(data.map(({ start, length }) => bytes.toString("latin1", start, start + length)).join(" "))) {
    throw new Error("a name of a source file is left in the data");
  }
  return bytes;
}

/** The active segments of a module's data: address, position in the file, length. */
function dataOf(bytes) {
  let at = 8;
  const number = () => {
    for (let [value, shift] = [0, 0]; ; shift += 7) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const segments = [];
  while (at < bytes.length) {
    const [section, size] = [bytes[at++], number()];
    const end = at + size;
    for (let left = section === 11 ? number() : 0; left > 0; left--) {
      // Flags, the opcode of a constant, the constant, the opcode of the end.
      at += 2;
      const address = number();
      at += 1;
      const length = number();
      segments.push({ address, start: at, length });
      at += length;
    }
    at = end;
  }
  return segments;
}

/** A panic traps at once: nobody hears its message, which takes 6 KB to write, and the trap is all that the entry sees. */
function withSilentPanics(bytes) {
  const module = binaryen.readBinary(bytes);
  let silenced = 0;
  for (let index = 0; index < module.getNumFunctions(); index++) {
    const found = module.getFunctionByIndex(index);
    const { name } = binaryen.getFunctionInfo(found);
    if (!PANICS.some((part) => name.includes(part))) continue;
    binaryen.Function.setBody(found, module.unreachable());
    silenced += 1;
  }
  // The toolchain is pinned; another one may name them otherwise.
  if (silenced < PANICS.length) throw new Error(`found ${silenced} functions that panic, fewer than ${PANICS.length}`);
  return module.emitBinary();
}

function run(command, args) {
  execFileSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
}
