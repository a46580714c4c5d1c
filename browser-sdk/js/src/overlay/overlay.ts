// The overlay: what the SDK does in this page, and why an edge answered as it did. A script of its own, for whoever builds the page.

import type { Consent, Usher } from "../types.ts";
import { el, show } from "./dom.ts";
import { STYLE } from "./style.ts";
import { texts, type Texts } from "./texts.ts";
import { profileOf, whyOf } from "./why.ts";

const TABS = ["slots", "why", "profile", "events", "timing", "consent"] as const;
type Tab = (typeof TABS)[number];
/** Events that are listed. */
const SHOWN = 100;

const usher = (window as unknown as { usher?: Usher }).usher;
if (usher && !document.querySelector("usher-overlay")) start(usher, { ...(document.currentScript as HTMLElement | null)?.dataset });

function start(usher: Usher, { endpoint = "", audience, previewToken, anonymousIdColumn = "anonymousId" }: DOMStringMap) {
  const host = el("usher-overlay");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];

  const events = new Map<string, { event: string; table: string; state: string; detail: string }>();
  let selected: Tab = "slots";
  let explanation: any = null;
  let trouble = "";

  const frame = el("div", { class: "frame", hidden: "" });
  const body = el("div", { role: "tabpanel", tabindex: 0, "aria-labelledby": "tab-slots", id: "panel" });
  const tabs = TABS.map((name) => el("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel", click: () => select(name) }, texts[name]));
  const opener = el("button", { type: "button", class: "open", "aria-label": texts.open, click: () => toggle(true) }, texts.title);
  const panel = el("section", { class: "panel", "aria-label": texts.title, hidden: "", keydown: onKey },
    el("header", {}, el("h2", {}, texts.title), el("button", { type: "button", click: () => toggle(false) }, texts.close)),
    el("div", { role: "tablist", "aria-label": texts.title }, tabs), body);
  root.append(frame, opener, panel);
  document.body.append(host);

  function toggle(isOpen: boolean) {
    panel.hidden = !isOpen;
    opener.hidden = isOpen;
    frame.hidden = true;
    if (isOpen) select(selected);
    (isOpen ? tabs[TABS.indexOf(selected)]! : opener).focus();
  }
  function onKey(event: KeyboardEvent) {
    if (event.key === "Escape") return toggle(false);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || (event.target as Element).getAttribute("role") !== "tab") return;
    const next = (TABS.indexOf(selected) + step + TABS.length) % TABS.length;
    select(TABS[next]!);
    tabs[next]!.focus();
  }
  function select(name: Tab) {
    selected = name;
    tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(TABS[at] === name));
      tab.tabIndex = TABS[at] === name ? 0 : -1;
    });
    body.setAttribute("aria-labelledby", `tab-${name}`);
    if ((name === "why" || name === "profile") && !explanation) void explain();
    draw();
  }
  function draw() {
    if (panel.hidden) return;
    const buttons = () => [...body.querySelectorAll("button")];
    const at = buttons().indexOf(root.activeElement as HTMLButtonElement);
    body.replaceChildren(...[panels[selected]()].flat());
    // The focus of a keyboard stays where it is.
    if (at >= 0) (buttons()[at] ?? body).focus();
  }

  async function explain() {
    const value = usher.user().anonymousId;
    if (!audience || !previewToken || !value) return;
    try {
      const headers = { authorization: `Bearer ${previewToken}`, "content-type": "application/json" };
      const question = JSON.stringify({ audience, key: { name: anonymousIdColumn, value } });
      const response = await fetch(`${endpoint}/v1/explain`, { method: "POST", credentials: "omit", headers, body: question });
      const answer = await response.json();
      [explanation, trouble] = response.ok ? [answer, ""] : [null, texts.refused + (answer.code ?? response.status)];
    } catch (error) {
      [explanation, trouble] = [null, texts.refused + error];
    }
    draw();
  }
  const again = () => el("button", { type: "button", class: "action", click: explain }, texts.refresh);
  const reasons = (draw: (explanation: any) => HTMLElement) => [
    !audience || !previewToken ? el("p", {}, texts.noPreview) : again(),
    trouble ? el("p", { class: "dropped" }, trouble) : explanation ? draw(explanation) : "",
  ].filter(Boolean) as HTMLElement[];

  const panels: Record<Tab, () => HTMLElement | HTMLElement[]> = {
    slots() {
      const slots = [...document.querySelectorAll<HTMLElement>("[data-usher-slot]")];
      const outline = (slot: HTMLElement | null) => {
        const { left, top, width, height } = slot?.getBoundingClientRect() ?? new DOMRect();
        for (const [name, size] of Object.entries({ left, top, width, height })) frame.style.setProperty(name, `${size}px`);
        frame.hidden = !slot;
      };
      if (!slots.length) return el("p", {}, texts.noSlots);
      return el("ul", { class: "plain" }, slots.map((slot) => {
        const here = { mouseenter: () => outline(slot), focus: () => outline(slot), mouseleave: () => outline(null), blur: () => outline(null) };
        const section = sections.get(slot);
        return el("li", {}, el("button", { type: "button", ...here, click: () => slot.scrollIntoView({ block: "center" }) },
          el("b", {}, slot.dataset.usherSlot), ` ${slot.dataset.usherState ?? texts.waiting}`,
          el("span", { class: "quiet" }, `, ${section ? `${texts.section} ${section}` : texts.noSection}`)));
      }));
    },
    why: () => reasons(whyOf),
    profile: () => reasons(profileOf),
    events() {
      if (!events.size) return el("p", {}, texts.noEvents);
      const rows = [...events.values()].reverse();
      // A log that tells each line would drown out everything else.
      return el("div", { role: "log", "aria-live": "off" }, el("ol", { class: "plain" }, rows.map(({ event, table, state, detail }) =>
        el("li", {}, el("b", {}, event), " ", el("code", {}, table), " ", el("span", { class: state }, texts[state as keyof Texts] ?? state), detail && el("span", { class: "quiet" }, ` ${detail}`)))));
    },
    timing() {
      const requests = (performance.getEntriesByType("resource") as PerformanceResourceTiming[]).filter(({ name }) => /\/v1\/(e|personalize)(\?|$)/.test(name));
      if (!requests.length) return el("p", {}, texts.noRequests);
      const head = el("tr", {}, [texts.request, texts.ms, texts.bytes].map((text) => el("th", { scope: "col" }, text)));
      return el("table", {}, head, requests.slice(-20).reverse().map(({ name, duration, transferSize }) =>
        el("tr", {}, el("td", {}, el("code", {}, new URL(name).pathname)), el("td", {}, duration.toFixed(0)), el("td", {}, transferSize))));
    },
    consent() {
      const status = usher.debug.status();
      const rows = Object.entries(status?.consent ?? {}).map(([purpose, state]) => el("tr", {}, el("th", { scope: "row" }, purpose), el("td", {}, state)));
      const choose = (text: string, state: "granted" | "denied") => el("button", { type: "button", class: "action", click: () => usher.setConsent(state) }, text);
      return [el("table", {}, rows), choose(texts.grant, "granted"), choose(texts.deny, "denied"), el("p", { class: "mono quiet" }, show(status))];
    },
  };

  const sections = new WeakMap<Element, string | null>();
  const note = (id: string, state: string, detail = "") => {
    const one = events.get(id);
    if (one) events.set(id, { ...one, state, detail });
    draw();
  };
  usher.on("event", ({ table, columns, receipt }) => {
    events.set(receipt.messageId || String(events.size), { event: show(columns.event ?? ""), table, state: receipt.status, detail: receipt.reason ?? "" });
    for (const id of events.keys()) if (events.size > SHOWN) events.delete(id);
    draw();
  });
  usher.on("sent", ({ messageId, notes }) => note(messageId, notes.includes("duplicate") ? "duplicate" : "sent", notes.filter((one) => one !== "duplicate").join(", ")));
  usher.on("drop", ({ messageId, reason, code }) => note(messageId, "dropped", code ?? reason));
  usher.on("decision", () => {
    explanation = null;
    if (!panel.hidden && (selected === "why" || selected === "profile")) void explain();
  });
  usher.on("render", (report) => {
    for (const { element, section } of report) sections.set(element, section);
    draw();
  });
  usher.on("consent", (_consent: Consent) => draw());
}
