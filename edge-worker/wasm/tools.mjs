// Programs that build wasm, of the versions that the lock file names, below `target/tools`.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** The folder in which they are installed. */
export const tools = join(resolve(process.env.CARGO_TARGET_DIR ?? join(root, "target")), "tools");

/** The version of a crate in the lock file. */
export function locked(name) {
  const found = new RegExp(`name = "${name}"\nversion = "([^"]+)"`).exec(readFileSync(join(root, "Cargo.lock"), "utf8"));
  if (!found) throw new Error(`Cargo.lock has no ${name}`);
  return found[1];
}

/** Installs a program below `target`, unless it is there in this version. */
export function install(crate, version, flags) {
  const known = join(tools, ".crates.toml");
  if (existsSync(known) && readFileSync(known, "utf8").includes(`"${crate} ${version} `)) return;
  execFileSync("cargo", ["install", "--quiet", "--root", tools, "--version", version, crate, ...flags], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
}
