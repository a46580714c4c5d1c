// The time limit for operations that a request can do without.

/** Far longer than KV takes, far shorter than a visitor would notice. */
const PATIENCE_MS = 600;

/** The result, or undefined when the operation fails or is too slow. */
export async function patiently(ask) {
  // A binding may also throw at once.
  const quiet = (async () => ask())().catch((error) => {
    console.error(JSON.stringify({ event: "kv_failed", detail: String(error?.message ?? error) }));
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
