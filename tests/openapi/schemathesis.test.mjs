// Schemathesis asks a native edge what the document that it serves promises: every operation, with what fits and what does not. No answer
// may be one that the document lacks, nor let in a caller without a key, nor take what the document forbids.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { emptyHost } from "../delivery/hosts.mjs";
import { audience, credentials, root, temporaryFolder } from "../workerd/deployment.mjs";

const VERSION = "4.32.5";
const SCOPES = ["personalize", "sensitive", "import", "explain", "read", "erase"];

/** The program, installed beside what is built; or the reason why it is not there. */
function installed() {
  const folder = join(process.env.CARGO_TARGET_DIR || join(root, "target"), `schemathesis-${VERSION}`);
  const program = join(folder, "bin/schemathesis");
  if (existsSync(program)) return { program };
  for (const command of [["python3", "-m", "venv", folder], [join(folder, "bin/pip"), "install", "--quiet", "--disable-pip-version-check", `schemathesis==${VERSION}`]]) {
    const { status, error, stderr } = spawnSync(command[0], command.slice(1), { encoding: "utf8", timeout: 300_000 });
    if (status === 0) continue;
    // An installation that was cut off would be taken for a whole one.
    rmSync(folder, { recursive: true, force: true });
    const reason = error?.message ?? stderr.trim().split("\n").at(-1);
    return { missing: `schemathesis ${VERSION} is not there: ${command.slice(0, 4).join(" ")}: ${reason}` };
  }
  return { program };
}

/** One key for all of it. */
function keys() {
  const sha256 = (name) => createHash("sha256").update(credentials[name]).digest("hex");
  const record = { sha256: sha256("admin_key"), audience: "*" };
  return JSON.stringify({
    signing_key: "07".repeat(32),
    keys: [
      { kind: "admin", ...record },
      { kind: "server", ...record, account: "1", scopes: SCOPES },
      { kind: "write", ...record, account: "1", origins: credentials.allowed_origins },
      { kind: "token", sha256: sha256("public_token"), account: "1", audience, public: true, origins: credentials.allowed_origins },
    ],
  });
}

test("an edge answers as the document says", { timeout: 1_200_000 }, async (t) => {
  const { program, missing } = installed();
  if (missing) return t.skip(missing);
  const edge = await emptyHost(t, "native", "http://127.0.0.1:9/", keys());
  const env = {
    PATH: process.env.PATH,
    HOME: temporaryFolder(t),
    PYTHONPATH: join(root, "tests/openapi"),
    // Nothing is left in the tree.
    PYTHONDONTWRITEBYTECODE: "1",
    USHER_KEY: credentials.admin_key,
    USHER_AUDIENCE: audience,
    USHER_PUBLIC_TOKEN: credentials.public_token,
    USHER_ORIGIN: credentials.allowed_origins[0],
  };
  const args = ["--config-file", join(root, "tests/openapi/schemathesis.toml"), "run", `${edge.url}/openapi.json`, "--no-color"];
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: env.HOME, env, encoding: "utf8", maxBuffer: 1 << 26 });
  assert.equal(status, 0, `${stdout.slice(-20_000)}\n${stderr}`);
  const [, count] = /(\d+) generated/.exec(stdout);
  assert.ok(Number(count) > 1_000, stdout);
  t.diagnostic(`${count} requests`);
  assert.equal((await edge.call("GET", "/healthz")).status, 200);
});
