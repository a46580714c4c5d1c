// The question for offers: an edge's answer as a decision, and several decisions as one.

import type { Identity } from "./identity.ts";
import type { Settled } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { Decision, Options } from "./types.ts";
import type { Answer, Post } from "./wire.ts";

export interface Answers {
  /** Asks together with the events that wait; a question of its own where there are none. */
  ask(names: string[]): Promise<Decision>;
  /** The token of the newest state that an answer reflects. */
  seen(): string | undefined;
  saw(seen: string | undefined): void;
  /** The head of a question of its own. */
  headers: Record<string, string>;
}

/** An answer without offers. */
export const without = (reason: string): Decision => ({ offers: {}, meta: { engine: "default", reason } });

/** @param token asks the page for an identity token */
export function makeAnswers(options: Settled & Options, post: Post, identity: Identity, token: () => unknown, outbox: () => Outbox | null): Answers {
  /** A token of the newest state that was seen. */
  let seen: string | undefined;

  function decisionOf(answer: Answer | null, name?: string): Decision {
    if (!answer) return without("network");
    const { offers, meta } = answer.json ?? {};
    if (answer.status !== 200 || typeof offers !== "object" || !offers) return without("refused");
    seen = answer.seen ?? seen;
    const personalizations = name ? Object.fromEntries(Object.keys(offers).map((section) => [section, name])) : meta?.personalizations;
    return { offers, meta: { ...meta, engine: "edge", personalizations } };
  }

  const headers = { authorization: `TD1 ${options.writeKey}`, "wp13n-token": options.token!, "content-type": "application/json" };
  return {
    async ask(names) {
      const box = outbox();
      const together = await box?.delivery.ask(names);
      if (together !== undefined) return decisionOf(together);
      // The answer should reflect events that are under way.
      await box?.delivery.flush();
      const user = identity.user().id;
      const body = {
        key: { name: options.anonymousIdColumn, value: identity.anonymousId() },
        seen,
        ...(user !== null && { inputs: { [options.userIdColumn]: user }, identity: (await token()) || undefined }),
      };
      const decisions = names.map(async (personalization) => {
        const answer = await post("/v1/personalize", JSON.stringify({ ...body, personalization }), headers);
        if (answer) box?.delivery.note(answer);
        return decisionOf(answer, personalization);
      });
      return (await Promise.all(decisions)).reduce(both);
    },
    seen: () => seen,
    saw: (token) => void (seen = token),
    headers,
  };
}

/** Two answers to parts of one question; the later one counts. */
export function both(a: Decision, b: Decision): Decision {
  const [{ reasons, personalizations, engine }, later] = [a.meta, b.meta];
  if (later.engine === "default" || engine === "default") return later.engine === "default" ? a : b;
  return {
    offers: { ...a.offers, ...b.offers },
    meta: { ...a.meta, ...later, reasons: { ...reasons, ...later.reasons }, personalizations: { ...personalizations, ...later.personalizations } },
  };
}
