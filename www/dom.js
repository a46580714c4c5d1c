// Building page nodes. There is no way from a string to markup here: text stays text,
// whatever the server sends.

const SVG = "http://www.w3.org/2000/svg";

/** el("p", { class: "note", onclick: go }, "text", node, null) */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, String(value));
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

/** A drawing from the sprite in index.html. Decorative unless a label is given. */
export function drawing(id, className, label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${id}`);
  svg.append(use);
  return svg;
}

export const byId = (id) => document.getElementById(id);

/** The usable items of what should be a list. */
export const items = (list) => (Array.isArray(list) ? list.filter((item) => item != null) : []);

/** A value of unknown shape as short text. */
export function show(value) {
  if (value == null) return "none";
  if (Array.isArray(value)) return value.length ? value.map(show).join(", ") : "empty list";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

// The unit stays on the line of its number.
export function showAge(ms) {
  if (typeof ms !== "number" || !Number.isFinite(ms)) return "";
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}\u00a0ms`;
  if (ms < 60_000) return `${Math.round(ms / 1000)}\u00a0s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)}\u00a0min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)}\u00a0h`;
  return `${Math.round(ms / 86_400_000)}\u00a0days`;
}
