// Data that nothing reads once panics are silent: their messages, and the tables by which characters are escaped in them, which do
// not pack. wasm-opt cannot know, because it sees numbers and not what they are addresses of.

import { withoutSections } from "./sections.mjs";
import { exportsOf, partsOf } from "./symbols.mjs";

/**
 * The module with zeros in the place of data that only silent functions refer to, and without its relocations, which wasm-opt does
 * not know; the same if the linker left none.
 */
export function withoutUnused(built, isSilent) {
  const parts = partsOf(built);
  if (!parts) return built;
  const used = new Set();
  const open = exportsOf(built).map((index) => parts.functions[index]);
  while (open.length > 0) {
    const part = open.pop();
    if (!part || used.has(part)) continue;
    used.add(part);
    if (!(part.isFunction && isSilent(part.name))) open.push(...part.refersTo);
  }
  const bytes = Buffer.from(built);
  const [kept, dropped] = [parts.data.filter((piece) => used.has(piece)), parts.data.filter((piece) => !used.has(piece))];
  for (const { start, end } of dropped) bytes.fill(0, start, end);
  // Constants may share bytes.
  for (const { start, end } of kept) built.copy(bytes, start, start, end);
  return withoutSections(bytes, (name) => name === "linking" || name.startsWith("reloc."));
}
