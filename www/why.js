// The reason tree: personalization, section, condition, each with its result as icon and word.

import { drawing, el, items, show, showAge } from "./dom.js";

const WORDS = {
  matched: "Matched",
  not_matched: "Not matched",
  unknown: "Unknown",
  not_reached: "Not reached",
};

export function renderWhy(personalizations) {
  const list = items(personalizations);
  if (list.length === 0) return [el("p", { class: "empty" }, "This event triggers no personalization.")];
  // What this call asked for says something; the others are named behind it.
  const asked = list.filter((one) => one.result !== "not_reached");
  const others = list.filter((one) => one.result === "not_reached");
  return [...asked.map(renderPersonalization), ...others.map(renderUnasked)];
}

function renderPersonalization(one) {
  const sections = items(one.sections);
  return el("section", { class: "personalization" },
    el("h4", {}, el("code", {}, one.name ?? "unnamed"),
      one.choice && el("span", { class: "aside" }, one.choice === "first" ? "first match answers" : "every match answers")),
    // The sections say it all when there are any; without them the personalization itself must.
    sections.length === 0 && el("p", {}, verdict(one.result), one.reason && ` ${show(one.reason)}`),
    el("ol", { class: "sections" }, sections.map(renderSection)));
}

function renderUnasked(one) {
  return el("section", { class: "personalization" },
    el("h4", {}, el("code", {}, one.name ?? "unnamed"), verdict(one.result)),
    one.reason && el("p", { class: "reason" }, show(one.reason)));
}

function renderSection(section) {
  return el("li", { class: "section", "data-result": section.result, "data-testid": "why-section" },
    el("p", { class: "section-head" }, el("b", {}, section.name ?? "unnamed"), verdict(section.result)),
    section.reason && el("p", { class: "reason" }, show(section.reason)),
    section.criteria && el("ul", { class: "conditions" }, renderCondition(section.criteria)));
}

function renderCondition(condition) {
  const seen = items(condition.seen);
  const parts = items(condition.parts);
  return el("li", { "data-result": condition.result },
    el("p", { class: "condition" }, verdict(condition.result), el("code", {}, condition.text || "always")),
    seen.length > 0 && el("p", { class: "seen" }, seen.map(renderSeen)),
    parts.length > 0 && el("ul", { class: "conditions" }, parts.map(renderCondition)));
}

function renderSeen(fact) {
  const value = fact.redacted ? "withheld" : fact.value == null ? "missing" : show(fact.value);
  const origin = [fact.source, fact.age_ms != null && `${showAge(fact.age_ms)} old`].filter(Boolean).join(", ");
  return el("span", {}, `saw ${fact.name ?? "value"} = `, el("b", {}, value), origin && ` (${origin})`);
}

function verdict(result) {
  const known = result in WORDS;
  return el("span", { class: "verdict", "data-result": result },
    drawing(known ? `icon-${result}` : "icon-unknown", "icon"), known ? WORDS[result] : show(result));
}
