// The edge of a tab in node, on a build that traps as told: the instance is replaced, and what was stored is there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

import { as, audience, root, secret } from "../workerd/deployment.mjs";
import { siteFolder } from "./static.mjs";

const dist = resolve(root, process.env.USHER_TEST_TAB_FAULT || "target/tab/test");
const skip = siteFolder.missing || !existsSync(join(dist, "service.wasm")) && `${dist} is missing: node edge-worker/tab/build.mjs target/tab/test test-clock,fault`;

test("a trap costs one request", { skip, timeout: 60_000 }, async (t) => {
  const edge = spawn(process.execPath, [join(root, "edge-worker/tab/local/serve.mjs"), "--dist", dist], { env: { ...process.env, USHER_KEYS: secret() }, stdio: ["pipe", "pipe", "ignore"] });
  t.after(() => edge.kill());
  const [line] = await once(createInterface(edge.stdout), "line");
  const url = line.split(" ").at(-1);
  const call = async (method, path, headers, body) => {
    const response = await fetch(url + path, { method, headers, body });
    return { status: response.status, text: await response.text() };
  };
  const [{ body: bundle }] = JSON.parse(readFileSync(join(siteFolder.path, "edge/shop.json"), "utf8")).requests;
  assert.equal((await call("PUT", `/v1/audiences/${audience}/bundle`, as.admin, bundle)).status, 200);
  const view = (uuid, more = {}) => call("POST", "/web/pageviews", { ...as.collector, ...more }, JSON.stringify({ events: [{ td_client_id: "v", uuid }] }));
  const views = async () => {
    const explained = await call("POST", "/v1/explain", as.server, JSON.stringify({ audience, key: { name: "td_client_id", value: "v" } }));
    return JSON.parse(explained.text).profile.attributes.page_views_24h.value;
  };
  assert.equal((await view("1")).status, 200);
  for (const fault of ["panic", "memory"]) {
    const trapped = await view("2", { "x-usher-fault": fault });
    assert.equal(trapped.status, 500, trapped.text);
    assert.equal(await views(), 1, `after ${fault}`);
  }
  assert.equal((await view("2")).status, 200);
  assert.equal(await views(), 2);
});
