// Changes of a slot: each knows whether the page has undone it, and how to take it back.
//
// No node of the page is removed, moved or replaced: it is hidden, or its text and attributes change in place.

export interface Change {
  /** False if the page has undone it. */
  holds(): boolean;
  undo(): void;
}

/** Browsers translate a page by putting `font` elements in the place of texts. */
const translated = (parent: Element | null) => parent?.querySelector(":scope > font") ?? null;

/** The text of an element itself, also where the browser has translated it. */
export function textIn(element: Element): Text | undefined {
  const font = translated(element);
  if (font) return document.createTreeWalker(font, NodeFilter.SHOW_TEXT).nextNode() as Text;
  return [...element.childNodes].find((node): node is Text => node instanceof Text && node.data.trim() !== "");
}

/** Another text in a text node. */
export function textChange(node: Text, text: string): Change {
  const before = node.data;
  const parent = node.parentElement;
  node.data = text;
  return {
    holds: () => (node.data === text && node.isConnected) || translated(parent) !== null,
    undo() {
      const font = translated(parent);
      if (node.isConnected && node.data === text) node.data = before;
      else if (font) font.textContent = before;
    },
  };
}

/** An attribute with another value, or without one. */
export function attributeChange(element: Element, name: string, value: string | null): Change {
  const before = element.getAttribute(name);
  const put = (value: string | null) => (value === null ? element.removeAttribute(name) : element.setAttribute(name, value));
  put(value);
  return {
    holds: () => element.getAttribute(name) === value,
    undo: () => void (element.getAttribute(name) === value && put(before)),
  };
}

/** An element that is not shown, whatever the page's styles say of `hidden`. */
export function hiding({ style }: HTMLElement): Change {
  const { display } = style;
  style.setProperty("display", "none", "important");
  return {
    holds: () => style.display === "none",
    undo: () => void (style.display = display),
  };
}

/** Nodes that the SDK made, at the end of their parent. */
export function adding(parent: Element, nodes: ChildNode[]): Change {
  parent.append(...nodes);
  return {
    holds: () => nodes.every((node) => node.parentNode === parent) || translated(parent) !== null,
    undo() {
      nodes.forEach((node) => node.remove());
      if (nodes[0] instanceof Text) translated(parent)?.remove();
    },
  };
}
