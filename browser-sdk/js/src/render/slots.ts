// Slots: elements that name a personalization, whose offers fill them.
//
// `data-usher-slot` names the personalization, `data-usher-section` in it marks the variant of a section (a `<template>`, or
// an element with `hidden`), `data-usher-text` and `data-usher-attr` bind values, `data-usher-html` markup.

import { REVERTS_MAX } from "../limits.ts";
import { nameOf, slotsOf, STATE } from "../slots.ts";
import type { Decision, Offer, RenderReport, SlotState } from "../types.ts";
import { adding, attributeChange, hiding, textChange, textIn, type Change } from "./changes.ts";
import { textOf } from "./format.ts";
import { attributeOf, setMarkup, type Trust } from "./sinks.ts";

export interface Slots {
  render(decision: Decision, root: ParentNode): RenderReport;
  /** Takes back what any slot shows. */
  restore(): void;
}

interface Shown {
  changes: Change[];
  /** The section and its values, as text. */
  content: string;
  section: string | null;
  observer: MutationObserver;
}

const SECTION = "data-usher-section";

/** @param conflict is told of a slot that the page keeps undoing */
export function makeSlots(trust: Trust, conflict: (report: RenderReport) => void): Slots {
  const shown = new Map<Element, Shown>();

  /** The offer for a slot: of those of its personalization the first that has a variant, else the first. */
  function offerFor(slot: Element, { offers, meta }: Decision): [string, Offer] | undefined {
    const own = Object.entries(offers).filter(([section]) => meta.personalizations?.[section] === nameOf(slot));
    return own.find(([section]) => variantOf(slot, section)) ?? own[0];
  }

  function fill(slot: HTMLElement, section: string, offer: Offer): Change[] {
    const changes: Change[] = [];
    const variant = variantOf(slot, section);
    if (variant) {
      for (const node of [...slot.childNodes]) {
        if (node === variant) continue;
        if (node instanceof HTMLElement && !node.hasAttribute(SECTION)) changes.push(hiding(node));
        else if (node instanceof Text && node.data.trim()) changes.push(textChange(node, ""));
      }
      if (variant instanceof HTMLTemplateElement) {
        const made = [...(slot.ownerDocument.importNode(variant.content, true).childNodes as NodeListOf<ChildNode>)];
        // Filled before it is in the page, so that nothing half done is ever loaded or seen.
        for (const node of made) if (node instanceof Element) bind(node, slot, offer, changes);
        changes.push(adding(slot, made));
        return changes;
      }
      changes.push(attributeChange(variant, "hidden", null));
    }
    bind(variant ?? slot, slot, offer, changes);
    return changes;
  }

  function bind(root: Element, slot: Element, { attributes }: Offer, changes: Change[]) {
    const bound = [...root.querySelectorAll("[data-usher-text],[data-usher-attr],[data-usher-html]")];
    if (root !== slot) bound.unshift(root);
    const value = (name: string | null) => (name !== null && Object.hasOwn(attributes, name) ? attributes[name] : undefined);
    for (const element of bound) {
      if (element.closest("[data-usher-ignore]")) continue;
      const outside = element.closest(`[${SECTION}]`);
      // A variant's own bindings are filled with the variant.
      if (root === slot && outside && slot.contains(outside)) continue;
      for (const pair of (element.getAttribute("data-usher-attr") ?? "").split(";")) {
        const [name = "", from] = pair.split(":").map((part) => part.trim());
        const safe = from ? attributeOf(element, slot, name, value(from), trust) : null;
        if (safe !== null) changes.push(attributeChange(element, name, safe));
      }
      const markup = value(element.getAttribute("data-usher-html"));
      if (typeof markup === "string" && element.childNodes.length === 0 && setMarkup(element, markup, trust)) {
        changes.push(adding(element, [...element.childNodes]));
        continue;
      }
      const source = element.getAttribute("data-usher-text") ?? element.getAttribute("data-usher-html");
      const text = textOf(value(source), element, slot);
      // The content of scripts and styles is no text for people.
      if (text === null || /^(script|style)$/i.test(element.localName)) continue;
      const node = textIn(element);
      changes.push(node ? textChange(node, text) : adding(element, [slot.ownerDocument.createTextNode(text)]));
    }
  }

  function takeBack(slot: Element) {
    const was = shown.get(slot);
    if (!was) return;
    shown.delete(slot);
    was.observer.disconnect();
    for (const change of was.changes.reverse()) change.undo();
  }

  function show(slot: HTMLElement, decision: Decision): [SlotState, string | null] {
    if (slot.getAttribute(STATE) === "conflict") return ["conflict", null];
    const focus = slot.ownerDocument.activeElement;
    if (focus && focus !== slot.ownerDocument.body && slot.contains(focus)) return ["focus", shown.get(slot)?.section ?? null];
    const chosen = offerFor(slot, decision);
    const before = slot.getBoundingClientRect();
    const was = shown.get(slot);
    if (!chosen) {
      takeBack(slot);
      return ["default", null];
    }
    const [section, offer] = chosen;
    const content = JSON.stringify(chosen);
    if (was?.content === content) return ["personalized", section];
    takeBack(slot);
    const changes = fill(slot, section, offer);
    // Visible content does not move: a slot of another size comes too late, unless it is below the visible part.
    const after = slot.getBoundingClientRect();
    const moves = Math.abs(after.height - before.height) > 0.5 || Math.abs(after.width - before.width) > 0.5;
    if (!was && moves && wasPainted() && before.top < innerHeight && slot.getAttribute("data-usher-late") !== "swap") {
      for (const change of changes.reverse()) change.undo();
      return ["late", null];
    }
    let reverts = 0;
    const observer = new MutationObserver(() => {
      const now = shown.get(slot)!;
      if (now.changes.every((change) => change.holds())) return;
      for (const change of now.changes.reverse()) change.undo();
      if (++reverts > REVERTS_MAX) {
        now.changes = [];
        takeBack(slot);
        slot.setAttribute(STATE, "conflict");
        conflict([{ slot: nameOf(slot), section, state: "conflict", element: slot }]);
        return;
      }
      now.changes = fill(slot, section, offer);
      observer.takeRecords();
    });
    shown.set(slot, { changes, content, section, observer });
    observer.observe(slot, { childList: true, subtree: true, characterData: true, attributes: true });
    return ["personalized", section];
  }

  return {
    render(decision, root) {
      for (const slot of shown.keys()) if (!slot.isConnected) takeBack(slot);
      return slotsOf(root).map((element) => {
        const [state, section] = show(element, decision);
        element.setAttribute(STATE, state);
        shown.get(element)?.observer.takeRecords();
        return { slot: nameOf(element), section, state, element };
      });
    },
    restore() {
      for (const slot of [...shown.keys()]) {
        takeBack(slot);
        slot.setAttribute(STATE, "default");
      }
    },
  };
}

/** The element that stands for a section in a slot. */
function variantOf(slot: Element, section: string): HTMLElement | undefined {
  const own = (element: HTMLElement) => element.parentElement === slot && element.getAttribute(SECTION) === section;
  return ([...slot.children] as HTMLElement[]).find(own);
}

/** True once the page has shown something. */
const wasPainted = (): boolean => performance.getEntriesByType("paint").length > 0;
