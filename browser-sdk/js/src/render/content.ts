// The content of slots, and whether it was seen: a file of its own, for pages that have slots.

import type { Store } from "../store.ts";
import type { Columns, Consent, Decision, Options, RenderReport } from "../types.ts";
import { makeExposures } from "./exposure.ts";
import { makeSlots } from "./slots.ts";

export interface Content {
  /** Shows a decision in the slots of a part of the page. */
  render(decision: Decision, root: ParentNode): RenderReport;
  /** Takes back what any slot shows. */
  restore(): void;
  /** Counts a slot as seen. */
  see(slot: string): void;
  /** Counts nothing as seen that was shown before. */
  stop(): void;
}

/** The parts of the SDK that content needs. */
export interface Around {
  prefix: string;
  /** The storage of this tab. */
  session: Store;
  allows(purpose: keyof Consent): boolean;
  emit(event: string, table: undefined, properties: Columns, more: Columns): unknown;
  report(shown: RenderReport): unknown;
  /** The decision that slots show. */
  last(): Decision | null;
}

export function makeContent(options: Options, { prefix, session, allows, emit, report, last }: Around): Content {
  const slots = makeSlots({ hosts: options.hosts ?? [], sanitize: options.sanitize }, report);
  const exposures = makeExposures(({ slot, section, state }, visible_ms) => {
    const { reasons, bundle = null } = last()?.meta ?? {};
    const key = `${prefix}x:${slot}:${section}:${bundle}`;
    if (session.get(key)) return;
    if (allows("analytics")) session.set(key, "1");
    const reason = reasons?.[section!] ?? state.toUpperCase();
    emit("Personalization Exposed", undefined, { personalization: slot, section, reason, bundle, visible_ms }, {});
  });
  return {
    render(decision, root) {
      const shown = slots.render(decision, root);
      exposures.watch(shown);
      return shown;
    },
    restore: slots.restore,
    see: exposures.see,
    stop: exposures.stop,
  };
}
