// Elements, made of names, attributes and texts; never of markup.

type Child = Node | string | number | null | undefined | false;

/** An element. Attributes that are functions are listeners. */
export function el(name: string, attributes: Record<string, unknown> = {}, ...children: (Child | Child[])[]): HTMLElement {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value as EventListener);
    else if (value !== false && value != null) element.setAttribute(key, String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** Any value as text. */
export const show = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value) ?? "");

export const list = (value: unknown): any[] => (Array.isArray(value) ? value : []);
