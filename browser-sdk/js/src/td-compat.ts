// The verbs of the RT 2.0 SDK on this one's queue, so that a page changes a script and keeps its calls. A script of its own, after the
// SDK's. Callbacks mean that an edge counted the event, or that it will not arrive.

import type { Columns, Usher } from "./types.ts";

type Ok = (result?: unknown) => void;
type Failed = (error: Error) => void;
interface Config {
  writeKey: string;
  database: string;
  host?: string;
  cdpHost?: string;
  clientId?: string | number;
  consent?: "pending" | "granted" | "denied";
  startInSignedMode?: boolean;
  storage?: "none";
  track?: { pageviews?: string; events?: string; values?: Columns };
}

const page = window as any;
const usher: Usher | undefined = page.usher;
const GLOBAL = "$global";
const ID = "_td";
const SIGNED = "__td_signed";
const BLOCKED = "__td_blockEvents";
/** Not sent before `setSignedMode()`. */
const PERSONAL = ["td_ip", "td_client_id", "td_global_id"];

const readCookie = (name: string) => `; ${document.cookie}`.split(`; ${name}=`)[1]?.split(";")[0];
/** Hosts of this machine, and the page's own, speak as the page does. */
const urlOf = (host: string) =>
  /^https?:/.test(host) ? host : `${host === location.host || /^(localhost|127\.|\[::1\])/.test(host) ? location.protocol : "https:"}//${host}`;

/** Callbacks, by the ids of their events. */
const waiting = new Map<string, [Ok?, Failed?]>();
usher?.on("sent", ({ messageId }) => settle(messageId, null));
usher?.on("drop", ({ messageId, reason }) => settle(messageId, reason));
// A record goes as it is, without the columns that the SDK's own verbs have.
usher?.use({ name: "td-compat", event: (columns) => (columns.context as Columns | undefined)?.td_record as Columns ?? columns });

function settle(id: string, reason: string | null) {
  const [ok, failed] = waiting.get(id) ?? [];
  waiting.delete(id);
  if (reason) failed?.(new Error(reason));
  else ok?.({ receipts: [{ success: true }] });
}
const flag = (name: string, otherwise = false) => (readCookie(name) ?? String(otherwise)) === "true";

class Treasure {
  client!: Config & { globals: Record<string, Columns>; uuid: string };

  constructor(config: Config) {
    this.init(config);
  }
  init(config: Config) {
    const { writeKey, database, host = location.host, consent = "granted", clientId } = config;
    this.client = { ...config, host, globals: {}, uuid: "" };
    if (!usher?.debug?.status()) void usher?.load({ writeKey, database, endpoint: urlOf(host), consent, auto: "", anonymousIdColumn: "td_client_id" });
    this.resetUUID(null, clientId ?? readCookie(ID));
  }

  // ---- Settings and modes ----

  set(table: string | Columns, property?: string | Columns, value?: unknown) {
    const [to, more] = typeof table === "string" ? [table, property] : [GLOBAL, table];
    Object.assign(this.get(to), typeof more === "object" ? more : { [more!]: value });
    return this;
  }
  get(table?: string | null, key?: string): any {
    const values = (this.client.globals[table || GLOBAL] ??= {});
    return key ? values[key] : values;
  }
  private keepValue(name: string, value: unknown, age = 63_072_000) {
    if (this.client.storage !== "none") document.cookie = `${name}=${value};Path=/;Max-Age=${age};SameSite=Lax`;
  }
  resetUUID(_?: unknown, clientId?: string | number) {
    // In plain HTTP there is no `crypto.randomUUID`.
    this.client.uuid = String(clientId ?? crypto.getRandomValues(new Uint32Array(4)).join("-"));
    if (this.inSignedMode()) this.keepValue(ID, this.client.uuid);
    return this;
  }
  setSignedMode() {
    this.keepValue(SIGNED, this.client.startInSignedMode = true);
    return this.resetUUID(null, this.client.uuid);
  }
  setAnonymousMode(keepIdentifier?: boolean) {
    this.keepValue(SIGNED, this.client.startInSignedMode = false);
    if (!keepIdentifier) this.keepValue(ID, "", 0);
    return this;
  }
  inSignedMode() {
    return flag(SIGNED, this.client.startInSignedMode);
  }
  blockEvents() {
    this.keepValue(BLOCKED, true);
  }
  unblockEvents() {
    this.keepValue(BLOCKED, false);
  }
  areEventsBlocked() {
    return flag(BLOCKED);
  }

  // ---- Records ----

