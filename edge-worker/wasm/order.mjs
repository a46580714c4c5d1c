// The order of a module's functions. gzip finds what repeats within 32 KB: functions that are alike stand side by side, which
// makes the packed module 3 % smaller. A call names its function by number, so what is called most keeps the first ones.

import { sectionOf } from "./sections.mjs";

/** The numbers that take one byte. */
const SHORT_NUMBERS = 128;
/** Code is compared by pieces of so many bytes. */
const PIECE_BYTES = 5;
/** Pieces that so many functions share, or more, tell nothing about likeness. */
const COMMON_FROM = 200;
/** A function is placed by its likeness to so many before it. */
const LOOK_BACK = 8;

/** The module with names of its functions that sort as they should stand. It has no names. */
export function withOrder(wasm) {
  const functions = bodies(wasm);
  const rest = functions.map((_, index) => index).slice(SHORT_NUMBERS);
  const order = [...functions.keys()].slice(0, SHORT_NUMBERS).concat(byLikeness(functions, rest));
  const places = new Array(functions.length);
  order.forEach((index, place) => (places[index] = String(place).padStart(6, "0")));
  const imported = importsOf(wasm);
  const names = places.map((name, index) => [...leb(imported + index), name.length, ...Buffer.from(name)]).flat();
  const map = [...leb(places.length), ...names];
  const content = [4, ...Buffer.from("name"), 1, ...leb(map.length), ...map];
  return Buffer.concat([wasm, Buffer.from([0, ...leb(content.length), ...content])]);
}

/** The largest first, then always the one that shares the most, for its size, with those before it. */
function byLikeness(functions, indexes) {
  const pieces = new Map(indexes.map((index) => [index, piecesOf(functions[index])]));
  const holders = new Map();
  for (const [index, own] of pieces) for (const piece of own) holders.set(piece, [...(holders.get(piece) ?? []), index]);
  for (const [index, own] of pieces) {
    pieces.set(index, own.filter((piece) => holders.get(piece).length > 1 && holders.get(piece).length < COMMON_FROM));
  }
  const left = new Set([...indexes].sort((a, b) => functions[b].length - functions[a].length));
  const order = [];
  while (left.size > 0) {
    const scores = new Map();
    order.slice(-LOOK_BACK).reverse().forEach((before, distance) => {
      for (const piece of pieces.get(before)) {
        const score = 1 / (1 + 0.6 * distance) / holders.get(piece).length;
        for (const index of holders.get(piece)) if (left.has(index)) scores.set(index, (scores.get(index) ?? 0) + score);
      }
    });
    let [next, highest] = [left.values().next().value, 0];
    for (const [index, score] of scores) {
      const likeness = score / (pieces.get(index).length + 15) ** 0.7;
      if (likeness > highest) [next, highest] = [index, likeness];
    }
    left.delete(next);
    order.push(next);
  }
  return order;
}

function piecesOf(code) {
  const pieces = new Set();
  for (let at = 0; at + PIECE_BYTES <= code.length; at++) pieces.add(code.readUIntBE(at, PIECE_BYTES));
  return [...pieces];
}

/** The functions of a module, each with its length. */
function bodies(wasm) {
  const found = [];
  const cursor = sectionOf(wasm, 10);
  for (let left = cursor.number(); left > 0; left--) {
    const start = cursor.at;
    const length = cursor.number();
    cursor.at += length;
    found.push(wasm.subarray(start, cursor.at));
  }
  return found;
}

/** The number of functions that a module imports, all of it that wasm-bindgen and the service import. */
function importsOf(wasm) {
  const cursor = sectionOf(wasm, 2, null);
  let count = 0;
  for (let left = cursor?.number() ?? 0; left > 0; left--) {
    // Two names, each behind its length.
    for (let name = 0; name < 2; name++) {
      const length = cursor.number();
      cursor.at += length;
    }
    if (cursor.bytes[cursor.at++] !== 0) throw new Error("a module imports something that is no function");
    cursor.number();
    count += 1;
  }
  return count;
}

function leb(value) {
  const bytes = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}
