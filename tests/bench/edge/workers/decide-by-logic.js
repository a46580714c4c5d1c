// The sections as rules of json-logic-engine, which interprets them: a Worker may not compile code at run time.

import { LogicEngine } from "json-logic-engine";

import { RULES } from "./rules.js";

const engine = new LogicEngine();

export function answer(p, segments) {
  const [offers, reasons] = [{}, {}];
  for (const [name, rule] of [...RULES, ["otherwise", true]]) {
    if (!engine.run(rule, p)) continue;
    offers[name] = { attributes: { last_product: p.last_product, views_24h: p.views_24h }, batch_segments: segments.filter((one) => one === "regular") };
    reasons[name] = "TARGETING_MATCH";
  }
  return { offers, reasons };
}
