// RT 2.0's own walks, as scripts, against each host that delivers activations: from an empty deployment to an answering personalization,
// and to an activation that its receiver verified.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { emptyHost, receiver, usher } from "../delivery/hosts.mjs";
import { audience, root, temporaryFolder } from "../workerd/deployment.mjs";

/** One key for everything, as RT 2.0's master key is. */
const KEY = `1/${"ab".repeat(20)}`;

const keys = () => {
  const sha256 = createHash("sha256").update(KEY).digest("hex");
  const record = { sha256, audience, account: "1" };
  return JSON.stringify({ signing_key: "07".repeat(32), keys: [{ kind: "admin", ...record }, { kind: "server", ...record, scopes: ["personalize"] }] });
};

/** Runs a walk against an edge, and returns the lines of what it printed. */
async function walk(t, edge, name, destination = "") {
  const folder = temporaryFolder(t);
  // The scripts say `usher`, whatever the file is called.
  mkdirSync(join(folder, "bin"));
  copyFileSync(usher(), join(folder, "bin/usher"));
  const env = {
    PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH}`,
    HOME: folder,
    USHER_URL: edge.url,
    USHER_AUDIENCE: audience,
    TD_API_KEY: KEY,
    SEEDS_SLEEP: "0.5",
    SEEDS_DESTINATION: destination,
  };
  const { stdout } = await promisify(execFile)("bash", [join(root, "tests/seeds", name)], { cwd: folder, env, maxBuffer: 1 << 24 }).catch((failure) => {
    throw new Error(`${name}: ${failure.message}\n${failure.stdout}\n${failure.stderr}`);
  });
  assert.match(stdout, /^[1-9][0-9]* passed, 0 failed$/m, stdout);
  return stdout.split("\n");
}

for (const kind of ["native", "workerd"]) {
  const start = async (t) => {
    const { url, got } = await receiver(t, () => 200);
    return { edge: await emptyHost(t, kind, url, keys()), url, got };
  };

  test(`${kind}: the setup of a personalization passes its own checklist`, { timeout: 300_000 }, async (t) => {
    const { edge } = await start(t);
    const lines = await walk(t, edge, "rt-setup-personalization.sh");
    assert.equal(lines.filter((line) => /^ok - [1-5]\. /.test(line)).length, 5, lines.join("\n"));
  });

  test(`${kind}: the infrastructure is set up`, { timeout: 300_000 }, async (t) => {
    await walk(t, (await start(t)).edge, "rt-infrastructure.sh");
  });

  test(`${kind}: a configuration is set up and looked at`, { timeout: 300_000 }, async (t) => {
    await walk(t, (await start(t)).edge, "rt-config.sh");
  });

  test(`${kind}: a service is pushed alone`, { timeout: 300_000 }, async (t) => {
    await walk(t, (await start(t)).edge, "rt-personalization.sh");
  });

  test(`${kind}: a journey is set up, and its activation is delivered`, { timeout: 300_000 }, async (t) => {
    const { edge, url, got } = await start(t);
    await walk(t, edge, "rt-setup-triggers.sh", url);
    assert.deepEqual(got.map(({ body }) => body), [{ id: "seed-1", views: 0 }]);
  });
}
