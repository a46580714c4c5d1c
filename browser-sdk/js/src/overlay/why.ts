// The reasons: the explanation of an edge as a tree, and the profile that it was made of.

import { el, list, show } from "./dom.ts";
import { texts, type Texts } from "./texts.ts";

/** Each personalization with its sections and their conditions. */
export function whyOf(explanation: any): HTMLElement {
  return el("div", {}, list(explanation?.personalizations).map((one) =>
    el("section", {}, el("h3", {}, el("code", {}, one.name), " ", verdict(one.result)), reason(one), list(one.sections).map(sectionOf))));
}

const sectionOf = (section: any) =>
  el("div", { class: `card edge ${section.result}`, "data-section": section.name }, el("b", {}, section.name), " ", verdict(section.result), reason(section),
    section.criteria && el("ul", { class: "tree" }, conditionOf(section.criteria)));

function conditionOf(condition: any): HTMLElement {
  const parts = list(condition.parts);
  return el("li", {}, verdict(condition.result), " ", el("code", {}, condition.text || texts.always),
    list(condition.seen).map((fact) => el("span", { class: "quiet" }, ` ${texts.saw} ${fact.name} = `, el("b", {}, valueOf(fact)), originOf(fact))),
    parts.length > 0 && el("ul", { class: "tree" }, parts.map(conditionOf)));
}

function verdict(result: string): HTMLElement {
  const name = result === "unknown" ? "unknown_result" : result;
  return el("span", { class: `verdict ${result}` }, texts[name as keyof Texts] ?? result ?? "");
}

const reason = (one: any) => one.reason && el("p", { class: "quiet" }, show(one.reason));
const valueOf = (fact: any) => (fact.redacted ? texts.withheld : fact.value == null ? texts.missing : show(fact.value));

function originOf({ source, age_ms }: any): string {
  const parts = [source, age_ms != null && `${ageOf(age_ms)} ${texts.old}`].filter(Boolean);
  return parts.length ? ` (${parts.join(", ")})` : "";
}

function ageOf(ms: number): string {
  const units: [number, string][] = [[172_800_000, "d"], [3_600_000, "h"], [60_000, "min"]];
  for (const [least, unit] of units) if (ms >= least) return `${Math.round(ms / (unit === "d" ? 86_400_000 : least))} ${unit}`;
  return `${Math.round(ms / 1000)} s`;
}

/** Keys, segments and attributes. */
export function profileOf(explanation: any): HTMLElement {
  const { known, keys, segments, attributes } = explanation?.profile ?? {};
  const row = (name: string, value: string, origin = "") =>
    el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "mono" }, value), el("td", { class: "quiet" }, origin));
  return el("div", {}, known === false && el("p", {}, texts.unknown),
    el("table", {}, list(keys).map((key) => row(key.name, key.value === undefined ? texts.withheld : show(key.value), texts.key)),
      list(segments).map((segment) => row(texts.segment, show(segment))),
      Object.entries(attributes ?? {}).map(([name, fact]: any) => row(name, valueOf(fact), originOf(fact).trim()))));
}
