// Ten times the process is killed while clients write. Whatever was acknowledged before must be there afterwards, once.
//
// Each event shows its visitor a product of its own, so the visitor's list of products names the events that were
// stored, and the counters beside it say how often.

import assert from "node:assert/strict";
import { test } from "node:test";

import { deploy, newId } from "./deployment.mjs";
import { BatchClient, assertExact, judge, killUnderLoad, line } from "./load.mjs";

const KILLS = 10;
const SINGLE_CLIENTS = 4;
const BATCH_CLIENTS = 4;
const BATCH_EVENTS = 20;
/** The list holds 100. */
const EVENTS_PER_VISITOR = 60;

test("no acknowledged event is lost or counted twice by kill -9", { timeout: 300_000 }, async (t) => {
  const ledger = new Ledger();
  const refused = [];
  const taken = (event, failure) => (failure ? refused.push(failure) : event.acknowledged());
  const worker = await deploy(t, "release");
  const batches = Array.from({ length: BATCH_CLIENTS }, () => new BatchClient(worker, taken));
  const single = async (name) => {
    const event = ledger.send(name);
    const answer = await worker.event("pageviews", event.columns);
    taken(event, answer.status === 200 && answer.json.offers ? "" : `${answer.status} ${answer.text}`);
  };
  const batch = (name) => Array.from({ length: BATCH_EVENTS }, (_, index) => ledger.send(`${name}-${index % 5}`));
  const clients = (kill) => [
    ...Array.from({ length: SINGLE_CLIENTS }, (_, client) => () => single(`single-${kill}-${client}`)),
    ...batches.map((client, index) => () => client.send(() => batch(`batch-${kill}-${index}`))),
  ];
  await killUnderLoad(worker, { kills: KILLS, shortest: 100, longest: 450, clients });
  // What is still in doubt is sent once more; nothing of it may count twice.
  let again = 0;
  for (const client of batches) again += await client.settle();

  const found = { stored: 0, lost: 0, twice: 0, unheard: 0 };
  for (const [visitor, events] of ledger.visitors) {
    const { page_views_24h: counted = 0, browsed_products_list: listed = [] } = await worker.values(visitor);
    const known = events.filter((event) => event.known).map((event) => event.id);
    judge(found, { sent: new Set(events.map((event) => event.id)), known, listed: new Set(listed), counted });
  }
  t.diagnostic(line({ kills: KILLS, sent: ledger.sent, acknowledged: ledger.acknowledged, ...found, "sent again at the end": again }));
  assertExact(found, refused);
  assert.ok(found.stored >= ledger.acknowledged && found.stored <= ledger.sent);
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
