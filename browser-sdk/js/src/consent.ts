// The visitor's consent, and the browser's own signal for it.

import type { Consent, ConsentState } from "./types.ts";

export interface Consents {
  /** The consent that holds. */
  now(): Consent;
  /** @param isAct true if the page passes on a choice of the visitor, rather than a setting */
  set(consent: ConsentState | Partial<Consent> | undefined, isAct: boolean): void;
}

const PURPOSES = ["analytics", "personalization", "ads"] as const;

/** @param hasGpc true if the browser sends the signal Global Privacy Control */
export function makeConsent(hasGpc: boolean): Consents {
  const said: Consent = { analytics: "pending", personalization: "pending", ads: "pending" };
  let isAct = false;
  return {
    now: () => ({
      analytics: said.analytics,
      personalization: hasGpc && !(isAct && said.personalization === "granted") ? "denied" : said.personalization,
      ads: hasGpc ? "denied" : said.ads,
    }),
    set(consent, act) {
      for (const purpose of PURPOSES) {
        const state = typeof consent === "string" ? consent : consent?.[purpose];
        // Another text than the three grants nothing.
        if (!state) continue;
        said[purpose] = state;
        if (purpose === "personalization") isAct = act;
      }
    },
  };
}
