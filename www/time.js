// The tab "Time": sets the clock of this tab's own edge ahead, so that windows and expiry can be seen.

import { el } from "./dom.js";

const HOUR_MS = 3_600_000;
const STEPS = [0, 1, 6, 12, 24, 48, 24 * 7, 24 * 30, 24 * 61];

const words = (hours) => (hours === 0 ? "now" : hours < 48 ? `${hours} h from now` : `${hours / 24} days from now`);

export async function start(panel, { tab }, { ask }) {
  if (!tab) {
    panel.replaceChildren(
      el("h3", {}, "Time passes"),
      el("p", {}, "Nobody may set the clock of a real edge, so this works only where the edge is in the tab (", el("code", {}, "make site"), ")."),
      el("p", {}, "For any edge, the command line plays events at any time:"),
      el("pre", { tabindex: "0" }, "usher simulate examples/shop examples/shop/visit.ndjson"));
    return;
  }
  const offset = (await tab.clockOffset()) / HOUR_MS;
  const output = el("output", { for: "clock" }, words(offset));
  const slider = el("input", {
    id: "clock", type: "range", min: "0", max: String(STEPS.length - 1), step: "1", "data-testid": "clock",
    oninput: () => { output.textContent = words(STEPS[slider.value]); },
    onchange: async () => {
      await tab.setClockOffset(STEPS[slider.value] * HOUR_MS);
      ask();
    },
  });
  const done = el("span", { role: "status", "data-testid": "upkeep-state" });
  const upkeep = el("button", { type: "button", class: "button quiet", "data-testid": "upkeep", onclick: async () => {
    const { purged } = await tab.upkeep();
    done.textContent = ` ${purged === 0 ? "Nothing was over its time." : `${purged} rows were over their time.`}`;
    ask();
  } }, "Do what is due");
  slider.value = String(Math.max(0, STEPS.findLastIndex((hours) => hours <= offset)));
  panel.replaceChildren(
    el("h3", {}, "Time passes"),
    el("p", {}, "The clock of this tab’s edge, ahead of your own. Counters of 24 hours empty, lists forget after 60 days, and the slots follow. Look at ", el("i", {}, "Profile"), " and ", el("i", {}, "Why"), "."),
    el("p", { class: "clock" }, el("label", { for: "clock" }, "The edge’s time"), slider, output),
    el("p", { class: "controls" }, upkeep, done),
    el("p", {}, "The edge deletes what is over its time, and leads on who waits in a journey, when a page opens and every minute, but not while its clock is ahead: what is deleted then does not come back. The button does it all the same."),
    el("p", {}, "Events that you make meanwhile keep your browser’s time. Back to “now” shows what it was."));
}
