// The event log: one line per event this page sent, with what came back.

import { byId, el } from "./dom.js";

const KEEP = 40;

/** Adds a line and answers a function that settles it: ("ok" | "failed", text). */
export function logEvent(table, columns) {
  const about = columns.product_id ?? columns.customer_id ?? columns.td_path ?? "";
  const state = el("span", { class: "event-state" }, "sending");
  const line = el("li", { "data-state": "sending" },
    el("p", {}, el("b", {}, table), about && el("span", { class: "event-about" }, String(about)), state),
    el("p", { class: "event-id" },
      el("time", {}, new Date(columns.time).toLocaleTimeString("en-US", { hour12: false })),
      el("code", { title: columns.uuid }, `uuid ${columns.uuid.slice(0, 8)}`)));
  const list = byId("events");
  list.prepend(line);
  while (list.children.length > KEEP) list.lastElementChild.remove();

  return (outcome, text) => {
    line.dataset.state = outcome;
    state.textContent = text;
  };
}

export const clearLog = () => byId("events").replaceChildren();
