// The sections as features of GrowthBook, which interprets their conditions.

import { GrowthBookClient } from "@growthbook/growthbook";

import { FEATURES } from "./features.js";

const NAMES = Object.keys(FEATURES);
const growthbook = new GrowthBookClient().initSync({ payload: { features: FEATURES } });

export function answer(p, segments) {
  const context = { attributes: p };
  const [offers, reasons] = [{}, {}];
  for (const name of [...NAMES, "otherwise"]) {
    if (name !== "otherwise" && !growthbook.isOn(name, context)) continue;
    offers[name] = { attributes: { last_product: p.last_product, views_24h: p.views_24h }, batch_segments: segments.filter((one) => one === "regular") };
    reasons[name] = "TARGETING_MATCH";
  }
  return { offers, reasons };
}
