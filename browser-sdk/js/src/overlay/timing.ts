// Times of the SDK's requests, as the browser measured them.

import { el } from "./dom.ts";
import { texts } from "./texts.ts";

/** Requests that are listed. */
const SHOWN = 20;

/** The median, the slow ones, and each request. */
export function timingOf(entries: PerformanceResourceTiming[]): HTMLElement[] {
  const requests = entries.filter(({ name }) => /\/v1\/(e|personalize)(\?|$)/.test(name));
  if (!requests.length) return [el("p", {}, texts.noRequests)];
  const sorted = requests.map(({ duration }) => duration).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  const head = el("tr", {}, [texts.request, texts.ms, texts.bytes].map((text) => el("th", { scope: "col" }, text)));
  const most = at(1);
  return [
    el("p", {}, `${requests.length} × ${texts.request}, ${texts.median} `, el("b", {}, `${at(0.5).toFixed(0)} ms`), `, ${texts.slowest} `, el("b", {}, `${most.toFixed(0)} ms`)),
    el("table", {}, head, requests.slice(-SHOWN).reverse().map(({ name, duration, transferSize }) =>
      el("tr", {}, el("td", {}, el("code", {}, new URL(name).pathname)),
        el("td", {}, duration.toFixed(0), el("meter", { max: Math.ceil(most), value: duration.toFixed(1), "aria-hidden": "true" })), el("td", {}, transferSize)))),
    el("p", { class: "quiet" }, texts.measured),
  ];
}
