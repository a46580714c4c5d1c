// The script of the tag: takes the stub's place as `window.usher`, and starts if the tag, or `<meta name="usher">`, has a write key.

import { makeUsher, metaTag } from "./usher.ts";
import { optionsOf } from "./options.ts";

const page = window as any;
const before = page.usher;
if (before?.version) console.warn("usher: started");
else {
  const tag = document.currentScript as HTMLElement | null;
  const usher = makeUsher(tag);
  // The stub stays the same object, because the page may hold it.
  page.usher = Object.assign(before ?? {}, usher);
  if (optionsOf(tag).writeKey || optionsOf(metaTag()).writeKey) void usher.load();
  usher.replay(before?.q ?? []);
  // Verbs that the page took from the stub still work.
  page.usher.q = { push: (call: never) => usher.replay([call]) };
}
