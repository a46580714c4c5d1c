// Ten times the process is killed while clients write. Whatever was acknowledged before must be there afterwards, once.
//
// Each event shows its visitor a product of its own, so the visitor's list of products names the events that were
// stored, and the counters beside it say how often.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";

import { deploy, newId } from "./deployment.mjs";

const KILLS = 10;
const SINGLE_CLIENTS = 4;
const BATCH_CLIENTS = 4;
const BATCH_EVENTS = 20;
/** The list holds 100. */
const EVENTS_PER_VISITOR = 60;

test("no acknowledged event is lost or counted twice by kill -9", { timeout: 300_000 }, async (t) => {
  const ledger = new Ledger();
  const batchClients = Array.from({ length: BATCH_CLIENTS }, (_, name) => ({ name, again: undefined }));
  const worker = await deploy(t, "release");
  const refused = [];
  for (let kill = 0; kill < KILLS; kill++) {
    let alive = true;
    const loop = async (send) => {
      while (alive) {
        try {
          await send();
        } catch (error) {
          // The connection broke: whether it was stored is not known. Before the kill there is no reason for that.
          assert.equal(alive, false, `a connection broke before the kill: ${error.message}`);
        }
      }
    };
    const single = async (client) => {
      const event = ledger.send(`single-${kill}-${client}`);
      const answer = await worker.event("pageviews", event.columns);
      if (answer.status === 200 && answer.json.offers) event.acknowledged();
      else refused.push(`${answer.status} ${answer.text}`);
    };
    // A batch without an answer is sent again after the restart, under the same ids, as a client would do it.
    const batch = async (client) => {
      const visitor = (index) => `batch-${kill}-${client.name}-${index % 5}`;
      const events = client.again ?? Array.from({ length: BATCH_EVENTS }, (_, index) => ledger.send(visitor(index)));
      client.again = events;
      const answer = await worker.batch("pageviews", events.map((event) => event.columns));
      if (answer.status !== 200) return void refused.push(`${answer.status} ${answer.text}`);
      client.again = undefined;
      for (const [index, receipt] of answer.json.receipts.entries()) {
        if (receipt.success) events[index].acknowledged();
        else refused.push(JSON.stringify(receipt));
      }
    };
    const clients = [
      ...Array.from({ length: SINGLE_CLIENTS }, (_, client) => loop(() => single(client))),
      ...batchClients.map((client) => loop(() => batch(client))),
    ];
    // How long the load runs is the experiment.
    await new Promise((done) => setTimeout(done, randomInt(100, 451)));
    alive = false;
    await worker.kill();
    await Promise.all(clients);
    await worker.start();
  }
  // What is still in doubt is sent once more; nothing of it may count twice.
  let again = 0;
  for (const { again: events } of batchClients) {
    if (!events) continue;
    const answer = await worker.batch("pageviews", events.map((event) => event.columns));
    assert.equal(answer.status, 200, answer.text);
    for (const event of events) event.acknowledged();
    again += events.length;
  }

  let [stored, lost, twice, unheard] = [0, 0, 0, 0];
  for (const [visitor, events] of ledger.visitors) {
    const { page_views_24h: counted = 0, browsed_products_list: listed = [] } = await worker.values(visitor);
    const found = new Set(listed);
    stored += found.size;
    lost += events.filter((event) => event.known && !found.has(event.id)).length;
    twice += Math.max(0, counted - found.size);
    // A counter that is behind its list has lost something, too.
    lost += Math.max(0, found.size - counted);
    unheard += [...found].filter((id) => !events.some((event) => event.id === id)).length;
  }
  const figures = { kills: KILLS, sent: ledger.sent, acknowledged: ledger.acknowledged, stored, lost, twice };
  t.diagnostic(Object.entries(figures).map(([name, figure]) => `${name} ${figure}`).join(", ") + `, sent again at the end ${again}`);
  assert.equal(lost, 0, "acknowledged events are lost");
  assert.equal(twice, 0, "events count twice");
  assert.equal(unheard, 0, "events are stored that nobody sent");
  assert.equal(refused.length, 0, `refused while the worker ran: ${refused.length}, such as ${refused[0]}`);
  assert.ok(stored >= ledger.acknowledged && stored <= ledger.sent);
  assert.ok(ledger.acknowledged > 10 * KILLS, "there was no load to speak of");
});

/** What was sent, to whom, and what of it was acknowledged. */
class Ledger {
  visitors = new Map();
  sent = 0;
  acknowledged = 0;

  /** A new event for a visitor of this name; a full visitor is followed by another one. */
  send(name) {
    let visitor = name;
    for (let next = 1; (this.visitors.get(visitor)?.length ?? 0) >= EVENTS_PER_VISITOR; next++) visitor = `${name}-${next}`;
    const id = newId();
    const ledger = this;
    const event = {
      id,
      known: false,
      columns: { td_client_id: visitor, td_path: `/product/${id}`, product_id: id, uuid: id },
      acknowledged() {
        if (!this.known) ledger.acknowledged++;
        this.known = true;
      },
    };
    if (!this.visitors.has(visitor)) this.visitors.set(visitor, []);
    this.visitors.get(visitor).push(event);
    this.sent++;
    return event;
  }
}
