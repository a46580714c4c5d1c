// Verbs as rows of event tables: flat columns, with the page around them in `context`.

import type { CallOptions, Columns } from "./types.ts";

export const VERSION = "0.1.0";

/** Names that an edge reads as something of its own. A property of such a name goes into the column `properties`. */
const OWN = ["event", "messageId", "timestamp", "time", "uuid", "event_id", "context", "properties", "table"];

/** The columns of a call, without ids. */
export function columnsOf(event: string, properties: Columns, more: Columns, reserved: string[]): Columns {
  const columns: Columns = {};
  const aside: Columns = {};
  for (const [name, value] of Object.entries(properties)) {
    (OWN.includes(name) || reserved.includes(name) || name in more ? aside : columns)[name] = value;
  }
  return { ...columns, ...(Object.keys(aside).length && { properties: aside }), event, ...more };
}

/** The page of this moment. */
export function contextOf(win: Window, more: Columns | undefined): Columns {
  const { location, document, navigator } = win;
  return {
    page: { url: location.href, path: location.pathname, title: document.title, referrer: document.referrer },
    locale: navigator.language,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    library: { name: "@usher/browser", version: VERSION },
    ...more,
  };
}

/** The time of an event as RFC 3339; of the call if the page gave none that can be read. */
export function timeText(given: CallOptions["timestamp"], nowMs: number): string {
  const date = new Date(given ?? nowMs);
  return (isNaN(+date) ? new Date(nowMs) : date).toISOString();
}

/** A table with its database. */
export const tableOf = (table: string, database: string): string => (table.includes(".") ? table : `${database}.${table}`);
