// Usher's own route for "why": the tree of every condition with the values it saw.
// The preview token is short-lived and made for this page; a shop would not ship one.

/**
 * Asks about the visitor, and about one event when given. The event travels with the id under
 * which it was already counted, so asking does not count it again.
 */
export async function explain({ audience, preview_token }, visitor, event) {
  const started = performance.now();
  const response = await fetch("/v1/explain", {
    method: "POST",
    credentials: "omit",
    headers: { authorization: `Bearer ${preview_token}`, "content-type": "application/json" },
    body: JSON.stringify({ audience, key: { name: "td_client_id", value: visitor }, ...(event && { event }) }),
  });
  if (response.status === 401 || response.status === 403) {
    throw new Error("The preview token was refused. Restart the demo for a new one.");
  }
  if (!response.ok) throw new Error(`Explain answered ${response.status}.`);
  const answer = await response.json();
  return { ...answer, took_ms: performance.now() - started };
}
