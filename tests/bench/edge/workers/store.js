// A worker as a person writes it by hand for the sections of `sections.js`: the same routes, key check, identity by one key, windows, list,
// deduplication, signed token and answers, with profiles as JSON. Without merges, trust, bounds, and explanations.

import { answer } from "./decide.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A copy in memory answers this long. */
const COPY_MS = 60_000;
const COPIES_MAX = 10_000;
const SEEN_MS = 7 * DAY;
const SEEN_MAX = 1_000;
const LIST_MS = 60 * DAY;
const LIST_MAX = 100;
/** Each with its window and the width of its buckets. */
const COUNTERS = { views_24h: ["page_view", DAY, HOUR / 2], views_7d: ["page_view", 7 * DAY, 3 * HOUR], purchases_30d: ["purchase", 30 * DAY, 12 * HOUR] };
const BATCH = ["tier", "country", "spent", "orders", "newsletter"];
const KEYS = ["td_client_id", "customer_id"];

const encoder = new TextEncoder();
const copies = new Map();
let signer;

export default {
  async fetch(request, env) {
    const [key, token] = [request.headers.get("authorization"), request.headers.get("wp13n-token")];
    if (request.headers.has("origin") || !(await isKnown(env, key))) return refuse(401);
    const start = request.url.indexOf("/", request.url.indexOf("://") + 3);
    const path = request.url.slice(start);
    if (path === "/v1/personalize") return await lookUp(request, env);
    const object = env.STORE.get(env.STORE.idFromName("shard-0"));
    const table = path.slice(1);
    if (path !== "/import" && !["web/pageviews", "web/purchase"].includes(table)) return refuse(404);
    if (token && !(await isKnown(env, `TD1 ${token}`))) return refuse(401);
    const body = await request.json();
    const message = path === "/import" ? { rows: body } : { table, events: body.events ?? [body], personalize: Boolean(token) };
    const done = await object.fetch("http://store/", { method: "POST", body: JSON.stringify(message) });
    for (const name of (done.headers.get("forget") ?? "").split(",")) copies.delete(name);
    return new Response(done.body, { status: done.status, headers: done.headers });
  },
};

/** Keys are known by their hashes. */
async function isKnown(env, key) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode((key ?? "").replace(/^TD1 /, ""))));
  const hex = hash.toHex();
  // In constant time: every character of every key is looked at.
  let found = 0;
  for (const known of env.KEYS) {
    let different = 0;
    for (let index = 0; index < 64; index++) different |= known.charCodeAt(index) ^ hex.charCodeAt(index);
    found |= different === 0 ? 1 : 0;
  }
  return found === 1;
}

async function lookUp(request, env) {
  const { audience, personalization, inputs } = await request.json();
  if (audience !== "1069944" || personalization !== "home") return refuse(404);
  const name = KEYS.map((key) => inputs[key] && `${key}=${inputs[key]}`).find(Boolean);
  const now = Date.now();
  let copy = copies.get(name);
  let source = "memory";
  if (!copy || now - copy.at >= COPY_MS) {
    const object = env.STORE.get(env.STORE.idFromName("shard-0"));
    const found = await object.fetch("http://store/", { method: "POST", body: JSON.stringify({ name }) });
    copy = { at: now, text: await found.text() };
    copies.set(name, copy);
    while (copies.size > COPIES_MAX) copies.delete(copies.keys().next().value);
    source = "writer";
  }
  const profile = env.PARSED ? (copy.profile ??= JSON.parse(copy.text)) : JSON.parse(copy.text);
  const { offers, reasons } = answer(values(profile, now), profile.segments ?? []);
  const meta = { bundle: 1, version: profile.version, source, age_ms: now - copy.at, reasons };
  return json(JSON.stringify({ offers, meta }), { "usher-seen": await seen(env, profile, now) });
}

export class Store {
  #sql;
  #storage;
  #env;

  constructor(context, env) {
    this.#storage = context.storage;
    this.#sql = context.storage.sql;
    this.#env = env;
    this.#sql.exec("CREATE TABLE IF NOT EXISTS profile (id TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL) WITHOUT ROWID");
    this.#sql.exec("CREATE TABLE IF NOT EXISTS profile_key (name TEXT PRIMARY KEY, profile TEXT NOT NULL) WITHOUT ROWID");
  }

