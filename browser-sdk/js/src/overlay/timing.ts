// Times of the SDK's requests, as the browser measured them, and of decisions on the device.

import type { Measured, Usher } from "../types.ts";
import { el } from "./dom.ts";
import { texts } from "./texts.ts";

/** Requests that are listed. */
const SHOWN = 20;
/** Upper bounds of the columns in ms; the last one has none. */
const BOUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, Infinity];

/** The median, the slow ones, a histogram, and each request. */
export function timingOf(entries: PerformanceResourceTiming[], tableOf: (table: () => HTMLElement) => HTMLElement): HTMLElement[] {
  const requests = entries.filter(({ name }) => /\/v1\/(e|personalize)(\?|$)/.test(name));
  if (!requests.length) return [el("p", {}, texts.noRequests)];
  const sorted = requests.map(({ duration }) => duration).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  const fact = (text: string, ms: number) => [`, ${text} `, el("b", {}, `${ms.toFixed(0)} ms`)];
  const rows = () =>
    el("table", {}, el("tr", {}, [texts.request, texts.ms, texts.bytes].map((text) => el("th", { scope: "col" }, text))),
      requests.slice(-SHOWN).reverse().map(({ name, duration, transferSize }) =>
        el("tr", {}, el("td", {}, el("code", {}, new URL(name).pathname)), el("td", {}, duration.toFixed(0)), el("td", {}, transferSize))));
  return [
    el("p", {}, `${requests.length} × ${texts.request}`, ...fact(texts.median, at(0.5)), ...fact(texts.share95, at(0.95)), ...fact(texts.slowest, at(1))),
    histogram(sorted), tableOf(rows), el("p", { class: "quiet" }, texts.measured),
  ];
}

function histogram(sorted: number[]): HTMLElement {
  const columns = BOUNDS.map((bound, at) => [bound, sorted.filter((ms) => ms <= bound && !(ms <= BOUNDS[at - 1]!)).length] as const);
  const most = Math.max(...columns.map(([, count]) => count));
  const label = columns.filter(([, count]) => count).map(([bound, count]) => `${count} ≤ ${bound} ${texts.ms}`).join(", ");
  return el("div", { class: "bars", role: "img", "aria-label": `${texts.histogram}: ${label}` }, columns.map(([bound, count]) => {
    const bar = el("i");
    bar.style.height = `${(60 * count) / most}px`;
    return el("span", {}, count || "", bar, bound < Infinity ? (bound < 1_000 ? bound : "1 s") : "∞");
  }));
}

/** What a decision takes on the device; it holds the page up while it is measured. */
export function deviceTimes(usher: Usher, last: Measured | null | undefined, names: string[], then: (measured: Measured | null) => void): HTMLElement[] {
  const us = (value: number) => `${value.toFixed(1)} µs`;
  return [
    el("button", { type: "button", class: "action", click: () => then(usher.engine.measure({ names })) }, texts.time),
    last === undefined ? el("span") : el("p", {}, last ? [`${texts.onDevice} `, el("b", {}, us(last.us)), ` (≥ ${us(last.least)}, ${last.batches} × ${last.of}). ${texts.method}`] : texts.notHere),
  ];
}
