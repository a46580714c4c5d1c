// Slots that were really seen: half of them, or of the window, for a second.

import type { RenderReport } from "../types.ts";

export interface Exposures {
  /** Watches what slots show now. */
  watch(report: RenderReport): void;
  /** Counts a slot as seen. */
  see(slot: string): void;
  stop(): void;
}

const SEEN_MS = 1_000;

/** @param seen is told of each slot, with how long it was visible; it decides whether it was told before */
export function makeExposures(seen: (one: RenderReport[number], visible_ms: number) => void): Exposures {
  const watched = new Map<Element, { one: RenderReport[number]; timer?: ReturnType<typeof setTimeout> }>();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, intersectionRect: part, boundingClientRect: whole } of entries) {
        const state = watched.get(target);
        if (!state) continue;
        clearTimeout(state.timer);
        const most = Math.min(whole.width * whole.height, innerWidth * innerHeight);
        if (most > 0 && part.width * part.height >= most / 2) state.timer = setTimeout(() => count(target), SEEN_MS);
      }
    },
    // Less than a half counts for what is larger than the window.
    { threshold: [0, 0.2, 0.4, 0.5] },
  );

  function count(element: Element, visible_ms = SEEN_MS) {
    const state = watched.get(element);
    if (!state) return;
    // A hidden page shows nothing.
    if (visible_ms && document.visibilityState !== "visible") {
      state.timer = setTimeout(() => count(element), SEEN_MS);
      return;
    }
    seen(state.one, visible_ms);
    forget(element);
  }
  function forget(element: Element) {
    clearTimeout(watched.get(element)?.timer);
    watched.delete(element);
    observer.unobserve(element);
  }
  return {
    watch(report) {
      for (const one of report) {
        forget(one.element);
        watched.set(one.element, { one });
        observer.observe(one.element);
      }
    },
    see(slot) {
      for (const [element, { one }] of watched) if (one.slot === slot) count(element, 0);
    },
    stop() {
      for (const element of [...watched.keys()]) forget(element);
    },
  };
}
