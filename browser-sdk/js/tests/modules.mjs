// The modules of the SDK, as `build.mjs --modules` makes them, for tests in node.

import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../../..");
const folder = resolve(root, process.env.USHER_TEST_SDK || "target/sdk/modules");

export const module = (name) => import(pathToFileURL(join(folder, `${name}.mjs`)));

/** Numbers from 0 to 1 that are the same for the same seed. */
export function randomOf(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
