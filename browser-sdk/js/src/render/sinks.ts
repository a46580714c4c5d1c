// The places into which a value of an offer may go: texts, and listed attributes of listed elements. None of them takes markup.

import { textOf } from "./format.ts";

/** The settings that allow more to values. */
export interface Trust {
  /** Hosts beside the page's own. */
  hosts: string[];
  sanitize: ((html: string) => unknown) | undefined;
}

const ATTRIBUTES: Record<string, string> = {
  a: "href title aria-label",
  img: "src srcset alt title width height",
  input: "placeholder aria-label",
  source: "srcset",
  time: "datetime",
};
const XHTML = "http://www.w3.org/1999/xhtml";

/** The value of an attribute as it may be set; null if this element may not have it. */
export function attributeOf(element: Element, slot: Element, name: string, value: unknown, trust: Trust): string | null {
  if (element.namespaceURI !== XHTML || !(ATTRIBUTES[element.localName] ?? "").split(" ").includes(name)) return null;
  const text = textOf(value, element, slot);
  if (text === null) return null;
  if (name === "srcset") {
    const candidates = text.split(/,\s+/).map((candidate) => {
      const [url, size, more] = candidate.trim().split(/\s+/);
      const safe = url && !more && /^(\d+w|\d*\.?\d+x)?$/.test(size ?? "") ? urlOf(url, element, trust) : null;
      return safe && (size ? `${safe} ${size}` : safe);
    });
    return candidates.every(Boolean) ? candidates.join(", ") : null;
  }
  return ["href", "src"].includes(name) ? urlOf(text, element, trust) : text;
}

/** An address of the page's origin, or of a host that settings name; as the browser read it. */
function urlOf(text: string, element: Element, trust: Trust): string | null {
  try {
    const url = new URL(text, element.baseURI);
    const { protocol, origin } = element.ownerDocument.location;
    if (!/^https?:$/.test(url.protocol) || url.username || url.password) return null;
    if (url.origin === origin) return url.href;
    return trust.hosts.includes(url.host) && (url.protocol === protocol || url.protocol === "https:") ? url.href : null;
  } catch {
    return null;
  }
}

/** Elements of an offer's markup: words and lists, nothing that loads, runs or leads away. */
const MARKUP = "b bdi br code em i li mark ol p s small span strong sub sup u ul".split(" ");

/** Fills an element with markup of an offer: by the browser's own sanitizer, or by the page's. False if there is neither. */
export function setMarkup(element: Element, html: string, trust: Trust): boolean {
  const target = element as Element & { setHTML?(html: string, options: object): void };
  try {
    if (target.setHTML) target.setHTML(html, { sanitizer: { elements: MARKUP, attributes: ["lang", "dir", "title"] } });
    else if (trust.sanitize) target.innerHTML = trust.sanitize(html) as string;
    else return false;
  } catch {
    return false;
  }
  return true;
}
