// Requests: one simple POST, for which no browser asks the edge first, and an answer that is the edge's own or none.

import { ANSWER_MS_MAX, RETRY_AFTER_MS_MAX } from "./limits.ts";

/** The answer of an edge. Anything else, such as a portal's page with a 200, is no answer. */
export interface Answer {
  status: number;
  /** Its JSON; undefined if it is none. */
  json: any;
  retryAfterMs: number;
  /** A token of the state that it reflects, for the next question. */
  seen?: string;
  /** The edge's clock minus this one; null where the browser does not show it. */
  offsetMs: number | null;
}
export type Post = (path: string, body: string, headers?: Record<string, string>) => Promise<Answer | null>;

/** @param isLeaving true while the page may end at any time */
export function makePost(base: string, isLeaving: () => boolean): Post {
  return async (path, body, headers) => {
    const began = Date.now();
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), ANSWER_MS_MAX);
    try {
      // A text is `text/plain`. `keepalive`: the request outlives the page.
      const response = await fetch(base + path, { method: "POST", body, keepalive: true, signal: control.signal, headers });
      const said = (name: string) => response.headers.get(name);
      if (!said("usher-request-id")) return null;
      const text = await response.text();
      let json: unknown;
      try {
        json = JSON.parse(text);
      } catch {}
      const date = Date.parse(said("date") ?? "");
      // The header has whole seconds, of which the half is expected.
      const offsetMs = isNaN(date) ? null : date + 500 - (began + Date.now()) / 2;
      // Edges say seconds.
      const retryAfterMs = Math.min(Number(said("retry-after")) * 1000 || 0, RETRY_AFTER_MS_MAX);
      return { status: response.status, json, retryAfterMs, seen: said("usher-seen") ?? undefined, offsetMs };
    } catch {
      // A page that ends may send no fetch any more. The beacon brings no answer, so the events stay stored.
      if (isLeaving() && !headers) navigator.sendBeacon?.(base + path, body);
      return null;
    } finally {
      clearTimeout(timer);
    }
  };
}
