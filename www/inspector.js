// The inspector: the facts beside the shop. It only shows what it is given and asks nothing itself.

import { byId, el, items, show, showAge } from "./dom.js";
import { renderWhy } from "./why.js";

let before = {};

export const renderVisitor = (id) => { byId("visitor").textContent = id ?? "not known yet"; };

/** A quiet line about what does not work, with a way to try again. "" clears it. */
export function renderNotice(text, retry) {
  const notice = byId("notice");
  if (!text) return notice.replaceChildren();
  notice.replaceChildren(
    el("p", {}, text),
    retry && el("button", { type: "button", class: "button quiet", onclick: retry }, "Try again"));
}

/** The answer the SDK handed to the page, and how long the page waited for it. */
export function renderAnswer({ table, about, answer, took_ms }) {
  const names = Object.keys(answer.offers);
  byId("answer").replaceChildren(...facts([
    ["Event", [table, about].filter(Boolean).join(" ")],
    ["Answered", names.length ? names.join(", ") : "no section"],
    ["Round trip", `${took_ms.toFixed(1)} ms, as measured in this page`],
  ]));
  byId("offers-json").textContent = JSON.stringify(answer, null, 2);
}

export function renderExplanation(explanation) {
  const meta = explanation.meta ?? {};
  byId("answer").querySelectorAll("[data-meta]").forEach((node) => node.remove());
  byId("answer").append(...facts([
    ["Bundle", meta.bundle != null && `number ${show(meta.bundle)}`],
    ["Profile", meta.profile?.version != null && `version ${show(meta.profile.version)}`],
    ["Facts from", meta.source && [show(meta.source), showAge(meta.age_ms) && `${showAge(meta.age_ms)} old`].filter(Boolean).join(", ")],
    ["Explain took", `${explanation.took_ms.toFixed(1)} ms`],
  ], true));
  byId("why-tree").replaceChildren(...renderWhy(explanation.personalizations));
  byId("profile").replaceChildren(...renderProfile(explanation.profile ?? {}));
}

export function forgetAll() {
  before = {};
  byId("answer").replaceChildren(...facts([["State", "Waiting for the first answer"]]));
  byId("offers-json").textContent = "Nothing received yet";
  byId("why-tree").replaceChildren();
  byId("profile").replaceChildren();
}

const facts = (rows, meta = false) =>
  rows.filter(([, value]) => value).flatMap(([name, value]) =>
    [el("dt", { "data-meta": meta }, name), el("dd", { "data-meta": meta }, value)]);

function renderProfile(profile) {
  const attributes = Object.entries(profile.attributes ?? {});
  const keys = items(profile.keys);
  const segments = items(profile.segments);
  const now = Object.fromEntries(attributes.map(([name, one]) => [name, JSON.stringify(one?.value)]));
  const rows = attributes.map(([name, one]) =>
    el("tr", { "data-changed": Object.keys(before).length > 0 && before[name] !== now[name] },
      el("th", { scope: "row" }, name),
      el("td", {}, renderValue(one)),
      el("td", { class: "origin" }, [one?.source, showAge(one?.age_ms)].filter(Boolean).join(", "))));
  before = now;
  return [
    profile.known === false && el("p", { class: "empty" }, "Nobody is known under this visitor id."),
    chips("Keys", keys.map((key) => `${show(key?.name)} ${show(key?.value)}`)),
    chips("Segments", segments.map(show)),
    rows.length > 0 && el("table", { class: "attributes" },
      el("caption", { class: "hidden" }, "Attributes of the profile"),
      el("thead", {}, el("tr", {}, ["Attribute", "Value", "Source, age"].map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, rows)),
  ].filter(Boolean);
}

function renderValue(one) {
  if (one?.redacted) return el("i", {}, "withheld (sensitive)");
  if (one?.value == null) return el("i", {}, "missing");
  return show(one.value);
}

const chips = (label, texts) =>
  texts.length > 0 && el("div", { class: "chips" }, el("span", {}, label),
    el("ul", { "aria-label": label }, texts.map((text) => el("li", {}, text))));
