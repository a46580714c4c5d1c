// The time limit for operations that a request can do without.

import { fault } from "./log.js";

/** Far longer than KV takes, far shorter than a visitor would notice. */
const PATIENCE_MS = 600;

/** The result, or undefined when the operation fails or is too slow. `requestId`: whose request can do without it. */
export async function patiently(ask, requestId) {
  // A binding may also throw at once.
  const quiet = (async () => ask())().catch((error) => {
    fault("kv_failed", error, requestId);
  });
  let timer;
  const late = new Promise((done) => {
    timer = setTimeout(done, PATIENCE_MS);
  });
  try {
    return (await Promise.race([quiet, late])) ?? undefined;
  } finally {
    clearTimeout(timer);
  }
}
