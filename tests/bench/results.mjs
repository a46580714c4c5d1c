// Writes one section of RESULTS.md, and leaves the others as they are.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Replaces the section with this heading, or adds it at the end. */
export function writeSection(heading, text) {
  const file = join(import.meta.dirname, "RESULTS.md");
  const parts = readFileSync(file, "utf8").split(/\n(?=# )/);
  const section = `# ${heading}\n\n${text.trimEnd()}\n`;
  const at = parts.findIndex((part) => part.startsWith(`# ${heading}\n`));
  if (at < 0) parts.push(section);
  else parts[at] = section;
  writeFileSync(file, parts.map((part) => part.trimEnd() + "\n").join("\n"));
}
