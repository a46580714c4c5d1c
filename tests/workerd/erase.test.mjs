// Erasures and purges in Durable Objects: upkeep by alarms, after which no file has anything of a visitor who is gone.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { as, audience, deploy } from "./deployment.mjs";

/** More than one turn of upkeep deletes. */
const IDLE = 250;
const DAY_MS = 24 * 60 * 60 * 1_000;

const profile = (name, value) => `/v1/audiences/${audience}/profiles/${name}/${value}`;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** The files of a folder that contain a text. A file may go meanwhile: SQLite removes those beside a database. */
function filesWith(folder, text) {
  const has = ({ parentPath, name }) => {
    try {
      return readFileSync(join(parentPath, name)).includes(text);
    } catch (error) {
      if (error.code === "ENOENT") return false;
      throw error;
    }
  };
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.filter(has).map(({ name }) => name);
}

/** A visitor with this word in keys, attributes and a record, in versions of many sizes, and with an absorbed profile. */
async function fill(worker, word) {
  const accepted = async (answer) => assert.match((await answer).text, /"success":true/);
  for (let version = 0; version < 3; version++) {
    for (let product = 0; product < 30; product++) {
      const product_id = `${word}-attribute-${version}-${product}-${"x".repeat(5 * product)}`;
      await accepted(worker.batch("pageviews", [{ td_client_id: `${word}-key`, td_path: "/product/1", product_id }]));
    }
    const record = JSON.stringify({ customer_id: `${word}-customer`, email: `${word}-record-${version}` });
    const imported = await worker.call("POST", `/v1/audiences/${audience}/profiles/import`, as.server, record);
    assert.equal(imported.json.imported, 1, imported.text);
  }
  await accepted(worker.batch("formfills", [{ td_client_id: `${word}-key`, customer_id: `${word}-customer` }]));
}

test("alarms purge what is idle, and leave nothing of an erased visitor in any file", { timeout: 300_000 }, async (t) => {
  const worker = await deploy(t, "test");
  const idle = Array.from({ length: IDLE }, (_, index) => ({ td_client_id: `canary-idle-${index}`, td_path: "/" }));
  const before = await worker.batch("pageviews", idle, { "x-usher-now": String(Date.now() - 402 * DAY_MS) });
  assert.equal(before.text.split('"success":true').length - 1, IDLE, before.text);
  for (const word of ["canary-gone", "canary-kept"]) await fill(worker, word);
  for (const part of ["gone-key", "gone-attribute-0", "gone-attribute-2", "gone-record-0", "gone-customer", "idle-1"]) {
    assert.notDeepEqual(filesWith(worker.data, `canary-${part}`), [], `${part} is there before`);
  }

  const erased = await worker.call("DELETE", profile("td_client_id", "canary-gone-key"), as.server);
  assert.equal(erased.status, 200, erased.text);
  // The first turn deletes as many as it may, and sets the alarm for the others.
  const turn = await worker.call("POST", "/v1/tick", as.admin);
  assert.deepEqual(turn.json, { purged: 200, more: true });
  const status = async (visitor) => (await worker.call("GET", profile("td_client_id", visitor), as.server)).status;
  const until = Date.now() + 60_000;
  while ((await status(`canary-idle-${IDLE - 1}`)) === 200 && Date.now() < until) await pause(200);
  assert.equal(await status(`canary-idle-${IDLE - 1}`), 404, "an alarm purged it");
  // Alarms go on until the tables are written anew, while visitors come.
  const left = () => ["canary-gone", "canary-idle"].flatMap((word) => filesWith(worker.data, word));
  while (left().length > 0 && Date.now() < until + 60_000) {
    await worker.batch("pageviews", [{ td_client_id: "canary-kept-key", td_path: "/" }]);
    await pause(500);
  }
  assert.deepEqual(left(), []);
  await worker.restart();
  assert.deepEqual(left(), []);
  assert.equal(await status("canary-gone-key"), 404);
  const kept = await worker.call("GET", profile("td_client_id", "canary-kept-key"), as.server);
  assert.match(kept.text, /canary-kept-attribute-2-29-.*canary-kept-record-2/s);
  assert.doesNotMatch(worker.log, /"event":"(failure|storage_failed|upkeep_failed)"/);
});
