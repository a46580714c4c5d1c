// The addresses of the Durable Objects, and where they are: one writer for each shard, and the control object.

/** What the platform knows (https://developers.cloudflare.com/durable-objects/reference/data-location/). */
const JURISDICTIONS = ["eu", "fedramp", "fedramp-high", "us"];
const HINTS = ["afr", "apac", "eeur", "enam", "me", "oc", "sam", "weur", "wnam"];

/** The placement of data that an earlier build wrote, which has none stored. */
const EARLIER = "1/";

/**
 * Where the settings put the data: `jurisdiction`, if one is set, `stored`, which is kept beside the data, and `complaint`, the
 * reason why that cannot be; empty: it can.
 */
export function placementOf(env) {
  const [jurisdiction, hint] = [env.USHER_JURISDICTION ?? "", env.USHER_LOCATION_HINT ?? ""];
  const unknown = (name, value, known) => (value && !known.includes(value) ? `${name} is one of ${known.join(", ")}, or not set` : "");
  return {
    jurisdiction,
    stored: `1/${jurisdiction}`,
    complaint: unknown("USHER_JURISDICTION", jurisdiction, JURISDICTIONS) || unknown("USHER_LOCATION_HINT", hint, HINTS),
  };
}

/** The reason why the data of an object cannot be where they are stored; empty: they can. `holds`: there are any. */
export function misplaced(env, stored, holds) {
  const [wanted, found] = [placementOf(env).stored, stored || EARLIER];
  if (!holds || found === wanted) return "";
  return `USHER_JURISDICTION is ${shown(wanted)}, but the data are in ${shown(found)}: set it back, because only a new deployment changes it`;
}

function shown(placement) {
  return placement.split("/")[1] || "none";
}

/** Takes a message to an object, for the request with this id. The object's answer to a caller names it, and so does its log. */
export function send(object, message, requestId = "") {
  return object.fetch(ADDRESS + requestId, { method: "POST", body: message });
}

/** The id of the request for which an object was sent a message. */
export function requestIdOf(request) {
  return request.url.slice(ADDRESS.length);
}

/** The host is nobody's; what follows costs less than a header. */
const ADDRESS = "http://store/";

/** The writer of a shard. */
export function writer(env, shard) {
  const { USHER_STORE: objects, USHER_JURISDICTION: jurisdiction } = env;
  return at(env, jurisdiction ? objects.jurisdiction(jurisdiction) : objects, `shard-${shard}`);
}

/**
 * The control object, which stores the bundles and their pointers. It has nothing of visitors, and is in no jurisdiction: so it
 * is found when another one is set, and says so.
 */
export function control(env) {
  return at(env, env.USHER_STORE, "control");
}

/** An object; the platform reads the hint when it makes it. */
function at(env, objects, name) {
  const hint = env.USHER_LOCATION_HINT;
  return objects.get(objects.idFromName(name), hint ? { locationHint: hint } : undefined);
}
