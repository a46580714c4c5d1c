// A tab's part in the delivery of all tabs: its own space of the queue, those that it took over from dead tabs, and their sending.

import { BATCH_MS, makeDelivery, type Around, type Delivery } from "./delivery.ts";
import { newId } from "./id.ts";
import { makeLeases, type Locks } from "./lease.ts";
import { makeQueue, type Queue } from "./queue.ts";
import type { Store } from "./store.ts";
import type { DropReason } from "./types.ts";

/** The time for which the next page leaves requests of this one alone. */
const UNDER_WAY_MS = 3_000;
/** The time between two looks for events of dead tabs. */
const ADOPT_MS = 5_000;

export interface Outbox {
  queue: Queue;
  delivery: Delivery;
  /** Takes over what tabs left that are no more. */
  adopt(): Promise<void>;
  /** The page ends, or is put aside: sends what it can, and lets the next page send the rest. */
  leave(): void;
  close(): void;
}

export function makeOutbox(
  store: Store,
  prefix: string,
  around: Around & { locks: Locks | undefined; dropped(id: string, reason: DropReason, code?: string): void },
): Outbox {
  const { now, setTimer } = around;
  const leases = makeLeases(store, prefix, around);
  const queue = makeQueue(store, prefix, newId(now()).slice(-12), now, around.dropped);
  const delivery = makeDelivery(queue, around);
  void leases.take(queue.spaces[0]!);
  let isOpen = true;

  async function adopt() {
    for (const space of queue.others()) if (isOpen && (await leases.take(space))) queue.spaces.push(space);
    leases.tidy();
    delivery.wake(BATCH_MS);
  }
  const again = () => {
    if (!isOpen) return;
    void adopt();
    setTimer(again, ADOPT_MS);
  };
  again();

  return {
    queue,
    delivery,
    adopt,
    leave() {
      isOpen = false;
      // A page that holds locks is not kept for going back to.
      leases.release(delivery.leave() ? UNDER_WAY_MS : 0);
    },
    close() {
      isOpen = false;
      delivery.stop();
      leases.release(0);
    },
  };
}
