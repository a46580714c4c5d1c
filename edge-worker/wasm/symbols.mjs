// The symbols and relocations that a linker leaves in a module (`--emit-relocs`): what every function and every piece of data
// refers to. https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md

import { customSection, dataOf, sectionOf } from "./sections.mjs";

const FUNCTION = 0;
const DATA = 1;
const [UNDEFINED, NAMED] = [0x10, 0x40];
/** The part of the section `linking` with the symbols. */
const SYMBOLS = 8;
/** A relocation that names a type, which is no symbol. */
const OF_TYPE = 6;
/** Relocations with an addend: those of addresses in memory, in functions and in sections. */
const WITH_ADDEND = new Set([3, 4, 5, 8, 9, 11, 14, 15, 16, 17, 21, 22, 23]);

/**
 * What a module consists of: functions by their numbers, and data. Each has `name`, `refersTo` (functions and data), and `isFunction`;
 * data have `start` and `end`, their positions in the file. Undefined: the linker left no relocations.
 */
export function partsOf(bytes) {
  const linking = customSection(bytes, "linking");
  if (!linking || !customSection(bytes, "reloc.CODE")) return undefined;
  const segments = dataOf(bytes);
  const functions = [];
  const data = [];
  const symbols = symbolsOf(linking).map(({ kind, name, index, segment, offset, size }) => {
    if (kind === FUNCTION) return (functions[index] ??= { name, isFunction: true, refersTo: [] });
    if (kind !== DATA || segment === undefined) return undefined;
    const start = segments[segment].start + offset;
    data.push({ name, isFunction: false, refersTo: [], start, end: start + size });
    return data.at(-1);
  });
  const bodies = bodiesOf(bytes);
  const code = sectionOf(bytes, 10).at;
  for (const { at, index } of relocationsOf(customSection(bytes, "reloc.CODE"))) {
    const found = bodies.findIndex(({ start, end }) => start <= code + at && code + at < end);
    if (symbols[index]) functions[found].refersTo.push(symbols[index]);
  }
  const content = sectionOf(bytes, 11).at;
  for (const { at, index } of relocationsOf(customSection(bytes, "reloc.DATA"))) {
    // Constants may share bytes.
    for (const piece of data) if (piece.start <= content + at && content + at < piece.end) piece.refersTo.push(symbols[index]);
  }
  return { functions, data };
}

/** The functions that a module exports, by their numbers. */
export function exportsOf(bytes) {
  const cursor = sectionOf(bytes, 7);
  const found = [];
  for (let left = cursor.number(); left > 0; left--) {
    cursor.text();
    const kind = cursor.bytes[cursor.at++];
    const index = cursor.number();
    if (kind === 0) found.push(index);
  }
  return found;
}

function symbolsOf({ cursor, end }) {
  // The version.
  cursor.number();
  while (cursor.at < end) {
    const part = cursor.bytes[cursor.at++];
    const size = cursor.number();
    if (part === SYMBOLS) return Array.from({ length: cursor.number() }, () => symbol(cursor));
    cursor.at += size;
  }
  throw new Error("a module without symbols");
}

function symbol(cursor) {
  const kind = cursor.bytes[cursor.at++];
  const flags = cursor.number();
  const isDefined = (flags & UNDEFINED) === 0;
  if (kind === DATA) {
    const name = cursor.text();
    return isDefined ? { kind, name, segment: cursor.number(), offset: cursor.number(), size: cursor.number() } : { kind, name };
  }
  const index = cursor.number();
  // A section has a number and no name.
  const hasName = kind !== 3 && (isDefined || (flags & NAMED) !== 0);
  return { kind, index, name: hasName ? cursor.text() : "" };
}

/** Positions from the start of their section, each with the number of its symbol. */
function relocationsOf(section) {
  if (!section) return [];
  const { cursor } = section;
  // The section to which they belong.
  cursor.number();
  const read = () => {
    const type = cursor.bytes[cursor.at++];
    const [at, index] = [cursor.number(), cursor.number()];
    // As LEB128: the sign does not matter to a reader that skips it.
    if (WITH_ADDEND.has(type)) cursor.number();
    return { type, at, index };
  };
  return Array.from({ length: cursor.number() }, read).filter(({ type }) => type !== OF_TYPE);
}

function bodiesOf(bytes) {
  const cursor = sectionOf(bytes, 10);
  return Array.from({ length: cursor.number() }, () => {
    const length = cursor.number();
    const start = cursor.at;
    cursor.at += length;
    return { start, end: cursor.at };
  });
}
