// The strip of figures: each is counted or measured in this page. Events are counted by their ids, so that one that is neither counted by an
// edge nor waiting is lost, whatever the SDK says.

import { byId } from "./dom.js";

/** At most so often, so that figures can be read. */
const PAUSE_MS = 250;

/** Counts what becomes of this page's events; `see` is called when it changed. */
export function countEvents(usher, see) {
  const made = new Set();
  const waiting = new Set();
  const counts = { made: 0, sent: 0, duplicates: 0, dropped: 0, waiting: 0 };
  const tell = () => see(Object.assign(counts, { made: made.size, waiting: waiting.size }));
  usher.on("event", ({ receipt: { messageId, status } }) => {
    made.add(messageId);
    if (status !== "dropped") waiting.add(messageId);
    tell();
  });
  usher.on("sent", ({ messageId, notes }) => {
    // One of an earlier page, or of another tab that is no more, is not this page's.
    if (waiting.delete(messageId)) counts[notes.includes("duplicate") ? "duplicates" : "sent"]++;
    tell();
  });
  usher.on("drop", ({ messageId }) => {
    waiting.delete(messageId);
    counts.dropped++;
    tell();
  });
  return counts;
}

const facts = { events: "no events yet", decision: "decision not timed", engine: "no engine on the device", parity: "nothing compared" };
let timer;

/** Changes a fact of the strip. */
export function prove(name, text) {
  facts[name] = text;
  timer ??= setTimeout(() => {
    timer = undefined;
    for (const [name, text] of Object.entries(facts)) byId(`proof-${name}`).textContent = text;
  }, PAUSE_MS);
}

export const eventsText = ({ made, sent, duplicates, dropped, waiting }) =>
  `${sent + duplicates} of ${made} events counted${waiting ? `, ${waiting} waiting` : ""}, ${made - sent - duplicates - waiting} lost, ${duplicates} sent twice`;
