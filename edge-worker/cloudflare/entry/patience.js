// How long a request waits for what it can do without.

/** Far beyond what KV takes, far below what a visitor notices as broken. */
const PATIENCE_MS = 600;

/** What is asked for, or undefined when that fails or keeps us waiting. */
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
