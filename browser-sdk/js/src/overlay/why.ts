// The reasons: the explanation of an edge as a tree, and the profile that it was made of.

import { el, list, show } from "./dom.ts";
import { texts, type Texts } from "./texts.ts";

/** Each personalization with its sections and their conditions. */
export function whyOf(explanation: any): HTMLElement {
  return el("ul", { class: "plain" }, list(explanation?.personalizations).map((one) =>
    el("li", {}, el("b", {}, one.name), " ", verdict(one.result), reason(one), el("ul", {}, list(one.sections).map(sectionOf)))));
}

const sectionOf = (section: any) =>
  el("li", { "data-section": section.name }, el("b", {}, section.name), " ", verdict(section.result), reason(section),
    section.criteria && el("ul", {}, conditionOf(section.criteria)));

function conditionOf(condition: any): HTMLElement {
  const parts = list(condition.parts);
  return el("li", {}, verdict(condition.result), " ", el("code", {}, condition.text ?? ""),
    list(condition.seen).map((fact) => el("span", { class: "quiet" }, ` ${texts.saw} ${fact.name} = ${valueOf(fact)}${originOf(fact)}`)),
    parts.length > 0 && el("ul", {}, parts.map(conditionOf)));
}

function verdict(result: string): HTMLElement {
  const name = result === "unknown" ? "unknown_result" : result;
  return el("span", { class: result }, texts[name as keyof Texts] ?? result ?? "");
}

const reason = (one: any) => one.reason && el("span", { class: "quiet" }, ` ${show(one.reason)}`);
const valueOf = (fact: any) => (fact.redacted ? texts.withheld : fact.value == null ? texts.missing : show(fact.value));

function originOf({ source, age_ms }: any): string {
  const parts = [source, age_ms != null && `${Math.round(age_ms / 1000)} s ${texts.old}`].filter(Boolean);
  return parts.length ? ` (${parts.join(", ")})` : "";
}

/** Keys, segments and attributes. */
export function profileOf(explanation: any): HTMLElement {
  const { known, keys, segments, attributes } = explanation?.profile ?? {};
  const row = (name: string, value: string) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "mono" }, value));
  return el("div", {}, known === false && el("p", {}, texts.unknown),
    el("table", {}, list(keys).map((key) => row(key.name, show(key.value))),
      list(segments).map((segment) => row("segment", show(segment))),
      Object.entries(attributes ?? {}).map(([name, fact]: any) => row(name, valueOf(fact) + originOf(fact)))));
}
