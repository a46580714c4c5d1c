// How long a request waits for what it can do without.

/** Far beyond what KV takes, far below what a visitor notices as broken. */
const PATIENCE_MS = 600;

/** What the promise gives, or undefined when it fails or keeps us waiting. */
export async function patiently(promise) {
  const quiet = promise.catch((error) => {
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
