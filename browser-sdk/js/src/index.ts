// `@usher/browser`. Nothing happens at import; without a page every verb answers and does nothing.

import type { Usher } from "./types.ts";
import { makeUsher } from "./usher.ts";

export type * from "./types.ts";

/** The SDK of this page. */
export const usher: Usher = makeUsher(null);
