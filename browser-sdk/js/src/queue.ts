// The events that no edge has acknowledged: an entry of storage each, under the space of the tab that wrote it.
//
// Nothing is kept in memory that storage holds: another tab may take a space over at any time, and what it removed is gone.

import { timeOf } from "./id.ts";
import { AGE_MS_MAX, EVENTS_MAX, QUEUE_BYTES_MAX } from "./limits.ts";
import type { Store } from "./store.ts";
import type { DropReason } from "./types.ts";

/** An event that waits. */
export interface Entry {
  id: string;
  /** Its JSON. */
  body: string;
  bytes: number;
  /** Null if it is in memory alone. */
  key: string | null;
}

export interface Queue {
  /** The spaces whose events this tab sends; the first is its own. */
  readonly spaces: string[];
  add(id: string, body: string, isFlying: (id: string) => boolean): "queued" | "memory" | "overflow";
  /** The events of this tab's spaces, oldest first. Those that are too old go. */
  mine(): Entry[];
  /** The number of events of all tabs. */
  countAll(): number;
  remove(entry: Entry): void;
  drop(entry: Entry, reason: DropReason, code?: string): void;
  /** Spaces with entries that this tab does not send. */
  others(): string[];
  /** Removes the events of all tabs, or everything below the prefix; returns the ids of the events. */
  erase(everything: boolean): string[];
}

const encoder = new TextEncoder();
export const bytesOf = (text: string): number => encoder.encode(text).length;

/**
 * @param prefix of all entries, with the write key
 * @param dropped is told of each event that will not arrive
 */
export function makeQueue(
  store: Store,
  prefix: string,
  space: string,
  now: () => number,
  dropped: (id: string, reason: DropReason, code?: string) => void,
): Queue {
  const spaces = [space];
  const loose = new Map<string, Entry>();
  /** Entries never change, so each is read once. */
  let read = new Map<string, Entry>();

  const parts = (key: string) => key.slice(prefix.length).split(":");
  function all(): Entry[] {
    const found = new Map<string, Entry>();
    for (const key of store.keys()) {
      if (!key.startsWith(`${prefix}e:`)) continue;
      const known = read.get(key);
      if (known) {
        found.set(key, known);
        continue;
      }
      const body = store.get(key);
      if (body) found.set(key, { id: parts(key)[2]!, body, bytes: bytesOf(body), key });
    }
    read = found;
    return [...found.values(), ...loose.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }
  const isMine = ({ key }: Entry) => !key || spaces.includes(parts(key)[1]!);

  function remove(entry: Entry) {
    if (entry.key) store.remove(entry.key);
    loose.delete(entry.id);
  }
  function drop(entry: Entry, reason: DropReason, code?: string) {
    remove(entry);
    dropped(entry.id, reason, code);
  }

  return {
    spaces,
    add(id, body, isFlying) {
      const bytes = bytesOf(body);
      const waiting = all();
      let count = waiting.length;
      let sum = waiting.reduce((sum, entry) => sum + entry.bytes, bytes);
      for (const entry of waiting) {
        if (count < EVENTS_MAX && sum <= QUEUE_BYTES_MAX) break;
        // An event that is under way may have been counted, and another tab's events are not this one's to drop.
        if (!isMine(entry) || isFlying(entry.id)) continue;
        drop(entry, "overflow");
        count--;
        sum -= entry.bytes;
      }
      if (count >= EVENTS_MAX || sum > QUEUE_BYTES_MAX) return "overflow";
      const key = `${prefix}e:${spaces[0]}:${id}`;
      if (store.set(key, body)) return "queued";
      loose.set(id, { id, body, bytes, key: null });
      return "memory";
    },
    mine() {
      const [young, old]: [Entry[], Entry[]] = [[], []];
      const oldest = now() - AGE_MS_MAX;
      for (const entry of all()) if (isMine(entry)) (timeOf(entry.id) < oldest ? old : young).push(entry);
      for (const entry of old) drop(entry, "expired");
      return young;
    },
    countAll: () => all().length,
    remove,
    drop,
    others() {
      const found = new Set<string>();
      for (const key of store.keys()) {
        const [kind, space] = key.startsWith(prefix) ? parts(key) : [];
        if (kind === "e" && !spaces.includes(space!)) found.add(space!);
      }
      return [...found];
    },
    erase(everything) {
      const ids = all().map(({ id }) => id);
      for (const key of store.keys()) {
        if (key.startsWith(prefix) && (everything || "el".includes(parts(key)[0]!))) store.remove(key);
      }
      loose.clear();
      return ids;
    },
  };
}
