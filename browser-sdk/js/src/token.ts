// The visitor's identity token. The page is asked for it each time, and nothing keeps it.

import { IDENTITY_MS } from "./limits.ts";
import type { Options } from "./types.ts";

export interface Token {
  /** The token, or a promise of it that does not fail. What the page throws, or leaves open, is none. */
  ask(): unknown;
  /** An edge did not take the last one; the page is told when it is asked again. */
  refused(why: string): void;
}

export function makeToken(identity: Options["identity"]): Token {
  let refused: string | undefined;
  return {
    ask() {
      try {
        const token = identity?.(refused ? { refused } : {});
        refused = undefined;
        return token instanceof Promise ? Promise.race([token.catch(() => null), new Promise((done) => setTimeout(done, IDENTITY_MS))]) : token;
      } catch {
        return null;
      }
    },
    refused: (why) => void (refused = why),
  };
}
