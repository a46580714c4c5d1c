// Options: of the call, of the tag, of `<meta name="usher">`, in this order.

import type { Options } from "./types.ts";

/** The options in the `data-` attributes of an element: `data-write-key` is `writeKey`. */
export function optionsOf(element: HTMLElement | null): Options {
  const { timeoutMs, hosts, ...texts } = { ...element?.dataset };
  return { ...texts, ...(timeoutMs && { timeoutMs: Number(timeoutMs) }), ...(hosts && { hosts: hosts.split(/\s+/) }) };
}

/** All options, with their defaults. */
export function settle(given: Options, tag: Options, meta: Options) {
  const defaults = {
    writeKey: "", endpoint: "", database: "web", pageTable: "pages", eventTable: "events",
    anonymousIdColumn: "anonymousId", userIdColumn: "userId", auto: "page render", timeoutMs: 800, hosts: [] as string[], mode: "edge" as "edge" | "device", engine: "",
  };
  return { ...defaults, ...meta, ...tag, ...given };
}
export type Settled = ReturnType<typeof settle>;
