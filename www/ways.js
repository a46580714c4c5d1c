// The edge that this page calls: the server that the page came from (`make demo`), or, for plain files (`make site`), the same service
// in this tab. `demo.json` says which.

/**
 * @returns {Promise<{keys: object, endpoint: string, way: string, tab: object | null}>}
 *   `endpoint` for the SDK; `way` in words; `tab` is the edge in this tab, of edge/index.js
 */
export async function findEdge() {
  const response = await fetch("demo.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`demo.json: ${response.status}`);
  const keys = await response.json();
  if (keys.edge !== "tab") return { keys, endpoint: "", way: `a server at ${location.host}`, tab: null };
  const { startTabEdge } = await import("./edge/index.js");
  const tab = await startTabEdge();
  keys.preview_token = await tab.previewToken(8 * 3600);
  const place = tab.kind === "service-worker" ? "a Service Worker of this browser" : `a worker of this tab (${tab.reason})`;
  return { keys, endpoint: tab.endpoint, way: `${place}${tab.durable ? "" : ", which stores nothing"}`, tab };
}