  async fetch(request) {
    const message = await request.json();
    const now = Date.now();
    if (message.name) return new Response(JSON.stringify(this.#load([message.name]) ?? { version: 0 }));
    if (message.rows) {
      for (const row of message.rows) this.#import(row);
      return json("{}");
    }
    const written = message.events.map((event) => this.#ingest(message.table, event, now));
    if (!message.personalize) return json(JSON.stringify({ receipts: written.map(() => ({ success: true })) }));
    const [profile] = written;
    const { offers } = answer(values(profile, now), profile.segments ?? []);
    const headers = { forget: profile.names.join(","), "usher-seen": await seen(this.#env, profile, now) };
    return json(JSON.stringify({ offers }), headers);
  }

  #load(names) {
    const sql = "SELECT state FROM profile WHERE id IN (SELECT profile FROM profile_key WHERE name IN (SELECT value FROM json_each(?)))";
    const [row] = this.#sql.exec(sql, JSON.stringify(names)).raw();
    return row && JSON.parse(row[0]);
  }

  #ingest(table, event, now) {
    const names = KEYS.filter((key) => typeof event[key] === "string" && event[key] && event[key].length <= 256).map((key) => `${key}=${event[key]}`);
    const profile = this.#load(names) ?? fresh();
    const id = event.uuid ?? crypto.randomUUID();
    for (const known in profile.seen) if (now - profile.seen[known] >= SEEN_MS) delete profile.seen[known];
    if (profile.seen[id] === undefined) {
      profile.seen[id] = now;
      const known = Object.keys(profile.seen);
      if (known.length > SEEN_MAX) delete profile.seen[known[0]];
      const at = Math.min(now, event.time ? event.time * 1_000 : now);
      const kind = table === "web/purchase" ? "purchase" : "page_view";
      if (kind === "page_view") {
        keepLast(profile, "last_product", event.product_id, at, id);
        keepLast(profile, "last_category", event.category, at, id);
        if (event.product_id !== undefined) this.#browse(profile, event.product_id, at, now);
      }
      for (const [name, [of, window, width]] of Object.entries(COUNTERS)) {
        if (of !== kind) continue;
        const ring = (profile.counters[name] ??= {});
        const bucket = Math.floor(at / width);
        ring[bucket] = (ring[bucket] ?? 0) + 1;
        for (const old in ring) if ((Number(old) + 1) * width <= now - window) delete ring[old];
      }
    }
    this.#store(profile, names);
    return profile;
  }

  #browse(profile, product, at, now) {
    profile.browsed = profile.browsed.filter((item) => item.id !== product && now - item.at < LIST_MS);
    profile.browsed.push({ id: product, at });
    profile.browsed.sort((a, b) => b.at - a.at);
    profile.browsed.length = Math.min(profile.browsed.length, LIST_MAX);
  }

  #import(row) {
    const name = `customer_id=${row.customer_id}`;
    const profile = this.#load([name]) ?? fresh();
    profile.batch = Object.fromEntries(BATCH.map((column) => [column, row[column]]));
    profile.segments = row.batch_segments;
    this.#store(profile, [name]);
  }

  #store(profile, names) {
    const known = new Set(profile.names);
    const added = names.filter((name) => !known.has(name));
    profile.names.push(...added);
    profile.version += 1;
    const put = () => this.#sql.exec("INSERT OR REPLACE INTO profile (id, version, state) VALUES (?, ?, ?)", profile.id, profile.version, JSON.stringify(profile));
    if (added.length === 0) return void put();
    this.#storage.transactionSync(() => {
      put();
      for (const name of added) this.#sql.exec("INSERT OR REPLACE INTO profile_key (name, profile) VALUES (?, ?)", name, profile.id);
    });
  }
}

function fresh() {
  return { id: crypto.randomUUID(), version: 0, names: [], seen: {}, last: {}, browsed: [], counters: {}, batch: {} };
}

function keepLast(profile, name, value, at, id) {
  if (value === undefined) return;
  const last = profile.last[name];
  if (!last || at > last.at || (at === last.at && id > last.id)) profile.last[name] = { value, at, id };
}

/** The values that sections read. */
function values({ last = {}, browsed = [], counters = {}, batch = {} }, now) {
  const p = { ...batch, last_product: last.last_product?.value, last_category: last.last_category?.value };
  p.browsed = browsed.filter((item) => now - item.at < LIST_MS).map((item) => item.id);
  for (const name in COUNTERS) {
    const [, window, width] = COUNTERS[name];
    p[name] = 0;
    for (const bucket in counters[name]) if ((Number(bucket) + 1) * width > now - window) p[name] += counters[name][bucket];
  }
  return p;
}

/** The signed name of the profile's version, which later lookups carry. */
async function seen(env, profile, now) {
  signer ??= crypto.subtle.importKey("raw", encoder.encode(env.SIGNING_KEY), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const body = encoder.encode(`${profile.id}.${profile.version}.${now}`);
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", await signer, body));
  return `${body.toBase64({ alphabet: "base64url" })}.${mac.subarray(0, 16).toBase64({ alphabet: "base64url" })}`;
}

function json(body, headers = {}) {
  return new Response(body, {
    headers: { "content-type": "application/json", "cache-control": "private, no-store", "x-content-type-options": "nosniff", vary: "Origin", ...headers },
  });
}

function refuse(status) {
  return new Response(JSON.stringify({ code: status, message: "refused" }), { status, headers: { "content-type": "application/json", "cache-control": "private, no-store" } });
}
