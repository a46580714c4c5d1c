// Load while the process is killed: clients that send without a pause, and how their events are judged afterwards.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

/** How many answers there are at least before a kill. */
const ANSWERED_MIN = 12;

/**
 * Kills a worker so many times while clients send, and starts it again. `clients` makes the senders of one round, each a function
 * that sends once. A round takes a random time between `shortest` and `longest`, in ms,
 * or longer where a worker has hardly answered by then.
 */
export async function killUnderLoad(worker, { kills, shortest, longest, clients }) {
  for (let kill = 0; kill < kills; kill++) {
    let [alive, answered] = [true, 0];
    const loop = async (send) => {
      while (alive) {
        try {
          await send();
          answered += 1;
        } catch (error) {
          // The connection broke: whether it was stored is not known. Before the kill there is no reason for that.
          assert.equal(alive, false, `a connection broke before the kill: ${error.message}`);
        }
      }
    };
    const loops = clients(kill).map(loop);
    await sleep(randomInt(shortest, longest + 1));
    while (answered < ANSWERED_MIN) await sleep(10);
    alive = false;
    await worker.kill();
    await Promise.all(loops);
    await worker.start();
  }
}

/**
 * A client of batches. One without an answer is sent again under the same ids, as a client would do it. `taken` gets each event
 * that was answered, with the reason if it was refused, or else "".
 */
export class BatchClient {
  #worker;
  #taken;
  #unanswered;

  constructor(worker, taken) {
    this.#worker = worker;
    this.#taken = taken;
  }

  /** Sends the batch that has no answer yet, or else the one that `make` returns. */
  async send(make) {
    const events = (this.#unanswered ??= make());
    const answer = await this.#worker.batch("pageviews", events.map(({ columns }) => columns));
    this.#unanswered = undefined;
    for (const [index, event] of events.entries()) {
      const receipt = answer.status === 200 ? answer.json.receipts[index] : undefined;
      this.#taken(event, receipt?.success ? "" : receipt ? JSON.stringify(receipt) : `${answer.status} ${answer.text}`);
    }
  }

  /** Sends the batch that has no answer once more, if there is one; returns how many events it has. */
  async settle() {
    const count = this.#unanswered?.length ?? 0;
    if (count) await this.send();
    return count;
  }
}

/** What became of events: `sent` and `known` were sent and acknowledged, `listed` and `counted` are what the visitor's profile says. */
export function judge(found, { sent, known, listed, counted }) {
  found.stored += listed.size;
  // A counter that is behind its list has lost something, too.
  found.lost += [...known].filter((id) => !listed.has(id)).length + Math.max(0, listed.size - counted);
  found.twice += Math.max(0, counted - listed.size);
  found.unheard += [...listed].filter((id) => !sent.has(id)).length;
}

/** Nothing is lost, counted twice, made up or refused. */
export function assertExact(found, refused) {
  assert.equal(found.lost, 0, "acknowledged events are lost");
  assert.equal(found.twice, 0, "events count twice");
  assert.equal(found.unheard, 0, "events are stored that nobody sent");
  assert.equal(refused.length, 0, `refused while the worker ran: ${refused.length}, such as ${refused[0]}`);
}

/** Figures in one line. */
export const line = (figures) => Object.entries(figures).map(([name, figure]) => `${name} ${figure}`).join(", ");
