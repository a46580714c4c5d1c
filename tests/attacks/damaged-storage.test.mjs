// Storage that was lost or damaged in part: the edge says so, answers what it can, loses no number, and a push heals it.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";

import { as, audience } from "../workerd/deployment.mjs";
import { attacked, countIn, having, hosts, sql } from "./edges.mjs";

const holding = (edge, table) => having(edge, table).filter((database) => countIn(database, table) > 0);

for (const host of hosts) {
  test(`${host}: the control object's data is lost`, { timeout: 120_000 }, async (t) => {
    const edge = await attacked(t, host);
    const views = async () => (await edge.view("victim")).json.offers?.Default?.attributes.page_views_24h;
    assert.equal(await views(), 1);
    const published = await edge.call("PUT", `/v1/audiences/${audience}/bundle`, as.admin, `${(await edge.call("GET", `/v1/audiences/${audience}/bundle`, as.admin)).text} `);
    assert.equal(published.json.number, 2, published.text);
    assert.equal(await views(), 2);

    await edge.stop();
    const [control] = holding(edge, "pointer");
    if (host === "workerd") for (const part of ["", "-wal", "-shm"]) rmSync(control + part, { force: true });
    else for (const table of ["pointer", "release", "bundle"]) sql(control, `DELETE FROM ${table}`);
    await edge.start();

    assert.notEqual((await edge.call("GET", "/healthz", {})).json.status, "ok", "an edge that lost what it ran is not well");
    const event = await edge.view("victim");
    assert.ok(event.status === 200 || event.status === 503, `known visitors must not hear that there is no such table: ${event.status} ${event.text}`);
    const pushed = await edge.push();
    assert.equal(pushed.status, 200, pushed.text);
    assert.ok(pushed.json.number > 2, `numbers go on: ${pushed.text}`);
    // Visitors are who they were.
    assert.ok([3, 4].includes(await views()), "what was counted before is counted on");
    assert.equal(await edge.health(), "ok");
  });

  test(`${host}: the stored bundle is damaged`, { timeout: 120_000 }, async (t) => {
    const edge = await attacked(t, host);
    assert.equal((await edge.view("victim")).status, 200);
    const body = (await edge.call("GET", `/v1/audiences/${audience}/bundle`, as.admin)).text;
    for (const earlier of [false, true]) {
      if (earlier) assert.equal((await edge.push(`${body} `)).status, 200);
      await edge.stop();
      for (const database of holding(edge, "bundle")) {
        const running = earlier ? "(SELECT hash FROM pointer)" : "hash";
        sql(database, `UPDATE bundle SET body = CAST(substr(body, 1, length(body) - 9) AS BLOB) WHERE hash = ${running}`);
      }
      for (const kv of having(edge, "entry")) sql(kv, "UPDATE entry SET value = CAST(substr(value, 1, length(value) - 9) AS BLOB) WHERE key LIKE 'bundle/%'");
      await edge.start();

      const event = await edge.view("victim");
      assert.equal(event.status, earlier ? 200 : 503, `${earlier ? "the last good one answers" : "nothing runs, which is not the same as no such table"}: ${event.text}`);
      assert.equal(await edge.health(), "degraded");
      const healed = await edge.push(earlier ? `${body} ` : body);
      assert.equal(healed.status, 200, healed.text);
      assert.equal((await edge.view("victim")).status, 200, "the same content, pushed again, heals it");
      assert.equal(await edge.health(), "ok");
    }
  });
}

for (const host of hosts) {
  test(`${host}: an import finds a damaged profile`, { timeout: 120_000 }, async (t) => {
    const edge = await attacked(t, host);
    const row = () => edge.call("POST", `/v1/audiences/${audience}/profiles/import`, as.server, '{"customer_id":"c-1"}');
    assert.equal((await row()).json.imported, 1);
    await edge.stop();
    for (const database of holding(edge, "profile")) sql(database, "UPDATE profile SET state = CAST(substr(state, 1, length(state) - 3) AS BLOB)");
    await edge.start();
    assert.equal(await edge.health(), "ok", "nobody has looked");
    const answer = await row();
    assert.deepEqual([answer.status, answer.json.imported, answer.json.rejected_count], [200, 0, 1], answer.text);
    assert.equal(await edge.health(), "degraded");
  });
}
