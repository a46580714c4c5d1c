// The frame of the page: its theme, and the width of the inspector beside the shop.

import { byId } from "./dom.js";
import { recall, remember } from "./memory.js";

const THEMES = { system: "◐ System", light: "○ Light", dark: "● Dark" };
/** Percent of the window. */
const [LEAST, MOST, STEP] = [20, 60, 2];

/** The button goes through the themes; early.js knows the chosen one before the first paint. */
export function startTheme() {
  const button = byId("theme");
  const show = (name) => {
    button.textContent = THEMES[name];
    button.setAttribute("aria-label", `Theme: ${name}`);
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
  };
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % names.length];
    remember("theme", next);
    show(next);
  });
  show(document.documentElement.dataset.theme ?? "system");
}

/** The line between shop and inspector: arrow keys, Home and End, or a pointer. */
export function startSplitter() {
  const splitter = byId("splitter");
  const set = (percent) => {
    const width = Math.min(MOST, Math.max(LEAST, Math.round(percent)));
    splitter.setAttribute("aria-valuenow", String(width));
    document.documentElement.style.setProperty("--side", `${width}vw`);
    remember("side", width);
  };
  const now = () => Number(splitter.getAttribute("aria-valuenow"));
  splitter.addEventListener("keydown", (event) => {
    const next = { ArrowLeft: now() + STEP, ArrowRight: now() - STEP, Home: LEAST, End: MOST }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    set(next);
  });
  splitter.addEventListener("pointerdown", (event) => {
    splitter.setPointerCapture(event.pointerId);
    event.preventDefault();
    splitter.focus();
  });
  splitter.addEventListener("pointermove", ({ pointerId, clientX }) => {
    if (splitter.hasPointerCapture(pointerId)) set(100 - (100 * clientX) / innerWidth);
  });
  const kept = recall("side", null);
  if (kept) splitter.setAttribute("aria-valuenow", String(kept));
}
