// Decisions on the visitor's device: loading the engine, what it decides and what it leaves to the edge, whether both say the same, and how
// long each takes. Loaded with the tab "Device", or when the device is to decide.

import { el } from "./dom.js";
import { prove } from "./proof.js";

/** Of the shop: 20 sections, in which the times are taken. */
const TIMED = "goods_labels";
const ALL = ["web_personalization", "cart_entity", TIMED, "product_recommendations", "cart_recovery"];
/** They look somebody up by an input, who has to be signed in. */
const OF_CUSTOMERS = ["product_recommendations", "cart_recovery"];
const BATCHES = 9;
const REDRAW_MS = 1_000;
/** A comparison that more events overtook is made again so often, after so long. */
const [TRIES, AGAIN_MS] = [3, 500];

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(0)} KB`;

let page;
let made;

/** @param of {usher, edge, counts, ask} of main.js; the same one for all callers */
export function deviceOf(of) {
  page ??= of;
  return (made ??= make(page));
}

function make({ usher, edge, counts, ask }) {
  const { keys, endpoint } = edge;
  const parity = { same: 0, other: 0, skipped: 0, last: "" };
  const key = () => ({ name: "td_client_id", value: usher.user().anonymousId });
  let timed = null;
  /** A decision of the device that no edge was asked about yet. */
  let open = null;
  let comparing = false;
  let tries = 0;

  async function load() {
    const info = await usher.engine.load();
    const size = engineBytes();
    if (size) prove("engine", `engine ${kilobytes(size)} of wasm`);
    // The edge gives its part to who asked it.
    if (info.state === "loaded") await ask();
    return usher.engine.info();
  }

  // ---- Parity: the edge is asked the same, about the same events ----

  usher.on("sent", () => setTimeout(compare));
  /** Takes a decision of the device to be compared, as soon as the edge has every event that it was made from. */
  function note(names, { offers, meta }) {
    const isStale = Object.values(meta.reasons ?? {}).includes("STALE");
    if (meta.engine !== "device" || isStale) return;
    if (open) parity.skipped++;
    open = { names, offers, meta, made: counts.made };
    void compare();
  }
  async function compare() {
    if (!open || comparing || usher.debug.status().pendingAll > 0) return;
    const { names, offers, meta, made } = open;
    open = null;
    comparing = true;
    try {
      const answers = await Promise.all(names.map(explained));
      // An event of meanwhile is in one answer, maybe, and not in the other.
      if (made !== counts.made || answers.includes(null)) {
        parity.skipped++;
        if (++tries <= TRIES) setTimeout(ask, AGAIN_MS);
      } else {
        tries = 0;
        for (const [at, name] of names.entries()) {
          const own = Object.fromEntries(Object.entries(offers).filter(([section]) => meta.personalizations?.[section] === name));
          const [here, there] = [own, answers[at].offers].map((offers) => JSON.stringify(offers));
          parity[here === there ? "same" : "other"]++;
          if (here !== there) parity.last = `${name}: the device ${here}, the edge ${there}`;
        }
        prove("parity", parityText());
      }
    } finally {
      comparing = false;
    }
    if (open) void compare();
  }
  /** The edge's answer about the committed profile; null without one. */
  async function explained(personalization) {
    const body = JSON.stringify({ audience: keys.audience, personalization, key: key() });
    const headers = { authorization: `Bearer ${keys.preview_token}`, "content-type": "application/json" };
    const response = await fetch(`${endpoint}/v1/explain`, { method: "POST", headers, body }).catch(() => null);
    return response?.ok ? response.json() : null;
  }
  const parityText = () => `Device and edge: ${parity.same} of ${parity.same + parity.other} the same`;

  // ---- Times ----

  /** The time of a decision of 20 sections, here and at the edge; null while the device decides nothing. */
  async function time() {
    await usher.personalize({ names: [TIMED] });
    const device = usher.engine.measure({ names: [TIMED], batches: BATCHES });
    if (!device) return null;
    const headers = { authorization: `TD1 ${keys.write_key}`, "wp13n-token": keys.public_token, "content-type": "application/json" };
    const body = JSON.stringify({ personalization: TIMED, key: key() });
    const times = [];
    for (let at = 0; at < BATCHES; at++) {
      const began = performance.now();
      const response = await fetch(`${endpoint}/v1/personalize`, { method: "POST", headers, body }).catch(() => null);
      if (response?.ok && (await response.text())) times.push((performance.now() - began) * 1_000);
    }
    timed = { ...device, edge: times.length ? median(times) : null };
    prove("decision", `decision ${device.us.toFixed(0)} µs on this device`);
    return timed;
  }

  /** Where each personalization is decided now, asked one by one. */
  async function places() {
    const rows = [];
    for (const name of ALL) {
      // Without the input that they require, an edge refuses the question.
      if (OF_CUSTOMERS.includes(name) && usher.user().id === null) {
        rows.push({ name, isHere: false, shown: "", why: "who signed in" });
        continue;
      }
      const { offers, meta } = await usher.personalize({ names: [name] });
      const shown = Object.keys(offers).join(", ") || "no section";
      const isStale = Object.values(meta.reasons ?? {}).includes("STALE");
      const isHere = meta.engine === "device" && !isStale;
      const why = { default: "it cannot be reached, so the page has its default", device: "it cannot be reached: its last answer", edge: WHY[meta.device] ?? "" }[meta.engine];
      rows.push({ name, isHere, shown, why: isHere ? "" : why });
    }
    return rows;
  }

  return { load, note, time, places, parity, parityText, timed: () => timed };
}

/** Reasons of the SDK for asking the edge, in words. */
const WHY = {
  UNDECIDED: "it is not marked device: true",
  NO_PROGRAM: "it has no program for this engine",
  NO_EXTRACT: "it gives its part with the next answer",
  loaded: "it gives its part with this answer",
  off: "no engine is loaded",
};

/** Bytes of the engine’s wasm as it came, from the browser’s own count. */
function engineBytes() {
  const entry = performance.getEntriesByType("resource").find(({ name }) => /\/engine-[^/]*\.wasm$/.test(name));
  return entry?.encodedBodySize ?? 0;
}

/** The tab. */
export async function start(panel, edge, more) {
  const { usher } = more;
  const device = deviceOf({ ...more, edge });
  const state = el("p", { role: "status", "data-testid": "device-state" });
  const compared = el("p", { "data-testid": "device-parity" });
  const list = el("tbody", { "data-testid": "device-places" });
  const times = el("p", { "data-testid": "device-times" });
  const button = (text, name, run) => {
    const element = el("button", { type: "button", class: "button quiet", "data-testid": name, onclick: async () => {
      element.disabled = true;
      await run();
      element.disabled = false;
    } }, text);
    return element;
  };
  const load = button("Load the engine", "device-load", () => more.decideOnDevice());
  panel.replaceChildren(
    el("h3", {}, "On the device"),
    el("p", {}, "The edge’s engine as one wasm in this page. Of the shop’s definition it gets what is marked ", el("code", {}, "device: true"),
      ", of the visitor’s profile what that reads, and it adds the events since. It answers without a network; the rest asks the edge."),
    state,
    el("p", { class: "controls" },
      load,
      button("Ask for each", "device-ask", places),
      button("Time it", "device-time", time)),
    el("h3", {}, "Who decides what"),
    el("table", {}, el("thead", {}, el("tr", {}, ["Name", "Decided"].map((text) => el("th", { scope: "col" }, text)))), list),
    el("h3", {}, "The same answer?"), compared,
    el("h3", {}, "How long?"), times);
  list.append(el("tr", {}, el("td", { colspan: "2" }, "Not asked yet.")));
  times.textContent = "Not timed yet.";
  draw();
  setInterval(() => panel.checkVisibility?.() !== false && draw(), REDRAW_MS);

  function draw() {
    const { state: now, reason, program, confirmedMs, waiting } = usher.engine.info();
    const since = confirmedMs ? `, confirmed by the edge ${Math.round((Date.now() - confirmedMs) / 1_000)} s ago` : "";
    const text = {
      off: edge.keys.engine ? "No engine is loaded: the edge decides." : "The engine was not built: make device does it, and the next make demo has it. The edge decides.",
      loading: "The engine is loading.",
      loaded: `The engine is here, and has nothing of this visitor yet${reason ? ` (${reason})` : ""}: the edge decides.`,
      failed: `The engine does not run here (${reason}): the edge decides.`,
      ready: `The device decides, by program ${program?.slice(0, 12)}…${since}, and ${waiting} events that the edge’s part has not.`,
    }[now];
    if (state.textContent !== text) state.textContent = text;
    load.hidden = !edge.keys.engine || !["off", "loaded"].includes(now);
    const { parity } = device;
    const said = parity.same + parity.other + parity.skipped
      ? `${device.parityText()}, byte for byte. ${parity.skipped ? `${parity.skipped} could not be compared, because more happened meanwhile. ` : ""}${parity.last}`
      : "Each decision of the device is asked of the edge again, once it has the same events; nothing was compared yet.";
    if (compared.textContent !== said) compared.textContent = said;
  }
  async function places() {
    const rows = await device.places();
    list.replaceChildren(...rows.map(({ name, isHere, shown, why }) =>
      el("tr", {}, el("th", { scope: "row" }, el("code", {}, name)), el("td", { class: isHere ? "yes" : "" }, `${isHere ? "on the device" : `asks the edge${why ? `: ${why}` : ""}`}${shown && `; ${shown}`}`))));
    draw();
  }
  async function time() {
    times.textContent = "Timing…";
    // So that this is painted before the page is held up.
    await new Promise((done) => setTimeout(done, 50));
    const timed = await device.time();
    times.textContent = timed === null ? "The device decides nothing yet: load the engine first." : timesText(timed);
    draw();
  }
}

/** The times in a sentence. */
export const timesText = ({ us, least, batches, of, edge }) =>
  `20 sections (${TIMED}): ${us.toFixed(1)} µs on this device, the median of ${batches} batches of ${of.toLocaleString("en")} decisions after one that warmed up ` +
  `(least ${least.toFixed(1)}), with JSON and the crossing both ways; ${edge ? `${Math.round(edge).toLocaleString("en")} µs at the edge, the median of ${batches} calls.` : "the edge could not be reached."}`;
