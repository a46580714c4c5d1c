// Eight shards in workerd: the process is killed while clients write, and while profiles merge from shard to shard. Whatever was
// acknowledged before must be there afterwards, once. And how many shards there are never changes.
//
// A person has three browsers, each with a profile of its own until an event names the customer beside it: then they merge. Each
// event shows a product of its own, so the list of products names the events that were stored, and the counter says how often.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";

import { Deployment, as, audience, bundle, deploy, newId } from "./deployment.mjs";
import { BatchClient, assertExact, judge, killUnderLoad, line } from "./load.mjs";

const KILLS = Number(process.env.USHER_KILLS ?? 25);
const SHARDS = 8;
const CLIENTS = 4;
const BATCH_EVENTS = 12;
const BROWSERS = 3;
/** The list holds 100. */
const EVENTS_PER_PERSON = 60;

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

test("no acknowledged event is lost or counted twice by kill -9 while profiles merge across shards", { timeout: 900_000 }, async (t) => {
  const people = new People();
  let [refused, delayed] = [[], 0];
  const taken = (event, failure) => {
    if (!failure) event.acknowledged();
    // A profile that a crash has left between two shards answers so until the merge is done.
    else if (/StorageUnavailable|storage is unavailable/.test(failure)) delayed += 1;
    else refused.push(failure);
  };
  const worker = await deploy(t, "release", { shards: SHARDS });
  const batches = Array.from({ length: CLIENTS }, () => new BatchClient(worker, taken));
  const single = async (name) => {
    const event = people.event(name);
    const answer = await worker.event("pageviews", event.columns);
    taken(event, answer.status === 200 && answer.json.offers ? "" : `${answer.status} ${answer.text}`);
  };
  const batch = (name) => Array.from({ length: BATCH_EVENTS }, (_, index) => people.event(`${name}-${index % 4}`));
  const clients = (kill) => [
    ...Array.from({ length: CLIENTS }, (_, client) => () => single(`single-${kill}-${client}`)),
    ...batches.map((client, index) => () => client.send(() => batch(`batch-${kill}-${index}`))),
  ];
  await killUnderLoad(worker, { kills: KILLS, shortest: 150, longest: 900, clients });
  for (const client of batches) await client.settle();

  const found = { stored: 0, lost: 0, twice: 0, unheard: 0 };
  for (const person of people.all()) {
    // Every browser is the customer's in the end, whatever the kills left.
    for (const event of person.joins()) {
      const until = Date.now() + 30_000;
      while (!event.known) {
        const { status, text, json } = await worker.batch("pageviews", [event.columns]);
        taken(event, status === 200 && json.receipts[0].success ? "" : text);
        assert.ok(event.known || Date.now() < until, `${person.name} is not to be had: ${text}`);
      }
    }
    const { listed, counted } = await merged(worker, person);
    const known = person.events.filter((event) => event.known).map((event) => event.id);
    judge(found, { sent: new Set(person.events.map((event) => event.id)), known, listed, counted });
  }
  t.diagnostic(line({ kills: KILLS, people: people.count, sent: people.sent, acknowledged: people.known, delayed, ...found }));
  assertExact(found, refused);
  assert.ok(people.known > 10 * KILLS, "there was no load to speak of");
});

/** What all browsers of a person say, once they say the same. */
async function merged(worker, person) {
  const until = Date.now() + 30_000;
  for (;;) {
    const seen = [];
    for (const [name, value] of person.keys) {
      try {
        const { meta, profile } = await worker.explain(value, name);
        seen.push([meta.profile.id, profile.attributes?.page_views_24h?.value ?? 0, profile.attributes?.browsed_products_list?.value ?? []]);
      } catch (error) {
        seen.push([error.message]);
      }
    }
    const same = seen.every((one) => JSON.stringify(one) === JSON.stringify(seen[0]));
    if (same && seen[0].length === 3) return { counted: seen[0][1], listed: new Set(seen[0][2]) };
    assert.ok(Date.now() < until, `${person.name} is not one: ${JSON.stringify(seen)}`);
    await wait(100);
  }
}

/** Persons by name; one with many events is followed by another one. */
class People {
  #persons = new Map();
  sent = 0;
  known = 0;

  get count() {
    return this.#persons.size;
  }

  all() {
    return [...this.#persons.values()];
  }

  /** A new event: the view of a product in one of the browsers, now and then with the customer beside it. */
  event(name) {
    let person = this.#persons.get(name);
    for (let next = 1; person && person.events.length >= EVENTS_PER_PERSON; next++) person = this.#persons.get((name = `${name.split("+")[0]}+${next}`));
    if (!person) this.#persons.set(name, (person = new Person(name, this)));
    return person.event(randomInt(BROWSERS), randomInt(4) === 0);
  }
}

class Person {
  events = [];

  constructor(name, people) {
    this.name = name;
    this.people = people;
  }

  get keys() {
    const browsers = Array.from({ length: BROWSERS }, (_, browser) => ["td_client_id", `${this.name}-${browser}`]);
    return [...browsers, ["customer_id", `customer ${this.name}`]];
  }

  event(browser, joins) {
    const [{ people }, id] = [this, newId()];
    const event = {
      id,
      known: false,
      columns: { td_client_id: this.keys[browser][1], ...(joins && { customer_id: this.keys[BROWSERS][1] }), td_path: `/product/${id}`, product_id: id, uuid: id },
      acknowledged() {
        if (!this.known) people.known += 1;
        this.known = true;
      },
    };
    this.events.push(event);
    people.sent += 1;
    return event;
  }

  joins() {
    return Array.from({ length: BROWSERS }, (_, browser) => this.event(browser, true));
  }
}

test("another number of shards than that of the data is refused until it is set back", { timeout: 120_000 }, async (t) => {
  const view = (visitor, more) => ({ td_client_id: visitor, td_path: "/", event_id: newId(), ...more });
  const worker = await deploy(t, "release", { shards: SHARDS, isolates: 2 });
  assert.equal((await worker.batch("pageviews", [view("anna", { customer_id: "c-1" }), view("anton")])).status, 200);
  const known = await worker.values("anna");
  for (const shards of [1, 16]) {
    await worker.become("release", { shards });
    for (const call of [(...all) => worker.second(...all), (...all) => worker.call(...all)]) {
      const answer = await call("POST", "/web/pageviews", as.collector, { events: [view("anna")] });
      assert.equal(answer.status, 503, answer.text);
      const health = await call("GET", "/healthz");
      assert.deepEqual([health.status, health.json.status], [503, "unconfigured"]);
      assert.match(health.json.detail, new RegExp(`^USHER_SHARDS is ${shards}, but the data are in 8: set it back`));
    }
  }
  await worker.become("release", { shards: SHARDS });
  assert.deepEqual(await worker.values("anna"), known);
});

test("a number of shards that is none is refused", { timeout: 120_000 }, async (t) => {
  const worker = new Deployment(t, "release", { shards: "many" });
  await worker.start();
  for (const shards of ["4097", "0", "1.5"]) {
    await worker.become("release", { shards });
    assert.match((await worker.call("GET", "/healthz")).json.detail, /^USHER_SHARDS is a number from 1 to 4096/);
  }
  await worker.become("release", { shards: "4096" });
  assert.equal((await worker.call("PUT", `/v1/audiences/${audience}/bundle`, as.admin, JSON.parse(await bundle()))).status, 200);
  assert.equal((await worker.batch("pageviews", [{ td_client_id: "anna", td_path: "/" }])).status, 200);
});
