// The edge in a worker of one tab, where the browser has no Service Worker for the page.

import { answer, listen } from "./edge.js";

/** A request of the page, which sends its parts. */
async function fetched({ url, method, headers, body }) {
  const bodiless = method === "GET" || method === "HEAD";
  const response = await answer(new Request(url, { method, headers, ...(!bodiless && { body }) }));
  return { status: response.status, headers: [...response.headers], body: await response.arrayBuffer() };
}

self.addEventListener("message", (event) => listen(event, { fetch: fetched }));