  addRecord(table: string, record: Columns, ok?: Ok, failed?: Failed) {
    if (!this.areEventsBlocked()) void this.send(this.client.database, table, { ...this.get(), ...this.get(table), ...record }, ok, failed);
    return this;
  }
  trackEvent(table?: string, record?: Columns, ok?: Ok, failed?: Failed) {
    return this.addRecord(table || this.client.track?.events || "events", { ...this.getTrackValues(), ...record }, ok, failed);
  }
  trackPageview(table?: string, ok?: Ok, failed?: Failed) {
    return this.trackEvent(table || this.client.track?.pageviews || "pageviews", {}, ok, failed);
  }
  getTrackValues(): Columns {
    const { language, platform, userAgent } = navigator;
    const { href, host, pathname } = location;
    const { characterSet, title, referrer } = document;
    return {
      td_version: usher?.version, td_client_id: this.client.uuid, td_charset: characterSet.toLowerCase(), td_language: language.toLowerCase(),
      td_color: `${screen.colorDepth}-bit`, td_screen: `${screen.width}x${screen.height}`, td_viewport: `${innerWidth}x${innerHeight}`, td_title: title,
      td_description: document.querySelector<HTMLMetaElement>("meta[name=description]")?.content ?? "", td_url: href.split("#")[0],
      td_user_agent: userAgent, td_platform: platform, td_host: host, td_path: pathname, td_referrer: referrer, ...this.client.track?.values,
    };
  }
  /** The part of a record that may be sent in the mode that holds. */
  private sendable(record: Columns | null) {
    const row: Columns = { ...record };
    if (!this.inSignedMode()) for (const name of PERSONAL) delete row[name];
    return row;
  }
  /** Puts a record into the queue, with the time of the call; resolves to its id if it is there. */
  private async send(database: string, table: string, record: Columns | null, ok?: Ok, failed?: Failed): Promise<string | undefined> {
    // A column that is null is missing: the SDK's own id goes along only as the record's.
    const td_record = { time: Math.floor(Date.now() / 1_000), td_client_id: null, ...this.sendable(record) };
    const { messageId, status, reason } = (await usher?.track("record", {}, { table: `${database}.${table}`, context: { td_record } })) ?? {};
    if (messageId && status !== "dropped") waiting.set(messageId, [ok, failed]);
    else failed?.(new Error(reason));
    return messageId;
  }

  // ---- Offers and segments ----

  async fetchPersonalization({ endpoint, database, table, token }: Record<"endpoint" | "database" | "table" | "token", string>, data: Columns | null, ok?: Ok, failed?: Failed) {
    if (this.areEventsBlocked()) return;
    // The queue has it too, under the same id, in case that no answer comes. An edge counts it once.
    const messageId = await this.send(database, table, data);
    const headers = { "Content-Type": "application/vnd.treasuredata.v1+json", Authorization: `TD1 ${this.client.writeKey}`, "WP13n-Token": token };
    const body = JSON.stringify({ ...this.sendable(data), messageId });
    await fetched(`${urlOf(endpoint)}/public/${database}/${table}`, { method: "POST", keepalive: true, credentials: "include", headers, body }, ok, failed);
  }
  async fetchUserSegments(asked: string | string[] | { audienceToken: string | string[]; keys?: Record<string, string> }, ok?: Ok, failed?: Failed) {
    const { audienceToken = asked, keys = {} } = asked as { audienceToken?: unknown; keys?: Record<string, string> };
    const query = new URLSearchParams({ version: "2", token: String(audienceToken) });
    for (const name in keys) query.set(`key.${name}`, keys[name]!);
    await fetched(`${urlOf(this.client.cdpHost ?? this.client.host!)}/cdp/lookup/collect/segments?${query}`, {}, ok, failed);
  }
}

async function fetched(url: string, init: RequestInit, ok?: Ok, failed?: Failed) {
  try {
    const response = await fetch(url, init);
    if (!response.ok) throw new Error(response.statusText);
    ok?.(await response.json().catch(() => ({})));
  } catch (error) {
    failed?.(error as Error);
  }
}

// Clients that the loader's snippet made before, with their calls: settings first, as they stand above.
const before: any[] = page.Treasure?.clients ?? [];
page.Treasure = function (config: Config) {
  return new Treasure(config);
};
for (const client of before) {
  Object.setPrototypeOf(client, Treasure.prototype);
  for (const name of ["init", ...Object.getOwnPropertyNames(Treasure.prototype)]) {
    const calls: unknown[][] = (Object.hasOwn(client, `_${name}`) && client[`_${name}`]) || [];
    for (const args of calls.splice(0)) client[name](...args);
  }
}
