// Slots as the core knows them: where they are and what they ask for. `render/` fills them.

import type { RenderReport } from "./types.ts";

const SLOT = "data-usher-slot";
export const STATE = "data-usher-state";

/** The slots of a part of the page; none within another. */
export function slotsOf(root: ParentNode): HTMLElement[] {
  const found = [...root.querySelectorAll<HTMLElement>(`[${SLOT}]`)];
  if (root instanceof HTMLElement && root.hasAttribute(SLOT)) found.unshift(root);
  return found.filter((slot) => !slot.closest("[data-usher-ignore]") && !slot.parentElement?.closest(`[${SLOT}]`));
}
export const nameOf = (slot: Element) => slot.getAttribute(SLOT)!;

/** The personalizations that slots of a part of the page name. */
export const namesOf = (root: ParentNode) => [...new Set(slotsOf(root).map(nameOf))];

/** Says of slots that they stay at their defaults. */
export const restingIn = (root: ParentNode): RenderReport =>
  slotsOf(root).map((element) => {
    element.setAttribute(STATE, "default");
    return { slot: nameOf(element), section: null, state: "default", element };
  });
