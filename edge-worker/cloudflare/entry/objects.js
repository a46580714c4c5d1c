// The addresses of the Durable Objects, and where they are: one writer for each shard, and the control object; and how messages
// come to them.

import { fault } from "./log.js";

/** What the platform knows (https://developers.cloudflare.com/durable-objects/reference/data-location/). */
const JURISDICTIONS = ["eu", "fedramp", "fedramp-high", "us"];
const HINTS = ["afr", "apac", "eeur", "enam", "me", "oc", "sam", "weur", "wnam"];

const MOST_SHARDS = 4_096;

/** The placement of data that an earlier build wrote, which has none stored. */
const EARLIER = "1/";

/** How long a shard may take to answer another one, or its part of a batch. */
const ANSWER_MS = 5_000;

/**
 * Where the settings put the data: the number of `shards`, `stored`, which is kept beside the data, and `complaint`, the reason
 * why that cannot be; empty: it can.
 */
export function placementOf(env) {
  const [jurisdiction, hint] = [env.USHER_JURISDICTION ?? "", env.USHER_LOCATION_HINT ?? ""];
  const shards = Number(env.USHER_SHARDS || 1);
  const unknown = (name, value, known) => (value && !known.includes(value) ? `${name} is one of ${known.join(", ")}, or not set` : "");
  const isNumber = Number.isInteger(shards) && shards >= 1 && shards <= MOST_SHARDS;
  return {
    shards,
    stored: `${shards}/${jurisdiction}`,
    complaint:
      unknown("USHER_JURISDICTION", jurisdiction, JURISDICTIONS) ||
      unknown("USHER_LOCATION_HINT", hint, HINTS) ||
      (isNumber ? "" : `USHER_SHARDS is a number from 1 to ${MOST_SHARDS}, or not set for 1`),
  };
}

/** The reason why the data of an object cannot be where they are stored; empty: they can. `holds`: there are any. */
export function misplaced(env, stored, holds) {
  if (!holds) return "";
  const [wanted, found] = [placementOf(env).stored, stored || EARLIER].map((placement) => placement.split("/"));
  const names = ["USHER_SHARDS", "USHER_JURISDICTION"];
  const differs = names.findIndex((_, index) => wanted[index] !== found[index]);
  if (differs < 0) return "";
  const [is, was] = [wanted, found].map((placement) => placement[differs] || "none");
  return `${names[differs]} is ${is}, but the data are in ${was}: set it back, because only a new deployment changes it`;
}

/** Takes a message to an object, for the request with this id. The object's answer to a caller names it, and so does its log. */
export function send({ object, shard }, message, requestId = "", options = {}) {
  const address = shard === undefined ? requestId : `${requestId}/${shard}`;
  return object.fetch(ADDRESS + address, { method: "POST", body: message, ...options });
}

/** The id of the request for which an object was sent a message, and the object's shard; undefined for the control object. */
export function addressOf(request) {
  const [requestId, shard] = request.url.slice(ADDRESS.length).split("/");
  return { requestId, shard: shard === undefined ? undefined : Number(shard) };
}

/**
 * Asks a shard: the status, lines of headers and body of its answer, or undefined if there is none in time.
 */
export async function ask(env, shard, message, requestId) {
  try {
    const response = await send(writer(env, shard), message, requestId, { signal: AbortSignal.timeout(ANSWER_MS) });
    const lines = [...response.headers].flat().join("\n");
    return { status: response.status, lines, body: new Uint8Array(await response.arrayBuffer()) };
  } catch (error) {
    fault("shard_unavailable", error, requestId);
    return undefined;
  }
}

/** The host is nobody's; what follows costs less than a header. */
const ADDRESS = "http://store/";

/** The writer of a shard. */
export function writer(env, shard) {
  const { USHER_STORE: objects, USHER_JURISDICTION: jurisdiction } = env;
  return { object: at(env, jurisdiction ? objects.jurisdiction(jurisdiction) : objects, `shard-${shard}`), shard };
}

/**
 * The control object, which stores the bundles and their pointers. It has nothing of visitors, and is in no jurisdiction: so it
 * is found when another one is set, and says so.
 */
export function control(env) {
  return { object: at(env, env.USHER_STORE, "control") };
}

/** An object; the platform reads the hint when it makes it. */
function at(env, objects, name) {
  const hint = env.USHER_LOCATION_HINT;
  return objects.get(objects.idFromName(name), hint ? { locationHint: hint } : undefined);
}
