// The worker's side: the edge with the shop in it, and what its page may ask of it.

import { Host } from "../../edge-worker/tab/entry/host.js";
import { answerOf, partsOf } from "../../edge-worker/tab/entry/request.js";
import { Forgetful, openStorage } from "../../edge-worker/tab/entry/storage.js";
import { start } from "service";

/** The folder of the site: a worker's script stands in it, or in a folder of it. */
export const base = new URL(SITE.base, self.location.href);
/** The path below which all requests are the edge's. */
export const api = `${base.pathname}api/`;

/** A page may set the clock so far ahead without asking for another token. */
const AHEAD_S = 400 * 86_400;

/** Turns of upkeep at most, each of which does a bounded part. */
const TURNS = 20;

let opened;

/** The edge, started and with the shop's bundle in it. */
export function edge(hooks = {}) {
  opened ??= open(hooks);
  // Tried again with the next request.
  opened.catch(() => (opened = undefined));
  return opened;
}

async function open({ load = fetch, step, transaction }) {
  // As bytes: the host of the site may not know the type of wasm.
  const [bytes, shop, storage] = await Promise.all([
    load(new URL("edge/service.wasm", base)).then(whole).then((response) => response.arrayBuffer()),
    load(new URL("edge/shop.json", base)).then(whole).then((response) => response.json()),
    storageOf(transaction),
  ]);
  const module = await WebAssembly.compile(bytes);
  // The keys are the demo's, which are public. They name the origin of this page, which the build cannot know.
  const secret = JSON.stringify(shop.keys).replaceAll(JSON.stringify(shop.origin), JSON.stringify(self.location.origin));
  const host = new Host({ start: () => start(module), secret, storage, step });
  const made = { host, shop, storage };
  await publish(made);
  return made;
}

function whole(response) {
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  return response;
}

/** Sites of one origin, in different folders, have a storage each. */
async function storageOf(transaction) {
  try {
    return await openStorage(self.indexedDB, `usher ${base.pathname}`, transaction);
  } catch (error) {
    // Rows of a newer version of the site are not forgotten, and not read.
    if (error.name === "VersionError") throw error;
    return new Forgetful();
  }
}

/** Publishes the shop's bundle and imports its records, as `make demo` does, once for each version of them. */
async function publish({ host, shop }) {
  const { shop: known } = await host.settings();
  if (known === shop.version) return;
  for (const { method, target, headers, body } of shop.requests) {
    const answer = await host.serve({ method, target, headers, body: encode(body) });
    if (answer.status >= 300) throw new Error(`${method} ${target} answered ${answer.status}: ${decode(answer.body)}`);
  }
  await host.change({ shop: shop.version });
}

/** Answers a request of a page of this origin. */
export async function answer(request, hooks) {
  const { host } = await edge(hooks);
  const { pathname, search } = new URL(request.url);
  const target = pathname.slice(api.length - 1) + search;
  return answerOf(await host.serve(await partsOf(request, target, host.bodyBytesMax, self.location.origin)));
}

/** Asks as the operator does, who is no page: the keys for it are refused where a page is named. */
function operate({ host, shop }, { method, target = `/v1/audiences/${shop.audience}/bundle`, body = "" }) {
  const headers = [["authorization", `TD1 ${shop.admin_key}`]];
  return host.serve({ method, target, headers, body: typeof body === "string" ? encode(body) : body });
}

const encode = (text) => new TextEncoder().encode(text);
const decode = (bytes) => new TextDecoder().decode(bytes);

/** The verbs of a page's messages. */
const VERBS = {
  start: async (_, { storage }) => ({ durable: storage.durable }),
  async publish({ bundle }, made) {
    const { status, body } = await operate(made, { method: "PUT", body: bundle });
    return { ok: status < 300, status, answer: JSON.parse(decode(body)) };
  },
  bundle: async (_, made) => decode((await operate(made, { method: "GET" })).body),
  previewToken: ({ seconds }, { host, shop }) => host.previewToken(shop.audience, seconds + AHEAD_S),
  setClockOffset: ({ ms }, { host }) => host.change({ clockOffsetMs: ms }),
  clockOffset: async (_, { host }) => (await host.settings()).clockOffsetMs ?? 0,
  async upkeep({ always = false }, made) {
    const sum = { purged: 0, more: true };
    // A clock that was set ahead deletes, and setting it back restores nothing.
    if (!always && ((await made.host.settings()).clockOffsetMs ?? 0) !== 0) return sum;
    for (let turn = 0; turn < TURNS && sum.more; turn++) {
      const { status, body } = await operate(made, { method: "POST", target: "/v1/tick" });
      if (status >= 300) throw new Error(`POST /v1/tick answered ${status}: ${decode(body)}`);
      const { purged, more } = JSON.parse(decode(body));
      Object.assign(sum, { purged: sum.purged + purged, more });
    }
    return sum;
  },
  async erase(_, made) {
    await made.host.erase();
    await publish(made);
  },
};

/** Answers a message by the port that came with it. */
export async function listen({ data: { name, options }, ports: [port] }, more = {}, hooks = {}) {
  try {
    const verb = { ...VERBS, ...more }[name];
    if (!verb) throw new Error(`there is no verb ${name}`);
    port.postMessage({ value: await verb(options, await edge(hooks)) });
  } catch (error) {
    port.postMessage({ error: error.message });
  }
}
