// Builds a crate for browsers by wasm-pack: its wasm before optimization, and its glue.

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { install, locked, tools } from "./tools.mjs";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const WASM_PACK = "0.15.1";

/**
 * @param {string} crate its folder
 * @param {string} out a folder in which intermediate files may lie for a moment
 * @param {string} name of the glue's files
 * @param {string} [features] of the crate, separated by commas
 * @returns {{ module: Buffer, glue: string }}
 */
export function pack(crate, out, name, features = "") {
  install("wasm-pack", WASM_PACK, ["--locked"]);
  // Its version must be that of the crate. Its own lock file names newer versions than some registries have.
  install("wasm-bindgen-cli", locked("wasm-bindgen"), []);
  const packed = join(out, "packed");
  const options = ["--mode", "no-install", "--target", "web", "--no-typescript", "--no-pack", "--no-opt"];
  execFileSync(
    join(tools, "bin/wasm-pack"),
    ["--quiet", "build", crate, ...options, "--out-dir", packed, "--out-name", name, "--profile", "wasm", "--", "--locked", ...(features ? ["--features", features] : [])],
    { cwd: root, env: { ...process.env, PATH: `${join(tools, "bin")}${delimiter}${process.env.PATH}` }, stdio: ["ignore", "inherit", "inherit"] },
  );
  const built = { module: readFileSync(join(packed, `${name}_bg.wasm`)), glue: readFileSync(join(packed, `${name}.js`), "utf8") };
  rmSync(packed, { recursive: true });
  return built;
}
