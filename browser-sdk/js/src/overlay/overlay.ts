// The overlay: what the SDK does in this page, and why an edge answered as it did. A script of its own, for whoever builds the page.
// It floats over the page, or stands in an element of the page, whose children may be further tabs.

import type { Consent, Decision, Measured, Usher } from "../types.ts";
import { el, list, show } from "./dom.ts";
import { STYLE } from "./style.ts";
import { texts, type Texts } from "./texts.ts";
import { deviceTimes, timingOf } from "./timing.ts";
import { profileOf, whyOf } from "./why.ts";

/** Events that are listed. */
const SHOWN = 100;
/** The shortest time between two drawings, and between two sentences that are read out. */
const DRAW_MS = 250;
const SAY_MS = 2_000;

interface Row {
  event: string;
  table: string;
  state: string;
  detail: string;
  columns: unknown;
}

const usher = (window as unknown as { usher?: Usher }).usher;
const tag = { ...(document.currentScript as HTMLElement | null)?.dataset };
const home = tag.into ? document.getElementById(tag.into) : null;
if (usher && !(home?.shadowRoot ?? document.querySelector("usher-overlay"))) start(usher, tag);

function start(usher: Usher, { endpoint = "", audience, previewToken, anonymousIdColumn = "anonymousId", writeKey, token }: DOMStringMap) {
  const host = home ?? el("usher-overlay");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];

  const events = new Map<string, Row>();
  const counts = { made: 0, counted: 0, dropped: 0 };
  /** Ids of events whose columns are unfolded. */
  const unfolded = new Set<string>();
  let decision: Decision | null = null;
  let explanation: any = null;
  let trouble = "";
  let isAnnounced = false;
  let measured: Measured | null | undefined;

  // ---- The frame: tabs by the keyboard, as WAI-ARIA's pattern has them ----

  const own = ["slots", "why", "profile", "events", "timing", "consent"] as const;
  const given = [...host.children].filter((child): child is HTMLElement => child instanceof HTMLElement && !!child.dataset.usherTab);
  given.forEach((child, at) => (child.slot = `given-${at}`));
  const names: string[] = [...given.map(({ slot }) => slot), ...own];
  let selected = given.length ? names[0]! : "slots";

  const frame = el("div", { class: "frame", hidden: "" });
  const body = el("div", { role: "tabpanel", tabindex: 0, "aria-labelledby": "tab-slots", id: "panel" });
  const tabs = names.map((name, at) => el("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel", click: () => select(name) },
    given[at]?.dataset.usherTab ?? texts[name as (typeof own)[number]]));
  const status = el("p", { role: "status", class: "quiet status" });
  const opener = el("button", { type: "button", class: "open", "aria-label": texts.open, click: () => toggle(true) }, texts.title);
  const fold = el("button", { type: "button", part: "fold", "aria-expanded": "false", click: () => unfold(!host.hasAttribute("data-open")) }, texts.openShort);
  const closer = home ? fold : el("button", { type: "button", click: () => toggle(false) }, texts.close);
  const panel = el("section", { class: home ? "panel docked" : "panel", "aria-label": texts.title, hidden: home ? false : "", keydown: onKey, focusin: onFocus },
    el("header", {}, el("h2", {}, texts.title), status, closer),
    el("div", { role: "tablist", "aria-label": texts.title }, tabs), body);
  root.append(frame, panel);
  if (!home) {
    root.append(opener);
    document.body.append(host);
  }

  function toggle(isOpen: boolean) {
    panel.hidden = !isOpen;
    opener.hidden = isOpen;
    frame.hidden = true;
    if (isOpen) select(selected);
    (isOpen ? tabs[names.indexOf(selected)]! : opener).focus();
  }
  /** In an element of the page, which says by its styles what unfolding means. */
  function unfold(isOpen: boolean) {
    host.toggleAttribute("data-open", isOpen);
    fold.setAttribute("aria-expanded", String(isOpen));
    fold.textContent = isOpen ? texts.close : texts.openShort;
  }
  /** Unfolds, because the part that has the focus has to be seen. */
  function onFocus({ target }: FocusEvent) {
    if (home && target !== fold) unfold(true);
  }
  function onKey(event: KeyboardEvent) {
    if (event.key === "Escape") return home ? unfold(false) : toggle(false);
    if ((event.target as Element).getAttribute("role") !== "tab") return;
    const at = names.indexOf(selected);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const wrapped = (next + names.length) % names.length;
    select(names[wrapped]!);
    tabs[wrapped]!.focus();
  }
  function select(name: string) {
    selected = name;
    tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(names[at] === name));
      tab.tabIndex = names[at] === name ? 0 : -1;
    });
    body.setAttribute("aria-labelledby", `tab-${name}`);
    frame.hidden = true;
    if ((name === "why" || name === "profile") && !explanation) void explain();
    paint();
  }

  let timer: ReturnType<typeof setTimeout> | undefined;
  let saidMs = 0;
  /** Draws soon, and not more often than can be read. */
  function draw() {
    timer ??= setTimeout(paint, DRAW_MS);
  }
  function paint() {
    clearTimeout(timer);
    timer = undefined;
    say();
    if (panel.hidden) return;
    if (selected.startsWith("given")) {
      if (body.firstElementChild?.getAttribute("name") !== selected) body.replaceChildren(el("slot", { name: selected }));
      return;
    }
    const controls = () => [...body.querySelectorAll<HTMLElement>("button, summary, input")];
    const at = controls().indexOf(root.activeElement as HTMLElement);
    const top = body.scrollTop;
    body.replaceChildren(...[panels[selected as (typeof own)[number]]()].flat());
    body.scrollTop = top;
    // The focus of a keyboard stays where it is.
    if (at >= 0) (controls()[at] ?? body).focus();
  }
  /** One sentence for all that happened, so that a screen reader can be listened to. */
  function say() {
    const waitMs = saidMs + SAY_MS - Date.now();
    if (waitMs > 0) return void setTimeout(draw, waitMs);
    const pending = usher.debug.status()?.pending ?? 0;
    const shown = slotsOf().map((slot) => sections.get(slot)).filter(Boolean);
    const text = [shown.join(", "), `${counts.made} ${texts.made}, ${counts.counted} ${texts.sent}`, pending > 0 && `${pending} ${texts.pending}`,
      counts.dropped > 0 && `${counts.dropped} ${texts.dropped}`].filter(Boolean).join(" · ");
    if (status.textContent === text) return;
    saidMs = Date.now();
    status.textContent = text;
  }
  const unfolding = (id: string, summary: string, content: () => Node | string) => {
    const details = el("details", { toggle: () => unfolded[(details as HTMLDetailsElement).open ? "add" : "delete"](id), ...(unfolded.has(id) && { open: "" }) },
      el("summary", {}, summary), content());
    return details;
  };
  const json = (value: unknown) => el("pre", { tabindex: 0 }, JSON.stringify(value, null, 1));
  /** A text with a button that copies it. Without the clipboard it is selected. */
  const copyable = (text: string) => {
    const shown = el("pre", { tabindex: 0 }, text);
    const button = el("button", { type: "button", class: "action", click: () =>
      (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(
        () => void (button.textContent = texts.copied),
        () => getSelection()?.selectAllChildren(shown),
      ) }, texts.copy);
    return el("div", {}, button, shown);
  };
  const slotsOf = () => [...document.querySelectorAll<HTMLElement>("[data-usher-slot]")];
  const namesOf = () => [...new Set(slotsOf().map((slot) => slot.dataset.usherSlot!))];
  /** The same question in a shell. */
  const curlOf = (personalization: string) => {
    const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
    const question = JSON.stringify({ personalization, key: { name: anonymousIdColumn, value: usher.user().anonymousId } });
    // The keys of pages are good with the page's origin alone.
    const headers = [`authorization: TD1 ${writeKey}`, `wp13n-token: ${token}`, `origin: ${location.origin}`, "content-type: application/json"];
    return [`curl ${quoted(new URL(`${endpoint}/v1/personalize`, location.href).href)}`, ...headers.map((header) => `-H ${quoted(header)}`), `-d ${quoted(question)}`].join(" ");
  };
  const deviceOf = () => {
    const { state, reason, program, confirmedMs, waiting } = usher.engine.info();
    const ready = program && `${program.slice(0, 12)}…, ${texts.since} ${new Date(confirmedMs!).toLocaleTimeString()}, ${waiting} ${texts.added}`;
    return el("p", {}, `${texts.device}: `, el("b", {}, state), [reason, ready].filter(Boolean).map((text) => ` · ${text}`).join(""));
  };

  // ---- The reasons, from the edge ----

  async function explain() {
    const value = usher.user().anonymousId;
    if (!audience || !previewToken || !value) return;
    const headers = { authorization: `Bearer ${previewToken}`, "content-type": "application/json" };
    // As the SDK asks: by name, so that key events decide nothing.
    const slots = namesOf();
    const ask = async (personalization?: string) => {
      const question = JSON.stringify({ audience, personalization, key: { name: anonymousIdColumn, value } });
      const response = await fetch(`${endpoint}/v1/explain`, { method: "POST", credentials: "omit", headers, body: question });
      const answer = await response.json();
      if (!response.ok) throw answer.code ?? response.status;
      return answer;
    };
    try {
      const answers = await Promise.all(slots.length ? slots.map(ask) : [ask()]);
      const isOf = (at: number) => (one: any) => !slots.length || one.name === slots[at];
      [explanation, trouble] = [{ ...answers[0], personalizations: answers.flatMap((answer, at) => list(answer.personalizations).filter(isOf(at))) }, ""];
    } catch (error) {
      [explanation, trouble] = [null, texts.refused + error];
    }
    draw();
  }
  const reasons = (draw: (explanation: any) => HTMLElement) => [
    !audience || !previewToken ? el("p", {}, texts.noPreview) : el("button", { type: "button", class: "action", click: explain }, texts.refresh),
    trouble ? el("p", { class: "dropped" }, trouble) : explanation ? draw(explanation) : "",
  ].filter(Boolean) as HTMLElement[];

  const panels: Record<(typeof own)[number], () => HTMLElement | HTMLElement[]> = {
    slots() {
      const slots = slotsOf();
      const outline = (slot: HTMLElement | null) => {
        const { left, top, width, height } = slot?.getBoundingClientRect() ?? new DOMRect();
        for (const [name, size] of Object.entries({ left, top, width, height })) frame.style.setProperty(name, `${size}px`);
        frame.hidden = !slot;
      };
      if (!slots.length) return el("p", {}, texts.noSlots);
      const rows = el("ul", { class: "plain" }, slots.map((slot) => {
        const here = { mouseenter: () => outline(slot), focus: () => outline(slot), mouseleave: () => outline(null), blur: () => outline(null) };
        const section = sections.get(slot);
        return el("li", {}, el("button", { type: "button", ...here, click: () => slot.scrollIntoView({ block: "center" }) },
          el("b", {}, slot.dataset.usherSlot), ` ${slot.dataset.usherState ?? texts.waiting}`,
          el("span", { class: "quiet" }, `, ${section ? `${texts.section} ${section}` : texts.noSection}`)));
      }));
      const snippets = slots.map((slot, at) => unfolding(`html-${at}`, `${texts.html}, ${slot.dataset.usherSlot}`, () => copyable(slot.outerHTML)));
      const calls = writeKey && token ? namesOf().map((name) => unfolding(`curl-${name}`, `${texts.curl}, ${name}`, () => copyable(curlOf(name)))) : [];
      const answer = decision ? [el("h3", {}, texts.answer, ", ", texts.decidedBy, " ", decision.meta.engine ?? ""), copyable(JSON.stringify(decision, null, 1))] : [];
      return [rows, deviceOf(), ...snippets, ...calls, ...answer];
    },
    why: () => reasons(whyOf),
    profile: () => reasons(profileOf),
    events() {
      if (!events.size) return el("p", {}, texts.noEvents);
      const rows = [...events].reverse();
      // A log that tells each line would drown out everything else, so it is asked for.
      const box = el("input", { type: "checkbox", ...(isAnnounced && { checked: "" }), change: () => { isAnnounced = (box as HTMLInputElement).checked; draw(); } });
      return [el("label", {}, box, ` ${texts.announce}`), el("div", { role: "log", "aria-live": isAnnounced ? "polite" : "off" }, el("ol", { class: "plain" }, rows.map(([id, { event, table, state, detail, columns }]) =>
        el("li", { class: "card" }, el("b", {}, event), " ", el("code", {}, table), " ", el("span", { class: `pill ${state}` }, texts[state as keyof Texts] ?? state),
          detail && el("span", { class: "quiet" }, ` ${detail}`), unfolding(id, `${texts.columns}, ${id.slice(-8)}`, () => json(columns))))))];
    },
    timing: () => [
      ...timingOf(performance.getEntriesByType("resource") as PerformanceResourceTiming[], (table) => unfolding("requests", texts.eachRequest, table)),
      ...deviceTimes(usher, measured, namesOf(), (found) => {
        measured = found;
        draw();
      }),
    ],
    consent() {
      const status = usher.debug.status();
      const rows = Object.entries(status?.consent ?? {}).map(([purpose, state]) => el("tr", {}, el("th", { scope: "row" }, purpose), el("td", {}, state)));
      const choose = (text: string, state: "granted" | "denied") => el("button", { type: "button", class: "action", click: () => usher.setConsent(state) }, text);
      return [el("table", {}, rows), choose(texts.grant, "granted"), choose(texts.deny, "denied"), el("p", { class: "mono quiet" }, show(status))];
    },
  };

  // ---- What the SDK tells ----

  const sections = new WeakMap<Element, string | null>();
  const note = (id: string, state: string, detail = "") => {
    const one = events.get(id);
    if (one) events.set(id, { ...one, state, detail });
    draw();
  };
  usher.on("event", ({ table, columns, receipt }) => {
    counts.made++;
    events.set(receipt.messageId || String(events.size), { event: show(columns.event ?? ""), table, state: receipt.status, detail: receipt.reason ?? "", columns });
    for (const id of events.keys()) if (events.size > SHOWN) events.delete(id);
    draw();
  });
  usher.on("sent", ({ messageId, notes }) => {
    counts.counted++;
    note(messageId, list(notes).includes("duplicate") ? "duplicate" : "sent", notes.filter((one) => one !== "duplicate").join(", "));
  });
  usher.on("drop", ({ messageId, reason, code }) => {
    counts.dropped++;
    note(messageId, "dropped", code ?? reason);
  });
  usher.on("decision", (made) => {
    [decision, explanation] = [made, null];
    if (!panel.hidden && (selected === "why" || selected === "profile")) void explain();
    draw();
  });
  usher.on("render", (report) => {
    for (const { element, section } of report) sections.set(element, section);
    draw();
  });
  usher.on("consent", (_consent: Consent) => draw());
  if (home) select(selected);
}
