// Values as text for people: `data-usher-format`, in the language of the nearest `lang`.

import { VALUE_CHARS_MAX } from "../limits.ts";

/**
 * The text of a value; null if it is missing, an object, or too long. Formats: `decimal`, `percent`, `currency:EUR`, `unit:liter`,
 * `date`, `datetime`.
 *
 * @param slot has the language of an element that is not in the page yet
 */
export function textOf(value: unknown, element: Element, slot: Element): string | null {
  const [kind, detail] = (element.getAttribute("data-usher-format") ?? "").split(":") as [string, string?];
  const language = (element.closest("[lang]") ?? slot.closest("[lang]"))?.getAttribute("lang") || undefined;
  let text: string | null = null;
  try {
    text = formatted(value, kind, detail, language);
  } catch {
    // A language or currency that the browser does not know.
  }
  text ??= plain(value);
  return text === null || text.length > VALUE_CHARS_MAX ? null : text;
}

function formatted(value: unknown, kind: string, detail: string | undefined, language: string | undefined): string | null {
  if (kind === "list" && Array.isArray(value)) {
    return new Intl.ListFormat(language, { type: "conjunction" }).format(value.map((item) => plain(item) ?? ""));
  }
  if (kind === "date" || kind === "datetime") {
    // Seconds, or a text. A date without a time is that day everywhere.
    const date = new Date(typeof value === "number" && value < 1e11 ? value * 1000 : (value as string));
    const isDay = /^\d{4}-\d\d-\d\d$/.test(String(value));
    return new Intl.DateTimeFormat(language, { dateStyle: "medium", ...(kind === "datetime" && { timeStyle: "short" }), ...(isDay && { timeZone: "UTC" }) }).format(date);
  }
  if (!/^(decimal|percent|currency|unit)$/.test(kind) || typeof value === "object" || value === "" || isNaN(Number(value))) return null;
  return new Intl.NumberFormat(language, { style: kind as "decimal", [kind]: detail }).format(Number(value));
}

function plain(value: unknown): string | null {
  if (Array.isArray(value)) return value.every((item) => typeof item !== "object") ? value.join(", ") : null;
  return value === null || value === undefined || typeof value === "object" ? null : String(value);
}
