// Which tab sends the events of which space. A tab holds its own space as long as it lives; what a dead tab left is taken over.
//
// Where the browser has Web Locks, it ends a lease itself when a tab ends or crashes. Elsewhere a lease is a time in storage,
// renewed while the tab lives. Two tabs that send the same events do no harm: an edge counts an id once.

import type { Store } from "./store.ts";

export interface Leases {
  /** Takes the lease of a space, unless another tab has it. */
  take(space: string): Promise<boolean>;
  /** Removes what leases of the past left in storage. */
  tidy(): void;
  /** Gives all up, for the next page. `restMs`: how long nobody should take them, because requests are under way. */
  release(restMs: number): void;
}

export interface Locks {
  request(name: string, options: { ifAvailable: true }, held: (lock: unknown) => Promise<void> | undefined): Promise<unknown>;
}

/** Timers of hidden pages run once a minute. */
const LEASE_MS = 90_000;
const RENEW_MS = 3_000;

export function makeLeases(
  store: Store,
  prefix: string,
  world: { now(): number; locks: Locks | undefined; setTimer(run: () => void, ms: number): unknown },
): Leases {
  const { now, locks } = world;
  const name = (space: string) => `${prefix}l:${space}`;
  /** Clocks jump: a lease that lies too far ahead is none. */
  const isTaken = (until: number) => until > now() && until <= now() + LEASE_MS;
  let held: (() => void)[] = [];
  let spaces: string[] = [];

  return {
    async take(space) {
      if (isTaken(Number(store.get(name(space))))) return false;
      const mine = held;
      if (!locks) {
        spaces.push(space);
        const renew = () => {
          if (mine !== held) return;
          store.set(name(space), String(now() + LEASE_MS));
          world.setTimer(renew, RENEW_MS);
        };
        renew();
        return true;
      }
      // The lock is asked for before anything is written in its space, so nobody takes a space that is about to be used.
      return new Promise((taken) => {
        locks
          .request(name(space), { ifAvailable: true }, (lock) => {
            if (!lock || mine !== held) return void taken(false);
            spaces.push(space);
            taken(true);
            return new Promise<void>((release) => void mine.push(release));
          })
          .catch(() => taken(false));
      });
    },
    tidy() {
      for (const key of store.keys()) if (key.startsWith(name("")) && !isTaken(Number(store.get(key)))) store.remove(key);
    },
    release(restMs) {
      const ended = held;
      held = [];
      for (const release of ended) release();
      for (const space of spaces.splice(0)) {
        if (restMs) store.set(name(space), String(now() + restMs));
        else store.remove(name(space));
      }
    },
  };
}
