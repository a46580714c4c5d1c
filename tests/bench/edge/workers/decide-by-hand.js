// The sections as functions: what a person writes who knows them when the worker is built.

import { SECTIONS } from "./sections.js";

export function answer(p, segments) {
  const [offers, reasons] = [{}, {}];
  for (const [name, enters] of SECTIONS) {
    if (!enters(p)) continue;
    offers[name] = offer(p, segments);
    reasons[name] = "TARGETING_MATCH";
  }
  offers.otherwise = offer(p, segments);
  reasons.otherwise = "TARGETING_MATCH";
  return { offers, reasons };
}

function offer({ last_product, views_24h }, segments) {
  return { attributes: { last_product, views_24h }, batch_segments: segments.filter((name) => name === "regular") };
}
